#pragma once
// A bounded map from text to shared values, least recently used out first. Thread-safe; no call is made under its lock.
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tarn::sql {

template <class T>
class Lru {
 public:
  explicit Lru(std::size_t most_bytes) : most_(most_bytes) {}

  std::shared_ptr<const T> get(std::string_view key) {
    const std::lock_guard lock(mutex_);
    auto i = index_.find(key);
    if (i == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, i->second);
    return i->second->value;
  }
  void put(std::string key, std::shared_ptr<const T> value, std::size_t value_bytes) {
    const std::size_t bytes = key.size() + value_bytes + 128;
    if (bytes > most_ / 4) return;
    const std::lock_guard lock(mutex_);
    if (auto i = index_.find(key); i != index_.end()) {
      held_ -= i->second->bytes;
      auto at = i->second;
      index_.erase(i);
      order_.erase(at);
    }
    order_.push_front({std::move(key), std::move(value), bytes});
    index_.emplace(order_.front().key, order_.begin());
    held_ += bytes;
    while (held_ > most_) {
      held_ -= order_.back().bytes;
      index_.erase(order_.back().key);
      order_.pop_back();
    }
  }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const T> value;
    std::size_t bytes;
  };
  std::mutex mutex_;
  std::size_t most_, held_ = 0;
  std::list<Entry> order_;
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> index_;
};

}  // namespace tarn::sql
