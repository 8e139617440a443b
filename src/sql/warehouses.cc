#include "sql/warehouses.h"

#include "base/ids.h"

namespace tarn::sql {
namespace {

constexpr store::Collection<Warehouse> kWarehouses("sql.warehouse");

constexpr const char* kType = "sql/warehouses";
constexpr const char* kView = "CAN_VIEW";
constexpr const char* kUse = "CAN_USE";
constexpr const char* kMonitor = "CAN_MONITOR";
constexpr const char* kManage = "CAN_MANAGE";

std::string key_of(std::int64_t workspace, std::string_view id) { return store::key({store::sortable(workspace), id}); }
std::int64_t workspace_of(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }

Error missing(std::string_view id) {
  return {Errc::not_found, "The SQL warehouse with the ID '" + std::string(id) + "' does not exist in this workspace"};
}

Result<void> entitled(const access::Context& ctx) {
  if (ctx.caller.workspace_admin || ctx.caller.entitlements.contains("databricks-sql-access")) return {};
  return refuse(Errc::permission_denied,
                "This API is disabled for users without the databricks-sql-access entitlement. Ask a workspace administrator to grant it.");
}

Result<void> apply(Warehouse& w, const WarehouseRequest& r) {
  if (r.name) w.name = *r.name;
  if (r.cluster_size) w.cluster_size = *r.cluster_size;
  if (r.warehouse_type) w.warehouse_type = *r.warehouse_type;
  if (r.spot_instance_policy) w.spot_instance_policy = *r.spot_instance_policy;
  if (r.min_num_clusters) w.min_num_clusters = *r.min_num_clusters;
  if (r.max_num_clusters) w.max_num_clusters = *r.max_num_clusters;
  if (r.auto_stop_mins) w.auto_stop_mins = *r.auto_stop_mins;
  if (r.enable_photon) w.enable_photon = *r.enable_photon;
  if (r.enable_serverless_compute) w.enable_serverless_compute = *r.enable_serverless_compute;
  if (!r.tags.is_null()) w.tags = r.tags;
  if (!r.channel.is_null()) w.channel = r.channel;
  if (w.name.empty() || w.name.size() > 100)
    return refuse(Errc::invalid, "Field 'name' must have 1 to 100 characters, got " + std::to_string(w.name.size()));
  if (!is_warehouse_size(w.cluster_size)) {
    std::string all;
    for (const auto size : warehouse_sizes()) all += (all.empty() ? "" : ", ") + std::string(size);
    return refuse(Errc::invalid, "Field 'cluster_size' must be one of " + all + "; got '" + w.cluster_size + "'");
  }
  if (w.warehouse_type != "PRO" && w.warehouse_type != "CLASSIC" && w.warehouse_type != "TYPE_UNSPECIFIED")
    return refuse(Errc::invalid, "Field 'warehouse_type' must be PRO or CLASSIC, got '" + w.warehouse_type + "'");
  if (w.min_num_clusters < 1 || w.max_num_clusters > 30 || w.max_num_clusters < w.min_num_clusters)
    return refuse(Errc::invalid, fmt::format("Fields 'min_num_clusters' and 'max_num_clusters' must be 1 <= min <= max <= 30, got {} and {}",
                                             w.min_num_clusters, w.max_num_clusters));
  if (w.auto_stop_mins < 0 || (w.auto_stop_mins > 0 && w.auto_stop_mins < 10 && !w.enable_serverless_compute))
    return refuse(Errc::invalid, "Field 'auto_stop_mins' must be 0 (never) or at least 10, got " + std::to_string(w.auto_stop_mins));
  TARN_CHECK(engine_of(w));
  return {};
}

}  // namespace

Result<QueryEngine> engine_of(const Warehouse& warehouse) {
  const auto* tags = warehouse.tags.if_object();
  const auto* list = tags ? tags->if_contains("custom_tags") : nullptr;
  if (!list || !list->is_array()) return QueryEngine::duckdb;
  for (const auto& tag : list->get_array()) {
    const auto text = [&](const char* key) -> std::string {
      const auto* v = tag.is_object() ? tag.get_object().if_contains(key) : nullptr;
      return v && v->is_string() ? std::string(v->get_string()) : std::string();
    };
    if (text("key") != kEngineTag) continue;
    if (const auto engine = json::enum_of<QueryEngine>(text("value"))) return *engine;
    return refuse(Errc::invalid, fmt::format("The custom tag '{}' must be duckdb or sail, got '{}'", kEngineTag, text("value")));
  }
  return QueryEngine::duckdb;
}

Warehouses::Warehouses(store::Store& store, access::ObjectPermissions& permissions, const Clock& clock, SizeRule sizes)
    : store_(store), permissions_(permissions), clock_(clock), sizes_(sizes) {
  permissions_.add_kind({.type = kType,
                         .aliases = {"warehouses", "endpoints", "sql/endpoints"},
                         // Viewing is seeing other people's queries, which using does not imply; monitoring is both.
                         .levels = {{kView, "Can view permission on the SQL warehouse"},
                                    {kUse, "Can use permission on the SQL warehouse", std::vector<std::string>{}},
                                    {kMonitor, "Can monitor permission on the SQL warehouse"},
                                    {kManage, "Can manage permission on the SQL warehouse"},
                                    {"IS_OWNER", "Is owner permission on the SQL warehouse"}},
                         .creator_level = "IS_OWNER",
                         .find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
                           const auto w = find(workspace, id);
                           if (!w) return std::nullopt;
                           return access::FoundObject{.shown = "SQL warehouse '" + w->name + "' (" + w->id + ")"};
                         },
                         .object_type = "warehouses",
                         .ownership = access::Ownership::kept,
                         .missing = missing("{}").message,
                         .audit_service = "databrickssql",
                         .audit_action = "changeWarehouseAcls",
                         .refuse_owner = [](const access::Caller& next) -> std::optional<std::string> {
                           if (next.workspace_admin || next.entitlements.contains("allow-cluster-create")) return std::nullopt;
                           return "'" + next.name + "' cannot own a SQL warehouse without the allow-cluster-create entitlement";
                         }});
}

