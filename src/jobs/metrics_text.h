#pragma once
// Runs for Prometheus: each live one of this server with its tasks by state, its clusters and the time that it has taken. A run's series end with it:
// what ended is counted by outcome. Source: Prometheus text exposition format 0.0.4.
#include <map>
#include <mutex>

#include "jobs/records.h"

namespace tarn::jobs {

/// Counts ends; thread-safe. One of a server, fed by its scheduler.
class RunCounts {
 public:
  void ended(Outcome outcome) {
    const std::lock_guard lock(mutex_);
    ++by_outcome_[outcome];
  }
  std::map<Outcome, std::int64_t> by_outcome() const {
    const std::lock_guard lock(mutex_);
    return by_outcome_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<Outcome, std::int64_t> by_outcome_;
};

std::string metrics_text(store::Store& store, const RunCounts& counts, const std::string& server_id, const Clock& clock);

}  // namespace tarn::jobs
