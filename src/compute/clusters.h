#pragma once
// Clusters (/api/2.0 and 2.1 /clusters): asked for, judged by their policy, brought up on an instance that really runs, and ended with a
// reason. A durable state machine in the store, driven by one thread:
//
//   PENDING    -> its driver and workers are ordered -> all dial in -> RUNNING; or TERMINATED (BOOTSTRAP_TIMEOUT, a stockout, …)
//   RESTARTING -> the old instances end -> as PENDING
//   RUNNING    -> TERMINATING (USER_REQUEST, INACTIVITY, a budget) -> TERMINATED; TERMINATED (COMMUNICATION_LOST) if the driver is gone
//   RUNNING    -> RESIZING while it gets more workers (asked for, by load, in place of a lost one) -> RUNNING
//
// RUNNING is said only of a cluster whose nodes are connected and have their interpreter up. A control plane that is killed and restarted finds
// its clusters again: nodes dial in anew within their lease, what does not is reported lost. One server of a store runs a cluster (its
// server_id). Thread-safe; service methods block on the store only.
// Source: REST API reference "Clusters", databricks-sdk-go service/compute, terraform-provider-databricks clusters/.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "billing/usage.h"
#include "compute/cluster_records.h"
#include "compute/fleet.h"
#include "compute/node_metrics.h"
#include "compute/policies.h"
#include "compute/pool_keeper.h"
#include "compute/pools.h"
#include "compute/spark_network.h"

namespace tarn::compute {

struct ClusterOptions {
  std::string server_id = "local";
  std::string region = "eu-central-1";
  Millis bootstrap_timeout = 700'000;  // from order to the node's dial-in; the vendor's
  Millis lease = 30'000;               // how long a lost node may take to come back
  int most_instances = 64;             // on this machine
  int gpus = 0;
};

struct ClusterEdit : ClusterSpec {
  std::string cluster_id;
};
BOOST_DESCRIBE_STRUCT(ClusterEdit, (ClusterSpec), (cluster_id))

struct EventsQuery {
  std::string cluster_id;
  std::optional<std::int64_t> start_time, end_time, offset, limit, page_size;
  std::optional<std::string> order, page_token;
  std::vector<std::string> event_types;
};
BOOST_DESCRIBE_STRUCT(EventsQuery, (), (cluster_id, start_time, end_time, offset, limit, page_size, order, page_token, event_types))

struct EventsPage {
  std::vector<EventRecord> events;
  std::int64_t total = 0;
  std::optional<std::int64_t> next_offset;
};

/// What runs on a cluster, told of its instance's life: contexts and commands. Called without locks held.
class NodeCode {
 public:
  virtual ~NodeCode() = default;
  virtual void said(const std::string& cluster_id, const json::object& message) = 0;
  /// The cluster's interpreter state is gone.
  virtual void gone(const std::string& cluster_id) = 0;
  /// How many commands run or wait there: what autoscaling and the idle clock go by.
  virtual int busy(const std::string& cluster_id) = 0;
  /// Whether this execution context is that cluster's.
  virtual bool runs(const std::string& cluster_id, const std::string& context_id) = 0;
};

/// What is installed on a cluster's nodes, told what they say of it. Called without locks held.
class NodeLibraries {
 public:
  virtual ~NodeLibraries() = default;
  virtual void said(const ClusterRecord& cluster, const std::string& instance_id, const json::object& message) = 0;
  /// A node is there, for the first time or again.
  virtual void up(const ClusterRecord& cluster, const std::string& instance_id) = 0;
  /// Within the transaction: the cluster's instances are no more.
  virtual void restarted(store::WriteTxn& t, const ClusterRecord& cluster) = 0;
  /// Within the transaction: nor is the cluster.
  virtual void gone(store::WriteTxn& t, const ClusterRecord& cluster) = 0;
};

/// What a cluster's nodes print, where it is delivered. Called without locks held; must not block for long.
class NodeLogs {
 public:
  virtual ~NodeLogs() = default;
  virtual void said(const ClusterRecord& cluster, const std::string& instance_id, const json::object& message) = 0;
  /// What became of a node's init scripts, as it reported it.
  virtual void scripts(const ClusterRecord& cluster, const std::string& instance_id, const json::value& report) = 0;
  /// Asked before a cluster's nodes end: whether what they printed is here, or has been waited for long enough.
  virtual bool all_here(const ClusterRecord& cluster) = 0;
};

/// The init scripts of a cluster that starts: the workspace's global ones, then its own. The error names one that cannot be had.
class InitScripts {
 public:
  virtual ~InitScripts() = default;
  virtual Expected<std::vector<InitScriptText>, std::string> scripts(const ClusterRecord& cluster) = 0;
};

class Clusters final : public FleetListener, public PoolUsage, public billing::RunningUsage {
 public:
  Clusters(store::Store& store, access::ObjectPermissions& permissions, Pools& pools, Policies& policies, InstanceProfiles& profiles, Fleet& fleet,
           const Clock& clock, ClusterOptions options = {});
  ~Clusters() override;

