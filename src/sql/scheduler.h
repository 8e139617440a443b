#pragma once
// The threads that run statements. Each warehouse has its own queue and its own limit; warehouses take turns, so one that is flooded delays
// nobody else, and within a warehouse its users do: who sends a thousand statements waits behind himself. One user's statements run in their
// order. Thread-safe.
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
  struct Load {
    std::size_t running = 0, waiting = 0;
  };
  explicit Scheduler(std::size_t threads);
  /// Runs what is queued no more, waits for what runs.
  ~Scheduler();
  /// `most`: how many jobs of this queue may run at once.
  void post(const std::string& queue, const std::string& user, std::size_t most, std::function<void()> job);
  Load load(const std::string& queue) const;

 private:
  struct Queue {
    std::map<std::string, std::deque<std::function<void()>>> jobs;  // by user
    std::deque<std::string> users;                                  // those with jobs, whose turn is next first
    std::size_t running = 0, waiting = 0, most = 1;
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
