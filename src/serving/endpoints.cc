#include "serving/endpoints.h"

#include "base/ids.h"

namespace tarn::serving {
namespace {

constexpr std::size_t kMostEntities = 15, kMostTags = 20, kMostLimits = 20, kMostEvents = 50;

std::int64_t workspace_of(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }

bool plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 63 && std::isalnum(static_cast<unsigned char>(name.front())) &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

Error lifted(const catalog::Error& e, const std::string& field) {
  switch (e.code) {
    case catalog::Errc::permission_denied:
      return {{Errc::permission_denied, e.message}};
    case catalog::Errc::not_found:
      return {{Errc::invalid, fmt::format("Field '{}': {}", field, e.message)}};
    default:
      return {{Errc::invalid, fmt::format("Field '{}': {}", field, e.message)}};
  }
}

Error no_endpoint(const std::string& name) {
  return {{Errc::not_found, fmt::format("The given endpoint does not exist, please retry after checking the specified model and version deployment "
                                        "exists. (endpoint '{}')",
                                        name.substr(0, 100))}};
}

Result<void> check_tags(const std::vector<Tag>& tags) {
  std::set<std::string> seen;
  for (const auto& t : tags) {
    if (t.key.empty() || t.key.size() > 127) return refuse(Errc::invalid, "Field 'tags.key' must have 1 to 127 bytes");
    if (t.value && t.value->size() > 255) return refuse(Errc::invalid, "Field 'tags.value' must have at most 255 bytes");
    if (!seen.insert(t.key).second) return refuse(Errc::invalid, "Field 'tags' names the key '" + t.key + "' twice");
  }
  if (tags.size() > kMostTags) return refuse(Errc::invalid, fmt::format("Field 'tags' must have at most {} entries", kMostTags));
  return {};
}

Result<void> check_limits(const std::vector<RateLimit>& limits) {
  if (limits.size() > kMostLimits) return refuse(Errc::invalid, fmt::format("Field 'rate_limits' must have at most {} entries", kMostLimits));
  for (const auto& l : limits) {
    if (l.calls < 0) return refuse(Errc::invalid, "Field 'rate_limits.calls' must not be negative");
    const bool names = l.key == LimitKey::user_group || l.key == LimitKey::service_principal;
    if (names && l.principal.value_or("").empty())
      return refuse(Errc::invalid, fmt::format("Field 'rate_limits.principal' is required for the key {}", json::name_of(l.key)));
    if (l.key == LimitKey::endpoint && l.principal) return refuse(Errc::invalid, "Field 'rate_limits.principal' has no meaning for the key endpoint");
  }
  return {};
}

void note(Endpoint& e, Millis at, const std::string& what) {
  e.events.push_back(to_rfc3339(at) + " " + what);
  if (e.events.size() > kMostEvents) e.events.erase(e.events.begin());
}

}  // namespace

Endpoints::Endpoints(store::Store& store, access::ObjectPermissions& permissions, catalog::Models& models, catalog::Catalog& catalog,
                     const Clock& clock)
    : store_(store), permissions_(permissions), models_(models), catalog_(catalog), clock_(clock), changed_([] {}) {
  access::ObjectKind k;
  k.type = kPermissionType;
  k.levels = {{"CAN_VIEW", "Can view serving endpoint"}, {"CAN_QUERY", "Can query serving endpoint"}, {"CAN_MANAGE", "Can manage serving endpoint"}};
  k.creator_level = "CAN_MANAGE";
  k.object_type = "serving-endpoint";
  k.missing = "Inference endpoint with ID {} does not exist.";
  k.find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
    const auto e = store_.read_as([&](store::ReadTxn& t) { return kEndpoints.find(t, "id", id); });
    if (!e || e->value.workspace_id != workspace) return std::nullopt;
    return access::FoundObject{{}, "Serving endpoint " + e->value.name};
  };
  permissions_.add_kind(std::move(k));
}

Error Endpoints::told(const access::Context& ctx, const char* action, const std::string& name, Error e) {
  return store_.refused(ctx.event("serverlessRealTimeInference", action, {{"name", name.substr(0, 100)}}), std::move(e));
}

