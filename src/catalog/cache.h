#pragma once
// Answers that hold as long as nothing is committed: a map that forgets everything when the store's generation moves.
#include <array>
#include <mutex>
#include <string>
#include <unordered_map>

#include "access/caller.h"

namespace tarn::catalog {

/// Thread-safe. V is cheap to copy (a shared pointer, a small result). Read the generation before computing a value, and give that one to put:
/// a commit in between then makes the entry unreachable instead of wrong.
template <class V>
class GenerationCache {
 public:
  std::optional<V> get(std::int64_t generation, const std::string& key) {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    if (s.generation != generation) return std::nullopt;
    const auto it = s.entries.find(key);
    return it == s.entries.end() ? std::nullopt : std::optional<V>(it->second);
  }
  void put(std::int64_t generation, const std::string& key, V value) {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    if (s.generation > generation) return;
    if (s.generation < generation || s.entries.size() >= kMost) s.entries.clear();
    s.generation = generation;
    s.entries.insert_or_assign(key, std::move(value));
  }

 private:
  static constexpr std::size_t kMost = 4096;  // entries a shard
  struct Shard {
    std::mutex mutex;
    std::int64_t generation = -1;
    std::unordered_map<std::string, V> entries;
  };
  Shard& shard(const std::string& key) { return shards_[std::hash<std::string>{}(key) % shards_.size()]; }
  std::array<Shard, 16> shards_;
};

/// Everything a decision asks of a caller, as a key: who, where, which groups, which admin roles.
inline std::string caller_key(const access::Context& ctx) {
  std::string key;
  key.reserve(32 + ctx.caller.group_ids.size() * 8);
  const auto add = [&](std::int64_t n) { key.append(reinterpret_cast<const char*>(&n), sizeof n); };
  add(ctx.caller.id);
  add(ctx.workspace_id.value_or(-1));
  key += static_cast<char>('0' + (ctx.caller.account_admin ? 1 : 0) + (ctx.caller.workspace_admin ? 2 : 0));
  for (const auto g : ctx.caller.group_ids) add(g);
  key += '\x1f';
  return key;
}

}  // namespace tarn::catalog
