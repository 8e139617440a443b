// The part of Clusters that deals with instances: orders them, takes waiting ones from pools, hears of them.
#include "base/ids.h"
#include "base/json_read.h"
#include "base/log.h"
#include "compute/clusters.h"
#include "compute/identity.h"
#include "compute/reasons.h"
#include "compute/spec_check.h"

namespace tarn::compute {
namespace {

constexpr int kMostWorkerFailures = 3;  // in a row, then no more are ordered
constexpr Millis kWorkerBackoff = 5'000;

std::string short_of_gpus(const NodeType& type, const ClusterRecord& c, const std::string& region) {
  return fmt::format("We currently do not have sufficient {} capacity in the Availability Zone you requested ({}).", type.node_type_id,
                     c.spec.aws_attributes && c.spec.aws_attributes->zone_id ? *c.spec.aws_attributes->zone_id : region);
}

}  // namespace

/// What keeps a cluster from getting `more` instances now: the vendor's codes.
std::optional<std::pair<TerminationReason, std::string>> Clusters::cannot_get(store::ReadTxn& t, const ClusterRecord& c, int fresh,
                                                                              const std::map<std::string, int>& of_pools) {
  for (const auto& id : {c.spec.driver_node_type_id, c.spec.node_type_id}) {
    const auto* type = find_node_type(id.value_or(""));
    if (!type) return std::pair(reason_of("INVALID_ARGUMENT", ReasonType::CLIENT_ERROR), "Its node type is gone from the catalogue");
    if (type->num_gpus > options_.gpus)
      return std::pair(
          reason_of("AWS_INSUFFICIENT_INSTANCE_CAPACITY_FAILURE", ReasonType::CLOUD_FAILURE,
                    {{"aws_api_error_code", "InsufficientInstanceCapacity"}, {"aws_error_message", short_of_gpus(*type, c, options_.region)}}),
          fmt::format("This machine has {} GPUs and {} needs {}", options_.gpus, type->node_type_id, type->num_gpus));
  }
  if (!c.spec.init_scripts.empty() && !scripts_)
    return std::pair(
        reason_of("INIT_SCRIPT_FAILURE", ReasonType::CLIENT_ERROR, {{"databricks_error_message", "Init scripts cannot run on this platform yet"}}),
        "Init scripts cannot run on this platform yet: the cluster does not start without them");
  const int here = used_on_server(t, options_.server_id) + PoolKeeper::waiting_on(t, options_.server_id);
  if (here + fresh > options_.most_instances)
    return std::pair(reason_of("CLOUD_PROVIDER_RESOURCE_STOCKOUT", ReasonType::CLOUD_FAILURE,
                               {{"databricks_error_message", fmt::format("This machine runs {} instances of its most of {}, {} more are wanted", here,
                                                                         options_.most_instances, fresh)}}),
                     fmt::format("This machine runs {} instances already, {} more are wanted, its most is {}", here, fresh, options_.most_instances));
  for (const auto& [id, more] : of_pools) {
    const auto pool = pools_.find(t, c.workspace_id, id);
    if (!pool)
      return std::pair(reason_of("INSTANCE_POOL_NOT_FOUND", ReasonType::CLIENT_ERROR, {{"instance_pool_id", id}}),
                       "Can't find an instance pool with id: " + id);
    const int used = used_of_pool(t, c.workspace_id, id) + PoolKeeper::waiting(t, c.workspace_id, id);
    if (pool->max_capacity && used + more > *pool->max_capacity)
      return std::pair(reason_of("INSTANCE_POOL_MAX_CAPACITY_REACHED", ReasonType::CLIENT_ERROR,
                                 {{"instance_pool_id", id}, {"instance_pool_max_capacity", std::to_string(*pool->max_capacity)}}),
                       fmt::format("The instance pool {} has reached its max capacity of {}: {} in use, {} wanted", pool->instance_pool_name,
                                   *pool->max_capacity, used, more));
  }
  return std::nullopt;
}

/// What the code of a cluster's nodes is to find in its environment: the cluster's own variables, and the engine of its runtime.
std::map<std::string, std::string> Clusters::environment_of(const ClusterRecord& c) const {
  auto out = c.spec.spark_env_vars;
  const auto* runtime = find_runtime(c.spec.spark_version.value_or(""));
  if (runtime && runtime->apache) out["TARN_SPARK"] = "apache";
  if (runtime && runtime->apache && (c.spec.autoscale || c.spec.num_workers.value_or(0) > 0)) out["TARN_SPARK_WORKERS"] = "1";
  out["TARN_NODE_RUNTIME"] = (runtime && runtime->ml) || c.spec.use_ml_runtime.value_or(false) ? "ml" : "";
  if (logs_ && c.spec.cluster_log_conf) out["TARN_NODE_LOGS"] = "1";
  if (c.cluster_source == "JOB") out["TARN_NODE_AHEAD"] = "1";  // code is about to come: the driver begins its interpreter at once
  return out;
}

/// Orders what a cluster lacks: its driver, workers up to its target. Those of a pool come from its waiting instances first.
bool Clusters::order_instances(const ClusterRecord& c) {
  if (const auto files = runtime_files_ ? runtime_files_->want(c.spec.spark_version.value_or("")) : RuntimeFiles::Answer{};
      files.state != RuntimeFiles::State::ready) {
    const bool failed = files.state == RuntimeFiles::State::failed;
    const std::string waits = "Fetching the files of " + c.spec.spark_version.value_or("");
    if (!failed && c.state_message == waits) return false;
    return move(c.cluster_id, failed ? "terminate" : "fetchRuntime", [&](store::WriteTxn& t, ClusterRecord& now) {
      if (!now.starting() || now.instance) return false;
      if (failed)
        end_with(t, now, reason_of("CONTAINER_LAUNCH_FAILURE", ReasonType::SERVICE_FAULT, {{"databricks_error_message", files.why}}), files.why);
      else
        now.state_message = waits;
      return true;
    });
  }
  std::vector<InitScriptText> scripts;
  if (scripts_) {
    auto found = scripts_->scripts(c);
    if (!found)
      return move(c.cluster_id, "terminate", [&](store::WriteTxn& t, ClusterRecord& now) {
        if (!now.starting() || now.instance) return false;
        end_with(t, now, reason_of("INIT_SCRIPT_FAILURE", ReasonType::CLIENT_ERROR, {{"databricks_error_message", found.error()}}), found.error());
        return true;
      });
    scripts = *std::move(found);
  }
  std::vector<NodeOrder> orders;
  const bool ordered = move(c.cluster_id, "launch", [&](store::WriteTxn& t, ClusterRecord& now) {
    orders.clear();
    if (!now.starting() && !now.usable()) return false;
    const bool driver = now.starting() && !now.instance;
    const int workers = now.target_workers - static_cast<int>(now.workers.size());
    if (!driver && workers <= 0) return false;
    if (!driver && now.workers_not_before > clock_.now()) return false;
    const auto pool_of = [&](bool is_driver) { return (is_driver ? now.spec.driver_instance_pool_id : now.spec.instance_pool_id).value_or(""); };
    std::vector<std::pair<NodeRole, std::string>> fresh;  // role and pool
    std::map<std::string, int> of_pools;
    const auto want = [&](NodeRole role) {
      const auto id = pool_of(role == NodeRole::driver);
      if (const auto pool = id.empty() ? std::nullopt : pools_.find(t, now.workspace_id, id)) {
        if (auto taken = keeper_.claim(t, now.workspace_id, *pool, now.spec.spark_version.value_or(""))) {
          if (role == NodeRole::driver)
            now.instance = std::move(taken);
          else
            now.workers.push_back(*std::move(taken));
          return;
        }
      }
      if (!id.empty()) ++of_pools[id];
      fresh.emplace_back(role, id);
    };
    if (driver) want(NodeRole::driver);
    for (int i = 0; i < workers; ++i) want(NodeRole::worker);
    if (auto why = cannot_get(t, now, static_cast<int>(fresh.size()), of_pools); why && !fresh.empty()) {
      if (now.starting()) {
        end_with(t, now, std::move(why->first), why->second);
      } else {
        add_event(t, now, "ADD_NODES_FAILED", {{"reason", json::encode(why->first)}});
        now.target_workers = static_cast<int>(now.workers.size());
        settle(t, now);
      }
      return true;
    }
    for (const auto& [role, pool] : fresh) {
      const auto* type = find_node_type((role == NodeRole::driver ? now.spec.driver_node_type_id : now.spec.node_type_id).value_or(""));
      NodeOrder order{
          .instance_id = "i-" + new_hex(8), .cluster_id = now.cluster_id, .token = new_hex(32), .workspace_id = now.workspace_id, .role = role};
      order.share = share_of(*type, this_host());
      order.environment = environment_of(now);
      order.scripts = scripts;
      order.bootstrap_seconds = static_cast<int>(options_.bootstrap_timeout / 1000) + 30;  // this server's deadline comes first
      Instance i{.instance_id = order.instance_id,
                 .node_type_id = type->node_type_id,
                 .instance_pool_id = pool,
                 .token_hash = hash_of_secret(order.token),
                 .ordered_at = clock_.now()};
      if (role == NodeRole::driver)
        now.instance = std::move(i);
      else
        now.workers.push_back(std::move(i));
      orders.push_back(std::move(order));
    }
    if (now.starting()) now.state_message = "Waiting for its instances to come up";
    return true;
  });
  for (const auto& order : orders) {
    auto launched = fleet_.launch(order);
    if (launched && launched->address.empty()) continue;
    move(c.cluster_id, launched ? "place" : "terminate", [&](store::WriteTxn& t, ClusterRecord& now) {
      auto* i = now.find_instance(order.instance_id);
      if (!i) return false;
      if (launched) {
        i->address = launched->address;
        return true;
      }
      auto why = reason_of("CLOUD_PROVIDER_LAUNCH_FAILURE", ReasonType::CLOUD_FAILURE, {{"databricks_error_message", launched.error()}});
      if (now.starting()) return end_with(t, now, std::move(why), launched.error()), true;
      add_event(t, now, "ADD_NODES_FAILED", {{"reason", json::encode(why)}});
      worker_gone(t, now, order.instance_id, false);
      return true;
    });
  }
  return ordered;
}

/// An instance that waited in a pool is told whose it is, until it says so itself.
void Clusters::assign(const ClusterRecord& c) {
  std::vector<std::string> due;
  {
    const std::lock_guard lock(mutex_);
    for (const auto* i : c.instances()) {
      if (!i->assigned || i->up_at != 0) continue;
      auto& last = assigned_at_[i->instance_id];
      if (last != 0 && clock_.now() - last < 2'000) continue;
      last = clock_.now();
      due.push_back(i->instance_id);
    }
  }
  if (due.empty()) return;
  json::array scripts;
  if (scripts_) {
    if (auto found = scripts_->scripts(c)) scripts = json::encode(*found).as_array();
  }
  for (const auto& id : due)
    fleet_.send(id, {{"op", "assign"},
                     {"cluster_id", c.cluster_id},
                     {"role", c.is_driver(id) ? "driver" : "worker"},
                     {"environment", json::encode(environment_of(c))},
                     {"scripts", scripts}});
}

bool Clusters::node_admitted(const std::string& instance_id, const std::string& token, const std::string& lease) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "instance", instance_id); });
  if (!found) return keeper_.admitted(instance_id, token, lease);
  auto c = found->value;
  switch (judge_identity(*c.find_instance(instance_id), token, lease)) {
    case Identity::known:
      return true;
    case Identity::stranger:
      return false;
    case Identity::first_time:
      break;
  }
  return move(c.cluster_id, "admit", [&](store::WriteTxn&, ClusterRecord& now) {
    auto* i = now.find_instance(instance_id);
    return i && fix_lease(*i, lease);
  });
}

