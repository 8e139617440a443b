#include "compute/node_metrics.h"

#include <algorithm>

namespace tarn::compute {
namespace {

constexpr Millis kMinute = 60'000;
constexpr std::size_t kMostEnded = 100'000;

std::int64_t whole(const json::object& o, const char* name) {
  const auto* v = o.if_contains(name);
  return v && v->is_int64() ? std::clamp<std::int64_t>(v->as_int64(), 0, 1ll << 50) : 0;
}

}  // namespace

std::optional<NodeMinute> NodeMetrics::close(const std::string& id, One& one) {
  if (one.samples == 0) return std::nullopt;
  NodeMinute m{.instance_id = id,
               .minute = one.minute,
               .cores_average = one.cores_sum / one.samples,
               .memory_average = one.memory_sum / one.samples,
               .memory_peak = one.memory_peak};
  one.samples = 0;
  one.cores_sum = one.memory_sum = 0;
  one.memory_peak = 0;
  return m;
}

void NodeMetrics::note(const std::string& instance_id, const json::object& message, Millis now) {
  const std::lock_guard lock(mutex_);
  auto& one = all_[instance_id];
  if (one.minute != now / kMinute * kMinute) {
    if (auto m = close(instance_id, one); m && ended_.size() < kMostEnded) ended_.push_back(*std::move(m));
    one.minute = now / kMinute * kMinute;
  }
  const auto cpu = whole(message, "cpu_micros");
  const auto since = now - one.load.at;
  // A clock that jumps, or counters that began anew, say nothing about this interval.
  if (one.cpu_micros >= 0 && since > 0 && cpu >= one.cpu_micros)
    one.load.cores = static_cast<double>(cpu - one.cpu_micros) / (static_cast<double>(since) * 1000.0);
  one.cpu_micros = cpu;
  one.load.memory_bytes = whole(message, "memory_bytes");
  one.load.processes = whole(message, "processes");
  one.load.at = now;
  ++one.samples;
  one.cores_sum += one.load.cores;
  one.memory_sum += static_cast<double>(one.load.memory_bytes);
  one.memory_peak = std::max(one.memory_peak, one.load.memory_bytes);
}

std::optional<NodeLoad> NodeMetrics::load(const std::string& instance_id) const {
  const std::lock_guard lock(mutex_);
  const auto i = all_.find(instance_id);
  return i == all_.end() ? std::nullopt : std::optional(i->second.load);
}

std::vector<NodeMinute> NodeMetrics::ended_minutes(Millis now) {
  const std::lock_guard lock(mutex_);
  for (auto i = all_.begin(); i != all_.end();) {
    if (i->second.minute != now / kMinute * kMinute)
      if (auto m = close(i->first, i->second); m && ended_.size() < kMostEnded) ended_.push_back(*std::move(m));
    i = now - i->second.load.at > 10 * kMinute ? all_.erase(i) : std::next(i);
  }
  return std::exchange(ended_, {});
}

}  // namespace tarn::compute
