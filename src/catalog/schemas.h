#pragma once
// Schemas: the second level of the namespace. Source: REST API reference, "Schemas".
#include "catalog/core.h"

namespace tarn::catalog {

struct NewSchema {
  std::string name, catalog_name;
  std::optional<std::string> comment, storage_root;
  std::map<std::string, std::string> properties;
};
BOOST_DESCRIBE_STRUCT(NewSchema, (), (name, catalog_name, comment, storage_root, properties))

struct SchemaChange {
  std::optional<std::string> new_name, owner;
  json::Patch<std::string> comment;
  std::optional<Optimization> enable_predictive_optimization;
  std::optional<std::map<std::string, std::string>> properties;
};
BOOST_DESCRIBE_STRUCT(SchemaChange, (), (new_name, owner, comment, enable_predictive_optimization, properties))

class Schemas {
 public:
  explicit Schemas(const Core& core) : core_(core) {}

  /// Needs USE CATALOG and CREATE SCHEMA on the catalog; with a storage root, CREATE MANAGED STORAGE on the location that it lies in.
  Result<SchemaInfo> create(const access::Context& ctx, const NewSchema& request, bool if_not_exists = false);
  Result<SchemaInfo> get(const access::Context& ctx, std::string_view full_name, bool browse);
  Result<Page<SchemaInfo>> list(const access::Context& ctx, std::string_view catalog, const PageRequest& page, bool browse);
  Result<SchemaInfo> update(const access::Context& ctx, std::string_view full_name, const SchemaChange& change);
  /// not_empty without `force`.
  Result<void> remove(const access::Context& ctx, std::string_view full_name, bool force, bool if_exists = false);

 private:
  const Core& core_;
};

}  // namespace tarn::catalog
