// The part of Clusters that drives: orders instances, hears of them, ends what is idle or lost.
#include "base/crypto.h"
#include "base/ids.h"
#include "base/log.h"
#include "compute/clusters.h"
#include "compute/spec_check.h"

namespace tarn::compute {
namespace {

std::string hash_of(const std::string& token) { return crypto::to_hex(crypto::sha256(token)); }

TerminationReason reason(std::string code, ReasonType type, std::map<std::string, std::string> parameters = {}) {
  return {.code = std::move(code), .type = type, .parameters = std::move(parameters)};
}

}  // namespace

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
  c.instance.reset();
  c.old_instance.clear();
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

/// What keeps a cluster from getting an instance now: the vendor's codes.
std::optional<std::pair<TerminationReason, std::string>> Clusters::cannot_start(store::ReadTxn& t, const ClusterRecord& c) {
  const auto* type = find_node_type(c.spec.driver_node_type_id.value_or(""));
  if (!type) return std::pair(reason("INVALID_ARGUMENT", ReasonType::CLIENT_ERROR), "Its node type is gone from the catalogue");
  if (type->num_gpus > options_.gpus)
    return std::pair(
        reason("AWS_INSUFFICIENT_INSTANCE_CAPACITY_FAILURE", ReasonType::CLOUD_FAILURE,
               {{"aws_api_error_code", "InsufficientInstanceCapacity"},
                {"aws_error_message",
                 fmt::format("We currently do not have sufficient {} capacity in the Availability Zone you requested ({}).", type->node_type_id,
                             c.spec.aws_attributes && c.spec.aws_attributes->zone_id ? *c.spec.aws_attributes->zone_id : options_.region)}}),
        fmt::format("This machine has {} GPUs and {} needs {}", options_.gpus, type->node_type_id, type->num_gpus));
  if (!c.spec.init_scripts.empty() && !scripts_)
    return std::pair(
        reason("INIT_SCRIPT_FAILURE", ReasonType::CLIENT_ERROR, {{"databricks_error_message", "Init scripts cannot run on this platform yet"}}),
        "Init scripts cannot run on this platform yet: the cluster does not start without them");
  const auto active = clusters_table.scan_index(t, "active", options_.server_id);
  int here = 0, of_pool = 0;
  for (const auto& one : active) {
    if (one.cluster_id == c.cluster_id || !one.instance) continue;
    ++here;
    if (c.spec.instance_pool_id && one.workspace_id == c.workspace_id && one.spec.instance_pool_id == c.spec.instance_pool_id)
      of_pool += 1 + workers_of(one.spec);
  }
  if (here >= options_.most_instances)
    return std::pair(reason("CLOUD_PROVIDER_RESOURCE_STOCKOUT", ReasonType::CLOUD_FAILURE,
                            {{"databricks_error_message", fmt::format("This machine runs {} instances, its most", here)}}),
                     fmt::format("This machine runs {} instances already, which is its most", here));
  return std::nullopt;
}

int Clusters::workers_of(const ClusterSpec& s) const { return s.autoscale ? s.autoscale->min_workers.value_or(0) : s.num_workers.value_or(0); }

bool Clusters::order_instance(const ClusterRecord& c) {
  // A pool's cap is read before the transaction: pools are another collection of the same store, and a cap that shrinks meanwhile holds for the next.
  std::optional<Pool> pool;
  if (c.spec.instance_pool_id) {
    pool = pools_.find(c.workspace_id, *c.spec.instance_pool_id);
    if (!pool)
      return move(c.cluster_id, "terminate", [&](store::WriteTxn& t, ClusterRecord& now) {
        if (now.instance || !now.moving()) return false;
        end_with(t, now, reason("INSTANCE_POOL_NOT_FOUND", ReasonType::CLIENT_ERROR, {{"instance_pool_id", *c.spec.instance_pool_id}}),
                 "Can't find an instance pool with id: " + *c.spec.instance_pool_id);
        return true;
      });
  }
  std::vector<InitScriptText> scripts;
  if (scripts_) {
    auto found = scripts_->scripts(c);
    if (!found)
      return move(c.cluster_id, "terminate", [&](store::WriteTxn& t, ClusterRecord& now) {
        if (now.instance || !now.moving()) return false;
        end_with(t, now, reason("INIT_SCRIPT_FAILURE", ReasonType::CLIENT_ERROR, {{"databricks_error_message", found.error()}}), found.error());
        return true;
      });
    scripts = *std::move(found);
  }
  NodeOrder order;
  const bool ordered = move(c.cluster_id, "launch", [&](store::WriteTxn& t, ClusterRecord& now) {
    if (now.instance || (now.state != State::PENDING && now.state != State::RESTARTING)) return false;
    order = {};
    if (auto why = cannot_start(t, now)) {
      end_with(t, now, std::move(why->first), why->second);
      return true;
    }
    if (pool && pool->max_capacity) {
      int used = 0;
      for (const auto& one : clusters_table.scan_index(t, "pool", store::key({store::sortable(now.workspace_id), pool->instance_pool_id})))
        if (one.instance) used += 1 + workers_of(one.spec);
      const int wanted = 1 + workers_of(now.spec);
      if (used + wanted > *pool->max_capacity) {
        end_with(t, now,
                 reason("INSTANCE_POOL_MAX_CAPACITY_REACHED", ReasonType::CLIENT_ERROR,
                        {{"instance_pool_id", pool->instance_pool_id}, {"instance_pool_max_capacity", std::to_string(*pool->max_capacity)}}),
                 fmt::format("The instance pool {} has reached its max capacity of {}: {} in use, {} wanted", pool->instance_pool_name,
                             *pool->max_capacity, used, wanted));
        return true;
      }
    }
    const auto* type = find_node_type(*now.spec.driver_node_type_id);
    order.instance_id = "i-" + new_hex(8);
    order.token = new_hex(32);
    order.cluster_id = now.cluster_id;
    order.workspace_id = now.workspace_id;
    order.bootstrap_seconds = static_cast<int>(options_.bootstrap_timeout / 1000) + 30;  // its server's deadline comes first
    order.share = share_of(*type, this_host());
    order.environment = now.spec.spark_env_vars;
    order.scripts = scripts;
    now.instance = Instance{
        .instance_id = order.instance_id, .node_type_id = type->node_type_id, .token_hash = hash_of(order.token), .ordered_at = clock_.now()};
    now.state_message = "Waiting for its instance to come up";
    return true;
  });
  if (!ordered || order.instance_id.empty()) return ordered;
  if (auto launched = fleet_.launch(order); launched) {
    if (!launched->address.empty())
      move(c.cluster_id, "place", [&](store::WriteTxn&, ClusterRecord& now) {
        if (!now.instance || now.instance->instance_id != order.instance_id) return false;
        now.instance->address = launched->address;
        return true;
      });
  } else {
    move(c.cluster_id, "terminate", [&](store::WriteTxn& t, ClusterRecord& now) {
      if (!now.instance || now.instance->instance_id != order.instance_id) return false;
      end_with(t, now, reason("CLOUD_PROVIDER_LAUNCH_FAILURE", ReasonType::CLOUD_FAILURE, {{"databricks_error_message", launched.error()}}),
               launched.error());
      return true;
    });
  }
  return true;
}

/// A due step of a cluster that is to run: the old instance ends, a new one is ordered, or has had its time.
bool Clusters::bring_up(const ClusterRecord& c, Millis now) {
  if (!c.instance) return order_instance(c);
  const auto id = c.instance->instance_id;
  if (id == c.old_instance) {
    fleet_.end(id);
    const bool released = move(c.cluster_id, "release", [&](store::WriteTxn&, ClusterRecord& r) {
      if (r.state != State::RESTARTING || !r.instance || r.instance->instance_id != id) return false;
      r.instance.reset();
      r.old_instance.clear();
      r.spark_context_id = 0;
      r.last_restarted_time = r.last_state_loss_time = r.last_activity = now;
      return true;
    });
    if (released && code_) code_->gone(c.cluster_id);
    return released;
  }
  const auto waited = now - c.instance->ordered_at;
  if (waited <= options_.bootstrap_timeout) return false;
  fleet_.end(id);
  return move(c.cluster_id, "terminate", [&](store::WriteTxn& t, ClusterRecord& r) {
    if ((r.state != State::PENDING && r.state != State::RESTARTING) || !r.instance || r.instance->instance_id != id) return false;
    end_with(
        t, r, reason("BOOTSTRAP_TIMEOUT", ReasonType::SERVICE_FAULT, {{"instance_id", id}}),
        fmt::format(
            "[id: InstanceId({}), status: INSTANCE_INITIALIZING, workerEnvId:WorkerEnvId(workerenv-{})] with threshold {} seconds timed out after {} "
            "milliseconds. Please check network connectivity from the data plane to the control plane.",
            id, r.workspace_id, options_.bootstrap_timeout / 1000, waited));
    return true;
  });
}

bool Clusters::step() {
  const auto now = clock_.now();
  std::map<std::string, Millis> touched;
  {
    const std::lock_guard lock(mutex_);
    touched.swap(touched_);
  }
  bool any = false;
  for (const auto& c : store_.read_as([&](store::ReadTxn& t) { return clusters_table.scan_index(t, "active", options_.server_id); })) {
    auto last = c.last_activity;
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
        if (c.instance) fleet_.end(c.instance->instance_id);
        any = move(c.cluster_id, "terminate",
                   [&](store::WriteTxn& t, ClusterRecord& r) {
                     if (r.state != State::TERMINATING) return false;
                     auto why = r.termination_reason.value_or(reason("USER_REQUEST", ReasonType::SUCCESS));
                     end_with(t, r, why, why.code == "INACTIVITY" ? "Terminated after inactivity" : "Terminated by request");
                     return true;
                   }) ||
              any;
        if (code_) code_->gone(c.cluster_id);
        break;
      case State::RUNNING: {
        if (c.instance && c.instance->lost_at != 0 && now - c.instance->lost_at > options_.lease) {
          fleet_.end(c.instance->instance_id);
          any = move(c.cluster_id, "lost",
                     [&](store::WriteTxn& t, ClusterRecord& r) {
                       if (r.state != State::RUNNING || !r.instance || r.instance->lost_at == 0) return false;
                       add_event(t, r, "NODES_LOST", {{"instance_id", r.instance->instance_id}});
                       end_with(t, r, reason("COMMUNICATION_LOST", ReasonType::CLOUD_FAILURE, {{"instance_id", r.instance->instance_id}}),
                                fmt::format("The instance {} was lost and did not come back within {} seconds", r.instance->instance_id,
                                            options_.lease / 1000));
                       return true;
                     }) ||
                any;
          if (code_) code_->gone(c.cluster_id);
          break;
        }
        const auto idle = c.spec.autotermination_minutes.value_or(0);
        if (idle > 0 && now - last > static_cast<Millis>(idle) * 60'000)
          any = move(c.cluster_id, "autoterminate",
                     [&](store::WriteTxn& t, ClusterRecord& r) {
                       if (r.state != State::RUNNING) return false;
                       r.state = State::TERMINATING;
                       r.state_message = "Terminating after inactivity";
                       r.termination_reason = reason("INACTIVITY", ReasonType::SUCCESS, {{"inactivity_duration_min", std::to_string(idle)}});
                       add_event(t, r, "TERMINATING", {{"reason", json::encode(*r.termination_reason)}});
                       return true;
                     }) ||
                any;
        break;
      }
      default:
        break;
    }
  }
  return any;
}

void Clusters::start_driving() {
  // What an earlier process of this server ran may dial in again: from now on its lease counts.
  const auto mine = store_.read_as([&](store::ReadTxn& t) { return clusters_table.scan_index(t, "active", options_.server_id); });
  for (const auto& c : mine) {
    if (!c.instance) continue;
    move(c.cluster_id, "recover", [&](store::WriteTxn&, ClusterRecord& r) {
      if (!r.instance) return false;
      if (r.state == State::RUNNING)
        r.instance->lost_at = clock_.now();
      else
        r.instance->ordered_at = clock_.now();  // it has its whole time again
      return true;
    });
  }
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

bool Clusters::node_admitted(const std::string& instance_id, const std::string& token, const std::string& lease) {
  if (lease.size() < 32 || lease.size() > 128) return false;
  const auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "instance", instance_id); });
  if (!found || !found->value.instance) return false;
  const auto& known = *found->value.instance;
  if (!known.lease_hash.empty()) return crypto::equal(known.lease_hash, hash_of(lease));
  if (!crypto::equal(known.token_hash, hash_of(token))) return false;
  return move(found->value.cluster_id, "admit", [&](store::WriteTxn&, ClusterRecord& c) {
    if (!c.instance || c.instance->instance_id != instance_id || !c.instance->lease_hash.empty()) return false;
    c.instance->lease_hash = hash_of(lease);
    c.instance->token_hash.clear();  // used once
    return true;
  });
}

