#include "compute/clusters.h"

#include "base/crypto.h"
#include "base/ids.h"
#include "compute/spec_check.h"

namespace tarn::compute {
namespace {

constexpr const char* kType = "clusters";
constexpr std::size_t kMostPinned = 100;

Error missing(const std::string& id) { return {Errc::invalid, "Cluster " + id + " does not exist"}; }

/// As the vendor's: the day, the second, and what tells two of one second apart.
std::string new_cluster_id(Millis now) { return fmt::format("{:04d}-{:06d}-{}", now / 86'400'000 % 10'000, now / 1000 % 1'000'000, new_hex(4)); }

bool single_user(const ClusterSpec& s) {
  return s.data_security_mode == DataSecurityMode::SINGLE_USER || s.data_security_mode == DataSecurityMode::LEGACY_SINGLE_USER ||
         s.data_security_mode == DataSecurityMode::LEGACY_SINGLE_USER_STANDARD ||
         s.data_security_mode == DataSecurityMode::DATA_SECURITY_MODE_DEDICATED;
}

}  // namespace

Clusters::Clusters(store::Store& store, access::ObjectPermissions& permissions, Pools& pools, Policies& policies, InstanceProfiles& profiles,
                   Fleet& fleet, const Clock& clock, ClusterOptions options)
    : store_(store),
      permissions_(permissions),
      pools_(pools),
      policies_(policies),
      profiles_(profiles),
      fleet_(fleet),
      clock_(clock),
      options_(std::move(options)),
      keeper_(store, pools, fleet, clock,
              {.server_id = options_.server_id,
               .bootstrap_timeout = options_.bootstrap_timeout,
               .lease = options_.lease,
               .most_instances = options_.most_instances}),
      spark_({.send = [this](const std::string& id, const json::object& m) { return fleet_.send(id, m); },
              .carry = [this](const std::string& id, const json::object& m) { return fleet_.carry(id, m); },
              .runs = [this](const std::string& cluster, const std::string& context) { return code_ && code_->runs(cluster, context); }}) {
  permissions_.add_kind({.type = kType,
                         .levels = {{"CAN_ATTACH_TO", "Can attach notebooks to the cluster"},
                                    {"CAN_RESTART", "Can start, restart and terminate the cluster"},
                                    {"CAN_MANAGE", "Can manage the cluster"}},
                         .creator_level = "CAN_MANAGE",
                         .find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
                           const auto c = find(id);
                           if (!c || c->workspace_id != workspace) return std::nullopt;
                           return access::FoundObject{};
                         },
                         .object_type = "cluster",
                         .missing = "Cluster {} does not exist",
                         .audit_service = "clusters",
                         .audit_action = "changeClusterAcl"});
  fleet_.listen(this);
  pools_.count_with(this);
}

Clusters::~Clusters() { stop(); }

std::optional<ClusterRecord> Clusters::find(const std::string& id) {
  auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "id", id); });
  return found ? std::optional(std::move(found->value)) : std::nullopt;
}

Result<ClusterRecord> Clusters::require(const access::Context& ctx, const std::string& id, const char* level, const char* said) {
  if (id.empty()) return refuse(Errc::invalid, "Field 'cluster_id' is required");
  auto c = find(id);
  if (!c || c->workspace_id != workspace_of(ctx)) return fail(missing(id));
  if (!permissions_.allows(ctx, {kType, id}, level))
    return denied(store_, ctx.event("clusters", "authorise", {{"cluster_id", id}, {"level", level}}), lacks(ctx, said, "Cluster", id));
  return *std::move(c);
}

Result<ClusterRecord> Clusters::change(const access::Context& ctx, const std::string& id, const std::string& action,
                                       const std::function<Result<void>(store::WriteTxn&, ClusterRecord&)>& body) {
  auto out = store_.write_as(ctx.event("clusters", action, {{"cluster_id", id}}), [&](store::WriteTxn& t) -> Result<ClusterRecord> {
    auto found = clusters_table.find(t, "id", id);
    if (!found || found->value.workspace_id != workspace_of(ctx)) return fail(missing(id));
    TARN_CHECK(body(t, found->value));
    if (!clusters_table.update(t, found->value, found->version)) throw std::logic_error("a cluster changed inside its transaction");
    return found->value;
  });
  wake();
  return out;
}

