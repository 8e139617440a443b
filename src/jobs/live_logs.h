#pragma once
// What tasks that run have printed so far, in memory, for those who follow: bounded by task, and gone when the task's output is in the store.
// Thread-safe.
#include <map>
#include <mutex>
#include <string>

namespace tarn::jobs {

class LiveLogs {
 public:
  static constexpr std::size_t kMostBytes = 6u << 20;  // of one task

  /// Text from a position (in characters) of the whole on; what is known already, as after a connection that broke, is not added again.
  void add(std::int64_t task_run_id, std::int64_t at, std::string_view text);
  std::string text(std::int64_t task_run_id) const;
  void forget(std::int64_t task_run_id);

 private:
  struct One {
    std::string text;
    std::int64_t characters = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::int64_t, One> all_;
};

}  // namespace tarn::jobs
