#pragma once
// Catalogs: the first level of the namespace. Source: REST API reference, "Catalogs".
#include "catalog/core.h"

namespace tarn::catalog {

struct NewCatalog {
  std::string name;
  std::optional<std::string> comment, storage_root, provider_name, share_name, connection_name;
  std::map<std::string, std::string> properties, options;
};
BOOST_DESCRIBE_STRUCT(NewCatalog, (), (name, comment, storage_root, provider_name, share_name, connection_name, properties, options))

struct CatalogChange {
  std::optional<std::string> new_name, owner;
  json::Patch<std::string> comment;
  std::optional<CatalogIsolation> isolation_mode;
  std::optional<Optimization> enable_predictive_optimization;
  std::optional<std::map<std::string, std::string>> properties, options;
};
BOOST_DESCRIBE_STRUCT(CatalogChange, (), (new_name, owner, comment, isolation_mode, enable_predictive_optimization, properties, options))

class Catalogs {
 public:
  explicit Catalogs(const Core& core) : core_(core) {}

  /// Needs CREATE CATALOG on the metastore; with a storage root, CREATE MANAGED STORAGE on the external location that it lies in. Brings a
  /// schema `default` and an information_schema. already_exists (unless `if_not_exists`), invalid, location_overlap, not_enabled.
  Result<CatalogInfo> create(const access::Context& ctx, const NewCatalog& request, bool if_not_exists = false);
  Result<CatalogInfo> get(const access::Context& ctx, std::string_view name, bool browse);
  Result<Page<CatalogInfo>> list(const access::Context& ctx, const PageRequest& page, bool browse);
  Result<CatalogInfo> update(const access::Context& ctx, std::string_view name, const CatalogChange& change);
  /// not_empty without `force` while it holds anything but an empty `default`.
  Result<void> remove(const access::Context& ctx, std::string_view name, bool force, bool if_exists = false);

 private:
  const Core& core_;
};

/// Checks a root for managed storage: inside an external location with CREATE MANAGED STORAGE, overlapping no external table or volume.
Result<void> check_storage_root(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url, std::string_view call);

}  // namespace tarn::catalog