Result<Endpoint> Endpoints::get(const access::Context& ctx, const std::string& name, std::string_view level) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kEndpoints.get(t, store::key({store::sortable(workspace_of(ctx)), name})); });
  if (!found || !permissions_.allows(ctx, {kPermissionType, found->value.id}, "CAN_VIEW")) return fail(no_endpoint(name));
  if (!permissions_.allows(ctx, {kPermissionType, found->value.id}, level))
    return refuse(Errc::permission_denied, fmt::format("User does not have {} permission on the serving endpoint '{}'.", level, name));
  return found->value;
}

std::vector<Endpoint> Endpoints::list(const access::Context& ctx) {
  auto found = store_.read_as([&](store::ReadTxn& t) { return kEndpoints.scan(t, store::prefix({store::sortable(workspace_of(ctx))})); });
  std::erase_if(found, [&](const Endpoint& e) { return !permissions_.allows(ctx, {kPermissionType, e.id}, "CAN_VIEW"); });
  return found;
}

Result<void> Endpoints::check_capture(const access::Context& ctx, const Capture& c) {
  for (const auto& [field, text] :
       {std::pair("catalog_name", &c.catalog_name), std::pair("schema_name", &c.schema_name), std::pair("table_name_prefix", &c.table_name_prefix)})
    if (!plain_name(*text) || text->find('.') != text->npos)
      return refuse(Errc::invalid, fmt::format("Field 'auto_capture_config.{}' must be a plain name", field));
  if (!(c.sampling_fraction > 0 && c.sampling_fraction <= 1))
    return refuse(Errc::invalid, "Field 'auto_capture_config.sampling_fraction' must be above 0 and at most 1");
  const auto schema = c.catalog_name + "." + c.schema_name;
  if (const auto may = catalog_.require(ctx, catalog::Privilege::CREATE_TABLE, catalog::SecurableType::SCHEMA, schema); !may)
    return fail(lifted(may.error(), "auto_capture_config.schema_name"));
  return {};
}