void Clusters::node_up(const std::string& instance_id, const json::value& isolation) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "instance", instance_id); });
  if (!found) return fleet_.end(instance_id);
  move(found->value.cluster_id, "running", [&](store::WriteTxn& t, ClusterRecord& c) {
    if (!c.instance || c.instance->instance_id != instance_id) return false;
    if (c.state == State::RUNNING) {
      if (c.instance->lost_at == 0) return false;
      c.instance->lost_at = 0;  // it came back within its lease
      return true;
    }
    if (c.state != State::PENDING && c.state != State::RESTARTING) return false;
    c.state = State::RUNNING;
    c.state_message.clear();
    c.instance->up_at = c.last_activity = clock_.now();
    c.instance->lost_at = 0;
    c.instance->isolation = isolation;
    c.spark_context_id = new_numeric_id();
    add_event(t, c, "RUNNING", {{"instance_id", instance_id}});
    add_event(t, c, "DRIVER_HEALTHY", {});
    return true;
  });
  wake();
}

void Clusters::node_lost(const std::string& instance_id, bool ended, const std::string& why) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "instance", instance_id); });
  if (!found) return;
  const auto id = found->value.cluster_id;
  const bool gone = move(id, "lost", [&](store::WriteTxn& t, ClusterRecord& c) {
    if (!c.instance || c.instance->instance_id != instance_id || c.state == State::TERMINATING) return false;
    if (c.state == State::RUNNING && !ended) {
      if (c.instance->lost_at != 0) return false;
      c.instance->lost_at = clock_.now();
      return true;
    }
    if (!ended) return false;                         // on its way up: the bootstrap's deadline judges
    if (instance_id == c.old_instance) return false;  // which the restart ends itself
    add_event(t, c, "NODES_LOST", {{"instance_id", instance_id}});
    const bool was_up = c.instance->up_at != 0;
    // A node whose init script failed says so; whatever else it says is its own words.
    std::string code = was_up ? "DRIVER_UNREACHABLE" : "SELF_BOOTSTRAP_FAILURE";
    for (const char* script : {"INIT_SCRIPT_FAILURE", "GLOBAL_INIT_SCRIPT_FAILURE"})
      if (!was_up && why.starts_with(std::string(script) + ":")) code = script;
    end_with(t, c,
             reason(code, code.ends_with("SCRIPT_FAILURE") ? ReasonType::CLIENT_ERROR : ReasonType::SERVICE_FAULT,
                    {{"instance_id", instance_id}, {"databricks_error_message", why}}),
             fmt::format("The instance {} {}: {}", instance_id, was_up ? "ended" : "could not start", why));
    return true;
  });
  if (gone && ended && code_) code_->gone(id);
  wake();
}