WarehouseState Warehouses::state_of(const Warehouse& w) {
  if (w.state != WarehouseState::RUNNING || w.auto_stop_mins == 0) return w.state;
  if (const auto l = load(w.id); l.running + l.waiting > 0) return w.state;
  const std::lock_guard lock(mutex_);
  const auto i = used_.find(w.id);
  const auto last = std::max(w.started_at, i == used_.end() ? 0 : i->second);
  return clock_.now() - last > static_cast<Millis>(w.auto_stop_mins) * 60'000 ? WarehouseState::STOPPED : WarehouseState::RUNNING;
}

std::shared_ptr<const Warehouse> Warehouses::find(std::int64_t workspace, std::string_view id) {
  const auto key = key_of(workspace, id);
  const auto generation = store_.generation();
  {
    const std::lock_guard lock(mutex_);
    if (generation != generation_) cache_.clear(), configs_.clear(), generation_ = generation;
    if (const auto i = cache_.find(key); i != cache_.end()) return i->second;
  }
  auto found = store_.read_as([&](store::ReadTxn& t) { return kWarehouses.get(t, key); });
  if (!found) return nullptr;
  auto out = std::make_shared<const Warehouse>(std::move(found->value));
  const std::lock_guard lock(mutex_);
  if (generation == generation_) cache_[key] = out;
  return out;
}

Result<std::shared_ptr<const Warehouse>> Warehouses::require(const access::Context& ctx, std::string_view id, std::string_view least) {
  TARN_CHECK(entitled(ctx));
  auto w = find(workspace_of(ctx), id);
  if (!w) return fail(missing(id));
  const access::ObjectRef object{kType, w->id};
  if (least.empty() ? permissions_.level_of(ctx, object).empty() : !permissions_.allows(ctx, object, least))
    return refuse(Errc::permission_denied, fmt::format("User '{}' does not have {} permission on SQL warehouse '{}' ({})", ctx.caller.name,
                                                       least == kUse      ? "Can Use"
                                                       : least == kManage ? "Can Manage"
                                                                          : "View",
                                                       w->name, w->id));
  return w;
}

Result<Warehouse> Warehouses::create(const access::Context& ctx, const WarehouseRequest& request) {
  return store_.write_as(
      ctx.event("databrickssql", "createWarehouse", {{"name", request.name.value_or("")}}), [&](store::WriteTxn& t) -> Result<Warehouse> {
        if (!ctx.caller.workspace_admin && !ctx.caller.entitlements.contains("allow-cluster-create"))
          return fail(Error{
              Errc::permission_denied,
              "User '" + ctx.caller.name +
                  "' may not create SQL warehouses: only workspace administrators may, or principals with the allow-cluster-create entitlement"});
        Warehouse w;
        w.id = new_hex(8);
        w.workspace_id = ctx.workspace_id.value_or(0);
        w.creator_name = ctx.caller.name;
        w.started_at = clock_.now();
        TARN_CHECK(apply(w, request));
        if (!kWarehouses.insert(t, w))
          return refuse(Errc::already_exists, "A SQL warehouse with the name '" + w.name + "' already exists in this workspace");
        permissions_.on_created(t, w.workspace_id, {kType, w.id}, ctx.caller);
        t.audit().params["warehouse_id"] = w.id;
        return w;
      });
}