void Clusters::add_script_events(store::WriteTxn& t, ClusterRecord& c, const std::string& instance_id, const json::value* report) {
  if (!report || !report->is_array() || report->as_array().empty()) return;
  json::object started{{"reported_for_node", instance_id}}, finished = started;
  json::array told[2][2];  // [global?][finished?]
  for (const auto& s : report->as_array()) {
    // A node's word: only what is known is taken from it, and not much of it.
    if (!s.is_object() || told[0][0].size() + told[1][0].size() >= 50) continue;
    const auto* of_workspace = json::find(s, {"global"});
    const bool global = of_workspace && of_workspace->is_bool() && of_workspace->as_bool();
    const auto name = json::text_at(s, {"name"}).substr(0, 300);
    json::object one = global ? json::object{{"script_name", name}} : json::object{{"workspace", json::object{{"destination", name}}}};
    told[global][0].push_back(one);
    const auto status = json::text_at(s, {"status"});
    one["status"] = status == "SUCCEEDED" || status == "FAILED_EXECUTION" || status == "NOT_EXECUTED" ? status : "UNKNOWN";
    if (const auto* seconds = json::find(s, {"execution_duration_seconds"}); seconds && seconds->is_int64())
      one["execution_duration_seconds"] = *seconds;
    if (const auto why = json::text_at(s, {"error_message"}); !why.empty()) one["error_message"] = why.substr(0, 1000);
    told[global][1].push_back(std::move(one));
  }
  for (const bool global : {false, true}) {
    if (told[global][0].empty()) continue;
    started[global ? "global" : "cluster"] = std::move(told[global][0]);
    finished[global ? "global" : "cluster"] = std::move(told[global][1]);
  }
  add_event(t, c, "INIT_SCRIPTS_STARTED", {{"init_scripts", std::move(started)}});
  add_event(t, c, "INIT_SCRIPTS_FINISHED", {{"init_scripts", std::move(finished)}});
}

