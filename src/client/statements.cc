#include "client/statements.h"

#include <thread>

#include "base/json_read.h"

namespace tarn::client {
namespace {

void collect(ResultSet& out, const json::value* data) {
  if (!data || !data->is_array()) return;
  for (const auto& row : data->as_array()) {
    auto& cells = out.rows.emplace_back();
    for (const auto& cell : row.as_array()) cells.push_back(cell.is_null() ? std::nullopt : std::optional(json::text_of(&cell)));
  }
}

std::int64_t next_chunk(const json::value* result) {
  const auto* n = result ? json::find(*result, {"next_chunk_index"}) : nullptr;
  return n && n->is_int64() ? n->as_int64() : -1;
}

}  // namespace

Result<Statements> Statements::open(Session& session, const std::string& deployment, std::string warehouse) {
  if (warehouse.empty()) {
    TARN_TRY(list, session.workspace(deployment, "GET", "/api/2.0/sql/warehouses"));
    const auto* all = json::find(list, {"warehouses"});
    if (all && all->is_array() && !all->as_array().empty()) warehouse = json::text_at(all->as_array()[0], {"id"});
    if (warehouse.empty())
      return fail(ApiError{404, "RESOURCE_DOES_NOT_EXIST",
                           "There is no SQL warehouse in workspace '" + deployment +
                               "' that you may use: have an administrator make one (POST /api/2.0/sql/warehouses)"});
  }
  return Statements(session, deployment, std::move(warehouse));
}

Result<void> Statements::begin_session(const std::string& catalog, const std::string& schema) {
  json::object request{{"warehouse_id", warehouse_}};
  if (!catalog.empty()) request["catalog"] = catalog;
  if (!schema.empty()) request["schema"] = schema;
  TARN_TRY(answer, session_->workspace(deployment_, "POST", "/api/2.0/sql/sessions", request));
  in_session_ = json::text_at(answer, {"session_id"});
  return {};
}

void Statements::end_session() {
  // One that cannot be closed now is forgotten by the server.
  if (!in_session_.empty()) (void)session_->workspace(deployment_, "DELETE", "/api/2.0/sql/sessions/" + in_session_);
  in_session_.clear();
}

Result<ResultSet> Statements::run(const std::string& sql, const std::string& catalog, const std::string& schema,
                                  const std::function<bool()>& keep_waiting) {
  json::object request{{"statement", sql},        {"warehouse_id", warehouse_}, {"wait_timeout", "5s"}, {"on_wait_timeout", "CONTINUE"},
                       {"disposition", "INLINE"}, {"format", "JSON_ARRAY"}};
  if (!in_session_.empty()) request["session_id"] = in_session_;
  if (!catalog.empty()) request["catalog"] = catalog;
  if (!schema.empty()) request["schema"] = schema;
  TARN_TRY(answer, session_->workspace(deployment_, "POST", "/api/2.0/sql/statements", request));
  ResultSet out{.statement_id = json::text_at(answer, {"statement_id"})};
  const std::string path = "/api/2.0/sql/statements/" + out.statement_id;
  for (std::string state = json::text_at(answer, {"status", "state"}); state == "PENDING" || state == "RUNNING";
       state = json::text_at(answer, {"status", "state"})) {
    if (keep_waiting && !keep_waiting()) {
      TARN_CHECK(session_->workspace(deployment_, "POST", path + "/cancel"));
      return fail(ApiError{0, "CANCELLED", "The statement was cancelled"});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    TARN_TRY(next, session_->workspace(deployment_, "GET", path));
    answer = std::move(next);
  }
  if (const auto state = json::text_at(answer, {"status", "state"}); state != "SUCCEEDED") {
    const auto message = json::text_at(answer, {"status", "error", "message"});
    return fail(
        ApiError{400, json::text_at(answer, {"status", "error", "error_code"}), message.empty() ? "The statement ended as " + state : message});
  }
  if (const auto* columns = json::find(answer, {"manifest", "schema", "columns"}); columns && columns->is_array())
    for (const auto& c : columns->as_array()) {
      out.columns.push_back(json::text_at(c, {"name"}));
      out.types.push_back(json::text_at(c, {"type_text"}));
    }
  const auto* truncated = json::find(answer, {"manifest", "truncated"});
  out.truncated = truncated && truncated->is_bool() && truncated->as_bool();
  const auto* result = json::find(answer, {"result"});
  collect(out, result ? json::find(*result, {"data_array"}) : nullptr);
  for (auto next = next_chunk(result); next >= 0;) {
    TARN_TRY(chunk, session_->workspace(deployment_, "GET", path + "/result/chunks/" + std::to_string(next)));
    collect(out, json::find(chunk, {"data_array"}));
    next = next_chunk(&chunk);
  }
  return out;
}

}  // namespace tarn::client
