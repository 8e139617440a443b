#pragma once
// Unity Catalog as other rooms use it: names resolved, privileges decided, securables changed. The routes use the wider service behind it.
// Default deny. What lies below a catalog or schema that the caller may not use answers the same whether it exists or not. Every method that changes
// something commits with its audit event. Thread-safe; reads come from caches guarded by the store's generation. Sources: Databricks docs "Unity
// Catalog privileges and securable objects", REST API reference /api/2.1/unity-catalog.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/caller.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::catalog {

enum class Errc {
  not_found,
  already_exists,
  permission_denied,
  invalid,
  principal_not_found,
  not_empty,
  limit_reached,
  conflict,
  no_metastore,
  location_overlap,
  not_enabled,
  unsupported,
  storage_unavailable  // a remote store or its token service
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::invalid:
    case Errc::unsupported:
    case Errc::location_overlap:
      return refusals::invalid;
    case Errc::principal_not_found:
      return Refusal{404, "PRINCIPAL_DOES_NOT_EXIST"};
    case Errc::not_empty:
    case Errc::conflict:
    case Errc::limit_reached:
      return refusals::invalid_state;
    case Errc::no_metastore:
      return Refusal{404, "METASTORE_DOES_NOT_EXIST"};
    case Errc::not_enabled:
      return Refusal{403, "FEATURE_DISABLED"};
    case Errc::storage_unavailable:
      return refusals::unavailable;
  }
  return {};
}

/// FUNCTION: SQL functions and registered models alike, which share their names.
enum class SecurableType {
  METASTORE,
  CATALOG,
  SCHEMA,
  TABLE,
  VOLUME,
  FUNCTION,
  STORAGE_CREDENTIAL,
  EXTERNAL_LOCATION,
  CONNECTION,
  SHARE,
  RECIPIENT,
  PROVIDER
};
BOOST_DESCRIBE_ENUM(SecurableType, METASTORE, CATALOG, SCHEMA, TABLE, VOLUME, FUNCTION, STORAGE_CREDENTIAL, EXTERNAL_LOCATION, CONNECTION, SHARE,
                    RECIPIENT, PROVIDER)

/// message: the vendor's text where there is one.
struct Error : RoomError<Errc> {
  std::optional<SecurableType> securable{};  // what does not exist, or exists already: the wire has a code for each
};
template <class T>
using Result = Expected<T, Error>;

/// Privileges by their wire names (USE_CATALOG, SELECT, …); the SQL spelling has blanks for underscores.
enum class Privilege {
  SELECT,
  MODIFY,
  USE_CATALOG,
  USE_SCHEMA,
  CREATE_CATALOG,
  CREATE_SCHEMA,
  CREATE_TABLE,
  CREATE_VIEW,
  CREATE_VOLUME,
  CREATE_FUNCTION,
  CREATE_MODEL,
  CREATE_MODEL_VERSION,
  CREATE_MATERIALIZED_VIEW,
  CREATE_EXTERNAL_LOCATION,
  CREATE_STORAGE_CREDENTIAL,
  CREATE_EXTERNAL_TABLE,
  CREATE_EXTERNAL_VOLUME,
  CREATE_MANAGED_STORAGE,
  CREATE_FOREIGN_CATALOG,
  CREATE_CONNECTION,
  CREATE_SHARE,
  CREATE_RECIPIENT,
  CREATE_PROVIDER,
  CREATE_SERVICE_CREDENTIAL,
  CREATE_CLEAN_ROOM,
  READ_FILES,
  WRITE_FILES,
  READ_VOLUME,
  WRITE_VOLUME,
  EXECUTE,
  APPLY_TAG,
  BROWSE,
  MANAGE,
  ACCESS,
  REFRESH,
  EXTERNAL_USE_SCHEMA,
  EXTERNAL_USE_LOCATION,
  MANAGE_ALLOWLIST,
  USE_CONNECTION,
  USE_SHARE,
  USE_RECIPIENT,
  USE_PROVIDER,
  USE_MARKETPLACE_ASSETS,
  SET_SHARE_PERMISSION,
  ALL_PRIVILEGES
};
BOOST_DESCRIBE_ENUM(Privilege, SELECT, MODIFY, USE_CATALOG, USE_SCHEMA, CREATE_CATALOG, CREATE_SCHEMA, CREATE_TABLE, CREATE_VIEW, CREATE_VOLUME,
                    CREATE_FUNCTION, CREATE_MODEL, CREATE_MODEL_VERSION, CREATE_MATERIALIZED_VIEW, CREATE_EXTERNAL_LOCATION,
                    CREATE_STORAGE_CREDENTIAL, CREATE_EXTERNAL_TABLE, CREATE_EXTERNAL_VOLUME, CREATE_MANAGED_STORAGE, CREATE_FOREIGN_CATALOG,
                    CREATE_CONNECTION, CREATE_SHARE, CREATE_RECIPIENT, CREATE_PROVIDER, CREATE_SERVICE_CREDENTIAL, CREATE_CLEAN_ROOM, READ_FILES,
                    WRITE_FILES, READ_VOLUME, WRITE_VOLUME, EXECUTE, APPLY_TAG, BROWSE, MANAGE, ACCESS, REFRESH, EXTERNAL_USE_SCHEMA,
                    EXTERNAL_USE_LOCATION, MANAGE_ALLOWLIST, USE_CONNECTION, USE_SHARE, USE_RECIPIENT, USE_PROVIDER, USE_MARKETPLACE_ASSETS,
                    SET_SHARE_PERMISSION, ALL_PRIVILEGES)

