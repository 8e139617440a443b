#pragma once
// Group commit for the audit events of allowed reads: one thread writes what has gathered, at most 50 ms after it came in.
// A full queue (the store is slower than its readers) makes post() wait: events are never dropped.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "store/store.h"

namespace tarn::store {

class AuditQueue {
 public:
  using Sink = std::function<void(const std::vector<std::pair<Millis, AuditEvent>>&)>;
  AuditQueue(const Clock& clock, Sink sink);
  ~AuditQueue();  // writes what is left
  void post(AuditEvent event);
  void flush();  // returns when everything posted before it is in the store

 private:
  void run();
  const Clock& clock_;
  Sink sink_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::pair<Millis, AuditEvent>> pending_;
  std::uint64_t posted_ = 0, written_ = 0;
  bool flush_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace tarn::store