void Clusters::node_up(const std::string& instance_id, const json::object& message) {
  const auto* told = message.if_contains("isolation");
  const json::value isolation = told ? *told : json::value();
  const auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "instance", instance_id); });
  if (!found) {
    if (!keeper_.up(instance_id, isolation)) return fleet_.end(instance_id);
    return wake();
  }
  spark_.up(instance_id);
  auto c = found->value;
  const auto* known = c.find_instance(instance_id);
  if (known->up_at != 0 && known->lost_at == 0) return;
  // It waited in a pool and has not heard yet whose it is.
  if (known->assigned && known->up_at == 0 && json::text_at(message, "cluster_id") != c.cluster_id) return wake();
  move(c.cluster_id, "instanceUp", [&](store::WriteTxn& t, ClusterRecord& now) {
    auto* i = now.find_instance(instance_id);
    if (!i || (!now.starting() && !now.usable())) return false;
    if (i->up_at != 0) {
      i->lost_at = 0;  // it came back within its lease
      return true;
    }
    meter(t, now);
    i->up_at = clock_.now();
    i->lost_at = 0;
    i->isolation = isolation;
    add_script_events(t, now, instance_id, message.if_contains("scripts"));
    if (!now.is_driver(instance_id)) now.worker_failures = 0;
    settle(t, now);
    return true;
  });
  if (const auto* scripts = message.if_contains("scripts"); logs_ && scripts && known->up_at == 0) logs_->scripts(c, instance_id, *scripts);
  if (libraries_) libraries_->up(c, instance_id);
  wake();
  if (told_up_) told_up_();
}

