// The part of Clusters that drives: states and their steps, who is idle, who is lost, what is metered.
#include "base/log.h"
#include "compute/clusters.h"
#include "compute/reasons.h"
#include "compute/spec_check.h"

namespace tarn::compute {

void Clusters::add_event(store::WriteTxn& t, ClusterRecord& c, const std::string& type, json::object details) {
  details["cluster_size"] =
      c.spec.autoscale ? json::object{{"autoscale", json::encode(*c.spec.autoscale)}} : json::object{{"num_workers", c.spec.num_workers.value_or(0)}};
  EventRecord e;
  e.workspace_id = c.workspace_id;
  e.cluster_id = c.cluster_id;
  e.sequence = ++c.events;
  e.type = type;
  e.timestamp = clock_.now();
  e.details = std::move(details);
  if (!events_table.insert(t, e)) throw std::logic_error("a cluster event's number is taken");
}

void Clusters::end_with(store::WriteTxn& t, ClusterRecord& c, TerminationReason why, const std::string& message) {
  if (c.state != State::TERMINATING) add_event(t, c, "TERMINATING", {{"reason", json::encode(why)}});
  c.state = State::TERMINATED;
  c.state_message = message;
  c.termination_reason = std::move(why);
  c.terminated_time = c.last_state_loss_time = clock_.now();
  for (const auto* i : c.instances()) c.old_instances.push_back(i->instance_id);
  release_all(t, c);
  c.target_workers = c.worker_failures = 0;
  c.resizing_since = 0;
  c.spark_context_id = 0;
}

bool Clusters::move(const std::string& id, const std::string& action, const std::function<bool(store::WriteTxn&, ClusterRecord&)>& body) {
  bool due = false;
  store_.write(access::system_context().event("clusters", action, {{"cluster_id", id}}), [&](store::WriteTxn& t) {
    due = false;
    auto found = clusters_table.find(t, "id", id);
    t.audit().outcome = store::Outcome::failed;
    t.audit().error = "the step is no longer due";
    if (!found || !body(t, found->value)) return false;
    t.audit().outcome = store::Outcome::success;
    t.audit().error.clear();
    t.audit().workspace_id = found->value.workspace_id;
    t.audit().params["state"] = std::string(json::name_of(found->value.state));
    if (!clusters_table.update(t, found->value, found->version)) throw std::logic_error("a cluster changed inside its transaction");
    return due = true;
  });
  return due;
}

/// What its nodes used since it was last written down, by the hour. Before each change of which nodes are up, and once an hour.
void Clusters::meter(store::WriteTxn& t, ClusterRecord& c) {
  const auto now = clock_.now();
  for (auto& one : usage_of(c, now)) billing::add_usage(t, std::move(one));
  c.metered_until = now;
}

std::vector<billing::UsageRecord> Clusters::usage_of(const ClusterRecord& c, Millis now) const {
  std::vector<billing::UsageRecord> out;
  if (c.metered_until == 0) return out;
  for (const auto* i : c.instances()) {
    const auto* type = find_node_type(i->node_type_id);
    const auto from = std::max(c.metered_until, i->up_at), to = i->lost_at != 0 ? std::min(now, i->lost_at) : now;
    if (!type || i->up_at == 0 || to <= from) continue;
    const bool photon = c.spec.runtime_engine == RuntimeEngine::PHOTON, job = c.cluster_source == "JOB";
    billing::UsageRecord u{.workspace_id = c.workspace_id,
                           .cluster_id = c.cluster_id,
                           .sku_name = fmt::format("PREMIUM_{}_COMPUTE{}", job ? "JOBS" : "ALL_PURPOSE", photon ? "_(PHOTON)" : ""),
                           .product = job ? "JOBS" : "ALL_PURPOSE",
                           .node_type = i->node_type_id,
                           .run_as = c.creator_user_name,
                           .policy_id = c.spec.policy_id.value_or(""),
                           .instance_pool_id = i->instance_pool_id,
                           .custom_tags = c.spec.custom_tags};
    for (auto& part : billing::by_hour(std::move(u), from, to, type->dbus_per_hour * (photon ? 2 : 1))) out.push_back(std::move(part));
  }
  return out;
}

std::vector<billing::UsageRecord> Clusters::running_usage() {
  std::vector<billing::UsageRecord> out;
  // Of all servers of the store: what runs is there with its times, whoever drives it.
  for (const auto& c : store_.read_as([&](store::ReadTxn& t) { return clusters_table.scan(t); }))
    if (c.active())
      for (auto& u : usage_of(c, clock_.now())) out.push_back(std::move(u));
  return out;
}

/// A due step of a cluster that is to run: the old instances end, new ones are ordered, or have had their time.
bool Clusters::bring_up(const ClusterRecord& c, Millis now) {
  if (c.state == State::RESTARTING && c.instance && std::ranges::find(c.old_instances, c.instance->instance_id) != c.old_instances.end()) {
    if (logs_ && !logs_->all_here(c)) return false;
    return move(c.cluster_id, "release", [&](store::WriteTxn& t, ClusterRecord& r) {
      if (r.state != State::RESTARTING || !r.instance || std::ranges::find(r.old_instances, r.instance->instance_id) == r.old_instances.end())
        return false;
      release_all(t, r);
      r.target_workers = workers_of(r.spec);
      r.worker_failures = 0;
      r.workers_not_before = 0;
      r.spark_context_id = 0;
      r.last_restarted_time = r.last_state_loss_time = r.last_activity = now;
      return true;
    });
  }
  if (!c.instance || (static_cast<int>(c.workers.size()) < c.target_workers && c.workers_not_before <= now)) return order_instances(c);
  assign(c);
  for (const auto* i : c.instances()) {
    const auto waited = now - i->ordered_at;
    if (i->up_at != 0 || waited <= options_.bootstrap_timeout) continue;
    return move(c.cluster_id, "terminate", [&](store::WriteTxn& t, ClusterRecord& r) {
      const auto* late = r.find_instance(i->instance_id);
      if (!r.starting() || !late || late->up_at != 0) return false;
      end_with(t, r, reason_of("BOOTSTRAP_TIMEOUT", ReasonType::SERVICE_FAULT, {{"instance_id", i->instance_id}}),
               fmt::format("[id: InstanceId({}), status: INSTANCE_INITIALIZING, workerEnvId:WorkerEnvId(workerenv-{})] with threshold {} seconds "
                           "timed out after {} milliseconds. Please check network connectivity from the data plane to the control plane.",
                           i->instance_id, r.workspace_id, options_.bootstrap_timeout / 1000, waited));
      return true;
    });
  }
  return false;
}

/// Instances that clusters no longer have are ended. Written down before, so that a killed control plane ends them too.
bool Clusters::end_old_ones() {
  bool any = false;
  for (const auto& c : store_.read_as([&](store::ReadTxn& t) { return clusters_table.scan_index(t, "ending", options_.server_id); })) {
    // A restart's old driver is still the cluster's until its next step takes it away.
    if (c.instance && std::ranges::find(c.old_instances, c.instance->instance_id) != c.old_instances.end()) continue;
    for (const auto& id : c.old_instances) fleet_.end(id);
    any = move(c.cluster_id, "endInstances",
               [&](store::WriteTxn&, ClusterRecord& r) {
                 if (r.old_instances != c.old_instances) return false;
                 r.old_instances.clear();
                 return true;
               }) ||
          any;
    if (!c.instance && code_) code_->gone(c.cluster_id);
  }
  return any;
}

/// A running cluster whose driver is lost, that nobody uses, or that may not go on.
bool Clusters::tend(const ClusterRecord& c, Millis now, Millis last_activity) {
  if (c.instance && c.instance->lost_at != 0 && now - c.instance->lost_at > options_.lease)
    return move(c.cluster_id, "lost", [&](store::WriteTxn& t, ClusterRecord& r) {
      if (!r.usable() || !r.instance || r.instance->lost_at == 0) return false;
      const auto id = r.instance->instance_id;
      add_event(t, r, "NODES_LOST", {{"instance_id", id}});
      end_with(t, r, reason_of("COMMUNICATION_LOST", ReasonType::CLOUD_FAILURE, {{"instance_id", id}}),
               fmt::format("The instance {} was lost and did not come back within {} seconds", id, options_.lease / 1000));
      return true;
    });
  const auto end = [&](const char* action, TerminationReason why, std::string message) {
    return move(c.cluster_id, action, [&](store::WriteTxn& t, ClusterRecord& r) {
      if (!r.usable()) return false;
      r.state = State::TERMINATING;
      r.state_message = message;
      r.termination_reason = why;
      add_event(t, r, "TERMINATING", {{"reason", json::encode(*r.termination_reason)}});
      return true;
    });
  };
  if (auto why = blocked_ ? blocked_(c.workspace_id, c.spec.custom_tags) : std::nullopt)
    return end("enforceBudget",
               reason_of("BUDGET_POLICY_LIMIT_ENFORCEMENT_ACTIVATED", ReasonType::CLIENT_ERROR, {{"databricks_error_message", *why}}), *why);
  const auto idle = c.spec.autotermination_minutes.value_or(0);
  if (idle > 0 && now - last_activity > static_cast<Millis>(idle) * 60'000)
    return end("autoterminate", reason_of("INACTIVITY", ReasonType::SUCCESS, {{"inactivity_duration_min", std::to_string(idle)}}),
               "Terminating after inactivity");
  if (c.metered_until != 0 && now / 3'600'000 != c.metered_until / 3'600'000)
    return move(c.cluster_id, "meter", [&](store::WriteTxn& t, ClusterRecord& r) {
      if (r.metered_until != c.metered_until) return false;
      meter(t, r);
      return true;
    });
  return tend_workers(c, now);
}

bool Clusters::step() {
  const auto now = clock_.now();
  std::map<std::string, Millis> touched;
  {
    const std::lock_guard lock(mutex_);
    touched.swap(touched_);
  }
  bool any = end_old_ones();
  const auto active = active_here();
  keep_spark(active);
  for (const auto& c : active) {
    auto last = c.last_activity;
    if (code_ && c.usable() && code_->busy(c.cluster_id) > 0) {
      auto& at = touched[c.cluster_id];  // code that runs is activity, whether somebody asks for it or not
      at = std::max(at, now);
    }
    if (const auto i = touched.find(c.cluster_id); i != touched.end()) {
      last = std::max(last, i->second);
      // A minute's precision is enough for what is counted in minutes.
      if (last - c.last_activity > 60'000)
        move(c.cluster_id, "activity", [&](store::WriteTxn&, ClusterRecord& r) { return r.last_activity = std::max(r.last_activity, last), true; });
      else {
        const std::lock_guard lock(mutex_);
        auto& keep = touched_[c.cluster_id];
        keep = std::max(keep, i->second);
      }
    }
    switch (c.state) {
      case State::PENDING:
      case State::RESTARTING:
        any = bring_up(c, now) || any;
        break;
      case State::TERMINATING:
        if (logs_ && !logs_->all_here(c)) break;
        any = move(c.cluster_id, "terminate",
                   [&](store::WriteTxn& t, ClusterRecord& r) {
                     if (r.state != State::TERMINATING) return false;
                     auto why = r.termination_reason.value_or(reason_of("USER_REQUEST", ReasonType::SUCCESS));
                     end_with(t, r, why,
                              why.code == "INACTIVITY"          ? "Terminated after inactivity"
                              : why.type == ReasonType::SUCCESS ? "Terminated by request"
                                                                : r.state_message);
                     return true;
                   }) ||
              any;
        break;
      case State::RUNNING:
      case State::RESIZING:
        any = tend(c, now, last) || any;
        break;
      default:
        break;
    }
  }
  keep_minutes(now);
  return keeper_.step() || any;
}

/// Once a minute: what its instances were in the last one. Kept for a week.
void Clusters::keep_minutes(Millis now) {
  if (now / 60'000 == minutes_kept_) return;
  minutes_kept_ = now / 60'000;
  const auto minutes = metrics_.ended_minutes(now);
  const auto active = active_here();
  if (minutes.empty() && active.empty()) return;
  std::map<std::string, std::pair<ClusterRecord, bool>> whose;
  for (const auto& c : active)
    for (const auto* i : c.instances()) whose.emplace(i->instance_id, std::pair(c, c.is_driver(i->instance_id)));
  store_.write(access::system_context().event("clusters", "keepMinutes", {{"count", std::to_string(minutes.size())}}), [&](store::WriteTxn& t) {
    (void)heartbeats_table.put(t, {.server_id = options_.server_id, .at = now});
    for (const auto& m : minutes) {
      const auto w = whose.find(m.instance_id);
      if (w == whose.end()) continue;
      auto& [c, driver] = w->second;
      const auto* i = c.find_instance(m.instance_id);
      const auto* type = find_node_type(i->node_type_id);
      if (!type) continue;
      const auto share = share_of(*type, this_host());
      (void)minutes_table.put(t, {.minute = m.minute,
                                  .instance_id = m.instance_id,
                                  .workspace_id = c.workspace_id,
                                  .cluster_id = c.cluster_id,
                                  .driver = driver,
                                  .node_type = i->node_type_id,
                                  .cpu_percent = std::min(100.0, 100 * m.cores_average / share.cpus),
                                  .memory_percent = 100 * m.memory_average / static_cast<double>(share.memory_bytes),
                                  .memory_peak_percent = 100 * static_cast<double>(m.memory_peak) / static_cast<double>(share.memory_bytes)});
    }
    for (const auto& old : minutes_table.scan(t, {}, {}, 1000)) {
      if (now - old.minute < Millis(7) * 24 * 3'600'000) break;
      minutes_table.erase(t, old.store_key());
    }
    return true;
  });
}

void Clusters::note_log_delivery(const std::string& id, Millis at, const std::string& why) {
  move(id, "deliverLogs", [&](store::WriteTxn&, ClusterRecord& r) {
    r.logs_attempted = at;
    r.logs_exception = why;
    return true;
  });
}

void Clusters::recover() {
  // What an earlier process of this server ran may dial in again: from now on its lease counts.
  // While this server was away for longer than the lease they ended by themselves: that time is not theirs to pay for.
  const auto beat = store_.read_as([&](store::ReadTxn& t) { return heartbeats_table.get(t, options_.server_id); });
  const auto alive_until = beat ? beat->value.at + 60'000 + options_.lease : clock_.now();
  for (const auto& c : active_here()) {
    if (c.instances().empty()) continue;
    move(c.cluster_id, "recover", [&](store::WriteTxn& t, ClusterRecord& r) {
      if (alive_until < clock_.now() && r.metered_until != 0) {
        for (auto& u : usage_of(r, alive_until)) billing::add_usage(t, std::move(u));
        r.metered_until = clock_.now();
      }
      const auto again = [&](Instance& i) { (i.up_at ? i.lost_at : i.ordered_at) = clock_.now(); };  // one on its way has its whole time again
      if (r.instance) again(*r.instance);
      for (auto& w : r.workers) again(w);
      return true;
    });
  }
  keeper_.recover();
}

void Clusters::start_driving() {
  if (!thread_.joinable()) thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

void Clusters::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  changed_.notify_all();
  thread_.join();
}

void Clusters::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Clusters::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    try {
      while (!stop.stop_requested() && step()) {
      }
    } catch (const std::exception& e) {
      spdlog::error("clusters pause: {}", e.what());
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, std::chrono::milliseconds(500), [&] { return woken_; });
    woken_ = false;
  }
}

void Clusters::discard(const std::string& id) {
  move(id, "delete", [&](store::WriteTxn& t, ClusterRecord& c) {
    if (!c.active() || c.state == State::TERMINATING) return false;
    c.state = State::TERMINATING;
    c.termination_reason = reason_of("JOB_FINISHED", ReasonType::SUCCESS);
    add_event(t, c, "TERMINATING", {{"reason", json::encode(*c.termination_reason)}});
    return true;
  });
  wake();
}

std::vector<std::string> Clusters::job_clusters() {
  std::vector<std::string> out;
  for (const auto& c : store_.read_as([&](store::ReadTxn& t) { return clusters_table.scan_index(t, "active", options_.server_id); }))
    if (c.cluster_source == "JOB" && c.state != State::TERMINATING) out.push_back(c.cluster_id);
  return out;
}

void Clusters::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) {
  for (auto& c : clusters_table.scan(t, store::prefix({store::sortable(workspace_id)}))) {
    for (const auto& e : events_table.scan(t, store::prefix({store::sortable(workspace_id), c.cluster_id}))) events_table.erase(t, e.store_key());
    if (libraries_) libraries_->gone(t, c);
    c.events = 0;
    c.pinned = false;
    if (!c.active()) {
      clusters_table.erase(t, c.store_key());
      continue;
    }
    c.state = State::TERMINATING;  // the thread ends its instance
    c.termination_reason = reason_of("USER_REQUEST", ReasonType::SUCCESS, {{"username", "workspace deleted"}});
    (void)clusters_table.update(t, c);
  }
}

PoolStats Clusters::stats(std::int64_t workspace_id, const std::string& pool) {
  PoolStats out;
  const auto users = store_.read_as([&](store::ReadTxn& t) {
    return clusters_table.scan_index(t, "pool", store::key({store::sortable(workspace_id), pool}));
  });
  for (const auto& c : users)
    for (const auto* i : c.instances())
      if (i->instance_pool_id == pool) (i->up_at ? out.used_count : out.pending_used_count) += 1;
  const auto waiting = keeper_.counts(workspace_id, pool);
  out.idle_count = waiting.idle;
  out.pending_idle_count = waiting.pending;
  return out;
}

}  // namespace tarn::compute
