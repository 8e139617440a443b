#pragma once
// JSON over HTTP as both forges speak it.
#include "base/json.h"
#include "base/json_read.h"
#include "review/forge.h"
#include "review/http.h"

namespace tarn::review {

class ForgeHttp {
 public:
  ForgeHttp(std::string base, std::string ca_file, std::string authorization)
      : base_(std::move(base)), ca_file_(std::move(ca_file)), authorization_(std::move(authorization)) {}

  /// `path` begins with a slash and is encoded. An empty answer is {}.
  ForgeResult<json::value> call(const std::string& method, const std::string& path, const std::optional<json::value>& body = {}) const;
  /// All pages of a list, at most 50: `path` with `?page=N&limit=50`-like parameters added by `paging`.
  ForgeResult<json::array> list(const std::string& path, std::string_view size_parameter) const;

 private:
  std::string base_, ca_file_, authorization_;
};

inline std::int64_t number_at(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = json::find(v, path);
  return found && found->is_int64() ? found->as_int64() : 0;
}
inline bool flag_at(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = json::find(v, path);
  return found && found->is_bool() && found->as_bool();
}

}  // namespace tarn::review
