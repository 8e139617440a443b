#pragma once
// Replies of the SQL room's routes. Private to it.
#include "sql/statements.h"

namespace tarn::sql {

/// The legacy name of a warehouse, with an id of its own (a UUID that follows from the warehouse's).
json::value data_source_json(const Warehouse& w);
json::value warehouse_json(const Warehouse& w, const Warehouses& all, std::string_view host);
/// StatementResponse. A chunk of JSON goes into the body as it is, never parsed again.
std::string statement_body(const Statement& s, Statements& statements);
/// ResultData of one chunk; nothing for an index that does not exist.
std::optional<std::string> chunk_body(const Statement& s, Statements& statements, std::size_t index);
/// The vendor's QueryMetrics, with what is known of it.
json::object metrics_json(const StatementRecord& record);
json::value history_json(const HistoryPage& page, bool metrics);
/// The wire's name of a kind of statement: query is SELECT.
std::string statement_type(std::string_view kind);
json::value config_json(const WarehouseConfig& config);

}  // namespace tarn::sql
