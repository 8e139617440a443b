#include "delta/table_cache.h"

namespace tarn::delta {

constexpr std::size_t kRecentCommits = 64;

TableState::View TableState::view() const {
  std::lock_guard lock(mutex_);
  return view_;
}

void TableState::publish(std::shared_ptr<const Snapshot> snapshot, std::string tag, bool force) {
  std::lock_guard lock(mutex_);
  if (force) recent_.clear();
  if (force || !view_.snapshot || snapshot->version > view_.snapshot->version) view_ = {std::move(snapshot), std::move(tag)};
}

void TableState::forget() {
  std::lock_guard lock(mutex_);
  view_ = {};
  recent_.clear();
}

void TableState::remember(std::shared_ptr<const ParsedCommit> commit) {
  std::lock_guard lock(mutex_);
  recent_.push_back(std::move(commit));
  if (recent_.size() > kRecentCommits) recent_.pop_front();
}

std::shared_ptr<const ParsedCommit> TableState::recall(std::int64_t version) const {
  std::lock_guard lock(mutex_);
  for (const auto& c : recent_)
    if (c->version == version) return c;
  return nullptr;
}

TableState::Turn::Turn(TableState& state) : state_(state) {
  std::unique_lock lock(state_.mutex_);
  const auto mine = state_.next_ticket_++;
  state_.turn_changed_.wait(lock, [&] { return state_.serving_ == mine; });
}

TableState::Turn::~Turn() {
  {
    std::lock_guard lock(state_.mutex_);
    ++state_.serving_;
  }
  state_.turn_changed_.notify_all();
}

std::shared_ptr<TableState> TableCache::get(const objects::Url& root) {
  std::string key = root.bucket + "/" + root.key;
  while (key.ends_with('/')) key.pop_back();
  std::lock_guard lock(mutex_);
  auto& entry = tables_[key];
  if (!entry.state) entry.state = std::make_shared<TableState>();
  entry.used = ++clock_;
  auto out = entry.state;
  if (tables_.size() > most_) {
    auto oldest = tables_.begin();
    for (auto at = tables_.begin(); at != tables_.end(); ++at)
      if (at->second.used < oldest->second.used) oldest = at;
    tables_.erase(oldest);
  }
  return out;
}

}  // namespace tarn::delta