/// The request as it will run, or why it may not: the policy first, then the machine's own rules, as the vendor does.
Result<Clusters::Judged> Clusters::judge(const access::Context& ctx, ClusterSpec request, const std::string& cluster_type,
                                         const ClusterRecord* before) {
  std::optional<PolicyDefinition> policy;
  if (request.policy_id && !request.policy_id->empty()) {
    TARN_TRY(p, policies_.use(ctx, *request.policy_id));
    auto parsed = PolicyDefinition::parse(p.definition);
    if (!parsed)
      return refuse(Errc::invalid,
                    fmt::format("Requests for the policy {} cannot be satisfied due to the malformed policy definition. Please contact your "
                                "administrator to correct the policy definition.",
                                p.policy_id));
    policy = *std::move(parsed);
    if (p.max_clusters_per_user && !before && cluster_type != "job") {
      const auto mine = store_.read_as([&](store::ReadTxn& t) {
        const auto all = clusters_table.scan_index(t, "policy", store::key({store::sortable(workspace_of(ctx)), p.policy_id}));
        return std::ranges::count_if(all, [&](const ClusterRecord& c) { return c.active() && c.creator_id == ctx.caller.id; });
      });
      if (mine >= *p.max_clusters_per_user)
        return refuse(Errc::limit_exceeded,
                      fmt::format("The user {} has reached the maximum of {} active clusters for the policy {}. Terminate one to create another.",
                                  ctx.caller.name, *p.max_clusters_per_user, p.policy_id));
    }
  } else {
    request.policy_id.reset();
    if (!entitled(ctx, "allow-cluster-create") && !(before && permissions_.allows(ctx, {kType, before->cluster_id}, "CAN_MANAGE")))
      return denied(store_, ctx.event("clusters", "create", {{"cluster_name", request.cluster_name.value_or("")}}),
                    "You are not authorized to create clusters. Please contact your administrator.");
  }
  if (policy) {
    auto completed = policy->completed(json::encode(request).as_object(), request.apply_policy_default_values.value_or(false));
    auto decoded = json::decode<ClusterSpec>(completed);
    if (!decoded) return refuse(Errc::invalid, "The policy's value for this cluster is not one: " + decoded.error().message());
    request = *std::move(decoded);
  }
  if (must_isolate_ && (!request.data_security_mode || *request.data_security_mode == DataSecurityMode::NONE) && must_isolate_(workspace_of(ctx)))
    return refuse(Errc::invalid,
                  "Clusters without user isolation are disabled in this workspace, because legacy features are disabled in the account: field "
                  "'data_security_mode' must be SINGLE_USER or USER_ISOLATION");
  if (request.spark_version) request.spark_version = resolve_runtime(*request.spark_version);
  std::optional<Pool> pool, driver_pool;
  const auto attach = [&](const std::optional<std::string>& id, std::optional<Pool>& out) -> Result<void> {
    if (!id || id->empty()) return {};
    TARN_TRY(p, pools_.attach(ctx, *id));
    out = std::move(p);
    return {};
  };
  TARN_CHECK(attach(request.instance_pool_id, pool));
  TARN_CHECK(attach(request.driver_instance_pool_id, driver_pool));
  TARN_TRY(nodes, check_spec(request, pool ? &*pool : nullptr, driver_pool ? &*driver_pool : nullptr));
  if (request.aws_attributes && request.aws_attributes->instance_profile_arn && !request.aws_attributes->instance_profile_arn->empty()) {
    const auto& arn = *request.aws_attributes->instance_profile_arn;
    if (!store_.read_as([&](store::ReadTxn& t) { return profiles_.registered(t, workspace_of(ctx), arn); }))
      return refuse(Errc::invalid, "The instance profile " + arn + " is not registered in this workspace");
  }
  if (policy) {
    const auto violations =
        policy->check(json::encode(request).as_object(), {.dbus_per_hour = dbus_per_hour(request, nodes), .cluster_type = cluster_type});
    if (!violations.empty()) return refuse(Errc::invalid, violations_text(violations));
  }
  Judged out{.spec = with_defaults(std::move(request), nodes, options_.region), .driver = nodes.driver};
  if (single_user(out.spec) && (!out.spec.single_user_name || out.spec.single_user_name->empty()))
    out.spec.single_user_name = before ? before->creator_user_name : ctx.caller.name;
  return out;
}