  // Errors of all: invalid (also a cluster that does not exist, as the vendor has it), permission_denied, invalid_state.
  /// Needs allow-cluster-create, or a policy that the caller may use. limit_exceeded: the policy's clusters per user.
  Result<ClusterRecord> create(const access::Context& ctx, const ClusterSpec& request);
  Result<ClusterRecord> edit(const access::Context& ctx, const std::string& id, const ClusterSpec& request);  // CAN_MANAGE; a running one restarts
  /// The fields that the mask names replace those of the cluster.
  Result<ClusterRecord> update(const access::Context& ctx, const std::string& id, const json::object& changes, const std::string& mask);
  Result<ClusterRecord> get(const access::Context& ctx, const std::string& id);  // CAN_ATTACH_TO
  std::vector<ClusterRecord> list(const access::Context& ctx);
  Result<void> start(const access::Context& ctx, const std::string& id);                                   // CAN_RESTART
  Result<void> restart(const access::Context& ctx, const std::string& id);                                 // CAN_RESTART
  Result<void> terminate(const access::Context& ctx, const std::string& id);                               // CAN_RESTART
  Result<void> permanent_delete(const access::Context& ctx, const std::string& id);                        // CAN_MANAGE
  Result<void> pin(const access::Context& ctx, const std::string& id, bool pinned);                        // workspace admins
  Result<void> change_owner(const access::Context& ctx, const std::string& id, const std::string& owner);  // workspace admins; TERMINATED only
  Result<void> resize(const access::Context& ctx, const std::string& id, std::optional<int> workers, std::optional<AutoScale> autoscale);
  Result<EventsPage> events(const access::Context& ctx, const EventsQuery& query);
  /// What a cluster breaks of its policy today.
  Result<std::vector<PolicyViolation>> compliance(const access::Context& ctx, const std::string& id);
  std::vector<ClusterRecord> with_policy(const access::Context& ctx, const std::string& policy_id);

  /// For jobs: a cluster of a run (cluster_source JOB) and its end, as the run's identity; judged like any other, with cluster_type job.
  Result<ClusterRecord> create_for_job(const access::Context& ctx, const ClusterSpec& request);
  /// What a request for a job cluster violates, without making it.
  Result<void> check_for_job(const access::Context& ctx, const ClusterSpec& request);
  void discard(const std::string& id);
  /// Active clusters of runs on this server.
  std::vector<std::string> job_clusters();
  std::optional<ClusterRecord> find(const std::string& id);

  /// For contexts: the running cluster if the caller may attach to it (a single user's cluster only to that user); counts as activity.
  Result<ClusterRecord> attach(const access::Context& ctx, const std::string& id);
  bool send(const std::string& id, const json::object& message);
  bool send_to(const std::string& instance_id, const json::object& message) { return fleet_.send(instance_id, message); }
  void touched(const std::string& id);
  /// For libraries: the cluster if the caller has CAN_MANAGE on it.
  Result<ClusterRecord> manage(const access::Context& ctx, const std::string& id) { return require(ctx, id, "CAN_MANAGE", "Manage"); }
  void run_code_with(NodeCode* code) { code_ = code; }
  /// Set once at start-up. Without it a cluster that names init scripts does not start.
  void scripts_from(InitScripts* source) { scripts_ = source; }
  /// Set once at start-up: called on any thread, without locks, when a node has come up.
  void tell_when_up(std::function<void()> told) { told_up_ = std::move(told); }
  /// Set once at start-up. Without it nothing has to be fetched for a runtime.
  void runtimes_from(RuntimeFiles* files) { runtime_files_ = files; }
  void libraries_are(NodeLibraries* libraries) { libraries_ = libraries; }
  /// Set once at start-up. Without it no node is asked for its logs.
  void logs_are(NodeLogs* logs) { logs_ = logs; }
  /// How the last delivery of its logs went; `why` is empty if it went well.
  void note_log_delivery(const std::string& id, Millis at, const std::string& why);
  /// Set once at start-up: why a workspace's clusters with these tags may not run, if they may not (a budget is spent).
  using Blocked = std::function<std::optional<std::string>(std::int64_t workspace_id, const std::map<std::string, std::string>& tags)>;
  void blocked_by(Blocked blocked) { blocked_ = std::move(blocked); }
  /// Set once at start-up: whether a workspace's clusters must keep their users apart (it was made without legacy features).
  void must_isolate(std::function<bool(std::int64_t workspace_id)> must) { must_isolate_ = std::move(must); }
  /// Ends a deleted workspace's clusters, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);

  /// Takes up what an earlier process of this server left: from now on the lease of its nodes counts. Before the fleet starts, since a node that
  /// dials in earlier would be taken for lost.
  void recover();
  /// Drives clusters on a thread of its own.
  void start_driving();
  void stop();
  /// Takes the due steps on the calling thread; false if none was due. What the thread does; tests drive it by hand.
  bool step();