/// The function that masks a column: a table with one is never vended, reads go through a warehouse. The function takes the column, then
/// the others.
struct ColumnMask {
  std::string function_name;
  std::vector<std::string> using_column_names;
  std::string function_id;  // a namesake that is made later does not inherit
};
BOOST_DESCRIBE_STRUCT(ColumnMask, (), (function_name, using_column_names, function_id))

/// The function that says of a row whether its reader sees it (wire: TableRowFilter).
struct RowFilter {
  std::string function_name;
  std::vector<std::string> input_column_names;
  std::string function_id;
};
BOOST_DESCRIBE_STRUCT(RowFilter, (), (function_name, input_column_names, function_id))

enum class PolicyType { POLICY_TYPE_ROW_FILTER, POLICY_TYPE_COLUMN_MASK };
BOOST_DESCRIBE_ENUM(PolicyType, POLICY_TYPE_ROW_FILTER, POLICY_TYPE_COLUMN_MASK)

/// A condition that columns are looked for by, and what its function calls the column that is found.
struct MatchColumn {
  std::optional<std::string> alias;
  std::string condition;
};
BOOST_DESCRIBE_STRUCT(MatchColumn, (), (alias, condition))

struct PolicyArgument {
  std::optional<std::string> alias, constant;  // one of the two
};
BOOST_DESCRIBE_STRUCT(PolicyArgument, (), (alias, constant))

struct RowFilterOptions {
  std::string function_name;
  std::vector<PolicyArgument> using_;
};
BOOST_DESCRIBE_STRUCT(RowFilterOptions, (), (function_name, using_))

struct ColumnMaskOptions {
  std::string function_name, on_column;
  std::vector<PolicyArgument> using_;
};
BOOST_DESCRIBE_STRUCT(ColumnMaskOptions, (), (function_name, on_column, using_))

/// A policy over tags (wire: PolicyInfo).
struct PolicyInfo {
  std::optional<std::string> id;
  std::string name;
  std::optional<std::string> comment, on_securable_type, on_securable_fullname, for_securable_type, when_condition;
  std::optional<PolicyType> policy_type;
  std::vector<std::string> to_principals, except_principals;
  std::vector<MatchColumn> match_columns;
  std::optional<RowFilterOptions> row_filter;
  std::optional<ColumnMaskOptions> column_mask;
  std::optional<Millis> created_at, updated_at;
  std::optional<std::string> created_by, updated_by;
};
BOOST_DESCRIBE_STRUCT(PolicyInfo, (),
                      (id, name, comment, on_securable_type, on_securable_fullname, for_securable_type, when_condition, policy_type, to_principals,
                       except_principals, match_columns, row_filter, column_mask, created_at, updated_at, created_by, updated_by))

/// What a policy does to a reader of a table: a function over columns and constants that filters its rows, or masks `column`.
struct EffectivePolicy {
  struct Argument {
    bool constant = false;
    std::string text;  // a column's name, or a constant as text
    bool operator==(const Argument&) const = default;
  };
  std::string function_name, function_id, definer;
  std::string column;  // empty: rows
  std::vector<Argument> arguments;
};