Result<Config> Endpoints::checked(const access::Context& ctx, const NewConfig& wanted, const std::optional<Config>& before) {
  Config out;
  out.start_time = clock_.now();
  if (wanted.served_entities.empty()) return refuse(Errc::invalid, "Field 'served_entities' must have at least one entry");
  if (wanted.served_entities.size() > kMostEntities)
    return refuse(Errc::invalid, fmt::format("Field 'served_entities' must have at most {} entries", kMostEntities));
  std::set<std::string> names;
  for (std::size_t i = 0; i < wanted.served_entities.size(); ++i) {
    ServedEntity e = wanted.served_entities[i];
    const auto field = [&](const char* f) { return fmt::format("served_entities[{}].{}", i, f); };
    if (std::ranges::count(e.entity_name, '.') != 2)
      return refuse(Errc::invalid, fmt::format("Field '{}' must name a model of Unity Catalog (catalog.schema.model), got '{}'. Models of the "
                                               "workspace registry are not served.",
                                               field("entity_name"), e.entity_name.substr(0, 100)));
    if (e.entity_version.empty() || e.entity_version.size() > 12 || e.entity_version.find_first_not_of("0123456789") != std::string::npos)
      return refuse(Errc::invalid,
                    fmt::format("Field '{}' must be a version's number, got '{}'", field("entity_version"), e.entity_version.substr(0, 50)));
    if (e.workload_size.empty()) e.workload_size = "Small";
    if (e.workload_size != "Small" && e.workload_size != "Medium" && e.workload_size != "Large")
      return refuse(Errc::invalid,
                    fmt::format("Field '{}' must be one of Small, Medium, Large; got '{}'", field("workload_size"), e.workload_size.substr(0, 50)));
    if (e.max_provisioned_concurrency && (*e.max_provisioned_concurrency < 1 || *e.max_provisioned_concurrency > 1024))
      return refuse(Errc::invalid, fmt::format("Field '{}' must be between 1 and 1024", field("max_provisioned_concurrency")));
    for (const auto& [key, value] : e.environment_vars) {
      if (key.empty() || key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != key.npos)
        return refuse(Errc::invalid,
                      fmt::format("Field '{}' has a name that no variable can have: '{}'", field("environment_vars"), key.substr(0, 50)));
      if (key.starts_with("LD_") || key == "PATH" || key.starts_with("PYTHON"))
        return refuse(Errc::invalid, fmt::format("Field '{}' must not set {}", field("environment_vars"), key));
      if (value.find("{{secrets/") != value.npos)
        return refuse(Errc::not_enabled,
                      fmt::format("Field '{}': secrets in a served entity's environment are not built", field("environment_vars")));
    }
    if (e.environment_vars.size() > 50)
      return refuse(Errc::invalid, fmt::format("Field '{}' must have at most 50 entries", field("environment_vars")));
    if (const auto may = catalog_.require(ctx, catalog::Privilege::EXECUTE, catalog::SecurableType::FUNCTION, e.entity_name); !may)
      return fail(lifted(may.error(), field("entity_name")));
    const auto version = models_.version(ctx, e.entity_name, std::stoll(e.entity_version));
    if (!version) return fail(lifted(version.error(), field("entity_version")));
    if (version->status != catalog::VersionStatus::READY)
      return refuse(Errc::invalid, fmt::format("Field '{}': version {} of '{}' is {}", field("entity_version"), e.entity_version, e.entity_name,
                                               json::name_of(version->status)));
    if (e.name.empty()) e.name = e.entity_name.substr(e.entity_name.rfind('.') + 1) + "-" + e.entity_version;
    if (!plain_name(e.name)) return refuse(Errc::invalid, fmt::format("Field '{}' is not a valid name: '{}'", field("name"), e.name.substr(0, 100)));
    if (!names.insert(e.name).second) return refuse(Errc::invalid, fmt::format("Field '{}': the name '{}' is there twice", field("name"), e.name));
    e.creator = ctx.caller.name;
    e.creator_id = ctx.caller.id;
    e.creation_timestamp = clock_.now();
    // What is served already and did not change stays its maker's.
    if (before)
      for (const auto& old : before->served_entities) {
        auto same = e;
        same.creator_id = old.creator_id;
        if (same.identity() == old.identity()) e.creator = old.creator, e.creator_id = old.creator_id, e.creation_timestamp = old.creation_timestamp;
      }
    out.served_entities.push_back(std::move(e));
  }
  out.routes = wanted.routes;
  if (out.routes.empty()) {
    if (out.served_entities.size() > 1)
      return refuse(Errc::invalid, "Field 'traffic_config.routes' is required where there are several served entities");
    out.routes.push_back({out.served_entities[0].name, 100});
  }
  int sum = 0;
  std::set<std::string> routed;
  for (const auto& r : out.routes) {
    if (!names.contains(r.served_model_name))
      return refuse(Errc::invalid,
                    fmt::format("Field 'traffic_config.routes' names '{}', which is no served entity", r.served_model_name.substr(0, 100)));
    if (!routed.insert(r.served_model_name).second)
      return refuse(Errc::invalid, fmt::format("Field 'traffic_config.routes' names '{}' twice", r.served_model_name));
    if (r.traffic_percentage < 0 || r.traffic_percentage > 100)
      return refuse(Errc::invalid,
                    fmt::format("Field 'traffic_config.routes.traffic_percentage' must be between 0 and 100, got {}", r.traffic_percentage));
    sum += r.traffic_percentage;
  }
  if (sum != 100) return refuse(Errc::invalid, fmt::format("Field 'traffic_config.routes': the percentages must sum to 100, got {}", sum));
  if (wanted.canary) {
    const auto& c = *wanted.canary;
    if (!routed.contains(c.served_model_name) || out.routes.size() < 2)
      return refuse(Errc::invalid, "Field 'traffic_config.canary.served_model_name' must name one of several routes");
    if (!c.max_error_percentage && !c.max_p95_latency_ms)
      return refuse(Errc::invalid, "Field 'traffic_config.canary' must have max_error_percentage or max_p95_latency_ms");
    if (c.min_requests < 1) return refuse(Errc::invalid, "Field 'traffic_config.canary.min_requests' must be at least 1");
    out.canary = c;
  }
  if (wanted.capture && wanted.capture->enabled) {
    TARN_CHECK(check_capture(ctx, *wanted.capture));
    out.capture = wanted.capture;
  }
  return out;
}

