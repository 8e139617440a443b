#include "sql/warehouses.h"

#include "base/ids.h"

namespace tarn::sql {
namespace {

constexpr store::Collection<Warehouse> kWarehouses("sql.warehouse");
constexpr std::array kSizes{"2X-Small", "X-Small", "Small", "Medium", "Large", "X-Large", "2X-Large", "3X-Large", "4X-Large"};

std::string key_of(const access::Context& ctx, std::string_view id) { return store::key({store::sortable(ctx.workspace_id.value_or(0)), id}); }

Error missing(std::string_view id) {
  return {Errc::not_found, "The SQL warehouse with the ID '" + std::string(id) + "' does not exist in this workspace"};
}

PermissionLevel level_of(const access::Caller& who, const Warehouse& w, bool& any) {
  any = true;
  if (who.workspace_admin) return PermissionLevel::CAN_MANAGE;
  std::optional<PermissionLevel> best;
  if (w.creator_name == who.name) best = PermissionLevel::IS_OWNER;
  for (const auto& e : w.acl) {
    const bool mine = (e.user_name && *e.user_name == who.name) || (e.service_principal_name && *e.service_principal_name == who.name) ||
                      (e.group_name && (who.group_names.contains(*e.group_name) || who.workspace_groups.contains(*e.group_name)));
    if (mine && (!best || e.permission_level > *best)) best = e.permission_level;
  }
  any = best.has_value();
  return best.value_or(PermissionLevel::CAN_VIEW);
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
  if (std::ranges::find(kSizes, w.cluster_size) == kSizes.end())
    return refuse(Errc::invalid,
                  "Field 'cluster_size' must be one of 2X-Small, X-Small, Small, Medium, Large, X-Large, 2X-Large, 3X-Large, 4X-Large; got '" +
                      w.cluster_size + "'");
  if (w.warehouse_type != "PRO" && w.warehouse_type != "CLASSIC" && w.warehouse_type != "TYPE_UNSPECIFIED")
    return refuse(Errc::invalid, "Field 'warehouse_type' must be PRO or CLASSIC, got '" + w.warehouse_type + "'");
  if (w.min_num_clusters < 1 || w.max_num_clusters > 30 || w.max_num_clusters < w.min_num_clusters)
    return refuse(Errc::invalid, fmt::format("Fields 'min_num_clusters' and 'max_num_clusters' must be 1 <= min <= max <= 30, got {} and {}",
                                             w.min_num_clusters, w.max_num_clusters));
  if (w.auto_stop_mins < 0 || (w.auto_stop_mins > 0 && w.auto_stop_mins < 10 && !w.enable_serverless_compute))
    return refuse(Errc::invalid, "Field 'auto_stop_mins' must be 0 (never) or at least 10, got " + std::to_string(w.auto_stop_mins));
  return {};
}

}  // namespace

WarehouseState Warehouses::state_of(const Warehouse& w) {
  if (w.state != WarehouseState::RUNNING || w.auto_stop_mins == 0) return w.state;
  const std::lock_guard lock(mutex_);
  const auto i = used_.find(w.id);
  const auto last = std::max(w.started_at, i == used_.end() ? 0 : i->second);
  return clock_.now() - last > static_cast<Millis>(w.auto_stop_mins) * 60'000 ? WarehouseState::STOPPED : WarehouseState::RUNNING;
}

std::shared_ptr<const Warehouse> Warehouses::find(const access::Context& ctx, std::string_view id) {
  const auto key = key_of(ctx, id);
  const auto generation = store_.generation();
  {
    const std::lock_guard lock(mutex_);
    if (generation != generation_) cache_.clear(), generation_ = generation;
    if (const auto i = cache_.find(key); i != cache_.end()) return i->second;
  }
  auto found = store_.read_as([&](store::ReadTxn& t) { return kWarehouses.get(t, key); });
  if (!found) return nullptr;
  auto out = std::make_shared<const Warehouse>(std::move(found->value));
  const std::lock_guard lock(mutex_);
  if (generation == generation_) cache_[key] = out;
  return out;
}

Result<std::shared_ptr<const Warehouse>> Warehouses::require(const access::Context& ctx, std::string_view id, PermissionLevel least) {
  TARN_CHECK(entitled(ctx));
  auto w = find(ctx, id);
  if (!w) return fail(missing(id));
  bool any = false;
  const auto held = level_of(ctx.caller, *w, any);
  if (!any || held < least)
    return refuse(Errc::permission_denied, fmt::format("User '{}' does not have {} permission on SQL warehouse '{}' ({})", ctx.caller.name,
                                                       least == PermissionLevel::CAN_USE      ? "Can Use"
                                                       : least == PermissionLevel::CAN_MANAGE ? "Can Manage"
                                                                                              : "View",
                                                       w->name, w->id));
  return w;
}

Result<Warehouse> Warehouses::create(const access::Context& ctx, const WarehouseRequest& request) {
  return store_.write_as(
      ctx.event("databrickssql", "createWarehouse", {{"name", request.name.value_or("")}}), [&](store::WriteTxn& t) -> Result<Warehouse> {
        const auto denied = [&](Error e) {
          t.audit().outcome = store::Outcome::denied, t.audit().status = 403;
          return fail(std::move(e));
        };
        if (!ctx.caller.workspace_admin && !ctx.caller.entitlements.contains("allow-cluster-create"))
          return denied(
              {Errc::permission_denied,
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
        t.audit().params["warehouse_id"] = w.id;
        return w;
      });
}

Result<Warehouse> Warehouses::get(const access::Context& ctx, std::string_view id) {
  TARN_TRY(w, require(ctx, id, PermissionLevel::CAN_VIEW));
  Warehouse out = *w;
  out.state = state_of(*w);
  return out;
}

Result<std::vector<Warehouse>> Warehouses::list(const access::Context& ctx) {
  TARN_CHECK(entitled(ctx));
  auto all = store_.read_as([&](store::ReadTxn& t) { return kWarehouses.scan(t, store::prefix({store::sortable(ctx.workspace_id.value_or(0))})); });
  std::vector<Warehouse> out;
  for (auto& w : all) {
    bool any = false;
    (void)level_of(ctx.caller, w, any);
    if (!any) continue;
    w.state = state_of(w);
    out.push_back(std::move(w));
  }
  return out;
}

Result<Warehouse> Warehouses::change(const access::Context& ctx, std::string_view id, const std::string& action, PermissionLevel least,
                                     const std::function<Result<void>(Warehouse&)>& body) {
  return store_.write_as(ctx.event("databrickssql", action, {{"warehouse_id", std::string(id)}}), [&](store::WriteTxn& t) -> Result<Warehouse> {
    auto found = kWarehouses.get(t, key_of(ctx, id));
    const auto may = [&]() -> Result<void> {
      TARN_CHECK(entitled(ctx));
      if (!found) return fail(missing(id));
      bool any = false;
      const auto held = level_of(ctx.caller, found->value, any);
      if (any && held >= least) return {};
      return refuse(Errc::permission_denied, fmt::format("User '{}' does not have {} permission on SQL warehouse '{}' ({})", ctx.caller.name,
                                                         least == PermissionLevel::CAN_USE ? "Can Use" : "Can Manage", found->value.name, id));
    }();
    if (!may) {
      if (may.error().code == Errc::permission_denied) t.audit().outcome = store::Outcome::denied, t.audit().status = 403;
      return fail(may.error());
    }
    TARN_CHECK(body(found->value));
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
  return change(ctx, id, "editWarehouse", PermissionLevel::CAN_MANAGE, [&](Warehouse& w) { return apply(w, request); });
}

Result<void> Warehouses::remove(const access::Context& ctx, std::string_view id) {
  auto r = change(ctx, id, "deleteWarehouse", PermissionLevel::CAN_MANAGE, [&](Warehouse& w) -> Result<void> {
    w.state = WarehouseState::DELETED;
    return {};
  });
  if (!r) return fail(r.error());
  return {};
}

Result<void> Warehouses::start(const access::Context& ctx, std::string_view id) {
  auto r = change(ctx, id, "startWarehouse", PermissionLevel::CAN_USE, [&](Warehouse& w) -> Result<void> {
    w.state = WarehouseState::RUNNING;
    w.started_at = clock_.now();
    return {};
  });
  if (!r) return fail(r.error());
  return {};
}

Result<void> Warehouses::stop(const access::Context& ctx, std::string_view id) {
  auto r = change(ctx, id, "stopWarehouse", PermissionLevel::CAN_MANAGE, [&](Warehouse& w) -> Result<void> {
    w.state = WarehouseState::STOPPED;
    return {};
  });
  if (!r) return fail(r.error());
  return {};
}

Result<std::shared_ptr<const Warehouse>> Warehouses::use(const access::Context& ctx, std::string_view id) {
  TARN_TRY(w, require(ctx, id, PermissionLevel::CAN_USE));
  if (state_of(*w) != WarehouseState::RUNNING) {
    TARN_CHECK(start(ctx, id));
    w = find(ctx, id);
    if (!w) return fail(missing(id));
  }
  const std::lock_guard lock(mutex_);
  used_[w->id] = clock_.now();
  return w;
}

bool Warehouses::manages(const access::Context& ctx, std::string_view id) { return require(ctx, id, PermissionLevel::CAN_MANAGE).has_value(); }

Result<Warehouse> Warehouses::permissions(const access::Context& ctx, std::string_view id) {
  TARN_TRY(w, require(ctx, id, PermissionLevel::CAN_VIEW));
  return *w;
}

Result<AclEntry> Warehouses::checked(AclEntry entry) {
  const int names = entry.user_name.has_value() + entry.group_name.has_value() + entry.service_principal_name.has_value();
  if (names != 1)
    return refuse(Errc::invalid, "Each entry of 'access_control_list' must name exactly one of user_name, group_name or service_principal_name");
  const auto& name = entry.user_name ? *entry.user_name : entry.group_name ? *entry.group_name : *entry.service_principal_name;
  if (entry.group_name && (name == "users" || name == "admins")) return entry;  // every workspace has these two
  const auto found = directory_.find_principal(name);
  const auto kind = entry.user_name ? identity::Kind::user : entry.group_name ? identity::Kind::group : identity::Kind::service_principal;
  if (!found || found->kind != kind)
    return refuse(Errc::principal_not_found, fmt::format("Principal: {}({}) does not exist",
                                                         entry.user_name    ? "UserName"
                                                         : entry.group_name ? "GroupName"
                                                                            : "ServicePrincipalName",
                                                         name));
  return entry;
}

Result<Warehouse> Warehouses::set_permissions(const access::Context& ctx, std::string_view id, std::vector<AclEntry> entries, bool replace) {
  for (auto& e : entries) {
    TARN_TRY(ok, checked(e));
    e = ok;
  }
  return change(ctx, id, "changeWarehouseAcls", PermissionLevel::CAN_MANAGE, [&](Warehouse& w) -> Result<void> {
    const auto same = [](const AclEntry& a, const AclEntry& b) {
      return a.user_name == b.user_name && a.group_name == b.group_name && a.service_principal_name == b.service_principal_name;
    };
    if (replace) w.acl.clear();
    for (const auto& e : entries) {
      if (e.permission_level == PermissionLevel::IS_OWNER) {
        if (e.group_name) return refuse(Errc::invalid, "A group cannot own a SQL warehouse: IS_OWNER must go to a user or service principal");
        w.creator_name = e.user_name ? *e.user_name : *e.service_principal_name;
        continue;
      }
      std::erase_if(w.acl, [&](const AclEntry& a) { return same(a, e); });
      w.acl.push_back(e);
    }
    return {};
  });
}

}  // namespace tarn::sql
