#include "queries/routes.h"

namespace tarn::queries {
namespace {

using api::Method;
using api::Request;

struct QueryRequest {
  std::optional<QueryFields> query;
  std::optional<bool> auto_resolve_display_name;
  std::optional<std::string> update_mask;
};
BOOST_DESCRIBE_STRUCT(QueryRequest, (), (query, auto_resolve_display_name, update_mask))
struct AlertRequest {
  std::optional<AlertFields> alert;
  std::optional<bool> auto_resolve_display_name;
  std::optional<std::string> update_mask;
};
BOOST_DESCRIBE_STRUCT(AlertRequest, (), (alert, auto_resolve_display_name, update_mask))
struct PublishRequest {
  std::optional<std::string> warehouse_id;
  std::optional<bool> embed_credentials;
};
BOOST_DESCRIBE_STRUCT(PublishRequest, (), (warehouse_id, embed_credentials))

std::string mounted(const std::string& folder) { return "/Workspace" + folder; }

void set_common(json::object& o, const Place& p) {
  o["id"] = p.id;
  o["owner_user_name"] = p.owner_user_name;
  o["lifecycle_state"] = json::name_of(p.lifecycle_state);
  o["create_time"] = to_rfc3339(p.created);
  o["update_time"] = to_rfc3339(p.updated);
}

json::object shown(const Query& q) {
  json::object o = json::encode(q.fields).as_object();
  set_common(o, q);
  o["last_modifier_user_name"] = q.last_modifier;
  o["parent_path"] = mounted(q.folder);
  return o;
}
json::object shown(const Alert& a) {
  json::object o = json::encode(a.fields).as_object();
  set_common(o, a);
  o["state"] = json::name_of(a.state);
  if (a.triggered_at) o["trigger_time"] = to_rfc3339(a.triggered_at);
  o["parent_path"] = mounted(a.folder);
  return o;
}
json::object shown(const AlertV2& a) {
  json::object o = json::encode(a.fields).as_object();
  set_common(o, a);
  if (a.lifecycle_state == Lifecycle::TRASHED) o["lifecycle_state"] = "DELETED";
  o["run_as_user_name"] = a.run_as_name;
  o["effective_run_as"] = json::object{{a.run_as_service ? "service_principal_name" : "user_name", a.run_as_name}};
  auto& evaluation = o["evaluation"].as_object();
  evaluation["state"] = json::name_of(a.state);
  if (a.evaluated_at) evaluation["last_evaluated_at"] = to_rfc3339(a.evaluated_at);
  return o;
}
json::object shown(const Dashboard& d) {
  json::object o = json::encode(d.fields).as_object();
  o["dashboard_id"] = d.id;
  o["lifecycle_state"] = json::name_of(d.lifecycle_state);
  o["create_time"] = to_rfc3339(d.created);
  o["update_time"] = to_rfc3339(d.updated);
  o["etag"] = std::to_string(d.revision);
  o["parent_path"] = d.folder;
  o["path"] = d.folder + "/" + d.fields.display_name.value_or("") + ".lvdash.json";
  return o;
}
json::object shown(const Published& p) {
  return {{"display_name", p.display_name},
          {"warehouse_id", p.warehouse_id},
          {"embed_credentials", p.embed_credentials},
          {"revision_create_time", to_rfc3339(p.revision_created)}};
}

template <class T>
api::Result answer(const Result<T>& r) {
  if (!r) return fail(wire(r.error()));
  if constexpr (std::is_void_v<T>)
    return api::ok();
  else
    return api::ok(json::value(shown(*r)));
}

struct Asked {
  std::string after;
  std::size_t limit = 20;
};
Expected<Asked, api::WireError> page_of(const Request& r, const std::string& listing) {
  Asked out;
  if (const auto given = r.param("page_size")) {
    TARN_TRY(n, api::integer("page_size", *given));
    if (n < 0 || n > 1000) return fail(api::bad_request("Parameter 'page_size' must be between 0 and 1000, got " + *given));
    if (n > 0) out.limit = static_cast<std::size_t>(n);
  }
  TARN_TRY(after, api::page_after(listing, r.param("page_token")));
  out.after = after;
  return out;
}

template <class T>
api::Result listed(const Page<T>& page, const std::string& listing, const char* field) {
  json::array items;
  for (const auto& i : page.items) items.push_back(shown(i));
  json::object out;
  if (!items.empty()) out[field] = std::move(items);
  if (page.next) out["next_page_token"] = api::page_token(listing, *page.next);
  return api::ok(json::value(std::move(out)));
}

}  // namespace

std::vector<api::Route> routes(Objects& o) {
  std::vector<api::Route> out;
  std::string group;
  const auto row = [&](Method m, const std::string& pattern, api::Handler h) {
    out.push_back({.method = m, .pattern = "/api/2.0/" + pattern, .group = group, .handler = std::move(h)});
  };
  group = "queries";
  row(Method::POST, "sql/queries", [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<QueryRequest>(r));
    return answer(o.create_query(r.context, body.query.value_or(QueryFields{}), body.auto_resolve_display_name.value_or(false)));
  });
  row(Method::GET, "sql/queries", [&o](const Request& r) -> api::Result {
    TARN_TRY(p, page_of(r, "queries"));
    return listed(o.queries(r.context, p.after, p.limit), "queries", "results");
  });
  row(Method::GET, "sql/queries/{id}", [&o](const Request& r) -> api::Result { return answer(o.query(r.context, r.capture("id"))); });
  row(Method::PATCH, "sql/queries/{id}", [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<QueryRequest>(r));
    return answer(o.update_query(r.context, r.capture("id"), body.query.value_or(QueryFields{}), body.update_mask.value_or(""),
                                 body.auto_resolve_display_name.value_or(false)));
  });
  row(Method::DELETE, "sql/queries/{id}", [&o](const Request& r) -> api::Result { return answer(o.trash_query(r.context, r.capture("id"))); });

  group = "alerts";
  row(Method::POST, "sql/alerts", [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<AlertRequest>(r));
    return answer(o.create_alert(r.context, body.alert.value_or(AlertFields{}), body.auto_resolve_display_name.value_or(false)));
  });
  row(Method::GET, "sql/alerts", [&o](const Request& r) -> api::Result {
    TARN_TRY(p, page_of(r, "alerts"));
    return listed(o.alerts(r.context, p.after, p.limit), "alerts", "results");
  });
  row(Method::GET, "sql/alerts/{id}", [&o](const Request& r) -> api::Result { return answer(o.alert(r.context, r.capture("id"))); });
  row(Method::PATCH, "sql/alerts/{id}", [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<AlertRequest>(r));
    return answer(o.update_alert(r.context, r.capture("id"), body.alert.value_or(AlertFields{}), body.update_mask.value_or(""),
                                 body.auto_resolve_display_name.value_or(false)));
  });
  row(Method::DELETE, "sql/alerts/{id}", [&o](const Request& r) -> api::Result { return answer(o.trash_alert(r.context, r.capture("id"))); });

  group = "alerts-v2";
  row(Method::POST, "alerts", [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<AlertV2Fields>(r));
    return answer(o.create_alert_v2(r.context, std::move(body)));
  });
  row(Method::GET, "alerts", [&o](const Request& r) -> api::Result {
    TARN_TRY(p, page_of(r, "alerts-v2"));
    return listed(o.alerts_v2(r.context, p.after, p.limit), "alerts-v2", "alerts");
  });
  row(Method::GET, "alerts/{id}", [&o](const Request& r) -> api::Result { return answer(o.alert_v2(r.context, r.capture("id"))); });
  row(Method::PATCH, "alerts/{id}", [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<AlertV2Fields>(r));
    return answer(o.update_alert_v2(r.context, r.capture("id"), body, r.param("update_mask").value_or("")));
  });
  row(Method::DELETE, "alerts/{id}",
      [&o](const Request& r) -> api::Result { return answer(o.trash_alert_v2(r.context, r.capture("id"), r.param("purge") == "true")); });

  group = "lakeview";
  const std::string all = "lakeview/dashboards", one = all + "/{id}";
  row(Method::POST, all, [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<DashboardFields>(r));
    return answer(o.create_dashboard(r.context, body));
  });
  row(Method::GET, all, [&o](const Request& r) -> api::Result {
    TARN_TRY(p, page_of(r, "dashboards"));
    return listed(o.dashboards(r.context, p.after, p.limit, r.param("show_trashed") == "true"), "dashboards", "dashboards");
  });
  row(Method::GET, one, [&o](const Request& r) -> api::Result { return answer(o.dashboard(r.context, r.capture("id"))); });
  row(Method::PATCH, one, [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<DashboardFields>(r));
    return answer(o.update_dashboard(r.context, r.capture("id"), body));
  });
  row(Method::DELETE, one, [&o](const Request& r) -> api::Result { return answer(o.trash_dashboard(r.context, r.capture("id"))); });
  row(Method::POST, one + "/published", [&o](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PublishRequest>(r));
    return answer(o.publish(r.context, r.capture("id"), body.warehouse_id, body.embed_credentials.value_or(false)));
  });
  row(Method::GET, one + "/published", [&o](const Request& r) -> api::Result { return answer(o.published(r.context, r.capture("id"))); });
  row(Method::DELETE, one + "/published", [&o](const Request& r) -> api::Result { return answer(o.unpublish(r.context, r.capture("id"))); });
  return out;
}

}  // namespace tarn::queries
