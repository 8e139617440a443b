#pragma once
// What the catalog keeps in the store. A record is what the wire shows of a securable (`info`; names and locations of parents are filled
// in when it is read) beside who may do what with it. Children are keyed under their parent's id, so a rename touches one record.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "store/store.h"

namespace tarn::catalog {

/// Whom an owner or a grant means. Account principals are kept by id (a rename keeps the grant, a namesake does not inherit it);
/// the others are sets that the vendor defines by rule.
enum class PrincipalKind { account, account_users, workspace_admins, workspace_users, system };
BOOST_DESCRIBE_ENUM(PrincipalKind, account, account_users, workspace_admins, workspace_users, system)

struct Principal {
  PrincipalKind kind = PrincipalKind::account;
  std::int64_t id = 0;  // the principal's, or for workspace_* the workspace's
  std::string name;     // as it was called when it was named here
  bool same(const Principal& o) const { return kind == o.kind && id == o.id; }
};
BOOST_DESCRIBE_STRUCT(Principal, (), (kind, id, name))

struct Grant {
  Principal principal;
  std::vector<Privilege> privileges;
};
BOOST_DESCRIBE_STRUCT(Grant, (), (principal, privileges))

struct Access {
  Principal owner;
  std::vector<Grant> grants;
};
BOOST_DESCRIBE_STRUCT(Access, (), (owner, grants))

enum class BindingType { BINDING_TYPE_READ_WRITE, BINDING_TYPE_READ_ONLY };
BOOST_DESCRIBE_ENUM(BindingType, BINDING_TYPE_READ_WRITE, BINDING_TYPE_READ_ONLY)
struct Binding {
  std::int64_t workspace_id = 0;
  std::optional<BindingType> binding_type;  // read-write when absent
};
BOOST_DESCRIBE_STRUCT(Binding, (), (workspace_id, binding_type))

/// Where a securable may be used from.
struct Isolation {
  bool isolated = false;
  std::vector<Binding> bindings;
};
BOOST_DESCRIBE_STRUCT(Isolation, (), (isolated, bindings))

struct Stamps {
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
};

enum class DeltaSharingScope { INTERNAL, INTERNAL_AND_EXTERNAL };
BOOST_DESCRIBE_ENUM(DeltaSharingScope, INTERNAL, INTERNAL_AND_EXTERNAL)

struct MetastoreInfo {
  std::string metastore_id, name, region, cloud = "aws", owner, global_metastore_id, privilege_model_version = "1.0";
  std::optional<std::string> storage_root, storage_root_credential_id, storage_root_credential_name, default_data_access_config_id;
  std::optional<DeltaSharingScope> delta_sharing_scope;
  std::optional<std::int64_t> delta_sharing_recipient_token_lifetime_in_seconds;
  std::optional<std::string> delta_sharing_organization_name;
  bool external_access_enabled = false;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
};
BOOST_DESCRIBE_STRUCT(MetastoreInfo, (),
                      (metastore_id, name, region, cloud, owner, global_metastore_id, privilege_model_version, storage_root,
                       storage_root_credential_id, storage_root_credential_name, default_data_access_config_id, delta_sharing_scope,
                       delta_sharing_recipient_token_lifetime_in_seconds, delta_sharing_organization_name, external_access_enabled, created_at,
                       updated_at, created_by, updated_by))

struct MetastoreRecord {
  MetastoreInfo info;
  Access access;
  bool appeared = false;  // made by the platform for the first workspace of a region (sharp edge 3)
  std::string store_key() const { return info.metastore_id; }
  std::vector<store::IndexEntry> store_indexes() const { return {{"region", info.region, true}, {"name", info.name, true}}; }
};
BOOST_DESCRIBE_STRUCT(MetastoreRecord, (), (info, access, appeared))

/// A workspace's metastore (wire: MetastoreAssignment).
struct Assignment {
  std::int64_t workspace_id = 0;
  std::string metastore_id;
  std::optional<std::string> default_catalog_name;
  std::string store_key() const { return store::sortable(workspace_id); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"metastore", metastore_id}}; }
};
BOOST_DESCRIBE_STRUCT(Assignment, (), (workspace_id, metastore_id, default_catalog_name))

enum class IsolationMode { ISOLATION_MODE_OPEN, ISOLATION_MODE_ISOLATED };
BOOST_DESCRIBE_ENUM(IsolationMode, ISOLATION_MODE_OPEN, ISOLATION_MODE_ISOLATED)

