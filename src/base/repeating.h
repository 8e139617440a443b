#pragma once
// Work that is done again and again on a thread of its own: at once, then after every pause. What it throws is logged, and the next turn comes all
// the same. Thread-safe but for start and stop, which one owner calls; the owner ends it before what its work uses.
#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace tarn {

class Repeating {
 public:
  ~Repeating() { stop(); }

  /// Does nothing if it runs. `name` is for the log; work that takes long asks the token.
  void start(std::string name, std::chrono::milliseconds pause, std::function<void(const std::stop_token&)> work) {
    if (thread_.joinable()) return;
    thread_ = std::jthread([this, name = std::move(name), pause, work = std::move(work)](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        try {
          work(stop);
        } catch (const std::exception& e) {
          spdlog::error("{} pause: {}", name, e.what());
        }
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, stop, pause, [] { return false; });
      }
    });
  }

  /// Waits for a turn that is under way. Idempotent.
  void stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace tarn
