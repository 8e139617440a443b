#include "serving/traffic.h"

namespace tarn::serving {

std::optional<std::string> broken(const Canary& c, const Outcomes& outcomes) {
  if (static_cast<std::int64_t>(outcomes.size()) < std::min<std::int64_t>(c.min_requests, kOutcomes)) return std::nullopt;
  const double failed =
      100.0 * static_cast<double>(std::ranges::count_if(outcomes, [](const auto& o) { return !o.first; })) / static_cast<double>(outcomes.size());
  if (c.max_error_percentage && failed > *c.max_error_percentage)
    return fmt::format("{:.1f} % of its last {} requests failed; at most {} % may", failed, outcomes.size(), *c.max_error_percentage);
  if (!c.max_p95_latency_ms) return std::nullopt;
  std::vector<double> times;
  for (const auto& o : outcomes) times.push_back(o.second);
  const auto nth = times.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(times.size() - 1) * 0.95);
  std::ranges::nth_element(times, nth);
  if (*nth <= *c.max_p95_latency_ms) return std::nullopt;
  return fmt::format("its p95 latency over {} requests is {:.1f} ms; at most {} ms it may be", times.size(), *nth, *c.max_p95_latency_ms);
}

std::optional<int> RateWindows::take(const std::string& endpoint_id, const std::vector<RateLimit>& limits, const access::Caller& caller,
                                     Steady::time_point now) {
  if (limits.empty()) return std::nullopt;
  constexpr auto kMinute = std::chrono::minutes(1);
  const bool own = std::ranges::any_of(limits, [&](const RateLimit& l) { return l.key == LimitKey::user && l.principal == caller.name; });
  std::lock_guard lock(mutex_);
  if (windows_.size() > 100'000) std::erase_if(windows_, [&](const auto& w) { return now - w.second.began > kMinute; });
  std::set<Window*> counted;
  for (const auto& l : limits) {
    std::string who;
    switch (l.key) {
      case LimitKey::endpoint:
        break;
      case LimitKey::user:
        if (l.principal ? *l.principal != caller.name : own) continue;
        who = caller.name;
        break;
      case LimitKey::service_principal:
        if (l.principal != caller.name) continue;
        who = caller.name;
        break;
      case LimitKey::user_group:
        if (!caller.group_names.contains(*l.principal) && !caller.workspace_groups.contains(*l.principal)) continue;
        who = *l.principal;
        break;
    }
    auto& w = windows_[fmt::format("{}\x1f{}\x1f{}", endpoint_id, json::name_of(l.key), who)];
    if (now - w.began >= kMinute) w = {now, 0};
    if (w.calls >= l.calls) return static_cast<int>(std::chrono::ceil<std::chrono::seconds>(w.began + kMinute - now).count());
    counted.insert(&w);
  }
  for (auto* w : counted) ++w->calls;
  return std::nullopt;
}

}  // namespace tarn::serving
