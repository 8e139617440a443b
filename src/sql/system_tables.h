#pragma once
// Rows that the platform itself provides: CATALOG.information_schema.*, system.access.{audit, table_lineage, column_lineage}, and tables of the system
// catalog that other rooms bring. Made for each statement from what this very caller may see.
#include <functional>

#include "catalog/catalog.h"
#include "sql/analysis.h"

namespace tarn::sql {

struct SystemRows {
  std::vector<RelationColumn> columns;
  std::string sql;  // DuckDB: a parenthesised SELECT over inline data
};

/// A table of the system catalog whose rows another room makes; its securable is catalog::SystemTable.
struct RoomTable {
  std::string schema, name;
  std::vector<RelationColumn> columns;
  /// An object a row, by column name; times as RFC 3339 text. The caller may SELECT from it: that was checked.
  std::function<json::array(const access::Context&)> rows;
};

class SystemTables {
 public:
  SystemTables(catalog::Catalog& catalog, std::string account_id) : catalog_(catalog), account_id_(std::move(account_id)) {}
  /// Whether a (lower-case) name is one of ours; such a name never means anything else.
  bool knows(const catalog::TableName& name) const;
  /// Errors: not_found, permission_denied.
  /// At start-up.
  void add(RoomTable table) { rooms_.push_back(std::move(table)); }
  Result<SystemRows> open(const access::Context& ctx, const catalog::TableName& name);

 private:
  Result<SystemRows> information_schema(const access::Context& ctx, const catalog::TableName& name);
  Result<SystemRows> audit(const access::Context& ctx);
  Result<SystemRows> lineage(const access::Context& ctx, bool columns);

  catalog::Catalog& catalog_;
  std::string account_id_;
  std::vector<RoomTable> rooms_;
};

}  // namespace tarn::sql
