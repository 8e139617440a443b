#pragma once
// Private to compute/ (and its tests): what the store keeps of clusters.
#include <set>

#include "compute/common.h"
#include "compute/spec.h"

namespace tarn::compute {

enum class State { PENDING, RUNNING, RESTARTING, RESIZING, TERMINATING, TERMINATED, ERROR, UNKNOWN };
BOOST_DESCRIBE_ENUM(State, PENDING, RUNNING, RESTARTING, RESIZING, TERMINATING, TERMINATED, ERROR, UNKNOWN)

enum class ReasonType { SUCCESS, CLIENT_ERROR, SERVICE_FAULT, CLOUD_FAILURE };
BOOST_DESCRIBE_ENUM(ReasonType, SUCCESS, CLIENT_ERROR, SERVICE_FAULT, CLOUD_FAILURE)

struct TerminationReason {
  std::string code;  // USER_REQUEST, INACTIVITY, BOOTSTRAP_TIMEOUT, …: the vendor's list
  ReasonType type = ReasonType::SUCCESS;
  std::map<std::string, std::string> parameters;
};
BOOST_DESCRIBE_STRUCT(TerminationReason, (), (code, type, parameters))

/// An instance of a cluster: its driver or a worker.
struct Instance {
  std::string instance_id, node_type_id, instance_pool_id;
  std::string token_hash;  // of its order's token, until it is used up
  std::string lease_hash;  // of the lease that it made up when it first dialled in
  std::string address;     // its own, in the network's model
  Millis ordered_at = 0, up_at = 0;
  Millis lost_at = 0;     // its connection is gone since then; it has a lease to come back
  bool assigned = false;  // it waited in a pool, and is told its cluster until it says that it is up for it
  json::value isolation;
};
BOOST_DESCRIBE_STRUCT(Instance, (),
                      (instance_id, node_type_id, instance_pool_id, token_hash, lease_hash, address, ordered_at, up_at, lost_at, assigned, isolation))

struct ClusterRecord {
  std::string cluster_id, server_id, cluster_source = "API", creator_user_name;
  std::int64_t workspace_id = 0, creator_id = 0;
  ClusterSpec spec;       // as it runs: policy values and defaults filled in
  ClusterSpec requested;  // as it was asked for
  State state = State::PENDING;
  std::string state_message;
  std::optional<TerminationReason> termination_reason;
  Millis start_time = 0, terminated_time = 0, last_restarted_time = 0, last_state_loss_time = 0, last_activity = 0;
  std::int64_t spark_context_id = 0, events = 0;
  bool pinned = false;
  std::optional<Instance> instance;        // its driver
  std::vector<Instance> workers;           //
  int target_workers = 0;                  // how many it is to have now: num_workers, or what autoscaling wants
  int worker_failures = 0;                 // in a row
  Millis workers_not_before = 0;           // the next try after one
  Millis resizing_since = 0;               // while RESIZING
  std::vector<std::string> old_instances;  // that a restart has yet to end
  Millis metered_until = 0;                // its usage is written down up to here; 0: nothing of it runs
  Millis logs_attempted = 0;               // the last delivery of its logs, and what was wrong with it
  std::string logs_exception;

  /// Code can run on it.
  bool usable() const { return state == State::RUNNING || state == State::RESIZING; }
  std::vector<const Instance*> instances() const {
    std::vector<const Instance*> out;
    if (instance) out.push_back(&*instance);
    for (const auto& w : workers) out.push_back(&w);
    return out;
  }
  Instance* find_instance(const std::string& id) {
    if (instance && instance->instance_id == id) return &*instance;
    const auto i = std::ranges::find(workers, id, &Instance::instance_id);
    return i == workers.end() ? nullptr : &*i;
  }
  bool is_driver(const std::string& id) const { return instance && instance->instance_id == id; }
  bool active() const { return state != State::TERMINATED && state != State::ERROR; }
  bool starting() const { return state == State::PENDING || state == State::RESTARTING; }
  std::string store_key() const { return store::key({store::sortable(workspace_id), cluster_id}); }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out{{"id", cluster_id, true}};
    if (active()) out.push_back({"active", server_id});
    if (!old_instances.empty()) out.push_back({"ending", server_id});
    for (const auto* i : instances()) out.push_back({"instance", i->instance_id, true});
    std::set<std::string> pools;
    for (const auto* p : {&spec.instance_pool_id, &spec.driver_instance_pool_id})
      if (active() && *p && !(*p)->empty()) pools.insert(**p);
    for (const auto& p : pools) out.push_back({"pool", store::key({store::sortable(workspace_id), p})});
    if (spec.policy_id) out.push_back({"policy", store::key({store::sortable(workspace_id), *spec.policy_id})});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(ClusterRecord, (),
                      (cluster_id, server_id, cluster_source, creator_user_name, workspace_id, creator_id, spec, requested, state, state_message,
                       termination_reason, start_time, terminated_time, last_restarted_time, last_state_loss_time, last_activity, spark_context_id,
                       events, pinned, instance, workers, target_workers, worker_failures, workers_not_before, resizing_since, old_instances,
                       metered_until, logs_attempted, logs_exception))

struct EventRecord {
  std::int64_t workspace_id = 0, sequence = 0;
  std::string cluster_id, type;
  Millis timestamp = 0;
  json::value details;
  std::string store_key() const { return store::key({store::sortable(workspace_id), cluster_id, store::sortable(sequence)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(EventRecord, (), (workspace_id, sequence, cluster_id, type, timestamp, details))

/// One instance in one minute.
struct MinuteRecord {
  Millis minute = 0;
  std::string instance_id;
  std::int64_t workspace_id = 0;
  std::string cluster_id;
  bool driver = false;
  std::string node_type;
  double cpu_percent = 0, memory_percent = 0, memory_peak_percent = 0;  // of its share
  std::string store_key() const { return store::key({store::sortable(minute), instance_id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(MinuteRecord, (),
                      (minute, instance_id, workspace_id, cluster_id, driver, node_type, cpu_percent, memory_percent, memory_peak_percent))

/// When a server was last seen to run its clusters, to the minute.
struct HeartbeatRecord {
  std::string server_id;
  Millis at = 0;
  std::string store_key() const { return server_id; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(HeartbeatRecord, (), (server_id, at))

inline constexpr store::Collection<HeartbeatRecord> heartbeats_table{"compute.heartbeat"};
inline constexpr store::Collection<MinuteRecord> minutes_table{"compute.node_minute"};
inline constexpr store::Collection<ClusterRecord> clusters_table{"compute.cluster"};
inline constexpr store::Collection<EventRecord> events_table{"compute.event"};

}  // namespace tarn::compute
