#include "serving/routes.h"

namespace tarn::serving {
namespace {

using api::Method;
using api::Request;

struct EntityBody {
  std::optional<std::string> name, entity_name, entity_version, model_name, model_version, workload_size, workload_type;
  std::optional<bool> scale_to_zero_enabled;
  std::map<std::string, std::string> environment_vars;
  std::optional<std::int64_t> min_provisioned_concurrency, max_provisioned_concurrency;
  json::value external_model;
  std::optional<std::string> instance_profile_arn;
};
BOOST_DESCRIBE_STRUCT(EntityBody, (),
                      (name, entity_name, entity_version, model_name, model_version, workload_size, workload_type, scale_to_zero_enabled,
                       environment_vars, min_provisioned_concurrency, max_provisioned_concurrency, external_model, instance_profile_arn))
struct RouteBody {
  std::optional<std::string> served_model_name, served_entity_name;
  int traffic_percentage = 0;
};
BOOST_DESCRIBE_STRUCT(RouteBody, (), (served_model_name, served_entity_name, traffic_percentage))
struct CanaryBody {
  std::string served_model_name;
  std::optional<double> max_error_percentage, max_p95_latency_ms;
  std::optional<std::int64_t> min_requests;
};
BOOST_DESCRIBE_STRUCT(CanaryBody, (), (served_model_name, max_error_percentage, max_p95_latency_ms, min_requests))
struct TrafficBody {
  std::vector<RouteBody> routes;
  std::optional<CanaryBody> canary;
};
BOOST_DESCRIBE_STRUCT(TrafficBody, (), (routes, canary))
struct CaptureBody {
  std::optional<std::string> catalog_name, schema_name, table_name_prefix;
  std::optional<bool> enabled;
  std::optional<double> sampling_fraction;
};
BOOST_DESCRIBE_STRUCT(CaptureBody, (), (catalog_name, schema_name, table_name_prefix, enabled, sampling_fraction))
struct ConfigBody {
  std::vector<EntityBody> served_entities, served_models;
  std::optional<TrafficBody> traffic_config;
  std::optional<CaptureBody> auto_capture_config;
};
BOOST_DESCRIBE_STRUCT(ConfigBody, (), (served_entities, served_models, traffic_config, auto_capture_config))
struct LimitBody {
  std::optional<std::int64_t> calls, tokens;
  std::optional<LimitKey> key;
  std::optional<std::string> principal, renewal_period;
};
BOOST_DESCRIBE_STRUCT(LimitBody, (), (calls, tokens, key, principal, renewal_period))
struct EnabledBody {
  std::optional<bool> enabled;
};
BOOST_DESCRIBE_STRUCT(EnabledBody, (), (enabled))
struct GatewayBody {
  std::vector<LimitBody> rate_limits;
  std::optional<CaptureBody> inference_table_config;
  std::optional<EnabledBody> usage_tracking_config, fallback_config;
  json::value guardrails;
};
BOOST_DESCRIBE_STRUCT(GatewayBody, (), (rate_limits, inference_table_config, usage_tracking_config, fallback_config, guardrails))
struct CreateBody {
  std::string name;
  std::optional<ConfigBody> config;
  std::optional<std::string> description;
  std::vector<Tag> tags;
  std::vector<LimitBody> rate_limits;
  std::optional<GatewayBody> ai_gateway;
  std::optional<bool> route_optimized;
};
BOOST_DESCRIBE_STRUCT(CreateBody, (), (name, config, description, tags, rate_limits, ai_gateway, route_optimized))
struct TagsBody {
  std::vector<Tag> add_tags;
  std::vector<std::string> delete_tags;
};
BOOST_DESCRIBE_STRUCT(TagsBody, (), (add_tags, delete_tags))
struct LimitsBody {
  std::vector<LimitBody> rate_limits;
};
BOOST_DESCRIBE_STRUCT(LimitsBody, (), (rate_limits))

template <class T>
using Wired = Expected<T, api::WireError>;

Wired<std::optional<Capture>> capture_of(const std::optional<CaptureBody>& b, const std::string& field) {
  if (!b) return std::optional<Capture>();
  Capture c{b->catalog_name.value_or(""), b->schema_name.value_or(""), b->table_name_prefix.value_or(""), b->enabled.value_or(true),
            b->sampling_fraction.value_or(1)};
  if (c.enabled && (c.catalog_name.empty() || c.schema_name.empty()))
    return fail(api::bad_request("Field '" + field + ".catalog_name' and '" + field + ".schema_name' are required"));
  return std::optional(c);
}

Wired<NewConfig> config_of(const ConfigBody& b, const std::string& endpoint) {
  NewConfig out;
  if (!b.served_entities.empty() && !b.served_models.empty())
    return fail(api::bad_request("Field 'served_models' cannot be there beside 'served_entities'"));
  const bool old = b.served_entities.empty();
  for (const auto& e : old ? b.served_models : b.served_entities) {
    if (!e.external_model.is_null()) return fail(api::not_enabled("Serving external models"));
    if (e.instance_profile_arn) return fail(api::not_enabled("Instance profiles of served entities"));
    if (e.workload_type && *e.workload_type != "CPU")
      return fail(
          api::bad_request("Field 'workload_type' must be CPU: this server has no GPU for models, got '" + e.workload_type->substr(0, 50) + "'"));
    ServedEntity s;
    s.name = e.name.value_or("");
    s.entity_name = e.entity_name.value_or(e.model_name.value_or(""));
    s.entity_version = e.entity_version.value_or(e.model_version.value_or(""));
    s.workload_size = e.workload_size.value_or("");
    s.scale_to_zero_enabled = e.scale_to_zero_enabled.value_or(e.min_provisioned_concurrency == 0);
    s.environment_vars = e.environment_vars;
    s.max_provisioned_concurrency = e.max_provisioned_concurrency;
    out.served_entities.push_back(std::move(s));
  }
  if (b.traffic_config) {
    for (const auto& r : b.traffic_config->routes)
      out.routes.push_back({r.served_model_name.value_or(r.served_entity_name.value_or("")), r.traffic_percentage});
    if (const auto& c = b.traffic_config->canary)
      out.canary = Canary{c->served_model_name, c->max_error_percentage, c->max_p95_latency_ms, c->min_requests.value_or(20)};
  }
  TARN_TRY(capture, capture_of(b.auto_capture_config, "auto_capture_config"));
  out.capture = capture;
  if (out.capture && out.capture->table_name_prefix.empty()) out.capture->table_name_prefix = endpoint;
  return out;
}

Wired<std::vector<RateLimit>> limits_of(const std::vector<LimitBody>& list) {
  std::vector<RateLimit> out;
  for (const auto& l : list) {
    if (l.tokens) return fail(api::not_enabled("Rate limits by tokens"));
    if (!l.calls) return fail(api::bad_request("Field 'rate_limits.calls' is required"));
    if (l.renewal_period && *l.renewal_period != "minute")
      return fail(api::bad_request("Field 'rate_limits.renewal_period' must be minute, got '" + *l.renewal_period + "'"));
    out.push_back({*l.calls, l.key.value_or(LimitKey::endpoint), l.principal});
  }
  return out;
}

Wired<void> check_gateway(const GatewayBody& g) {
  if (!g.guardrails.is_null()) return fail(api::not_enabled("AI guardrails"));
  if (g.usage_tracking_config && g.usage_tracking_config->enabled.value_or(false)) return fail(api::not_enabled("Usage tracking of the AI gateway"));
  if (g.fallback_config && g.fallback_config->enabled.value_or(false)) return fail(api::not_enabled("Fallbacks of the AI gateway"));
  return {};
}

json::object shown(const Capture& c) {
  return {
      {"catalog_name", c.catalog_name},           {"schema_name", c.schema_name},
      {"table_name_prefix", c.table_name_prefix}, {"enabled", c.enabled},
      {"sampling_fraction", c.sampling_fraction}, {"state", json::object{{"payload_table", json::object{{"name", c.table()}, {"status", "READY"}}}}}};
}

json::object shown(const Config& c, const std::vector<std::shared_ptr<Served>>& live, const std::string& failure, bool pending) {
  json::array entities, models;
  for (const auto& e : c.served_entities) {
    json::object o{{"name", e.name},         {"workload_size", e.workload_size},
                   {"workload_type", "CPU"}, {"scale_to_zero_enabled", e.scale_to_zero_enabled},
                   {"creator", e.creator},   {"creation_timestamp", e.creation_timestamp}};
    if (!e.environment_vars.empty()) o["environment_vars"] = json::encode(e.environment_vars);
    if (e.max_provisioned_concurrency) o["max_provisioned_concurrency"] = *e.max_provisioned_concurrency;
    Served::Status status{failure.empty() ? "DEPLOYMENT_CREATING" : "DEPLOYMENT_ABORTED", failure, 0};
    for (const auto& s : live)
      if (s->entity.identity() == e.identity()) status = s->status();
    o["state"] = json::object{{"deployment", status.deployment}, {"deployment_state_message", status.message}};
    auto model = o;
    o["entity_name"] = e.entity_name;
    o["entity_version"] = e.entity_version;
    model["model_name"] = e.entity_name;
    model["model_version"] = e.entity_version;
    entities.push_back(std::move(o));
    models.push_back(std::move(model));
  }
  json::array routes;
  for (const auto& r : c.routes)
    routes.push_back(json::object{
        {"served_model_name", r.served_model_name}, {"served_entity_name", r.served_model_name}, {"traffic_percentage", r.traffic_percentage}});
  json::object traffic{{"routes", std::move(routes)}};
  if (c.canary) traffic["canary"] = json::encode(*c.canary);
  json::object out{{"served_entities", std::move(entities)},
                   {"served_models", std::move(models)},
                   {"traffic_config", std::move(traffic)},
                   {"config_version", c.config_version}};
  if (c.capture) out["auto_capture_config"] = shown(*c.capture);
  if (pending) out["start_time"] = c.start_time;
  return out;
}

json::object state_of(const Endpoint& e) {
  return {{"ready", e.active ? "READY" : "NOT_READY"},
          {"config_update", e.updating()      ? "IN_PROGRESS"
                            : e.update_failed ? "UPDATE_FAILED"
                                              : "NOT_UPDATING"}};
}

json::object gateway_of(const Endpoint& e) {
  json::object out;
  json::array limits;
  for (const auto& l : e.rate_limits) {
    json::object o{{"calls", l.calls}, {"key", json::name_of(l.key)}, {"renewal_period", "minute"}};
    if (l.principal) o["principal"] = *l.principal;
    limits.push_back(std::move(o));
  }
  if (!limits.empty()) out["rate_limits"] = std::move(limits);
  if (e.gateway_capture) out["inference_table_config"] = json::encode(*e.gateway_capture);
  return out;
}

class Shower {
 public:
  explicit Shower(Doors d) : d_(d) {}
  json::object operator()(const Request& r, const Endpoint& e, bool detailed) const {
    json::object o{{"name", e.name},
                   {"id", e.id},
                   {"creator", e.creator},
                   {"creation_timestamp", e.creation_timestamp},
                   {"last_updated_timestamp", e.last_updated_timestamp},
                   {"state", state_of(e)}};
    if (e.description) o["description"] = *e.description;
    if (!e.tags.empty()) o["tags"] = json::encode(e.tags);
    if (auto g = gateway_of(e); !g.empty()) o["ai_gateway"] = std::move(g);
    const auto view = d_.runtime.find(e.workspace_id, e.name);
    const std::vector<std::shared_ptr<Served>> none;
    if (e.active) o["config"] = shown(*e.active, view ? view->served : none, "", false);
    if (!detailed) return o;
    // A first configuration that is to come shows as the configuration too, as there.
    if (e.pending) o["pending_config"] = shown(*e.pending, view ? view->pending : none, e.update_failed ? e.update_message : "", true);
    o["permission_level"] = d_.endpoints.level_of(r.context, e);
    o["route_optimized"] = false;
    if (!e.events.empty()) o["events"] = json::encode(e.events);
    return o;
  }
  api::Result answer(const Request& r, const Result<Endpoint>& e) const {
    if (!e) return fail(wire(e.error()));
    return api::ok(json::value((*this)(r, *e, true)));
  }