  // FleetListener, PoolUsage
  bool node_admitted(const std::string& instance_id, const std::string& token, const std::string& lease) override;
  void node_up(const std::string& instance_id, const json::object& message) override;
  void node_lost(const std::string& instance_id, bool ended, const std::string& why) override;
  void node_said(const std::string& instance_id, const json::object& message) override;
  PoolStats stats(std::int64_t workspace_id, const std::string& instance_pool_id) override;
  std::vector<billing::UsageRecord> running_usage() override;
  const NodeMetrics& metrics() const { return metrics_; }
  const SparkNetwork& spark() const { return spark_; }
  /// Those that this server runs or starts.
  std::vector<ClusterRecord> active_here();
  int busy(const std::string& id) const { return code_ ? code_->busy(id) : 0; }
  /// Rows of system.compute.clusters and node_timeline, of all workspaces: objects by column.
  json::array clusters_table_rows();
  json::array node_timeline_rows();

 private:
  struct Judged {
    ClusterSpec spec;
    const NodeType* driver = nullptr;
  };
  Result<Judged> judge(const access::Context& ctx, ClusterSpec request, const std::string& cluster_type, const ClusterRecord* before);
  Result<ClusterRecord> make(const access::Context& ctx, const ClusterSpec& request, const std::string& source);
  Result<ClusterRecord> require(const access::Context& ctx, const std::string& id, const char* level, const char* said);
  Result<ClusterRecord> change(const access::Context& ctx, const std::string& id, const std::string& action,
                               const std::function<Result<void>(store::WriteTxn&, ClusterRecord&)>& body);
  /// One transition as the platform's own act; the body says whether it still holds.
  bool move(const std::string& id, const std::string& action, const std::function<bool(store::WriteTxn&, ClusterRecord&)>& body);
  std::map<std::string, std::string> environment_of(const ClusterRecord& c) const;
  void add_event(store::WriteTxn& t, ClusterRecord& c, const std::string& type, json::object details);
  /// What a node says of the init scripts that it ran, as events.
  void add_script_events(store::WriteTxn& t, ClusterRecord& c, const std::string& instance_id, const json::value* report);
  void end_with(store::WriteTxn& t, ClusterRecord& c, TerminationReason reason, const std::string& message);
  bool order_instances(const ClusterRecord& c);
  void assign(const ClusterRecord& c);
  void settle(store::WriteTxn& t, ClusterRecord& c);
  void worker_gone(store::WriteTxn& t, ClusterRecord& c, const std::string& instance_id, bool was_up);
  void release_one(store::WriteTxn& t, const ClusterRecord& c, const Instance& i);
  void release_all(store::WriteTxn& t, ClusterRecord& c);
  bool bring_up(const ClusterRecord& c, Millis now);
  bool end_old_ones();
  bool tend(const ClusterRecord& c, Millis now, Millis last_activity);
  bool tend_workers(const ClusterRecord& c, Millis now);
  int wanted_workers(const ClusterRecord& c, Millis now) const;
  bool autoscale(const ClusterRecord& c, Millis now);
  void aim(store::WriteTxn& t, ClusterRecord& c, int target, const std::string& cause, const std::string& user);
  void meter(store::WriteTxn& t, ClusterRecord& c);
  std::vector<billing::UsageRecord> usage_of(const ClusterRecord& c, Millis now) const;
  void keep_minutes(Millis now);
  void keep_spark(const std::vector<ClusterRecord>& active);
  std::optional<std::pair<TerminationReason, std::string>> cannot_get(store::ReadTxn& t, const ClusterRecord& c, int fresh,
                                                                      const std::map<std::string, int>& of_pools);
  static int workers_of(const ClusterSpec& spec);
  void wake();
  void run(std::stop_token stop);

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  Pools& pools_;
  Policies& policies_;
  InstanceProfiles& profiles_;
  Fleet& fleet_;
  const Clock& clock_;
  const ClusterOptions options_;
  PoolKeeper keeper_;
  NodeMetrics metrics_;
  SparkNetwork spark_;
  NodeCode* code_ = nullptr;
  InitScripts* scripts_ = nullptr;
  RuntimeFiles* runtime_files_ = nullptr;
  std::function<void()> told_up_;
  NodeLibraries* libraries_ = nullptr;
  NodeLogs* logs_ = nullptr;
  Blocked blocked_;
  std::function<bool(std::int64_t)> must_isolate_;
  struct Scaling {
    Millis looked_at = 0, low_since = 0;
    int most_wanted = 0;
  };
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;
  std::map<std::string, Millis> touched_;      // by cluster id; written to the store by the thread
  std::map<std::string, Millis> assigned_at_;  // by instance
  std::map<std::string, Scaling> scaling_;     // by cluster id
  Millis minutes_kept_ = 0;                    // the thread's own
  std::jthread thread_;
};

/// ClusterDetails. `isolation` is ours: what really isolates the node, and what does not.
json::value cluster_json(const ClusterRecord& c);

}  // namespace tarn::compute