/// A SQL function, as queries expand it.
struct FunctionInfo {
  struct Parameter {
    std::string name, type;                    // type: SQL's spelling
    std::optional<std::string> default_value;  // an expression
  };
  std::string full_name, catalog_name, schema_name, name, function_id, owner, returns, body;
  std::vector<Parameter> parameters;
  bool deterministic = true;
  std::optional<std::string> comment;
  bool table = false, reads_data = false;  // table: its body is a query, and it returns rows of `columns`
  std::vector<Parameter> columns{};
};

/// What CREATE FUNCTION says.
struct NewFunction {
  std::string catalog, schema, name, returns, body;
  std::vector<FunctionInfo::Parameter> parameters;
  bool deterministic = true, reads_data = false, table = false;
  std::vector<FunctionInfo::Parameter> columns{};  // of a table
  std::optional<std::string> comment;
};

/// One column as the tables API shows it.
struct ColumnInfo {
  std::string name;
  std::string type_text;  // bigint, decimal(10,2), array<string>
  std::string type_json;  // the Delta/Spark field as JSON text
  std::string type_name;  // LONG, DECIMAL, ARRAY, …
  std::optional<int> type_precision, type_scale;
  int position = 0;
  std::optional<std::string> comment;
  bool nullable = true;
  std::optional<int> partition_index;
  std::optional<ColumnMask> mask;
};
BOOST_DESCRIBE_STRUCT(ColumnInfo, (),
                      (name, type_text, type_json, type_name, type_precision, type_scale, position, comment, nullable, partition_index, mask))

enum class TableType { MANAGED, EXTERNAL, VIEW };
BOOST_DESCRIBE_ENUM(TableType, MANAGED, EXTERNAL, VIEW)

/// A table or view (wire: TableInfo).
struct TableInfo {
  std::string name, catalog_name, schema_name, full_name;
  TableType table_type = TableType::MANAGED;
  std::optional<std::string> data_source_format;  // DELTA; absent for views
  std::vector<ColumnInfo> columns;
  std::optional<std::string> storage_location;
  std::optional<std::string> view_definition;
  std::string owner;
  std::optional<std::string> comment;
  std::map<std::string, std::string> properties;
  std::string table_id, metastore_id;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
  std::optional<RowFilter> row_filter;  // set: never vended, reads go through a warehouse
  std::optional<bool> browse_only;      // the caller sees it by BROWSE alone
  /// Of the policies over tags, what applies to the caller, as table() finds it; never shown. `conflict`: several that exclude each other do.
  std::vector<EffectivePolicy> policies{};
  bool conflict = false;
  /// Whether what a reader gets is not what the files hold.
  bool governed() const {
    return row_filter.has_value() || conflict || !policies.empty() ||
           std::ranges::any_of(columns, [](const ColumnInfo& c) { return c.mask.has_value(); });
  }
};
BOOST_DESCRIBE_STRUCT(TableInfo, (),
                      (name, catalog_name, schema_name, full_name, table_type, data_source_format, columns, storage_location, view_definition, owner,
                       comment, properties, table_id, metastore_id, created_at, updated_at, created_by, updated_by, row_filter, browse_only))

struct TableName {
  std::string catalog, schema, table;
  std::string full() const { return catalog + "." + schema + "." + table; }
};

struct NewTable {
  TableName name;
  TableType type = TableType::MANAGED;
  std::vector<ColumnInfo> columns;
  std::optional<std::string> storage_location;  // EXTERNAL only; a MANAGED one gets its place under the schema's, catalog's or metastore's root
  std::optional<std::string> view_definition;
  std::optional<std::string> comment;
  std::map<std::string, std::string> properties;
  std::optional<RowFilter> row_filter;        // by the functions' names; checked as set_row_filter and set_column_mask check them
  std::map<std::string, ColumnMask> masks{};  // by column
};

/// What ALTER TABLE may say of a table or view. Empty members: no change.
struct TableChange {
  std::optional<std::string> new_name;                           // within its schema
  std::optional<std::string> comment;                            // empty text: none
  std::map<std::string, std::optional<std::string>> properties;  // nullopt: unset
  std::optional<std::vector<ColumnInfo>> columns;
};

/// One privilege of one principal, with where it was granted if inherited.
struct GrantRow {
  std::string principal;
  Privilege privilege;
  SecurableType securable_type;
  std::string securable_name;
  std::optional<SecurableType> inherited_from_type;
  std::optional<std::string> inherited_from_name;
};

struct LineageEdge {
  std::string source_table, source_column;  // column empty: table level
  std::string target_table, target_column;
};