Result<Warehouse> Warehouses::get(const access::Context& ctx, std::string_view id) {
  TARN_TRY(w, require(ctx, id, {}));
  Warehouse out = *w;
  out.state = state_of(*w);
  return out;
}

Result<std::vector<Warehouse>> Warehouses::list(const access::Context& ctx) {
  TARN_CHECK(entitled(ctx));
  auto all = store_.read_as([&](store::ReadTxn& t) { return kWarehouses.scan(t, store::prefix({store::sortable(ctx.workspace_id.value_or(0))})); });
  std::vector<Warehouse> out;
  for (auto& w : all) {
    if (permissions_.level_of(ctx, {kType, w.id}).empty()) continue;
    w.state = state_of(w);
    out.push_back(std::move(w));
  }
  return out;
}

Result<Warehouse> Warehouses::change(const access::Context& ctx, std::string_view id, const std::string& action, std::string_view least,
                                     const std::function<Result<void>(store::WriteTxn&, Warehouse&)>& body) {
  const auto may = require(ctx, id, least);  // before the transaction: what lists say is read from the store
  return store_.write_as(ctx.event("databrickssql", action, {{"warehouse_id", std::string(id)}}), [&](store::WriteTxn& t) -> Result<Warehouse> {
    if (!may) return fail(may.error());
    auto found = kWarehouses.get(t, key_of(workspace_of(ctx), id));
    if (!found) return fail(missing(id));
    TARN_CHECK(body(t, found->value));
    if (found->value.state == WarehouseState::DELETED) {
      kWarehouses.erase(t, found->value.store_key());
      return found->value;
    }
    if (!kWarehouses.update(t, found->value))
      return refuse(Errc::already_exists, "A SQL warehouse with the name '" + found->value.name + "' already exists in this workspace");
    return found->value;
  });
}

Result<Warehouse> Warehouses::edit(const access::Context& ctx, std::string_view id, const WarehouseRequest& request) {
  return change(ctx, id, "editWarehouse", kManage, [&](store::WriteTxn&, Warehouse& w) { return apply(w, request); });
}

Result<void> Warehouses::remove(const access::Context& ctx, std::string_view id) {
  auto r = change(ctx, id, "deleteWarehouse", kManage, [&](store::WriteTxn& t, Warehouse& w) -> Result<void> {
    permissions_.on_deleted(t, w.workspace_id, {kType, w.id});
    w.state = WarehouseState::DELETED;
    return {};
  });
  if (!r) return fail(r.error());
  stop_statements(r->id);
  return {};
}

Result<void> Warehouses::start(const access::Context& ctx, std::string_view id) {
  auto r = change(ctx, id, "startWarehouse", kUse, [&](store::WriteTxn&, Warehouse& w) -> Result<void> {
    w.state = WarehouseState::RUNNING;
    w.started_at = clock_.now();
    return {};
  });
  if (!r) return fail(r.error());
  return {};
}

Result<void> Warehouses::stop(const access::Context& ctx, std::string_view id) {
  auto r = change(ctx, id, "stopWarehouse", kManage, [&](store::WriteTxn&, Warehouse& w) -> Result<void> {
    w.state = WarehouseState::STOPPED;
    return {};
  });
  if (!r) return fail(r.error());
  stop_statements(r->id);
  return {};
}

Result<std::shared_ptr<const Warehouse>> Warehouses::use(const access::Context& ctx, std::string_view id) {
  TARN_TRY(w, require(ctx, id, kUse));
  if (state_of(*w) != WarehouseState::RUNNING) {
    TARN_CHECK(start(ctx, id));
    w = find(workspace_of(ctx), id);
    if (!w) return fail(missing(id));
  }
  const std::lock_guard lock(mutex_);
  used_[w->id] = clock_.now();
  return w;
}

void Warehouses::touch(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (const auto i = used_.find(id); i != used_.end()) i->second = std::max(i->second, clock_.now());
}

void Warehouses::set_use(WarehouseUse* use) {
  const std::lock_guard lock(use_mutex_);
  use_ = use;
}

WarehouseUse::Load Warehouses::load(const std::string& id) const {
  const std::lock_guard lock(use_mutex_);
  return use_ ? use_->load(id) : WarehouseUse::Load{};
}

void Warehouses::stop_statements(const std::string& id) {
  const std::lock_guard lock(use_mutex_);
  if (use_) use_->stop(id);
}

