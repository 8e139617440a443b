#include "sql/routes.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sql/wire.h"

namespace tarn::sql {
namespace {

using api::Method;
using api::Request;
namespace asio = boost::asio;
using Steady = std::chrono::steady_clock;

json::object empty() { return {}; }

api::Route row(Method m, std::string pattern, std::string group, api::Handler h) {
  return {.method = m,
          .pattern = std::move(pattern),
          .surface = api::Surface::workspace,
          .auth = api::Auth::authenticated,
          .group = std::move(group),
          .handler = std::move(h)};
}

template <class F>
api::Result answered(const Result<Warehouse>& w, F&& encode) {
  if (!w) return fail(wire(w.error()));
  return api::ok(json::value(encode(*w)));
}

struct ConfigPair {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(ConfigPair, (), (key, value))
struct ConfigPairs {
  std::vector<ConfigPair> configuration_pairs, config_pair;
};
BOOST_DESCRIBE_STRUCT(ConfigPairs, (), (configuration_pairs, config_pair))
struct SetConfig {
  std::optional<std::string> security_policy, instance_profile_arn, google_service_account;
  std::optional<ConfigPairs> sql_configuration_parameters;
  std::vector<ConfigPair> data_access_config;
  std::optional<bool> enable_serverless_compute;
};
BOOST_DESCRIBE_STRUCT(SetConfig, (),
                      (security_policy, instance_profile_arn, google_service_account, sql_configuration_parameters, data_access_config,
                       enable_serverless_compute))

Expected<WarehouseConfig, api::WireError> config_of(const SetConfig& body) {
  if (!body.data_access_config.empty())
    return fail(api::bad_request("Field 'data_access_config' is not supported: there is no Hive metastore beside the catalog"));
  for (const auto& [name, value] :
       {std::pair("instance_profile_arn", body.instance_profile_arn), std::pair("google_service_account", body.google_service_account)})
    if (value && !value->empty())
      return fail(api::bad_request(fmt::format("Field '{}' is not supported: warehouses reach storage by the catalog's credentials", name)));
  if (body.enable_serverless_compute.value_or(false))
    return fail(api::bad_request("Field 'enable_serverless_compute' is not supported: warehouses run on this server"));
  WarehouseConfig out;
  out.security_policy = body.security_policy.value_or("");
  if (body.sql_configuration_parameters)
    for (const auto* list : {&body.sql_configuration_parameters->configuration_pairs, &body.sql_configuration_parameters->config_pair})
      for (const auto& p : *list) out.parameters[p.key] = p.value;
  return out;
}

/// filter_by.* in dot notation, each list as often as it has members.
Expected<HistoryFilter, api::WireError> history_filter(const Request& r) {
  HistoryFilter out;
  const auto all = [&](const std::string& name) {
    std::vector<std::string> values;
    for (auto [i, end] = r.query.equal_range("filter_by." + name); i != end; ++i) values.push_back(i->second);
    return values;
  };
  if (const auto given = r.param("max_results")) {
    TARN_TRY(n, api::integer("max_results", *given));
    if (n < 1 || n > 1000) return fail(api::bad_request("Parameter 'max_results' must be between 1 and 1000, got " + *given));
    out.limit = static_cast<std::size_t>(n);
  }
  for (const auto& id : all("user_ids")) {
    TARN_TRY(n, api::integer("filter_by.user_ids", id));
    out.user_ids.push_back(n);
  }
  out.warehouse_ids = all("warehouse_ids");
  out.statement_ids = all("statement_ids");
  out.statuses = all("statuses");
  for (const auto& status : out.statuses)
    if (status != "QUEUED" && status != "RUNNING" && status != "CANCELED" && status != "FAILED" && status != "FINISHED")
      return fail(api::bad_request("Parameter 'filter_by.statuses' must be QUEUED, RUNNING, CANCELED, FAILED or FINISHED, got '" + status + "'"));
  for (const auto& [name, into] : {std::pair("start_time_ms", &out.from), std::pair("end_time_ms", &out.until)})
    if (const auto given = r.param(std::string("filter_by.query_start_time_range.") + name)) {
      TARN_TRY(n, api::integer(name, *given));
      *into = n;
    }
  TARN_TRY(after, api::page_after("sql history", r.param("page_token")));
  out.after = after;
  return out;
}

api::Result nothing(const Result<void>& r) {
  if (!r) return fail(wire(r.error()));
  return api::ok();
}

/// Something that ends on another thread, waited for without a thread. The timer is only touched on the waiter's executor; it wakes once
/// a second beside, so a wake-up that comes before the wait begins costs at most that.
struct Signal {
  std::atomic<bool> set{false};
  std::shared_ptr<asio::steady_timer> timer;
  asio::any_io_executor executor;
  void fire() {
    set = true;
    asio::post(executor, [t = timer] { t->cancel(); });
  }
};

asio::awaitable<void> wait_for(std::shared_ptr<Signal> signal, Steady::time_point until) {
  while (!signal->set && Steady::now() < until) {
    signal->timer->expires_at(std::min(until, Steady::now() + std::chrono::seconds(1)));
    auto token = asio::as_tuple(asio::use_awaitable);
    co_await signal->timer->async_wait(token);
  }
}

asio::awaitable<std::shared_ptr<Signal>> new_signal() {
  auto executor = co_await asio::this_coro::executor;
  auto signal = std::make_shared<Signal>();
  signal->executor = executor;
  signal->timer = std::make_shared<asio::steady_timer>(executor);
  co_return signal;
}

asio::awaitable<api::Result> execute(Statements& statements, const Request& request) {
  auto decoded = api::body_of<StatementRequest>(request);
  if (!decoded) co_return fail(decoded.error());
  auto submitted = statements.submit(request.context, *decoded);
  if (!submitted) co_return fail(wire(submitted.error()));
  const std::shared_ptr<Statement> s = *submitted;
  if (s->wait > 0) {
    auto signal = co_await new_signal();
    s->on_done([signal] { signal->fire(); });
    const auto until = std::min(Steady::now() + std::chrono::milliseconds(s->wait), request.deadline);
    co_await wait_for(signal, until);
    if (!s->done() && s->on_wait_timeout == OnWaitTimeout::CANCEL) {
      s->cancel.cancel();
      auto grace = Steady::now() + std::chrono::seconds(3);
      co_await wait_for(signal, grace);
    }
  }
  if (!s->done()) {
    // The client will ask again: it must find the statement, whatever happens to this process.
    auto stored = co_await new_signal();
    statements.hand_over(s, [stored] { stored->fire(); });
    auto until = Steady::now() + std::chrono::seconds(10);
    co_await wait_for(stored, until);
  }
  api::Reply reply;
  reply.body = statement_body(*s, statements);
  co_return reply;
}

}  // namespace

std::vector<api::Route> routes(Warehouses& warehouses, Statements& statements) {
  auto& w = warehouses;
  auto& s = statements;
  std::vector<api::Route> out;
  const std::string base = "/api/2.0/sql/warehouses";
  const auto shown = [&w](const Request& r) { return [&w, host = r.host](const Warehouse& one) { return warehouse_json(one, w, host); }; };
  out.push_back(row(Method::POST, base, "sql-warehouses", [&w](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<WarehouseRequest>(r));
    return answered(w.create(r.context, body), [](const Warehouse& one) { return json::object{{"id", one.id}}; });
  }));
  out.push_back(row(Method::GET, base, "sql-warehouses", [&w](const Request& r) -> api::Result {
    auto all = w.list(r.context);
    if (!all) return fail(wire(all.error()));
    json::array list;
    for (const auto& one : *all) list.push_back(warehouse_json(one, w, r.host));
    return api::ok(json::value(json::object{{"warehouses", std::move(list)}}));
  }));
  out.push_back(row(Method::GET, base + "/{id}", "sql-warehouses",
                    [&w, shown](const Request& r) -> api::Result { return answered(w.get(r.context, r.capture("id")), shown(r)); }));
  out.push_back(row(Method::POST, base + "/{id}/edit", "sql-warehouses", [&w](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<WarehouseRequest>(r));
    return answered(w.edit(r.context, r.capture("id"), body), [](const Warehouse&) { return empty(); });
  }));
  out.push_back(row(Method::DELETE, base + "/{id}", "sql-warehouses",
                    [&w](const Request& r) -> api::Result { return nothing(w.remove(r.context, r.capture("id"))); }));
  out.push_back(row(Method::POST, base + "/{id}/start", "sql-warehouses",
                    [&w](const Request& r) -> api::Result { return nothing(w.start(r.context, r.capture("id"))); }));
  out.push_back(row(Method::POST, base + "/{id}/stop", "sql-warehouses",
                    [&w](const Request& r) -> api::Result { return nothing(w.stop(r.context, r.capture("id"))); }));
  const std::string config = "/api/2.0/sql/config/warehouses";
  out.push_back(row(Method::GET, config, "sql-warehouses", [&w](const Request& r) -> api::Result {
    auto found = w.config(r.context);
    if (!found) return fail(wire(found.error()));
    return api::ok(config_json(*found));
  }));
  out.push_back(row(Method::PUT, config, "sql-warehouses", [&w](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<SetConfig>(r));
    TARN_TRY(wanted, config_of(body));
    return nothing(w.set_config(r.context, std::move(wanted)));
  }));
  // What dashboards and queries of old call a warehouse; clients look up a warehouse's id here.
  out.push_back(row(Method::GET, "/api/2.0/preview/sql/data_sources", "sql-warehouses", [&w](const Request& r) -> api::Result {
    const auto all = w.list(r.context);
    if (!all) return fail(wire(all.error()));
    json::array list;
    for (const auto& one : *all) list.push_back(data_source_json(one));
    return api::ok(json::value(std::move(list)));
  }));
  const std::string sessions = "/api/2.0/sql/sessions";
  out.push_back(row(Method::POST, sessions, "sql-statements", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<SessionRequest>(r));
    auto id = s.open_session(r.context, body);
    if (!id) return fail(wire(id.error()));
    return api::ok(json::value(json::object{{"session_id", *id}}));
  }));
  out.push_back(row(Method::DELETE, sessions + "/{id}", "sql-statements",
                    [&s](const Request& r) -> api::Result { return nothing(s.close_session(r.context, r.capture("id"))); }));
  const std::string base_statements = "/api/2.0/sql/statements";
  out.push_back({.method = Method::POST,
                 .pattern = base_statements,
                 .surface = api::Surface::workspace,
                 .auth = api::Auth::authenticated,
                 .group = "sql-statements",
                 .handler = api::AsyncHandler([&s](const Request& r) { return execute(s, r); })});
  out.push_back(row(Method::GET, base_statements + "/{id}", "sql-statements", [&s](const Request& r) -> api::Result {
    auto found = s.find(r.context, r.capture("id"));
    if (!found) return fail(wire(found.error()));
    api::Reply reply;
    reply.body = statement_body(**found, s);
    return reply;
  }));
  out.push_back(row(Method::POST, base_statements + "/{id}/cancel", "sql-statements",
                    [&s](const Request& r) -> api::Result { return nothing(s.cancel(r.context, r.capture("id"))); }));
  out.push_back(row(Method::GET, base_statements + "/{id}/result/chunks/{index}", "sql-statements", [&s](const Request& r) -> api::Result {
    TARN_TRY(index, api::integer("chunk_index", r.capture("index")));
    auto found = s.find(r.context, r.capture("id"));
    if (!found) return fail(wire(found.error()));
    auto body = index < 0 ? std::nullopt : chunk_body(**found, s, static_cast<std::size_t>(index));
    if (!body) return fail(api::not_found("The statement " + r.capture("id") + " has no result chunk " + r.capture("index")));
    api::Reply reply;
    reply.body = *std::move(body);
    return reply;
  }));
  out.push_back(row(Method::GET, "/api/2.0/sql/history/queries", "sql-history", [&s](const Request& r) -> api::Result {
    TARN_TRY(filter, history_filter(r));
    const auto metrics = r.param("include_metrics").value_or("false");
    if (metrics != "true" && metrics != "false")
      return fail(api::bad_request("Parameter 'include_metrics' must be true or false, got '" + metrics + "'"));
    return api::ok(history_json(s.history(r.context, filter), metrics == "true"));
  }));
  // Our own: the vendor shows profiles in its console alone.
  out.push_back(row(Method::GET, "/api/2.0/sql/history/queries/{id}/profile", "sql-history", [&s](const Request& r) -> api::Result {
    auto found = s.profile(r.context, r.capture("id"));
    if (!found) return fail(wire(found.error()));
    return api::ok(json::value(*std::move(found)));
  }));
  return out;
}

}  // namespace tarn::sql