struct AwsIamRole {
  std::string role_arn;
  std::optional<std::string> unity_catalog_iam_arn, external_id;
};
BOOST_DESCRIBE_STRUCT(AwsIamRole, (), (role_arn, unity_catalog_iam_arn, external_id))

struct CredentialInfo {
  std::string id, name, full_name, owner, metastore_id;
  std::optional<AwsIamRole> aws_iam_role;
  std::optional<std::string> comment;
  bool read_only = false, used_for_managed_storage = false;
  IsolationMode isolation_mode = IsolationMode::ISOLATION_MODE_OPEN;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
};
BOOST_DESCRIBE_STRUCT(CredentialInfo, (),
                      (id, name, full_name, owner, metastore_id, aws_iam_role, comment, read_only, used_for_managed_storage, isolation_mode,
                       created_at, updated_at, created_by, updated_by))

struct CredentialRecord {
  CredentialInfo info;
  Access access;
  Isolation isolation;
  std::string store_key() const { return store::key({info.metastore_id, info.name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", info.id, true}}; }
};
BOOST_DESCRIBE_STRUCT(CredentialRecord, (), (info, access, isolation))

struct LocationInfo {
  std::string id, name, url, credential_name, credential_id, owner, metastore_id;
  std::optional<std::string> comment;
  bool read_only = false, fallback = false;
  std::optional<bool> enable_file_events, browse_only;
  IsolationMode isolation_mode = IsolationMode::ISOLATION_MODE_OPEN;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
};
BOOST_DESCRIBE_STRUCT(LocationInfo, (),
                      (id, name, url, credential_name, credential_id, owner, metastore_id, comment, read_only, fallback, enable_file_events,
                       browse_only, isolation_mode, created_at, updated_at, created_by, updated_by))

struct LocationRecord {
  LocationInfo info;
  Access access;
  Isolation isolation;
  std::string store_key() const { return store::key({info.metastore_id, info.name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", info.id, true}, {"credential", info.credential_id}}; }
};
BOOST_DESCRIBE_STRUCT(LocationRecord, (), (info, access, isolation))

enum class CatalogType { MANAGED_CATALOG, SYSTEM_CATALOG };
BOOST_DESCRIBE_ENUM(CatalogType, MANAGED_CATALOG, SYSTEM_CATALOG)
enum class CatalogIsolation { OPEN, ISOLATED };
BOOST_DESCRIBE_ENUM(CatalogIsolation, OPEN, ISOLATED)
enum class Optimization { DISABLE, ENABLE, INHERIT };
BOOST_DESCRIBE_ENUM(Optimization, DISABLE, ENABLE, INHERIT)

struct CatalogInfo {
  std::string id, name, full_name, owner, metastore_id, securable_type = "CATALOG";
  CatalogType catalog_type = CatalogType::MANAGED_CATALOG;
  CatalogIsolation isolation_mode = CatalogIsolation::OPEN;
  std::optional<std::string> comment, storage_root, storage_location;
  std::optional<Optimization> enable_predictive_optimization;
  std::map<std::string, std::string> properties, options;
  std::optional<bool> browse_only;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
};
BOOST_DESCRIBE_STRUCT(CatalogInfo, (),
                      (id, name, full_name, owner, metastore_id, securable_type, catalog_type, isolation_mode, comment, storage_root,
                       storage_location, enable_predictive_optimization, properties, options, browse_only, created_at, updated_at, created_by,
                       updated_by))

struct CatalogRecord {
  CatalogInfo info;
  Access access;
  Isolation isolation;
  std::string store_key() const { return store::key({info.metastore_id, info.name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", info.id, true}}; }
};
BOOST_DESCRIBE_STRUCT(CatalogRecord, (), (info, access, isolation))

struct SchemaInfo {
  std::string schema_id, name, catalog_name, full_name, owner, metastore_id;
  CatalogType catalog_type = CatalogType::MANAGED_CATALOG;
  std::optional<std::string> comment, storage_root, storage_location;
  std::optional<Optimization> enable_predictive_optimization;
  std::map<std::string, std::string> properties;
  std::optional<bool> browse_only;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
};
BOOST_DESCRIBE_STRUCT(SchemaInfo, (),
                      (schema_id, name, catalog_name, full_name, owner, metastore_id, catalog_type, comment, storage_root, storage_location,
                       enable_predictive_optimization, properties, browse_only, created_at, updated_at, created_by, updated_by))

struct SchemaRecord {
  SchemaInfo info;
  std::string catalog_id;
  Access access;
  std::string store_key() const { return store::key({catalog_id, info.name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", info.schema_id, true}}; }
};
BOOST_DESCRIBE_STRUCT(SchemaRecord, (), (info, catalog_id, access))

struct TableRecord {
  TableInfo info;
  std::string catalog_id, schema_id;
  Access access;
  std::string store_key() const { return store::key({schema_id, info.name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", info.table_id, true}}; }
};
BOOST_DESCRIBE_STRUCT(TableRecord, (), (info, catalog_id, schema_id, access))

enum class VolumeType { MANAGED, EXTERNAL };
BOOST_DESCRIBE_ENUM(VolumeType, MANAGED, EXTERNAL)
struct VolumeInfo {
  std::string volume_id, name, catalog_name, schema_name, full_name, owner, metastore_id, storage_location;
  VolumeType volume_type = VolumeType::MANAGED;
  std::optional<std::string> comment;
  std::optional<bool> browse_only;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
};
BOOST_DESCRIBE_STRUCT(VolumeInfo, (),
                      (volume_id, name, catalog_name, schema_name, full_name, owner, metastore_id, storage_location, volume_type, comment,
                       browse_only, created_at, updated_at, created_by, updated_by))

struct VolumeRecord {
  VolumeInfo info;
  std::string catalog_id, schema_id;
  Access access;
  std::string store_key() const { return store::key({schema_id, info.name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", info.volume_id, true}}; }
};
BOOST_DESCRIBE_STRUCT(VolumeRecord, (), (info, catalog_id, schema_id, access))

/// A storage prefix that something holds. Keyed by the path with a closing slash, so that an overlap is a prefix scan or a few exact ones.
enum class ClaimKind { external_location, managed_root, table, volume };
BOOST_DESCRIBE_ENUM(ClaimKind, external_location, managed_root, table, volume)
struct Claim {
  std::string metastore_id, path;  // path: s3://bucket/a/b/
  ClaimKind kind = ClaimKind::table;
  std::string id;  // of the holder
  std::string store_key() const { return store::key({metastore_id, path, id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"holder", id}}; }
};
BOOST_DESCRIBE_STRUCT(Claim, (), (metastore_id, path, kind, id))

/// Storage of a dropped managed table or volume that waits for its removal.
struct Removal {
  std::string id, url;
  Millis due_at = 0;
  std::string store_key() const { return store::key({store::sortable(due_at), id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(Removal, (), (id, url, due_at))

/// One edge of one statement; an edge without target is a read, without source a write of new data.
struct LineageEdgeRecord {
  std::string metastore_id, id, statement_id, entity_type, created_by;
  std::string source_table, source_column, target_table, target_column;
  std::optional<std::int64_t> workspace_id;
  Millis event_time = 0;
  bool column_level() const { return !source_column.empty() || !target_column.empty(); }
  std::string store_key() const { return store::key({metastore_id, column_level() ? "c" : "t", store::sortable(event_time), id}); }
  std::vector<store::IndexEntry> store_indexes() const {
    return {{column_level() ? "column_source" : "source", store::key({metastore_id, source_table})},
            {column_level() ? "column_target" : "target", store::key({metastore_id, target_table})}};
  }
};
BOOST_DESCRIBE_STRUCT(LineageEdgeRecord, (),
                      (metastore_id, id, statement_id, entity_type, created_by, source_table, source_column, target_table, target_column,
                       workspace_id, event_time))

inline constexpr store::Collection<MetastoreRecord> kMetastores{"uc_metastore"};
inline constexpr store::Collection<Assignment> kAssignments{"uc_assignment"};
inline constexpr store::Collection<CredentialRecord> kCredentials{"uc_credential"};
inline constexpr store::Collection<LocationRecord> kLocations{"uc_location"};
inline constexpr store::Collection<CatalogRecord> kCatalogs{"uc_catalog"};
inline constexpr store::Collection<SchemaRecord> kSchemas{"uc_schema"};
inline constexpr store::Collection<TableRecord> kTables{"uc_table"};
inline constexpr store::Collection<VolumeRecord> kVolumes{"uc_volume"};
inline constexpr store::Collection<Claim> kClaims{"uc_claim"};
inline constexpr store::Collection<Removal> kRemovals{"uc_removal"};
inline constexpr store::Collection<LineageEdgeRecord> kLineage{"uc_lineage"};

}  // namespace tarn::catalog
