#pragma once
// Rows that the platform itself provides: CATALOG.information_schema.*, system.access.{audit, table_lineage, column_lineage}, system.query.history,
// and tables of the system catalog that other rooms bring. Made for each statement from what this very caller may see.
#include <functional>

#include "catalog/catalog.h"
#include "sql/analysis.h"

namespace tarn::sql {

struct SystemRows {
  std::vector<RelationColumn> columns;
  std::string sql;  // DuckDB: a parenthesised SELECT over inline data
};

/// Rows as JSON text inside the statement: one literal, typed by from_json.
SystemRows inline_rows(std::vector<RelationColumn> columns, const json::array& rows);

/// One row of system.query.history.
struct HistoryRow {
  std::string statement_id, status, warehouse_id, user_name, text, type, error, client;
  std::int64_t workspace_id = 0, user_id = 0;
  Millis started_at = 0, ended_at = 0;
  std::int64_t queued_ms = 0, compile_ms = 0, execute_ms = 0, files = 0, bytes = 0, rows = 0;
  std::optional<std::int64_t> task_ms, pruned_files, rows_read, spilled_bytes, written_bytes;  // nothing: not known
  bool from_cache = false;
};
using HistorySource = std::function<std::vector<HistoryRow>()>;

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
  void set_history(HistorySource source) { history_ = std::move(source); }
  /// Whether a (lower-case) name is one of ours; such a name never means anything else.
  bool knows(const catalog::TableName& name) const;
  /// At start-up.
  void add(RoomTable table) { rooms_.push_back(std::move(table)); }
  /// Errors: not_found, permission_denied.
  Result<SystemRows> open(const access::Context& ctx, const catalog::TableName& name);

 private:
  Result<SystemRows> information_schema(const access::Context& ctx, const catalog::TableName& name);
  Result<json::array> audit(const access::Context& ctx);
  Result<json::array> lineage(const access::Context& ctx, bool columns);
  json::array history() const;

  HistorySource history_;
  catalog::Catalog& catalog_;
  std::string account_id_;
  std::vector<RoomTable> rooms_;
};

}  // namespace tarn::sql
