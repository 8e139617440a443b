#include "billing/usage.h"

#include <algorithm>
#include <chrono>

namespace tarn::billing {
namespace {

constexpr Millis kHour = 3'600'000;
constexpr store::Collection<UsageRecord> usage_table{"billing.usage"};

void merge(UsageRecord& into, const UsageRecord& u) {
  into.dbus += u.dbus;
  into.node_hours += u.node_hours;
  into.start = std::min(into.start, u.start);
  into.end = std::max(into.end, u.end);
}

}  // namespace

Month month_at(Millis now) {
  using namespace std::chrono;
  const year_month_day day{floor<days>(sys_time<milliseconds>(milliseconds(now)))};
  const auto first = sys_days(day.year() / day.month() / 1), next = sys_days((day.year() / day.month() + months(1)) / 1);
  return {duration_cast<milliseconds>(first.time_since_epoch()).count(), duration_cast<milliseconds>(next.time_since_epoch()).count(),
          fmt::format("{:04}-{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()))};
}

std::vector<UsageRecord> by_hour(UsageRecord what, Millis from, Millis to, double dbus_per_hour) {
  std::vector<UsageRecord> out;
  for (Millis at = from; at < to;) {
    const Millis hour = at / kHour * kHour, until = std::min(to, hour + kHour);
    what.hour = hour;
    what.start = at;
    what.end = until;
    what.dbus = dbus_per_hour * static_cast<double>(until - at) / static_cast<double>(kHour);
    what.node_hours = static_cast<double>(until - at) / static_cast<double>(kHour);
    out.push_back(what);
    at = until;
  }
  return out;
}

void add_usage(store::WriteTxn& t, UsageRecord u) {
  if (auto known = usage_table.get(t, u.store_key())) {
    merge(known->value, u);
    if (!usage_table.update(t, known->value)) throw std::logic_error("a usage row changed inside its transaction");
  } else if (!usage_table.insert(t, u)) {
    throw std::logic_error("a usage row appeared inside its transaction");
  }
}

const std::vector<Price>& list_prices() {
  static const std::vector<Price> all{{"PREMIUM_ALL_PURPOSE_COMPUTE", 0.55},
                                      {"PREMIUM_ALL_PURPOSE_COMPUTE_(PHOTON)", 0.55},
                                      {"PREMIUM_JOBS_COMPUTE", 0.15},
                                      {"PREMIUM_JOBS_COMPUTE_(PHOTON)", 0.15}};
  return all;
}

double dollars(const UsageRecord& u) {
  const auto i = std::ranges::find(list_prices(), u.sku_name, &Price::sku_name);
  return i == list_prices().end() ? 0 : u.dbus * i->dollars_per_dbu;
}

std::vector<UsageRecord> Usage::rows(Millis from, Millis to, std::size_t limit) {
  std::vector<UsageRecord> stored, running;
  // Both at one state of the store: what is written down between two looks would count twice, or not at all.
  for (int look = 0; look < 5; ++look) {
    const auto before = store_.generation();
    running.clear();
    for (auto* r : running_)
      for (auto& u : r->running_usage()) running.push_back(std::move(u));
    stored = store_.read_as([&](store::ReadTxn& t) { return usage_table.scan(t, {}, store::sortable(from), limit); });
    if (store_.generation() == before) break;
  }
  std::map<std::string, UsageRecord> all;
  for (auto* rows : {&stored, &running})
    for (auto& u : *rows) {
      if (u.hour < from || u.hour >= to) continue;
      const auto [i, fresh] = all.emplace(u.store_key(), u);
      if (!fresh) merge(i->second, u);
    }
  std::vector<UsageRecord> out;
  for (auto& [key, u] : all) {
    if (out.size() == limit) break;
    out.push_back(std::move(u));
  }
  return out;
}

}  // namespace tarn::billing