/// After a change of its instances: is a starting cluster up, has a resize ended?
void Clusters::settle(store::WriteTxn& t, ClusterRecord& c) {
  const bool driver = c.instance && c.instance->up_at != 0;
  const bool workers =
      static_cast<int>(c.workers.size()) == c.target_workers && std::ranges::all_of(c.workers, [](const Instance& w) { return w.up_at != 0; });
  if (!driver || !workers) return;
  if (c.starting()) {
    c.state = State::RUNNING;
    c.state_message.clear();
    c.last_activity = clock_.now();
    c.spark_context_id = new_numeric_id();
    add_event(t, c, "RUNNING", {{"instance_id", c.instance->instance_id}, {"current_num_workers", c.target_workers}});
    add_event(t, c, "DRIVER_HEALTHY", {});
  } else if (c.state == State::RESIZING) {
    c.state = State::RUNNING;
    c.state_message.clear();
    c.resizing_since = 0;
    add_event(t, c, "UPSIZE_COMPLETED", {{"current_num_workers", c.target_workers}, {"target_num_workers", c.target_workers}});
  }
}

/// A worker is no more; whether another is ordered in its place is the next step's to say.
void Clusters::worker_gone(store::WriteTxn& t, ClusterRecord& c, const std::string& instance_id, bool was_up) {
  meter(t, c);
  release_one(t, c, *c.find_instance(instance_id));
  std::erase_if(c.workers, [&](const Instance& w) { return w.instance_id == instance_id; });
  if (was_up) {
    add_event(t, c, "NODES_LOST",
              {{"instance_id", instance_id}, {"current_num_workers", c.workers.size()}, {"target_num_workers", c.target_workers}});
    return;
  }
  c.workers_not_before = clock_.now() + kWorkerBackoff * ++c.worker_failures;
  if (c.usable() && c.worker_failures >= kMostWorkerFailures) {
    add_event(t, c, "ADD_NODES_FAILED", {{"cause", fmt::format("{} workers in a row could not start", c.worker_failures)}});
    c.target_workers = static_cast<int>(c.workers.size());
    c.worker_failures = 0;
    settle(t, c);
  }
}

