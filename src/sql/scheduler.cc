#include "sql/scheduler.h"

namespace tarn::sql {

Scheduler::Scheduler(std::size_t threads) {
  for (std::size_t i = 0; i < std::max<std::size_t>(1, threads); ++i) threads_.emplace_back([this] { work(); });
}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& t : threads_) t.join();
}

void Scheduler::offer(const std::string& name, Queue& q) {
  if (q.ready || q.waiting == 0 || q.running >= q.most) return;
  q.ready = true;
  turns_.push_back(name);
}

void Scheduler::post(const std::string& queue, const std::string& user, std::size_t most, std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    auto& q = queues_[queue];
    q.most = std::max<std::size_t>(1, most);
    auto& own = q.jobs[user];
    if (own.empty()) q.users.push_back(user);
    own.push_back(std::move(job));
    ++q.waiting;
    offer(queue, q);
  }
  wake_.notify_one();
}

Scheduler::Load Scheduler::load(const std::string& queue) const {
  const std::lock_guard lock(mutex_);
  const auto i = queues_.find(queue);
  return i == queues_.end() ? Load{} : Load{i->second.running, i->second.waiting};
}

void Scheduler::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stop_ || !turns_.empty(); });
    if (stop_) return;
    const std::string name = std::move(turns_.front());
    turns_.pop_front();
    auto& q = queues_[name];
    q.ready = false;
    const std::string user = std::move(q.users.front());
    q.users.pop_front();
    const auto own = q.jobs.find(user);
    auto job = std::move(own->second.front());
    own->second.pop_front();
    if (own->second.empty())
      q.jobs.erase(own);
    else
      q.users.push_back(user);
    --q.waiting;
    ++q.running;
    offer(name, q);  // behind the others
    if (!turns_.empty()) wake_.notify_one();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
    auto& after = queues_[name];
    --after.running;
    offer(name, after);
    if (after.waiting == 0 && after.running == 0) queues_.erase(name);
    if (!turns_.empty()) wake_.notify_one();
  }
}

}  // namespace tarn::sql
