#pragma once
// One request inside the process: its connection while it has one, its cancellation, and how much of its result is on the way.
#include <duckdb.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "engine/messages.h"

namespace tarn::engine::child {

class Task {
 public:
  Task(std::uint64_t id, FrameType type, std::string payload) : id(id), type(type), payload(std::move(payload)) {}
  const std::uint64_t id;
  const FrameType type;
  std::string payload;

  /// Marks as cancelled and interrupts. DuckDB forgets an interrupt that comes before a statement starts, so the caller repeats it.
  void interrupt() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (connection_) duckdb_interrupt(connection_);
    changed_.notify_all();
  }
  bool cancelled() const {
    std::lock_guard lock(mutex_);
    return cancelled_;
  }
  /// The connection that interrupt() reaches; null before it is closed.
  void attach(duckdb_connection connection) {
    std::lock_guard lock(mutex_);
    connection_ = connection;
  }
  /// Whether reserve() would not wait.
  bool would_fit() const {
    std::lock_guard lock(mutex_);
    return cancelled_ || unacknowledged_ < result_window;
  }
  /// Waits until less than the window is unacknowledged, then counts `bytes` as sent. False: cancelled meanwhile.
  bool reserve(std::uint64_t bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_ || unacknowledged_ < result_window; });
    unacknowledged_ += bytes;
    return !cancelled_;
  }
  /// Keeps a reply's payload for whoever waits for it.
  void take_reply(std::string reply) {
    Decoder d(reply);
    const auto question = d.u64();
    std::lock_guard lock(mutex_);
    replies_[question] = std::move(reply);
    changed_.notify_all();
  }
  /// Nothing: cancelled meanwhile.
  std::optional<std::string> await_reply(std::uint64_t question) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_ || replies_.contains(question); });
    if (cancelled_) return std::nullopt;
    return std::move(replies_.extract(question).mapped());
  }
  void acknowledge(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    unacknowledged_ -= std::min(bytes, unacknowledged_);
    changed_.notify_all();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool cancelled_ = false;
  duckdb_connection connection_ = nullptr;
  std::uint64_t unacknowledged_ = 0;
  std::map<std::uint64_t, std::string> replies_;
};

/// Attaches a connection to a task for a scope.
class Attached {
 public:
  Attached(Task& task, duckdb_connection connection) : task_(task) { task.attach(connection); }
  Attached(const Attached&) = delete;
  ~Attached() { task_.attach(nullptr); }

 private:
  Task& task_;
};

}  // namespace tarn::engine::child
