#include "app/alert_ports.h"

namespace tarn::app {
namespace {

Expected<queries::AlertRows, std::string> rows_of(const sql::Statement& s) {
  const auto now = s.snapshot();
  if (now.state != sql::StatementState::SUCCEEDED) return fail(now.error_message.empty() ? "The statement was cancelled" : now.error_message);
  if (now.truncated) return fail(fmt::format("The query's result has more than {} rows: an alert looks at no more", queries::AlertPorts::kMostRows));
  queries::AlertRows out{.statement_id = s.id};
  for (const auto& c : now.columns) out.columns.push_back(c.name);
  for (const auto& chunk : now.chunks) {
    const auto parsed = boost::json::parse(chunk->content);
    for (const auto& row : parsed.as_array()) {
      auto& values = out.rows.emplace_back();
      for (const auto& v : row.as_array()) values.push_back(v.is_string() ? std::optional(std::string(v.as_string())) : std::nullopt);
    }
  }
  return out;
}

}  // namespace

Expected<std::string, std::string> AlertStatements::start(const access::Context& ctx, const std::string& warehouse_id, const std::string& text,
                                                          const std::vector<queries::AlertParameter>& parameters, Done done) {
  sql::StatementRequest q{.statement = text, .warehouse_id = warehouse_id};
  q.row_limit = kMostRows;
  for (const auto& p : parameters) q.parameters.push_back({.name = p.name, .value = p.value, .type = p.type});
  auto submitted = statements_.submit(ctx, q);
  if (!submitted) return fail(submitted.error().message);
  const auto s = *submitted;
  statements_.hand_over(s, [] {});
  s->on_done([s, done = std::move(done)] {
    try {
      done(rows_of(*s));
    } catch (const std::exception& e) {
      done(fail(std::string("The result could not be read: ") + e.what()));
    }
  });
  return s->id;
}

void AlertStatements::tell(store::WriteTxn& t, const queries::AlertNews& news) {
  jobs::add_notice(t,
                   {.workspace_id = news.workspace_id,
                    .event = news.event,
                    .destination_id = news.destination_id,
                    .recipient = news.user_email,
                    .server_id = server_id_,
                    .payload = news.payload},
                   clock_.now());
}

Expected<std::string, std::string> JobAlerts::start(const access::Context& ctx, const std::string& warehouse_id, const jobs::SqlAlert& alert,
                                                    jobs::Ended ended) {
  queries::AlertRuns::Older wanted{.alert_id = alert.alert_id, .warehouse_id = warehouse_id, .told = !alert.pause_subscriptions.value_or(false)};
  for (const auto& s : alert.subscriptions) wanted.subscriptions.push_back({.user_email = s.user_name, .destination_id = s.destination_id});
  return runs_.evaluate(ctx, wanted, [ended = std::move(ended)](Expected<queries::AlertRuns::OlderEnd, std::string> end) {
    if (!end) return ended({.error = end.error()});
    ended({.ok = true,
           .output = json::object{{"alert_state", json::name_of(end->state)}, {"query_text", end->query_text}, {"statement_id", end->statement_id}}});
  });
}

}  // namespace tarn::app
