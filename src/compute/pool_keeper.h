#pragma once
// A pool's idle instances: nodes that run and wait for a cluster. Keeps min_idle_instances of each pool ready, hands them out, replaces what a
// cluster gave back (a used instance is never used again: its processes and files end with it, and a fresh one waits in its place), and ends
// what was idle for longer than the pool says. Stored, so that a killed control plane finds them again. One server of a store runs an
// instance; the pool's cap and minimum count over all servers. Thread-safe; methods that take a transaction block on nothing else.
#include <map>
#include <mutex>

#include "compute/cluster_records.h"
#include "compute/fleet.h"
#include "compute/pools.h"

namespace tarn::compute {

struct WaitingInstance {
  std::string server_id, instance_pool_id;
  std::int64_t workspace_id = 0;
  Instance instance;  // ordered_at 0: not launched yet
  Millis idle_since = 0;
  std::string store_key() const { return instance.instance_id; }
  std::vector<store::IndexEntry> store_indexes() const {
    return {{"server", server_id}, {"pool", store::key({store::sortable(workspace_id), instance_pool_id})}};
  }
};
BOOST_DESCRIBE_STRUCT(WaitingInstance, (), (server_id, instance_pool_id, workspace_id, instance, idle_since))

inline constexpr store::Collection<WaitingInstance> waiting_table{"compute.waiting_instance"};

class PoolKeeper {
 public:
  struct Options {
    std::string server_id;
    Millis bootstrap_timeout = 700'000, lease = 30'000;
    int most_instances = 64;
  };
  PoolKeeper(store::Store& store, Pools& pools, Fleet& fleet, const Clock& clock, Options options)
      : store_(store), pools_(pools), fleet_(fleet), clock_(clock), options_(std::move(options)) {}

  /// In the transaction that gives a cluster its instances: one that waits, if the pool has one here that suits. It is the cluster's then.
  std::optional<Instance> claim(store::WriteTxn& t, std::int64_t workspace_id, const Pool& pool, const std::string& runtime);
  /// In the transaction that takes an instance from its cluster: a fresh one is to wait in its place.
  void give_back(store::WriteTxn& t, std::int64_t workspace_id, const std::string& pool_id, const std::string& node_type_id);
  /// How many wait, or are on their way to, over all servers.
  static int waiting(store::ReadTxn& t, std::int64_t workspace_id, const std::string& pool_id);
  static int waiting_on(store::ReadTxn& t, const std::string& server_id);

  /// As FleetListener's; false: not one of ours.
  bool admitted(const std::string& instance_id, const std::string& token, const std::string& lease);
  bool up(const std::string& instance_id, const json::value& isolation);
  bool lost(const std::string& instance_id, bool ended, const std::string& why);

  /// What an earlier process left may dial in again: from now on its lease counts.
  void recover();
  /// Takes the due steps; false if none was.
  bool step();

  struct Counts {
    int idle = 0, pending = 0;
  };
  Counts counts(std::int64_t workspace_id, const std::string& pool_id);

 private:
  bool change(const std::string& instance_id, const std::string& action, const std::function<bool(WaitingInstance&)>& body);
  void drop(const WaitingInstance& w, const std::string& why);
  bool launch(const WaitingInstance& w, const Pool& pool);
  bool fill(const Pool& pool);

  store::Store& store_;
  Pools& pools_;
  Fleet& fleet_;
  const Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::map<std::string, Millis> not_before_;  // by pool: after a start that failed
};

}  // namespace tarn::compute