void Clusters::node_lost(const std::string& instance_id, bool ended, const std::string& last_words) {
  spark_.lost(instance_id);
  const auto cut = last_words.find('\x1f');
  const auto why = last_words.substr(0, cut);
  const auto report = cut == last_words.npos ? json::Decoded<json::value>(json::value(nullptr)) : json::parse(last_words.substr(cut + 1));
  auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "instance", instance_id); });
  if (!found) {
    keeper_.lost(instance_id, ended, why);
    return wake();
  }
  const auto id = found->value.cluster_id;
  bool driver = false;
  const bool changed = move(id, "lost", [&](store::WriteTxn& t, ClusterRecord& c) {
    auto* i = c.find_instance(instance_id);
    if (!i || c.state == State::TERMINATING) return false;
    if (std::ranges::find(c.old_instances, instance_id) != c.old_instances.end()) return false;  // which the restart ends itself
    const bool was_up = i->up_at != 0;
    if (!ended) {
      if (!was_up || i->lost_at != 0) return false;  // on its way up: the bootstrap's deadline judges
      i->lost_at = clock_.now();
      return true;
    }
    driver = c.is_driver(instance_id);
    if (!was_up && report) add_script_events(t, c, instance_id, &*report);
    // A node whose init script failed says so; whatever else it says is its own words.
    std::string code = was_up ? "DRIVER_UNREACHABLE" : "SELF_BOOTSTRAP_FAILURE";
    for (const char* script : {"INIT_SCRIPT_FAILURE", "GLOBAL_INIT_SCRIPT_FAILURE"})
      if (!was_up && why.starts_with(std::string(script) + ":")) code = script;
    if (!driver && (was_up || (code == "SELF_BOOTSTRAP_FAILURE" && c.worker_failures + 1 < kMostWorkerFailures))) {
      worker_gone(t, c, instance_id, was_up);
      return true;
    }
    if (!driver && c.usable()) {
      worker_gone(t, c, instance_id, false);
      return true;
    }
    add_event(t, c, "NODES_LOST", {{"instance_id", instance_id}});
    end_with(t, c,
             reason_of(code, code.ends_with("SCRIPT_FAILURE") ? ReasonType::CLIENT_ERROR : ReasonType::SERVICE_FAULT,
                       {{"instance_id", instance_id}, {"databricks_error_message", why}}),
             fmt::format("The instance {} {}: {}", instance_id, was_up ? "ended" : "could not start", why));
    return true;
  });
  if (const auto* i = found->value.find_instance(instance_id); changed && ended && report && i && i->up_at == 0 && logs_)
    logs_->scripts(found->value, instance_id, *report);
  if (changed && ended && driver && code_) code_->gone(id);
  wake();
}

void Clusters::node_said(const std::string& instance_id, const json::object& message) {
  if (json::text_at(message, "type") == "metrics") return metrics_.note(instance_id, message, clock_.now());
  if (spark_.said(instance_id, message)) return;
  const auto found = store_.read_as([&](store::ReadTxn& t) { return clusters_table.find(t, "instance", instance_id); });
  if (!found) return;
  if (json::text_at(message, "type") == "library") {
    if (libraries_) libraries_->said(found->value, instance_id, message);
    return;
  }
  if (const auto type = json::text_at(message, "type"); type == "log" || type == "logs-sent") {
    if (logs_) logs_->said(found->value, instance_id, message);
    return type == "log" ? void() : wake();
  }
  if (code_ && found->value.is_driver(instance_id)) code_->said(found->value.cluster_id, message);
}

bool Clusters::send(const std::string& id, const json::object& message) {
  const auto c = find(id);
  return c && c->instance && fleet_.send(c->instance->instance_id, message);
}

/// Its place in its pool is taken by a fresh one.
void Clusters::release_one(store::WriteTxn& t, const ClusterRecord& c, const Instance& i) {
  if (!i.instance_pool_id.empty()) keeper_.give_back(t, c.workspace_id, i.instance_pool_id, i.node_type_id);
}

/// Takes all instances from a cluster, in the transaction that ends or restarts it. The fleet is told later.
void Clusters::release_all(store::WriteTxn& t, ClusterRecord& c) {
  meter(t, c);
  for (const auto* i : c.instances()) release_one(t, c, *i);
  if (libraries_ && !c.instances().empty()) libraries_->restarted(t, c);
  c.instance.reset();
  c.workers.clear();
  c.metered_until = 0;
}

}  // namespace tarn::compute
