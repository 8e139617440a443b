#pragma once
// The threads that run statements. Each warehouse has its own first-in-first-out queue and its own limit; warehouses take turns, so one that
// is flooded delays nobody else. Thread-safe.
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tarn::sql {

class Scheduler {
 public:
  explicit Scheduler(std::size_t threads);
  /// Runs what is queued no more, waits for what runs.
  ~Scheduler();
  /// `most`: how many jobs of this queue may run at once.
  void post(const std::string& queue, std::size_t most, std::function<void()> job);
  std::size_t waiting(const std::string& queue) const;

 private:
  struct Queue {
    std::deque<std::function<void()>> jobs;
    std::size_t running = 0, most = 1;
    bool ready = false;  // in turns_
  };
  void work();
  void offer(const std::string& name, Queue& q);

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Queue> queues_;
  std::deque<std::string> turns_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tarn::sql