/// What a statement touched, recorded once with its id (system.access.table_lineage / column_lineage).
struct LineageRecord {
  std::string statement_id;
  std::vector<std::string> read_tables;
  std::string written_table;  // empty for a read
  std::vector<LineageEdge> columns;
  std::string entity_type = "DBSQL_QUERY";
};

/// A tag of a catalog, schema, table, column or volume (entity types as the API spells them: catalogs, schemas, tables, columns, volumes).
struct TagRow {
  std::string entity_type, entity_name;  // full names; a column's ends with its own
  std::string key, value;
};

/// The catalog as the SQL room, jobs and serving use it.
class Catalog {
 public:
  virtual ~Catalog() = default;

  // Reading. Checked from the top, as the vendor does: without USE CATALOG (then USE SCHEMA) the answer is permission_denied whether or not
  // anything lies below; with both, a missing table is not_found and one without any privilege on it permission_denied. Lists leave out what
  // the caller may not see.
  virtual Result<TableInfo> table(const access::Context& ctx, const TableName& name) = 0;
  virtual Result<std::vector<std::string>> catalogs(const access::Context& ctx) = 0;
  virtual Result<std::vector<std::string>> schemas(const access::Context& ctx, std::string_view catalog) = 0;
  virtual Result<std::vector<TableInfo>> tables(const access::Context& ctx, std::string_view catalog, std::string_view schema) = 0;

  /// Whether the caller holds a privilege on a securable: itself, through a group, by inheritance, ownership or MANAGE where the docs say so,
  /// with USE_CATALOG and USE_SCHEMA on the way and the catalog's workspace binding. Error: permission_denied with the vendor's text
  /// ("User does not have SELECT on Table 'c.s.t'."). Allowed or refused, it is audited by the caller's statement.
  virtual Result<void> require(const access::Context& ctx, Privilege privilege, SecurableType type, std::string_view full_name) = 0;
  /// The same for a view's owner (definer's rights) instead of the request's caller, in the same workspace.
  virtual Result<void> require_as_owner(const access::Context& ctx, std::string_view owner, Privilege privilege, SecurableType type,
                                        std::string_view full_name) = 0;
  /// What table() answers, to a view's owner.
  virtual Result<TableInfo> table_as_owner(const access::Context& ctx, std::string_view owner, const TableName& name) = 0;
  /// A SQL function that the caller may EXECUTE; of a registered model: not_found.
  virtual Result<FunctionInfo> function(const access::Context& ctx, std::string_view full_name) = 0;
  /// The same for a view's, function's or governed table's owner.
  virtual Result<FunctionInfo> function_as_owner(const access::Context& ctx, std::string_view owner, std::string_view full_name) = 0;
  /// Whether the caller may read (or write) files at a URL: an external location's READ_FILES / WRITE_FILES, or a volume's privileges.
  virtual Result<void> require_path(const access::Context& ctx, std::string_view url, bool write) = 0;
  /// s3:// URL of the storage location of a volume that the caller may read (or write): READ VOLUME or WRITE VOLUME, as require. Nothing is asked of
  /// the external location that it lies in. Errors: permission_denied, not_found (only to who may use its catalog and schema).
  virtual Result<std::string> volume_location(const access::Context& ctx, std::string_view full_name, bool write) = 0;