Result<Endpoint> Endpoints::create(const access::Context& ctx, const NewEndpoint& request) {
  constexpr auto kAction = "createServingEndpoint";
  const auto made = [&]() -> Result<Endpoint> {
    Endpoint e;
    if (!plain_name(request.name))
      return refuse(Errc::invalid,
                    fmt::format("Field 'name' must have 1 to 63 letters, digits, dashes or underscores, and begin with a letter or digit; got '{}'",
                                request.name.substr(0, 100)));
    TARN_CHECK(check_tags(request.tags));
    TARN_CHECK(check_limits(request.rate_limits));
    if (request.gateway_capture) TARN_CHECK(check_capture(ctx, *request.gateway_capture));
    e.workspace_id = workspace_of(ctx);
    e.id = new_hex(16);
    e.name = request.name;
    e.creator = ctx.caller.name;
    e.creator_id = ctx.caller.id;
    e.description = request.description;
    e.creation_timestamp = e.last_updated_timestamp = clock_.now();
    e.tags = request.tags;
    e.rate_limits = request.rate_limits;
    e.gateway_capture = request.gateway_capture;
    if (request.config) {
      TARN_TRY(config, checked(ctx, *request.config, std::nullopt));
      e.pending = std::move(config);
      e.pending->config_version = e.last_version = 1;
    }
    return e;
  }();
  if (!made) return fail(told(ctx, kAction, request.name, made.error()));
  auto out = store_.write_as(ctx.event("serverlessRealTimeInference", kAction, {{"name", made->name}, {"id", made->id}}),
                             [&](store::WriteTxn& t) -> Result<Endpoint> {
                               if (!kEndpoints.insert(t, *made))
                                 return refuse(Errc::already_exists, fmt::format("Endpoint with name '{}' already exists.", made->name));
                               permissions_.on_created(t, made->workspace_id, {kPermissionType, made->id}, ctx.caller);
                               return *made;
                             });
  if (out) changed_();
  return out;
}

Result<Endpoint> Endpoints::change(const access::Context& ctx, const std::string& name, const char* action,
                                   const std::function<Result<void>(Endpoint&)>& body) {
  const auto may = get(ctx, name, "CAN_MANAGE");
  if (!may) return fail(told(ctx, action, name, may.error()));
  auto out = store_.write_as(ctx.event("serverlessRealTimeInference", action, {{"name", name}, {"id", may->id}}),
                             [&](store::WriteTxn& t) -> Result<Endpoint> {
                               auto found = kEndpoints.get(t, may->store_key());
                               if (!found || found->value.id != may->id) return fail(no_endpoint(name));
                               Endpoint& e = found->value;
                               TARN_CHECK(body(e));
                               e.last_updated_timestamp = clock_.now();
                               if (!kEndpoints.update(t, e)) throw std::logic_error("an endpoint vanished inside its transaction");
                               return e;
                             });
  if (out) changed_();
  return out;
}

Result<void> Endpoints::remove(const access::Context& ctx, const std::string& name) {
  constexpr auto kAction = "deleteServingEndpoint";
  const auto may = get(ctx, name, "CAN_MANAGE");
  if (!may) return fail(told(ctx, kAction, name, may.error()));
  auto out =
      store_.write_as(ctx.event("serverlessRealTimeInference", kAction, {{"name", name}, {"id", may->id}}), [&](store::WriteTxn& t) -> Result<void> {
        if (!kEndpoints.erase(t, may->store_key())) return fail(no_endpoint(name));
        permissions_.on_deleted(t, may->workspace_id, {kPermissionType, may->id});
        return {};
      });
  if (out) changed_();
  return out;
}

Result<Endpoint> Endpoints::update_config(const access::Context& ctx, const std::string& name, const NewConfig& wanted) {
  constexpr auto kAction = "updateServingEndpoint";
  const auto may = get(ctx, name, "CAN_MANAGE");
  if (!may) return fail(told(ctx, kAction, name, may.error()));
  const auto config = checked(ctx, wanted, may->active);
  if (!config) return fail(told(ctx, kAction, name, config.error()));
  return change(ctx, name, kAction, [&](Endpoint& e) -> Result<void> {
    if (e.updating())
      return refuse(Errc::invalid_state, fmt::format("Endpoint '{}' is being updated to configuration {}: wait until config_update is NOT_UPDATING.",
                                                     name, e.pending->config_version));
    e.pending = *config;
    e.pending->config_version = ++e.last_version;
    e.update_failed = false;
    e.update_message.clear();
    return {};
  });
}

Result<Endpoint> Endpoints::set_tags(const access::Context& ctx, const std::string& name, const std::vector<Tag>& add,
                                     const std::vector<std::string>& remove) {
  return change(ctx, name, "updateTags", [&](Endpoint& e) -> Result<void> {
    std::erase_if(e.tags, [&](const Tag& t) {
      return std::ranges::find(remove, t.key) != remove.end() || std::ranges::find(add, t.key, &Tag::key) != add.end();
    });
    e.tags.insert(e.tags.end(), add.begin(), add.end());
    return check_tags(e.tags);
  });
}

