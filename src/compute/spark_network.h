#pragma once
// The network of a cluster whose Apache Spark has its executors on the workers: byte streams between the nodes of one cluster, for one execution
// context each, carried over the connections that the nodes dialled. Nothing listens on a node. What is believed of a node is which streams it
// asks for; whether both ends are of one cluster, the context of that cluster and the port one of Spark's is decided here.
//
// Who is in it comes from Clusters (keep), which contexts have it from the cluster's driver; every node is told what it is to know whenever that
// changes and whenever it dials in. Levels, not edges: a node acts on the whole of what it was told last. docs/decisions/0015 has the words.
// Thread-safe; calls `send`, `carry` and `runs` with its lock held, which must not call back.
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"

namespace tarn::compute {

/// The nodes of one cluster that are up.
struct SparkMembers {
  std::string driver;
  std::vector<std::string> workers;
  int target = 0;  // workers that it is to have now
  int most = 0;    // and at most
  std::int64_t worker_memory = 0;
  double worker_cpus = 0;
  bool operator==(const SparkMembers&) const = default;
};

class SparkNetwork {
 public:
  struct Ways {
    /// To an instance. False: it is not connected.
    std::function<bool(const std::string& instance_id, const json::object& message)> send;
    /// The same for what a stream carries: also false while much waits for that instance.
    std::function<bool(const std::string& instance_id, const json::object& message)> carry;
    /// Whether this execution context is the cluster's.
    std::function<bool(const std::string& cluster_id, const std::string& context_id)> runs;
  };
  explicit SparkNetwork(Ways ways) : ways_(std::move(ways)) {}

  /// All clusters that have such a network now; those that are left out have it no more, and the streams of nodes that left end.
  void keep(std::map<std::string, SparkMembers> clusters);
  /// A node dialled in, for the first time or again: what it carried before is gone.
  void up(const std::string& instance_id);
  /// Its connection ended.
  void lost(const std::string& instance_id);
  /// A node's message. False: not of this network's kinds (`spark`, `stream`).
  bool said(const std::string& instance_id, const json::object& message);

  struct Figures {
    std::int64_t streams = 0, opened = 0, refused = 0, bytes = 0;
  };
  Figures figures() const;

 private:
  struct Stream {
    std::string from, to;  // instances
    bool from_ended = false, to_ended = false;
  };
  const std::string* cluster_of(const std::string& instance_id) const;
  void announce(const std::string& instance_id, const json::object& contexts);
  void tell(const std::string& cluster_id, const std::string& instance_id);
  void tell_workers(const std::string& cluster_id);
  void open(const std::string& instance_id, const json::object& message);
  std::string why_not(const std::string& instance_id, const std::string& id, const json::object& message, std::string& target) const;
  void pass(const std::string& instance_id, const json::object& message);
  void reset(const std::string& instance_id, const std::string& id, std::string_view why);
  void drop_streams_of(const std::string& instance_id);

  const Ways ways_;
  mutable std::mutex mutex_;
  std::map<std::string, SparkMembers> clusters_;
  std::map<std::string, std::string> cluster_by_instance_;
  std::map<std::string, json::object> announced_;  // by instance: the contexts that a driver said it has, with what their workers need
  std::map<std::string, Stream> streams_;
  std::map<std::string, int> streams_of_;  // by instance
  Figures figures_;
};

}  // namespace tarn::compute
