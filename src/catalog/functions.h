#pragma once
// SQL functions as securables: made with CREATE FUNCTION on the schema, seen and run with EXECUTE. Queries expand them (the SQL room). Source: REST
// API reference "Functions".
#include "catalog/core.h"

namespace tarn::catalog {

class Functions {
 public:
  explicit Functions(const Core& core) : core_(core) {}

  /// `info`: the request's function_info. invalid names the field that is missing or not one of its values.
  Result<json::value> create(const access::Context& ctx, const json::value& info);
  /// CREATE [OR REPLACE] FUNCTION; as Catalog::create_function.
  Result<void> define(const access::Context& ctx, const NewFunction& function, bool replace);
  /// As Catalog::function. Not audited by itself: the statement is.
  Result<FunctionInfo> executable(const access::Context& ctx, std::string_view full_name) const;
  Result<json::value> get(const access::Context& ctx, std::string_view full_name, bool browse);
  Result<Page<json::value>> list(const access::Context& ctx, std::string_view catalog, std::string_view schema, const PageRequest& page, bool browse);
  /// Only the owner can be changed.
  Result<json::value> set_owner(const access::Context& ctx, std::string_view full_name, const std::optional<std::string>& owner);
  Result<void> remove(const access::Context& ctx, std::string_view full_name);

 private:
  json::value shown(const Place& place) const;
  const Core& core_;
};

}  // namespace tarn::catalog