Result<Endpoint> Endpoints::set_limits(const access::Context& ctx, const std::string& name, const std::vector<RateLimit>& limits) {
  return change(ctx, name, "putRateLimits", [&](Endpoint& e) -> Result<void> {
    TARN_CHECK(check_limits(limits));
    e.rate_limits = limits;
    return {};
  });
}

Result<Endpoint> Endpoints::set_gateway(const access::Context& ctx, const std::string& name, const std::vector<RateLimit>& limits,
                                        const std::optional<Capture>& capture) {
  if (capture && capture->enabled)
    if (auto fine = check_capture(ctx, *capture); !fine) return fail(told(ctx, "putAiGateway", name, fine.error()));
  return change(ctx, name, "putAiGateway", [&](Endpoint& e) -> Result<void> {
    TARN_CHECK(check_limits(limits));
    e.rate_limits = limits;
    e.gateway_capture = capture;
    return {};
  });
}

std::vector<Endpoint> Endpoints::all() {
  return store_.read_as([&](store::ReadTxn& t) { return kEndpoints.scan(t); });
}

void Endpoints::by_platform(std::int64_t workspace_id, const std::string& name, const char* action, const std::function<bool(Endpoint&)>& body) {
  auto ctx = access::system_context();
  ctx.workspace_id = workspace_id;
  store_.write(ctx.event("serverlessRealTimeInference", action, {{"name", name}}), [&](store::WriteTxn& t) {
    auto found = kEndpoints.get(t, store::key({store::sortable(workspace_id), name}));
    if (!found || !body(found->value)) {
      t.audit().outcome = store::Outcome::failed;
      t.audit().status = 409;
      t.audit().error = "The endpoint changed meanwhile.";
      return false;
    }
    found->value.last_updated_timestamp = clock_.now();
    return kEndpoints.update(t, found->value).has_value();
  });
  changed_();
}

void Endpoints::promote(std::int64_t workspace_id, const std::string& name, std::int64_t version) {
  by_platform(workspace_id, name, "activateServingConfig", [&](Endpoint& e) {
    if (!e.updating() || e.pending->config_version != version) return false;
    e.active = std::exchange(e.pending, std::nullopt);
    note(e, clock_.now(), fmt::format("configuration {} serves", version));
    return true;
  });
}

void Endpoints::update_failed(std::int64_t workspace_id, const std::string& name, std::int64_t version, const std::string& why) {
  by_platform(workspace_id, name, "failServingConfig", [&](Endpoint& e) {
    if (!e.updating() || e.pending->config_version != version) return false;
    e.update_failed = true;
    e.update_message = why;
    note(e, clock_.now(), fmt::format("configuration {} failed: {}", version, why));
    return true;
  });
}

void Endpoints::roll_back(std::int64_t workspace_id, const std::string& name, std::int64_t version, const std::string& why) {
  by_platform(workspace_id, name, "rollBackCanary", [&](Endpoint& e) {
    if (!e.active || e.active->config_version != version || !e.active->canary) return false;
    const auto& canary = e.active->canary->served_model_name;
    int freed = 0, others = 0;
    for (auto& r : e.active->routes) (r.served_model_name == canary ? freed : others) += r.traffic_percentage;
    if (freed == 0) return false;
    // Shares of the others grow in proportion; what rounding leaves goes to the first.
    int given = 0;
    TrafficRoute* first = nullptr;
    for (auto& r : e.active->routes) {
      if (r.served_model_name == canary) {
        r.traffic_percentage = 0;
        continue;
      }
      if (!first) first = &r;
      r.traffic_percentage += others ? freed * r.traffic_percentage / others : 0;
      given += r.traffic_percentage;
    }
    if (first) first->traffic_percentage += 100 - given;
    e.active->config_version = ++e.last_version;
    note(e, clock_.now(), fmt::format("canary {} rolled back: {}", canary, why));
    e.update_message = fmt::format("canary {} rolled back: {}", canary, why);
    return true;
  });
}

void Endpoints::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const {
  for (const auto& e : kEndpoints.scan(t, store::prefix({store::sortable(workspace_id)}))) {
    permissions_.on_deleted(t, workspace_id, {kPermissionType, e.id});
    kEndpoints.erase(t, e.store_key());
  }
}

}  // namespace tarn::serving