  // Changing.
  virtual Result<void> create_catalog(const access::Context& ctx, std::string_view name, std::optional<std::string> comment,
                                      std::optional<std::string> managed_location, bool if_not_exists) = 0;
  virtual Result<void> drop_catalog(const access::Context& ctx, std::string_view name, bool cascade, bool if_exists) = 0;
  virtual Result<void> create_schema(const access::Context& ctx, std::string_view catalog, std::string_view name, std::optional<std::string> comment,
                                     std::optional<std::string> managed_location, bool if_not_exists) = 0;
  virtual Result<void> drop_schema(const access::Context& ctx, std::string_view catalog, std::string_view name, bool cascade, bool if_exists) = 0;
  /// Checks CREATE_TABLE / CREATE_EXTERNAL_TABLE and names the storage location without creating anything (CTAS writes files first).
  virtual Result<std::string> plan_table(const access::Context& ctx, const NewTable& table) = 0;
  /// `location`: what plan_table answered. `replace`: CREATE OR REPLACE of a view or table.
  virtual Result<TableInfo> create_table(const access::Context& ctx, const NewTable& table, const std::string& location, bool replace) = 0;
  virtual Result<void> update_columns(const access::Context& ctx, const TableName& name, const std::vector<ColumnInfo>& columns) = 0;
  /// The columns as the table's own log has them by now. No right of the caller's is asked: who may open the table brings the truth about, and
  /// the event is the platform's. Does nothing for another table of that name.
  virtual Result<void> follow_log(const access::Context& ctx, const TableName& name, std::string_view table_id,
                                  const std::vector<ColumnInfo>& columns) = 0;
  /// Comment, properties and columns need MODIFY, a new name MANAGE and CREATE_TABLE on the schema.
  virtual Result<void> alter_table(const access::Context& ctx, const TableName& name, const TableChange& change) = 0;
  /// Needs MANAGE; principal_not_found. Tables, views, schemas, catalogs.
  virtual Result<void> set_owner(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view owner) = 0;
  /// Of a catalog or schema; empty: none. Needs MANAGE.
  virtual Result<void> set_comment(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view comment) = 0;
  virtual Result<void> drop_table(const access::Context& ctx, const TableName& name, bool view, bool if_exists) = 0;
  /// Sets or clears the function that filters a table's rows, or masks a column. The caller must manage the table and EXECUTE the function, and so
  /// must the table's owner, in whose name it is run. invalid: not a function of that many parameters, or a filter that is not BOOLEAN; a view.
  virtual Result<void> set_row_filter(const access::Context& ctx, const TableName& name, const std::optional<RowFilter>& filter) = 0;
  virtual Result<void> set_column_mask(const access::Context& ctx, const TableName& name, std::string_view column,
                                       const std::optional<ColumnMask>& mask) = 0;
  /// Needs CREATE_FUNCTION on the schema; `replace`: MANAGE on the function, which keeps its id, owner and grants.
  virtual Result<void> create_function(const access::Context& ctx, const NewFunction& function, bool replace) = 0;
  virtual Result<void> drop_function(const access::Context& ctx, std::string_view full_name, bool if_exists) = 0;

  // Grants. Principals are account-level names; principal_not_found carries "Could not find principal with name NAME".
  virtual Result<void> grant(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view principal,
                             const std::vector<Privilege>& privileges) = 0;
  virtual Result<void> revoke(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view principal,
                              const std::vector<Privilege>& privileges) = 0;
  virtual Result<std::vector<GrantRow>> grants(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                               std::optional<std::string> principal) = 0;

  /// Sets tags, or with nullopt removes them. Needs APPLY_TAG on the securable, or to own it. invalid: a key or value that is none.
  virtual Result<void> set_tags(const access::Context& ctx, std::string_view entity_type, std::string_view full_name,
                                const std::map<std::string, std::optional<std::string>>& changes) = 0;
  /// Policies over tags. They need MANAGE on the securable or its ownership, and EXECUTE on the function of a new one, which is run in its maker's
  /// name.
  virtual Result<PolicyInfo> create_policy(const access::Context& ctx, const PolicyInfo& policy, bool replace) = 0;
  virtual Result<void> drop_policy(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view name) = 0;
  /// `inherited`: also those of the schema and catalog above that the caller manages.
  virtual Result<std::vector<PolicyInfo>> policies(const access::Context& ctx, SecurableType type, std::string_view full_name, bool inherited) = 0;
  /// Of a catalog and of all in it, where the caller manages.
  virtual Result<std::vector<PolicyInfo>> all_policies(const access::Context& ctx, std::string_view catalog) = 0;
  /// The tags of a catalog and of all in it that the caller may see.
  virtual Result<std::vector<TagRow>> tags(const access::Context& ctx, std::string_view catalog) = 0;

  virtual void record_lineage(const access::Context& ctx, const LineageRecord& record) = 0;
  /// Table-level and column-level edges, newest first: the rows of system.access.table_lineage and column_lineage. Needs SELECT on that table
  /// (metastore and account admins hold it without a grant); edges of tables that the caller may not see are left out even so.
  struct LineageRow {
    LineageEdge edge;
    std::string statement_id, created_by, entity_type;
    std::optional<std::int64_t> workspace_id;
    Millis event_time = 0;
  };
  virtual Result<std::vector<LineageRow>> lineage_rows(const access::Context& ctx, bool column_level) = 0;
  /// Rows of system.access.audit in time order; needs SELECT on that table (metastore and account admins hold it without a grant).
  virtual Result<std::vector<store::AuditRecord>> audit_rows(const access::Context& ctx, const store::AuditFilter& filter, std::size_t limit) = 0;
};

}  // namespace tarn::catalog
