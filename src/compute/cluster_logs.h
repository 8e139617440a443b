#pragma once
// What clusters print, delivered to where their cluster_log_conf says, below DESTINATION/CLUSTER_ID:
//   driver/{stdout,stderr,log4j-active.log}, executor/INSTANCE/…, init_scripts/CLUSTER_ID_ADDRESS/TIME_NN_NAME.log
// Nodes send it as it comes (node/logs.py). It is spooled here, a folder a cluster; files that grew are written out every five minutes, and all of
// them when the cluster has ended, for which its nodes are asked for the rest first. A file of 16 MB, or whose instance was replaced, is closed
// under a name with its time (stdout--2026-11-23--15-04-05) and another begins. What cannot be delivered is tried again, kept up to a bound, and
// given up some time after the cluster's end; clusters/get says how it went (cluster_log_status).
// A server that was killed delivers what it had spooled. One thread of its own delivers. Thread-safe.
// Source: REST API reference "Clusters" (ClusterLogConf, LogSyncStatus), "Compute configuration reference: compute log delivery".
#include "base/repeating.h"
#include "compute/clusters.h"

namespace tarn::compute {

/// Where logs go, written as the cluster's creator.
class LogDestinations {
 public:
  virtual ~LogDestinations() = default;
  /// Writes a file, which may be moved away, to `path` below the cluster's destination; replaces what is there. The error is for people.
  virtual Expected<void, std::string> put(const ClusterRecord& cluster, const std::string& path, const std::string& file) = 0;
};

struct LogOptions {
  std::string folder;  // of the spools
  Millis every = 5 * 60'000;
  Millis patience = 5'000;                  // for the rest, when a cluster ends
  Millis again = 30'000;                    // after a delivery that failed once the cluster has ended
  int tries = 10;                           // of those
  std::uint64_t most_file = 16u << 20;      // then it is closed
  std::uint64_t most_cluster = 256u << 20;  // undelivered bytes of a cluster; what comes beyond them is dropped
};

class ClusterLogs final : public NodeLogs {
 public:
  ClusterLogs(Clusters& clusters, LogDestinations& destinations, const Clock& clock, LogOptions options);

  /// Takes up what an earlier process left, then delivers on a thread of its own.
  void start();
  void stop() { turns_.stop(); }
  /// Delivers what is due on the calling thread. What the thread does; tests drive it by hand.
  void step();

  // NodeLogs
  void said(const ClusterRecord& cluster, const std::string& instance_id, const json::object& message) override;
  void scripts(const ClusterRecord& cluster, const std::string& instance_id, const json::value& report) override;
  bool all_here(const ClusterRecord& cluster) override;

 private:
  struct File {
    std::uint64_t size = 0, delivered = 0;
    bool closed = false;
    std::string instance_id;          // whose
    std::optional<std::uint64_t> at;  // where its node goes on
  };
  struct Spool {
    ClusterRecord cluster;              // as of its last word: it may be deleted before its logs are delivered
    std::map<std::string, File> files;  // by path below the destination
    std::uint64_t dropped = 0;
    Millis last_attempt = 0;
    int failures = 0;  // since it ended
  };
  Spool& spool_of(const ClusterRecord& cluster);
  void append(Spool& spool, const std::string& path, const std::string& instance_id, std::optional<std::uint64_t> at, std::string_view data);
  void close_file(Spool& spool, const std::string& path);
  void take_up();
  void deliver(const std::string& cluster_id, bool ended);
  std::string place(const std::string& cluster_id, const std::string& path = {}) const;

  Clusters& clusters_;
  LogDestinations& destinations_;
  const Clock& clock_;
  const LogOptions options_;
  std::mutex mutex_;  // of the two below and the files of the spools
  std::map<std::string, Spool> spools_;
  struct Asked {
    Millis at = 0;
    std::set<std::string> instances;  // that have not answered
  };
  std::map<std::string, Asked> asked_;  // by cluster
  Repeating turns_;                     // last: it uses all of the above
};

}  // namespace tarn::compute