Result<ClusterRecord> Clusters::make(const access::Context& ctx, const ClusterSpec& request, const std::string& source) {
  TARN_TRY(judged, judge(ctx, request, source == "JOB" ? "job" : "all-purpose", nullptr));
  if (auto why = blocked_ ? blocked_(workspace_of(ctx), judged.spec.custom_tags) : std::nullopt) return refuse(Errc::limit_exceeded, *why);
  auto out = store_.write_as(ctx.event("clusters", "create", {{"cluster_name", request.cluster_name.value_or("")}}),
                             [&](store::WriteTxn& t) -> Result<ClusterRecord> {
                               ClusterRecord c;
                               c.cluster_id = new_cluster_id(clock_.now());
                               c.server_id = options_.server_id;
                               c.cluster_source = source;
                               c.workspace_id = workspace_of(ctx);
                               c.creator_id = ctx.caller.id;
                               c.creator_user_name = ctx.caller.name;
                               c.requested = request;
                               c.spec = judged.spec;
                               c.start_time = c.last_activity = clock_.now();
                               c.target_workers = workers_of(c.spec);
                               c.state_message = "Finding instances for new nodes, acquiring more instances if necessary";
                               add_event(t, c, "CREATING", {{"user", ctx.caller.name}});
                               if (!clusters_table.insert(t, c)) throw std::logic_error("a fresh cluster id is taken");
                               permissions_.on_created(t, c.workspace_id, {kType, c.cluster_id}, ctx.caller);
                               t.audit().params["cluster_id"] = c.cluster_id;
                               return c;
                             });
  wake();
  return out;
}

Result<ClusterRecord> Clusters::create(const access::Context& ctx, const ClusterSpec& request) { return make(ctx, request, "API"); }
Result<ClusterRecord> Clusters::create_for_job(const access::Context& ctx, const ClusterSpec& request) { return make(ctx, request, "JOB"); }

Result<void> Clusters::check_for_job(const access::Context& ctx, const ClusterSpec& request) {
  TARN_TRY(judged, judge(ctx, request, "job", nullptr));
  (void)judged;
  return {};
}

Result<ClusterRecord> Clusters::edit(const access::Context& ctx, const std::string& id, const ClusterSpec& request) {
  TARN_TRY(before, require(ctx, id, "CAN_MANAGE", "Manage"));
  TARN_TRY(judged, judge(ctx, request, "all-purpose", &before));
  return change(ctx, id, "edit", [&](store::WriteTxn& t, ClusterRecord& c) -> Result<void> {
    if (!c.usable() && c.state != State::TERMINATED)
      return refuse(Errc::invalid_state, fmt::format("Cluster {} is in unexpected state {}.", id, json::name_of(c.state)));
    json::object details{{"user", ctx.caller.name}, {"previous_attributes", json::encode(c.spec)}, {"attributes", json::encode(judged.spec)}};
    c.requested = request;
    c.spec = judged.spec;
    add_event(t, c, "EDITED", std::move(details));
    if (c.usable()) {
      c.state = State::RESTARTING;
      for (const auto* i : c.instances()) c.old_instances.push_back(i->instance_id);
      c.state_message = "Restarting after an edit";
      add_event(t, c, "RESTARTING", {{"user", ctx.caller.name}});
    }
    return {};
  });
}

Result<ClusterRecord> Clusters::update(const access::Context& ctx, const std::string& id, const json::object& changes, const std::string& mask) {
  TARN_TRY(before, require(ctx, id, "CAN_MANAGE", "Manage"));
  if (mask.empty()) return refuse(Errc::invalid, "Field 'update_mask' is required");
  json::object next = json::encode(before.requested).as_object();
  const json::object known = every_field();
  for (std::size_t at = 0; at <= mask.size();) {
    const auto comma = std::min(mask.find(',', at), mask.size());
    const std::string field = mask.substr(at, comma - at);
    at = comma + 1;
    const auto dot = field.find('.');
    const auto head = field.substr(0, dot);
    if (!known.contains(head)) return refuse(Errc::invalid, "Field 'update_mask' names '" + field + "', which a cluster does not have");
    const auto* v = changes.if_contains(head);
    if (dot == field.npos) {
      if (v && !v->is_null())
        next[head] = *v;
      else
        next.erase(head);
      if (head == "num_workers" && v) next.erase("autoscale");
      if (head == "autoscale" && v) next.erase("num_workers");
      continue;
    }
    const auto tail = field.substr(dot + 1);
    if (!next[head].is_object()) next[head] = json::object{};
    const auto* inner = v && v->is_object() ? v->as_object().if_contains(tail) : nullptr;
    if (inner)
      next[head].as_object()[tail] = *inner;
    else
      next[head].as_object().erase(tail);
  }
  auto spec = json::decode<ClusterSpec>(next);
  if (!spec) return refuse(Errc::invalid, spec.error().message());
  return edit(ctx, id, *spec);
}

