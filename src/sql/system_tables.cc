#include "sql/system_tables.h"

#include "delta/data_files.h"
#include "delta/log.h"
#include "sql/resolver.h"

namespace tarn::sql {
namespace {

constexpr std::size_t kMostAuditRows = 100'000;

json::value number_or_null(const std::optional<std::int64_t>& n) { return n ? json::value(*n) : json::value(nullptr); }
json::value text_or_null(const std::string& s) { return s.empty() ? json::value(nullptr) : json::value(s); }

std::vector<std::string> split(const std::string& full) {
  std::vector<std::string> out(1);
  for (const char c : full) c == '.' ? out.emplace_back().size() : (out.back() += c, 0);
  return out;
}

void name_parts(json::object& row, const std::string& prefix, const std::string& full) {
  row[prefix + "_table_full_name"] = text_or_null(full);
  auto parts = split(full);
  parts.resize(3);
  row[prefix + "_table_catalog"] = text_or_null(parts[0]);
  row[prefix + "_table_schema"] = text_or_null(parts[1]);
  row[prefix + "_table_name"] = text_or_null(parts[2]);
}

}  // namespace

SystemRows inline_rows(std::vector<RelationColumn> columns, const json::array& rows) {
  std::string shape = "[{", list;
  for (const auto& c : columns) {
    auto type = delta::delta_type(c.type);
    const auto duckdb = type ? delta::duckdb_type(*type) : std::string("VARCHAR");
    // Times travel as text, and are cast after the JSON was read.
    const bool time = c.type == "timestamp" || c.type == "date";
    json::object one{{c.name, time ? "VARCHAR" : duckdb}};
    auto text = boost::json::serialize(one);
    shape += (shape.size() > 2 ? "," : "") + text.substr(1, text.size() - 2);
    list += fmt::format("{}CAST(r.{} AS {}) AS {}", list.empty() ? "" : ", ", delta::sql_identifier(c.name), duckdb, delta::sql_identifier(c.name));
  }
  shape += "}]";
  SystemRows out;
  out.sql = fmt::format("(SELECT {} FROM (SELECT unnest(from_json({}, {})) AS r))", list, delta::sql_string(boost::json::serialize(rows)),
                        delta::sql_string(shape));
  out.columns = std::move(columns);
  return out;
}

bool SystemTables::knows(const catalog::TableName& name) const {
  if (name.schema == "information_schema") return true;
  if (name.catalog == "system" && std::ranges::any_of(rooms_, [&](const RoomTable& r) { return r.schema == name.schema && r.name == name.table; }))
    return true;
  if (name.catalog == "system" && name.schema == "query" && name.table == "history") return true;
  return name.catalog == "system" && name.schema == "access" &&
         (name.table == "audit" || name.table == "table_lineage" || name.table == "column_lineage");
}

Result<SystemRows> SystemTables::open(const access::Context& ctx, const catalog::TableName& name) {
  if (name.schema == "information_schema") return information_schema(ctx, name);
  if (auto ok = catalog_.require(ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, name.full()); !ok)
    return fail(Resolver::table_error(ok.error(), name));
  for (const auto& room : rooms_)
    if (room.schema == name.schema && room.name == name.table) return inline_rows(room.columns, room.rows(ctx));
  const auto table = catalog_.table(ctx, name);
  if (!table) return fail(Resolver::table_error(table.error(), name));
  std::vector<RelationColumn> columns;
  for (const auto& c : table->columns) columns.push_back({c.name, c.type_text});
  if (name.table == "history") return inline_rows(std::move(columns), history());
  auto rows = name.table == "audit" ? audit(ctx) : lineage(ctx, name.table == "column_lineage");
  if (!rows) return fail(rows.error());
  return inline_rows(std::move(columns), *rows);
}

Result<json::array> SystemTables::audit(const access::Context& ctx) {
  auto found = catalog_.audit_rows(ctx, {}, kMostAuditRows);
  if (!found) return fail(Resolver::catalog_error(found.error()));
  json::array rows;
  for (const auto& r : *found) {
    const auto& e = r.event;
    json::object params;
    for (const auto& [k, v] : e.params) params[k] = v;
    rows.push_back({{"account_id", account_id_},
                    {"workspace_id", e.workspace_id ? json::value(std::to_string(*e.workspace_id)) : json::value("0")},
                    {"version", "2.0"},
                    {"event_time", to_rfc3339(r.at)},
                    {"event_date", to_rfc3339(r.at).substr(0, 10)},
                    {"source_ip_address", text_or_null(e.source_ip)},
                    {"user_agent", text_or_null(e.user_agent)},
                    {"session_id", nullptr},
                    {"user_identity", {{"email", e.principal}, {"subject_name", nullptr}}},
                    {"service_name", e.service},
                    {"action_name", e.action},
                    {"request_id", e.request_id},
                    {"request_params", std::move(params)},
                    {"response", {{"status_code", e.status}, {"error_message", text_or_null(e.error)}, {"result", nullptr}}},
                    {"audit_level", e.workspace_id ? "WORKSPACE_LEVEL" : "ACCOUNT_LEVEL"},
                    {"event_id", std::to_string(r.sequence)}});
  }
  return rows;
}

Result<json::array> SystemTables::lineage(const access::Context& ctx, bool columns) {
  auto found = catalog_.lineage_rows(ctx, columns);
  if (!found) return fail(Resolver::catalog_error(found.error()));
  json::array rows;
  for (const auto& r : *found) {
    json::object row{{"account_id", account_id_},
                     {"workspace_id", r.workspace_id ? json::value(std::to_string(*r.workspace_id)) : json::value(nullptr)},
                     {"entity_type", r.entity_type},
                     {"created_by", r.created_by},
                     {"event_time", to_rfc3339(r.event_time)},
                     {"event_date", to_rfc3339(r.event_time).substr(0, 10)},
                     {"statement_id", r.statement_id}};
    name_parts(row, "source", r.edge.source_table);
    name_parts(row, "target", r.edge.target_table);
    if (columns) row["source_column_name"] = text_or_null(r.edge.source_column), row["target_column_name"] = text_or_null(r.edge.target_column);
    rows.push_back(std::move(row));
  }
  return rows;
}

json::array SystemTables::history() const {
  json::array rows;
  for (const auto& r : history_ ? history_() : std::vector<HistoryRow>()) {
    const auto ended = r.ended_at ? json::value(to_rfc3339(r.ended_at)) : json::value(nullptr);
    rows.push_back({{"account_id", account_id_},
                    {"workspace_id", std::to_string(r.workspace_id)},
                    {"statement_id", r.statement_id},
                    {"execution_status", r.status},
                    {"compute", {{"type", "WAREHOUSE"}, {"cluster_id", nullptr}, {"warehouse_id", r.warehouse_id}}},
                    {"executed_by_user_id", std::to_string(r.user_id)},
                    {"executed_by", r.user_name},
                    {"statement_text", r.text},
                    {"statement_type", text_or_null(r.type)},
                    {"error_message", text_or_null(r.error)},
                    {"client_application", text_or_null(r.client)},
                    {"total_duration_ms", r.ended_at ? json::value(r.ended_at - r.started_at) : json::value(nullptr)},
                    {"waiting_at_capacity_duration_ms", r.queued_ms},
                    {"execution_duration_ms", r.execute_ms},
                    {"compilation_duration_ms", r.compile_ms},
                    {"start_time", to_rfc3339(r.started_at)},
                    {"end_time", ended},
                    {"update_time", r.ended_at ? ended : json::value(to_rfc3339(r.started_at))},
                    {"total_task_duration_ms", number_or_null(r.task_ms)},
                    {"pruned_files", number_or_null(r.pruned_files)},
                    {"read_files", r.files},
                    {"read_rows", number_or_null(r.rows_read)},
                    {"produced_rows", r.rows},
                    {"read_bytes", r.bytes},
                    {"from_result_cache", r.from_cache},
                    {"spilled_local_bytes", number_or_null(r.spilled_bytes)},
                    {"written_bytes", number_or_null(r.written_bytes)},
                    {"executed_as_user_id", std::to_string(r.user_id)},
                    {"executed_as", r.user_name}});
  }
  return rows;
}

}  // namespace tarn::sql
