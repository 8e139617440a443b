#pragma once
// Metastores and their assignment to workspaces: one metastore per region (a hard limit), one metastore per workspace. Account admins make,
// assign and delete them; a metastore's owner (its admin) governs what is in it. Also what provisioning does to a fresh region: the default
// metastore that appears with the first workspace and takes the region's only place.
// Source: REST API reference, account "Metastores" and "Metastore assignments", workspace "Metastores".
#include "catalog/core.h"

namespace tarn::catalog {

struct NewMetastore {
  std::string name;
  std::optional<std::string> region, storage_root;
  std::optional<bool> external_access_enabled;
};
BOOST_DESCRIBE_STRUCT(NewMetastore, (), (name, region, storage_root, external_access_enabled))

struct MetastoreChange {
  std::optional<std::string> new_name, owner, storage_root_credential_id, privilege_model_version, delta_sharing_organization_name;
  std::optional<DeltaSharingScope> delta_sharing_scope;
  std::optional<std::int64_t> delta_sharing_recipient_token_lifetime_in_seconds;
  std::optional<bool> external_access_enabled;
};
BOOST_DESCRIBE_STRUCT(MetastoreChange, (),
                      (new_name, owner, storage_root_credential_id, privilege_model_version, delta_sharing_organization_name, delta_sharing_scope,
                       delta_sharing_recipient_token_lifetime_in_seconds, external_access_enabled))

/// A table of the system catalog whose rows another room makes: system.SCHEMA.NAME.
struct SystemTable {
  std::string schema, name;
  std::vector<std::pair<std::string, std::string>> columns;  // name, type as DDL has it
};

class Metastores final : public account::RegionMetastore {
 public:
  explicit Metastores(const Core& core) : core_(core) {}

  /// Account admins only. limit_reached when the region has one; already_exists for the name; invalid for name, region or root.
  Result<MetastoreInfo> create(const access::Context& ctx, const NewMetastore& request);
  /// Account admins, the metastore's owner and holders of a privilege on it. not_found.
  Result<MetastoreInfo> get(const access::Context& ctx, std::string_view id);
  /// All for account admins; otherwise the workspace's own, if the caller may see it.
  Result<std::vector<MetastoreInfo>> list(const access::Context& ctx);
  /// What every user of the workspace may know of its metastore. no_metastore.
  Result<MetastoreInfo> summary(const access::Context& ctx);
  /// Account admins and the metastore's owner.
  Result<MetastoreInfo> update(const access::Context& ctx, std::string_view id, const MetastoreChange& change);
  /// Account admins and the owner. not_empty without `force` while it holds catalogs, credentials or locations or is assigned.
  Result<void> remove(const access::Context& ctx, std::string_view id, bool force);

  /// Account admins. `replace`: an assignment to another metastore gives way (the workspace API's form); otherwise conflict.
  Result<void> assign(const access::Context& ctx, std::int64_t workspace_id, std::string_view metastore_id,
                      std::optional<std::string> default_catalog, bool replace);
  /// Account admins for the metastore; the workspace's admins for its default catalog.
  Result<void> update_assignment(const access::Context& ctx, std::int64_t workspace_id, std::optional<std::string> metastore_id,
                                 std::optional<std::string> default_catalog);
  Result<void> unassign(const access::Context& ctx, std::int64_t workspace_id, std::string_view metastore_id);
  /// Account admins, or a caller in that workspace. no_metastore.
  Result<Assignment> assignment(const access::Context& ctx, std::int64_t workspace_id);
  /// The workspaces of a metastore, for account admins.
  Result<std::vector<std::int64_t>> workspaces(const access::Context& ctx, std::string_view metastore_id);

  /// At start-up, once: these tables are securables of every metastore from here on, of those there are and of later ones.
  void provide(std::vector<SystemTable> tables);

  void on_workspace_running(store::WriteTxn& txn, std::int64_t workspace_id, std::string_view workspace_name, std::string_view region) override;
  void on_workspace_deleted(store::WriteTxn& txn, std::int64_t workspace_id) override;

 private:
  Result<std::string> region_of(const access::Context& ctx, const NewMetastore& request) const;
  const Core& core_;
  std::vector<SystemTable> provided_;
};

/// A catalog's own records with its `default` and `information_schema`; used by catalogs, and by metastores for workspace and system catalogs.
void insert_catalog(store::WriteTxn& t, const CatalogRecord& catalog, const Access& default_schema, const Principal& creator, Millis now);

/// The system catalog with system.access.{audit,table_lineage,column_lineage}, and what other rooms provide.
void insert_system_catalog(store::WriteTxn& t, const MetastoreRecord& metastore, const std::vector<SystemTable>& more, Millis now);
/// Adds what a metastore's system catalog lacks; false if that is nothing.
bool complete_system_catalog(store::WriteTxn& t, const MetastoreRecord& metastore, const std::vector<SystemTable>& more, Millis now);

}  // namespace tarn::catalog