Result<ClusterRecord> Clusters::get(const access::Context& ctx, const std::string& id) { return require(ctx, id, "CAN_ATTACH_TO", "Attach"); }

std::vector<ClusterRecord> Clusters::list(const access::Context& ctx) {
  auto all = store_.read_as([&](store::ReadTxn& t) { return clusters_table.scan(t, store::prefix({store::sortable(workspace_of(ctx))})); });
  std::erase_if(all, [&](const ClusterRecord& c) { return !permissions_.allows(ctx, {kType, c.cluster_id}, "CAN_ATTACH_TO"); });
  std::ranges::sort(all, [](const auto& a, const auto& b) { return std::tie(b.start_time, b.cluster_id) < std::tie(a.start_time, a.cluster_id); });
  return all;
}

Result<void> Clusters::start(const access::Context& ctx, const std::string& id) {
  TARN_TRY(before, require(ctx, id, "CAN_RESTART", "Restart"));
  if (auto why = blocked_ ? blocked_(before.workspace_id, before.spec.custom_tags) : std::nullopt) return refuse(Errc::limit_exceeded, *why);
  TARN_TRY(done, change(ctx, id, "start", [&](store::WriteTxn& t, ClusterRecord& c) -> Result<void> {
             if (c.state != State::TERMINATED && c.state != State::ERROR)
               return refuse(Errc::invalid_state, fmt::format("Cluster {} is in unexpected state {}.", id, json::name_of(c.state)));
             c.state = State::PENDING;
             c.state_message = "Starting";
             c.server_id = options_.server_id;
             c.termination_reason.reset();
             c.target_workers = workers_of(c.spec);
             c.worker_failures = 0;
             c.workers_not_before = 0;
             c.terminated_time = 0;
             c.start_time = c.last_activity = clock_.now();
             add_event(t, c, "STARTING", {{"user", ctx.caller.name}});
             return {};
           }));
  (void)done;
  return {};
}

Result<void> Clusters::restart(const access::Context& ctx, const std::string& id) {
  TARN_TRY(before, require(ctx, id, "CAN_RESTART", "Restart"));
  (void)before;
  TARN_TRY(done, change(ctx, id, "restart", [&](store::WriteTxn& t, ClusterRecord& c) -> Result<void> {
             if (!c.usable()) return refuse(Errc::invalid_state, fmt::format("Cluster {} is in unexpected state {}.", id, json::name_of(c.state)));
             c.state = State::RESTARTING;
             for (const auto* i : c.instances()) c.old_instances.push_back(i->instance_id);
             c.state_message = "Restarting";
             add_event(t, c, "RESTARTING", {{"user", ctx.caller.name}});
             return {};
           }));
  (void)done;
  return {};
}

Result<void> Clusters::terminate(const access::Context& ctx, const std::string& id) {
  TARN_TRY(before, require(ctx, id, "CAN_RESTART", "Restart"));
  (void)before;
  TARN_TRY(done, change(ctx, id, "delete", [&](store::WriteTxn& t, ClusterRecord& c) -> Result<void> {
             if (!c.active() || c.state == State::TERMINATING) return {};  // as the vendor: nothing is done, nothing is wrong
             c.state = State::TERMINATING;
             c.state_message = "Terminating";
             c.termination_reason = TerminationReason{.code = "USER_REQUEST", .parameters = {{"username", ctx.caller.name}}};
             add_event(t, c, "TERMINATING", {{"reason", json::encode(*c.termination_reason)}, {"user", ctx.caller.name}});
             return {};
           }));
  (void)done;
  return {};
}

