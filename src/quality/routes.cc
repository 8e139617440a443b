#include "quality/routes.h"

#include "api/answers.h"

namespace tarn::quality {
namespace {

using api::Method;
using api::Request;

/// What a client sends; what is not built is refused by its name.
struct MonitorBody : Definition {
  json::value custom_metrics, data_classification_config;
  std::optional<bool> skip_builtin_dashboard;
  std::optional<std::string> dashboard_id, latest_monitor_failure_msg, warehouse_id, table_name;
};
BOOST_DESCRIBE_STRUCT(MonitorBody, (Definition),
                      (custom_metrics, data_classification_config, skip_builtin_dashboard, dashboard_id, latest_monitor_failure_msg, warehouse_id,
                       table_name))

Expected<Definition, api::WireError> definition_of(const Request& r) {
  TARN_TRY(body, api::body_of<MonitorBody>(r));
  if (const auto* list = body.custom_metrics.if_array(); list && !list->empty()) return fail(api::not_enabled("Custom metrics of a monitor"));
  if (const auto* o = body.data_classification_config.if_object(); o && !o->empty())
    return fail(api::not_enabled("Data classification by a monitor"));
  // The body may leave an object empty, which is there all the same.
  if (const auto sent = json::parse(r.body); sent && sent->is_object() && sent->get_object().contains("snapshot") && !body.snapshot)
    body.snapshot.emplace();
  return static_cast<const Definition&>(body);
}

json::value shown(const Monitor& m) {
  auto out = json::encode(static_cast<const Definition&>(m)).as_object();
  out["table_name"] = m.table_name;
  out["status"] = std::string(json::name_of(m.status));
  out["monitor_version"] = m.monitor_version;
  out["profile_metrics_table_name"] = m.profile_table();
  out["drift_metrics_table_name"] = m.drift_table();
  if (m.latest_monitor_failure_msg) out["latest_monitor_failure_msg"] = *m.latest_monitor_failure_msg;
  if (m.snapshot) out["snapshot"] = json::object{};
  return out;
}

json::value shown(const Refresh& r) {
  json::object out{
      {"refresh_id", r.refresh_id}, {"state", json::name_of(r.state)}, {"start_time_ms", r.start_time_ms}, {"trigger", json::name_of(r.trigger)}};
  if (r.end_time_ms) out["end_time_ms"] = r.end_time_ms;
  if (!r.message.empty()) out["message"] = r.message;
  return out;
}

template <class T>
api::Result told(const Result<T>& r) {
  if (!r) return fail(api::wire(r.error()));
  if constexpr (std::is_void_v<T>)
    return api::ok(json::value(json::object{}));
  else
    return api::ok(shown(*r));
}

}  // namespace

std::vector<api::Route> routes(Monitors& m) {
  std::vector<api::Route> out;
  const auto row = [&](Method method, const std::string& path, api::Handler h) {
    out.push_back({.method = method,
                   .pattern = "/api/2.1/unity-catalog/tables/{table_name}/monitor" + path,
                   .group = "quality-monitors",
                   .handler = std::move(h)});
  };
  row(Method::POST, "", [&m](const Request& r) -> api::Result {
    TARN_TRY(wanted, definition_of(r));
    return told(m.create(r.context, r.capture("table_name"), wanted));
  });
  row(Method::GET, "", [&m](const Request& r) { return told(m.get(r.context, r.capture("table_name"))); });
  row(Method::PUT, "", [&m](const Request& r) -> api::Result {
    TARN_TRY(wanted, definition_of(r));
    return told(m.update(r.context, r.capture("table_name"), wanted));
  });
  row(Method::DELETE, "", [&m](const Request& r) { return told(m.remove(r.context, r.capture("table_name"))); });
  row(Method::POST, "/refreshes", [&m](const Request& r) { return told(m.refresh(r.context, r.capture("table_name"))); });
  row(Method::GET, "/refreshes", [&m](const Request& r) -> api::Result {
    const auto all = m.refreshes(r.context, r.capture("table_name"));
    if (!all) return fail(api::wire(all.error()));
    json::array list;
    for (const auto& one : *all) list.push_back(shown(one));
    return api::ok(json::value(json::object{{"refreshes", std::move(list)}}));
  });
  row(Method::GET, "/refreshes/{refresh_id}",
      [&m](const Request& r) { return told(m.refresh_of(r.context, r.capture("table_name"), r.capture("refresh_id"))); });
  row(Method::POST, "/refreshes/{refresh_id}/cancel",
      [&m](const Request& r) { return told(m.cancel(r.context, r.capture("table_name"), r.capture("refresh_id"))); });
  return out;
}

}  // namespace tarn::quality