 private:
  Doors d_;
};

Result<std::shared_ptr<Served>> served_of(Doors d, const Request& r) {
  TARN_TRY(e, d.endpoints.get(r.context, r.capture("name")));
  const auto view = d.runtime.find(e.workspace_id, e.name);
  if (view)
    for (const auto* list : {&view->served, &view->pending})
      for (const auto& s : *list)
        if (s->entity.name == r.capture("served")) return s;
  return refuse(Errc::not_found, fmt::format("Endpoint '{}' has no served entity '{}'.", e.name, r.capture("served").substr(0, 100)));
}

}  // namespace

api::WireError wire(const Error& e) {
  auto out = api::wire<Errc>(e);
  if (e.retry_after > 0) out.headers.emplace_back("retry-after", std::to_string(e.retry_after));
  return out;
}

std::vector<api::Route> routes(Doors d) {
  std::vector<api::Route> out;
  const Shower show(d);
  const auto row = [&](Method m, const std::string& rest, api::Handler h) {
    out.push_back({.method = m, .pattern = "/api/2.0/serving-endpoints" + rest, .group = "serving-endpoints", .handler = std::move(h)});
  };
  row(Method::POST, "", [d, show](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<CreateBody>(r));
    if (b.route_optimized.value_or(false)) return fail(api::not_enabled("Route optimisation of endpoints"));
    NewEndpoint e{.name = b.name, .description = b.description, .tags = b.tags};
    auto limits = b.rate_limits;
    if (b.ai_gateway) {
      TARN_CHECK(check_gateway(*b.ai_gateway));
      limits.insert(limits.end(), b.ai_gateway->rate_limits.begin(), b.ai_gateway->rate_limits.end());
      TARN_TRY(capture, capture_of(b.ai_gateway->inference_table_config, "ai_gateway.inference_table_config"));
      e.gateway_capture = capture;
      if (e.gateway_capture && e.gateway_capture->table_name_prefix.empty()) e.gateway_capture->table_name_prefix = b.name;
    }
    TARN_TRY(list, limits_of(limits));
    e.rate_limits = list;
    if (b.config) {
      TARN_TRY(config, config_of(*b.config, b.name));
      e.config = std::move(config);
    }
    return show.answer(r, d.endpoints.create(r.context, e));
  });
  row(Method::GET, "", [d, show](const Request& r) -> api::Result {
    json::array list;
    for (const auto& e : d.endpoints.list(r.context)) list.push_back(show(r, e, false));
    json::object o;
    if (!list.empty()) o["endpoints"] = std::move(list);
    return api::ok(json::value(std::move(o)));
  });
  row(Method::GET, "/{name}", [d, show](const Request& r) -> api::Result { return show.answer(r, d.endpoints.get(r.context, r.capture("name"))); });
  row(Method::DELETE, "/{name}", [d](const Request& r) -> api::Result {
    if (const auto gone = d.endpoints.remove(r.context, r.capture("name")); !gone) return fail(wire(gone.error()));
    return api::ok();
  });
  row(Method::PUT, "/{name}/config", [d, show](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<ConfigBody>(r));
    TARN_TRY(config, config_of(b, r.capture("name")));
    return show.answer(r, d.endpoints.update_config(r.context, r.capture("name"), config));
  });
  row(Method::PATCH, "/{name}/tags", [d](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<TagsBody>(r));
    const auto e = d.endpoints.set_tags(r.context, r.capture("name"), b.add_tags, b.delete_tags);
    if (!e) return fail(wire(e.error()));
    return api::ok(json::value(json::object{{"tags", json::encode(e->tags)}}));
  });
  row(Method::PUT, "/{name}/rate-limits", [d](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<LimitsBody>(r));
    TARN_TRY(limits, limits_of(b.rate_limits));
    const auto e = d.endpoints.set_limits(r.context, r.capture("name"), limits);
    if (!e) return fail(wire(e.error()));
    return api::ok(json::value(gateway_of(*e)));
  });
  row(Method::PUT, "/{name}/ai-gateway", [d](const Request& r) -> api::Result {
    TARN_TRY(b, api::body_of<GatewayBody>(r));
    TARN_CHECK(check_gateway(b));
    TARN_TRY(limits, limits_of(b.rate_limits));
    TARN_TRY(capture, capture_of(b.inference_table_config, "inference_table_config"));
    if (capture && capture->table_name_prefix.empty()) capture->table_name_prefix = r.capture("name");
    const auto e = d.endpoints.set_gateway(r.context, r.capture("name"), limits, capture);
    if (!e) return fail(wire(e.error()));
    return api::ok(json::value(gateway_of(*e)));
  });
  row(Method::GET, "/{name}/metrics", [d](const Request& r) -> api::Result {
    const auto e = d.endpoints.get(r.context, r.capture("name"));
    if (!e) return fail(wire(e.error()));
    const auto view = d.runtime.find(e->workspace_id, e->name);
    return api::Reply{.body = view ? d.runtime.metrics(*view) : "", .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  });
  row(Method::GET, "/{name}/openapi", [d](const Request& r) -> api::Result {
    const auto e = d.endpoints.get(r.context, r.capture("name"));
    if (!e) return fail(wire(e.error()));
    const auto view = d.runtime.find(e->workspace_id, e->name);
    const auto model = view && !view->served.empty() ? view->served[0]->model() : nullptr;
    if (!model) return fail(wire({{Errc::unavailable, fmt::format("Endpoint '{}' is not ready: its schema is not known yet.", e->name)}, 2}));
    return api::ok(json::value(openapi(e->name, (r.secure ? "https://" : "http://") + r.host, *model)));
  });
  row(Method::GET, "/{name}/served-models/{served}/logs", [d](const Request& r) -> api::Result {
    const auto s = served_of(d, r);
    if (!s) return fail(wire(s.error()));
    return api::ok(json::value(json::object{{"logs", (*s)->log()}}));
  });
  row(Method::GET, "/{name}/served-models/{served}/build-logs", [d](const Request& r) -> api::Result {
    const auto s = served_of(d, r);
    if (!s) return fail(wire(s.error()));
    return api::ok(json::value(json::object{{"logs", (*s)->build_log()}}));
  });
  add_invocation_routes(out, d);
  return out;
}

}  // namespace tarn::serving
