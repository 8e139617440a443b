#include "store/audit_queue.h"

#include "base/log.h"

namespace tarn::store {
namespace {
constexpr std::size_t kMost = 20'000;
}

AuditQueue::AuditQueue(const Clock& clock, Sink sink) : clock_(clock), sink_(std::move(sink)), thread_([this] { run(); }) {}

AuditQueue::~AuditQueue() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void AuditQueue::post(AuditEvent event) {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return pending_.size() < kMost || stop_; });
  pending_.emplace_back(clock_.now(), std::move(event));
  ++posted_;
  if (pending_.size() == 1) wake_.notify_one();
}

void AuditQueue::flush() {
  std::unique_lock lock(mutex_);
  const auto target = posted_;
  flush_ = true;
  wake_.notify_one();
  done_.wait(lock, [&] { return written_ >= target; });
}

void AuditQueue::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || flush_ || !pending_.empty(); });
    if (!stop_ && !flush_) wake_.wait_for(lock, std::chrono::milliseconds(50), [&] { return stop_ || flush_; });
    flush_ = false;
    auto batch = std::exchange(pending_, {});
    lock.unlock();
    for (bool ok = batch.empty(); !ok;) {
      try {
        sink_(batch);
        ok = true;
      } catch (const StoreUnavailable& e) {
        spdlog::error("audit events wait for the store: {}", e.what());
        std::unique_lock again(mutex_);
        if (stop_) {
          spdlog::critical("{} audit events could not be written before the end", batch.size());
          ok = true;
        } else {
          wake_.wait_for(again, std::chrono::milliseconds(500), [&] { return stop_; });
        }
      }
    }
    lock.lock();
    written_ += batch.size();
    done_.notify_all();
    if (stop_ && pending_.empty()) return;
  }
}

}  // namespace tarn::store