void Clusters::node_said(const std::string& instance_id, const json::object& message) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "instance", instance_id); });
  if (found && code_) code_->said(found->value.cluster_id, message);
}

bool Clusters::send(const std::string& id, const json::object& message) {
  const auto c = find(id);
  return c && c->instance && fleet_.send(c->instance->instance_id, message);
}

void Clusters::discard(const std::string& id) {
  move(id, "delete", [&](store::WriteTxn& t, ClusterRecord& c) {
    if (!c.active() || c.state == State::TERMINATING) return false;
    c.state = State::TERMINATING;
    c.termination_reason = reason("JOB_FINISHED", ReasonType::SUCCESS);
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
    c.events = 0;
    c.pinned = false;
    if (!c.active()) {
      clusters_table.erase(t, c.store_key());
      continue;
    }
    c.state = State::TERMINATING;  // the thread ends its instance
    c.termination_reason = reason("USER_REQUEST", ReasonType::SUCCESS, {{"username", "workspace deleted"}});
    (void)clusters_table.update(t, c);
  }
}

PoolStats Clusters::stats(std::int64_t workspace_id, const std::string& pool) {
  PoolStats out;
  const auto users = store_.read_as([&](store::ReadTxn& t) {
    return clusters_table.scan_index(t, "pool", store::key({store::sortable(workspace_id), pool}));
  });
  for (const auto& c : users)
    if (c.instance) (c.instance->up_at ? out.used_count : out.pending_used_count) += 1;
  return out;
}

}  // namespace tarn::compute