int Warehouses::clusters(const Warehouse& w) const {
  if (w.state != WarehouseState::RUNNING) return 0;
  const auto l = load(w.id);
  const auto wanted = static_cast<int>((l.running + l.waiting + Warehouse::kStatementsPerCluster - 1) / Warehouse::kStatementsPerCluster);
  return std::clamp(wanted, std::max(1, w.min_num_clusters), std::max(1, w.max_num_clusters));
}

namespace {

constexpr store::Collection<WarehouseConfig> kConfigs("sql.warehouse_config");

std::optional<std::int64_t> whole(const std::string& text) {
  if (text.empty() || text.size() > 9) return std::nullopt;
  std::int64_t n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    n = n * 10 + (c - '0');
  }
  return n;
}

std::string lower_case(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

Result<void> checked_parameter(const std::string& key, const std::string& value) {
  const auto only = [&](std::initializer_list<const char*> values, const char* why) -> Result<void> {
    for (const char* v : values)
      if (lower_case(value) == v) return {};
    return refuse(Errc::invalid, fmt::format("Parameter '{}' cannot be '{}': {}", key, value, why));
  };
  if (key == "STATEMENT_TIMEOUT") {
    const auto n = whole(value);
    if (n && *n <= 172'800) return {};
    return refuse(Errc::invalid, "Parameter 'STATEMENT_TIMEOUT' must be a number of seconds between 0 and 172800, got '" + value + "'");
  }
  if (key == "USE_CACHED_RESULT") return only({"true", "false"}, "it is true or false");
  if (key == "ANSI_MODE") return only({"true"}, "statements run in ANSI mode");
  if (key == "TIMEZONE") return only({"utc", "etc/utc"}, "statements run in UTC");
  return refuse(Errc::invalid, "Parameter '" + key + "' is not known here: STATEMENT_TIMEOUT, USE_CACHED_RESULT, ANSI_MODE and TIMEZONE are");
}

}  // namespace

Result<WarehouseConfig> Warehouses::config(const access::Context& ctx) {
  if (!ctx.caller.workspace_admin) return refuse(Errc::permission_denied, "User '" + ctx.caller.name + "' is not an administrator of this workspace");
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kConfigs.get(t, store::sortable(workspace_of(ctx))); });
  return found ? found->value : WarehouseConfig{.workspace_id = workspace_of(ctx)};
}

Result<void> Warehouses::set_config(const access::Context& ctx, WarehouseConfig config) {
  config.workspace_id = workspace_of(ctx);
  return store_.write_as(ctx.event("databrickssql", "editWarehouseConfig", {}), [&](store::WriteTxn& t) -> Result<void> {
    if (!ctx.caller.workspace_admin)
      return refuse(Errc::permission_denied, "User '" + ctx.caller.name + "' is not an administrator of this workspace");
    if (config.security_policy.empty()) config.security_policy = "DATA_ACCESS_CONTROL";
    if (config.security_policy != "DATA_ACCESS_CONTROL")
      return refuse(Errc::invalid, "Field 'security_policy' must be DATA_ACCESS_CONTROL, got '" + config.security_policy +
                                       "': every statement is checked against the catalog");
    for (const auto& [key, value] : config.parameters) TARN_CHECK(checked_parameter(key, value));
    (void)kConfigs.put(t, config);
    return {};
  });
}

void Warehouses::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) {
  for (const auto& w : kWarehouses.scan(t, store::prefix({store::sortable(workspace)}))) {
    permissions_.on_deleted(t, workspace, {kType, w.id});
    kWarehouses.erase(t, w.store_key());
  }
  kConfigs.erase(t, store::sortable(workspace));
}

StatementConfig Warehouses::config_of(std::int64_t workspace) {
  const auto generation = store_.generation();
  {
    const std::lock_guard lock(mutex_);
    if (generation != generation_) cache_.clear(), configs_.clear(), generation_ = generation;
    if (const auto i = configs_.find(workspace); i != configs_.end()) return i->second;
  }
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kConfigs.get(t, store::sortable(workspace)); });
  StatementConfig out;
  if (found) {
    const auto& p = found->value.parameters;
    if (const auto i = p.find("STATEMENT_TIMEOUT"); i != p.end())
      if (const auto n = whole(i->second); n && *n > 0) out.statement_timeout = *n * 1000;
    if (const auto i = p.find("USE_CACHED_RESULT"); i != p.end()) out.use_cached_result = lower_case(i->second) == "true";
  }
  const std::lock_guard lock(mutex_);
  if (generation == generation_) configs_[workspace] = out;
  return out;
}

bool Warehouses::manages(const access::Context& ctx, std::string_view id) { return require(ctx, id, kManage).has_value(); }
bool Warehouses::monitors(const access::Context& ctx, std::string_view id) { return require(ctx, id, kMonitor).has_value(); }

}  // namespace tarn::sql