Result<void> Clusters::permanent_delete(const access::Context& ctx, const std::string& id) {
  TARN_TRY(before, require(ctx, id, "CAN_MANAGE", "Manage"));
  auto out = store_.write_as(ctx.event("clusters", "permanentDelete", {{"cluster_id", id}}), [&](store::WriteTxn& t) -> Result<void> {
    auto found = clusters_table.find(t, "id", id);
    if (!found) return fail(missing(id));
    if (found->value.pinned) return refuse(Errc::invalid, "The cluster " + id + " is pinned: unpin the cluster first");
    release_all(t, found->value);
    if (libraries_) libraries_->gone(t, found->value);
    clusters_table.erase(t, found->value.store_key());
    for (const auto& e : events_table.scan(t, store::prefix({store::sortable(found->value.workspace_id), id}))) events_table.erase(t, e.store_key());
    permissions_.on_deleted(t, found->value.workspace_id, {kType, id});
    return {};
  });
  if (out)
    for (const auto* i : before.instances()) fleet_.end(i->instance_id);
  if (out && code_) code_->gone(id);
  return out;
}

Result<void> Clusters::pin(const access::Context& ctx, const std::string& id, bool pinned) {
  TARN_TRY(before, require(ctx, id, "CAN_MANAGE", "Manage"));
  (void)before;
  TARN_TRY(done, change(ctx, id, pinned ? "pin" : "unpin", [&](store::WriteTxn& t, ClusterRecord& c) -> Result<void> {
             if (c.pinned == pinned) return {};
             if (pinned) {
               const auto all = clusters_table.scan(t, store::prefix({store::sortable(c.workspace_id)}));
               if (static_cast<std::size_t>(std::ranges::count_if(all, &ClusterRecord::pinned)) >= kMostPinned)
                 return refuse(Errc::limit_exceeded, fmt::format("At most {} clusters can be pinned in a workspace", kMostPinned));
             }
             c.pinned = pinned;
             add_event(t, c, pinned ? "PINNED" : "UNPINNED", {{"user", ctx.caller.name}});
             return {};
           }));
  (void)done;
  return {};
}

Result<void> Clusters::change_owner(const access::Context& ctx, const std::string& id, const std::string& owner) {
  if (owner.empty()) return refuse(Errc::invalid, "Field 'owner_username' is required");
  TARN_TRY(done, change(ctx, id, "changeOwner", [&](store::WriteTxn&, ClusterRecord& c) -> Result<void> {
             if (c.state != State::TERMINATED)
               return refuse(Errc::invalid_state,
                             fmt::format("Cluster {} must be terminated to change its owner, it is {}.", id, json::name_of(c.state)));
             c.creator_user_name = owner;
             return {};
           }));
  (void)done;
  return {};
}

Result<void> Clusters::resize(const access::Context& ctx, const std::string& id, std::optional<int> workers, std::optional<AutoScale> autoscale) {
  TARN_TRY(before, require(ctx, id, "CAN_MANAGE", "Manage"));
  if (workers.has_value() == autoscale.has_value()) return refuse(Errc::invalid, "One of 'num_workers' and 'autoscale' is required, and only one");
  ClusterSpec next = before.requested;
  next.num_workers = workers;
  next.autoscale = autoscale;
  TARN_TRY(judged, judge(ctx, next, "all-purpose", &before));
  TARN_TRY(done, change(ctx, id, "resize", [&](store::WriteTxn& t, ClusterRecord& c) -> Result<void> {
             if (!c.usable()) return refuse(Errc::invalid_state, "Cluster " + id + " is not running");
             c.requested = next;
             c.spec = judged.spec;
             aim(t, c,
                 c.spec.autoscale ? std::clamp(c.target_workers, *c.spec.autoscale->min_workers, *c.spec.autoscale->max_workers) : workers_of(c.spec),
                 "USER_REQUEST", ctx.caller.name);
             return {};
           }));
  (void)done;
  return {};
}

