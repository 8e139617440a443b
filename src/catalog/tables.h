#pragma once
// Tables and views. Source: REST API reference, "Tables".
#include <functional>

#include "catalog/core.h"
#include "catalog/drops.h"

namespace tarn::catalog {

struct TableSummary {
  std::string full_name;
  TableType table_type = TableType::MANAGED;
};
BOOST_DESCRIBE_STRUCT(TableSummary, (), (full_name, table_type))

class Tables {
 public:
  explicit Tables(const Core& core) : core_(core) {}

  Result<TableInfo> get(const access::Context& ctx, std::string_view full_name, bool browse);
  /// Audits a read that a cache answered.
  void note_get(const access::Context& ctx, std::string_view full_name);
  /// False only where the caller may know: BROWSE on the catalog or schema is enough.
  Result<bool> exists(const access::Context& ctx, std::string_view full_name);
  Result<Page<TableInfo>> list(const access::Context& ctx, std::string_view catalog, std::string_view schema, const PageRequest& page, bool browse);
  /// Summaries of a catalog's tables, by SQL LIKE patterns on schema and table names (empty: all).
  Result<Page<TableSummary>> summaries(const access::Context& ctx, std::string_view catalog, std::string_view schema_pattern,
                                       std::string_view table_pattern, const PageRequest& page);

  /// As Catalog::plan_table and Catalog::create_table.
  Result<std::string> plan(const access::Context& ctx, const NewTable& table);
  Result<TableInfo> create(const access::Context& ctx, const NewTable& table, const std::string& location, bool replace);
  /// The REST form: registers an external Delta table at its location.
  Result<TableInfo> register_external(const access::Context& ctx, const NewTable& table);
  Result<void> set_owner(const access::Context& ctx, std::string_view full_name, std::string_view owner);
  /// As Catalog::follow_log and Catalog::alter_table.
  Result<void> follow_log(const access::Context& ctx, const TableName& name, std::string_view table_id, const std::vector<ColumnInfo>& columns);
  Result<void> alter(const access::Context& ctx, std::string_view full_name, const TableChange& change);
  /// Needs MODIFY.
  Result<void> update_columns(const access::Context& ctx, std::string_view full_name, const std::vector<ColumnInfo>& columns);
  /// As Catalog::set_row_filter and Catalog::set_column_mask.
  Result<void> set_row_filter(const access::Context& ctx, std::string_view full_name, const std::optional<RowFilter>& filter);
  Result<void> set_column_mask(const access::Context& ctx, std::string_view full_name, std::string_view column,
                               const std::optional<ColumnMask>& mask);
  Result<void> remove(const access::Context& ctx, std::string_view full_name, std::optional<bool> view, bool if_exists);

  // Tables that were dropped (undrop.cc). Views are not among them, nor is what was dropped with its schema.
  struct Dropped {
    TableInfo info;
    Millis dropped_at = 0;
  };
  /// Those of a schema that the caller could bring back, the last one first.
  Result<std::vector<Dropped>> dropped(const access::Context& ctx, std::string_view catalog, std::string_view schema);
  /// Brings back what had the name last and is the caller's to manage, or the one with that id in its schema: its id, owner, grants, tags, filters
  /// and data. Needs CREATE TABLE on the schema, MANAGE on the table, and for an external one CREATE EXTERNAL TABLE on its location. not_found also
  /// when 7 days are over; already_exists where the name is taken, location_overlap where the place is.
  Result<TableInfo> undrop(const access::Context& ctx, const TableName& name);
  Result<TableInfo> undrop_id(const access::Context& ctx, std::string_view table_id);

 private:
  Result<TableInfo> bring_back(const access::Context& ctx, const std::map<std::string, std::string>& params,
                               const std::function<Result<DroppedTable>(store::ReadTxn&)>& find);
  const Core& core_;
};

/// Puts what a new table's statement says of filters and masks on it, checked. policies.cc
Result<void> apply_policies(store::ReadTxn& t, const access::Context& ctx, const NewTable& wanted, TableInfo& info);

/// Where managed data of a schema lives: under the schema's, the catalog's or the metastore's root. invalid without any.
Result<std::string> managed_root(const Place& place);

}  // namespace tarn::catalog
