#pragma once
// What instances say that they use, and what they were in each minute (system.compute.node_timeline). In memory, bounded by the number of
// instances; minutes are handed over to be stored. Thread-safe.
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace tarn::compute {

struct NodeLoad {
  std::int64_t memory_bytes = 0, processes = 0;
  double cores = 0;  // in use, over the last interval that it reported
  Millis at = 0;
};

/// One instance in one minute.
struct NodeMinute {
  std::string instance_id;
  Millis minute = 0;  // its beginning
  double cores_average = 0, memory_average = 0;
  std::int64_t memory_peak = 0;
};

class NodeMetrics {
 public:
  /// A message of type metrics: memory_bytes, cpu_micros (since the instance began), processes. Anything else in it is ignored.
  void note(const std::string& instance_id, const json::object& message, Millis now);
  std::optional<NodeLoad> load(const std::string& instance_id) const;
  /// Minutes that have ended, once each; forgets instances that were silent for ten minutes.
  std::vector<NodeMinute> ended_minutes(Millis now);

 private:
  struct One {
    NodeLoad load;
    std::int64_t cpu_micros = -1;
    Millis minute = 0;
    int samples = 0;
    double cores_sum = 0, memory_sum = 0;
    std::int64_t memory_peak = 0;
  };
  static std::optional<NodeMinute> close(const std::string& id, One& one);

  mutable std::mutex mutex_;
  std::map<std::string, One> all_;
  std::vector<NodeMinute> ended_;
};

}  // namespace tarn::compute