Result<EventsPage> Clusters::events(const access::Context& ctx, const EventsQuery& q) {
  TARN_TRY(c, require(ctx, q.cluster_id, "CAN_ATTACH_TO", "Attach"));
  const auto limit = q.page_size.value_or(q.limit.value_or(50));
  if (limit < 0 || limit > 500) return refuse(Errc::invalid, fmt::format("Field 'limit' must be between 0 and 500, got {}", limit));
  const auto offset = q.offset.value_or(0);
  if (offset < 0) return refuse(Errc::invalid, fmt::format("Field 'offset' must not be negative, got {}", offset));
  const std::string order = q.order.value_or("DESC");
  if (order != "ASC" && order != "DESC") return refuse(Errc::invalid, "Field 'order' must be ASC or DESC, got '" + order + "'");
  auto all = store_.read_as([&](store::ReadTxn& t) { return events_table.scan(t, store::prefix({store::sortable(c.workspace_id), c.cluster_id})); });
  std::erase_if(all, [&](const EventRecord& e) {
    return (q.start_time && e.timestamp < *q.start_time) || (q.end_time && e.timestamp > *q.end_time) ||
           (!q.event_types.empty() && std::ranges::find(q.event_types, e.type) == q.event_types.end());
  });
  if (order == "DESC") std::ranges::reverse(all);
  EventsPage out;
  out.total = static_cast<std::int64_t>(all.size());
  for (auto i = offset; i < out.total && i < offset + limit; ++i) out.events.push_back(std::move(all[static_cast<std::size_t>(i)]));
  if (limit > 0 && offset + limit < out.total) out.next_offset = offset + limit;
  return out;
}

Result<std::vector<PolicyViolation>> Clusters::compliance(const access::Context& ctx, const std::string& id) {
  TARN_TRY(c, require(ctx, id, "CAN_ATTACH_TO", "Attach"));
  if (!c.spec.policy_id) return std::vector<PolicyViolation>{};
  const auto p = policies_.find(c.workspace_id, *c.spec.policy_id);
  if (!p) return std::vector<PolicyViolation>{};
  const auto parsed = PolicyDefinition::parse(p->definition);
  if (!parsed) return std::vector<PolicyViolation>{};
  // A cluster on a pool keeps the pool's node type in its settings; the policy judges what was asked for.
  auto asked = c.spec;
  if (asked.instance_pool_id) asked.node_type_id = c.requested.node_type_id, asked.driver_node_type_id = c.requested.driver_node_type_id;
  const auto* node = find_node_type(c.spec.node_type_id.value_or(""));
  const auto* driver = find_node_type(c.spec.driver_node_type_id.value_or(""));
  return parsed->check(json::encode(asked).as_object(), {.dbus_per_hour = dbus_per_hour(c.spec, {driver ? driver : node, node}),
                                                         .cluster_type = c.cluster_source == "JOB" ? "job" : "all-purpose"});
}

std::vector<ClusterRecord> Clusters::with_policy(const access::Context& ctx, const std::string& policy_id) {
  auto all = store_.read_as([&](store::ReadTxn& t) {
    return clusters_table.scan_index(t, "policy", store::key({store::sortable(workspace_of(ctx)), policy_id}));
  });
  std::erase_if(all, [&](const ClusterRecord& c) { return !permissions_.allows(ctx, {kType, c.cluster_id}, "CAN_ATTACH_TO"); });
  return all;
}

Result<ClusterRecord> Clusters::attach(const access::Context& ctx, const std::string& id) {
  TARN_TRY(c, require(ctx, id, "CAN_ATTACH_TO", "Attach"));
  if (single_user(c.spec) && c.spec.single_user_name && *c.spec.single_user_name != ctx.caller.name)
    return refuse(Errc::permission_denied,
                  fmt::format("Single-user check failed: user '{}' attempted to run a command on single-user cluster {}, but the single "
                              "user of this cluster is '{}'",
                              ctx.caller.name, id, *c.spec.single_user_name));
  if (!c.usable())
    return refuse(Errc::invalid_state, fmt::format("Cluster {} is in unexpected state {}: it must be RUNNING", id, json::name_of(c.state)));
  if (c.server_id != options_.server_id) return refuse(Errc::unavailable, "Cluster " + id + " runs on another server of this platform");
  touched(id);
  return c;
}

void Clusters::touched(const std::string& id) {
  const std::lock_guard lock(mutex_);
  touched_[id] = clock_.now();
}

}  // namespace tarn::compute
