#pragma once
// The threads on which handlers may block: a fixed number over one bounded queue. A full queue refuses at once, so overload becomes
// 503 with Retry-After instead of memory. Jobs must not throw.
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tarn::gateway {

class Workers {
 public:
  Workers(unsigned threads, std::size_t queue_limit);
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;

  /// False if the queue is full or stop() was called; the job is then dropped.
  bool submit(std::function<void()> job);
  /// Runs what is queued, then joins. Idempotent.
  void stop();

 private:
  void run();
  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tarn::gateway
