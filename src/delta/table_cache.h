#pragma once
// What a process remembers of a table between calls, and the queue in which its own writers take turns.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "delta/loader.h"

namespace tarn::delta {

class TableState {
 public:
  struct View {
    std::shared_ptr<const Snapshot> snapshot;  // null at first
    std::string tag;
  };
  View view() const;
  /// Replaces the view if it is newer, or always when `force` (the log was not the one we knew).
  void publish(std::shared_ptr<const Snapshot> snapshot, std::string tag, bool force);
  void forget();

  void remember(std::shared_ptr<const ParsedCommit> commit);  // the last few, for conflict checks
  std::shared_ptr<const ParsedCommit> recall(std::int64_t version) const;

  /// Writers of one process go one after the other, in order of arrival: racing each other for the next version would only burn their
  /// retries, which are meant for other processes. Nothing is locked while the holder does its I/O; readers never wait.
  class Turn {
   public:
    explicit Turn(TableState& state);
    ~Turn();
    Turn(const Turn&) = delete;

   private:
    TableState& state_;
  };

 private:
  mutable std::mutex mutex_;
  View view_;
  std::deque<std::shared_ptr<const ParsedCommit>> recent_;
  std::condition_variable turn_changed_;
  std::uint64_t next_ticket_ = 0, serving_ = 0;
};

/// Tables by URL; beyond `most` the one unused for longest is forgotten.
class TableCache {
 public:
  explicit TableCache(std::size_t most) : most_(most) {}
  std::shared_ptr<TableState> get(const objects::Url& root);

 private:
  struct Entry {
    std::shared_ptr<TableState> state;
    std::uint64_t used = 0;
  };
  std::mutex mutex_;
  std::size_t most_;
  std::uint64_t clock_ = 0;
  std::unordered_map<std::string, Entry> tables_;
};

}  // namespace tarn::delta
