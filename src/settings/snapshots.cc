#include "settings/snapshots.h"

#include <algorithm>
#include <mutex>

namespace tarn::settings {
namespace {

std::int64_t epoch_of(store::ReadTxn& t) {
  const auto e = kEpoch.get(t, "epoch");
  return e ? e->value.value : 0;
}

}  // namespace

bool Snapshot::admits(std::string_view source_ip) const {
  if (!ip_lists_on) return true;
  const auto address = parse_address(source_ip);
  const auto in = [&](const std::vector<Range>& ranges) {
    return address && std::ranges::any_of(ranges, [&](const Range& r) { return r.contains(*address); });
  };
  return !in(blocked) && (allowed.empty() || in(allowed));
}

Snapshot read_scope(store::ReadTxn& t, std::int64_t scope) {
  Snapshot out;
  const auto all = store::prefix({store::sortable(scope)});
  for (auto& c : kConf.scan(t, all)) out.conf[c.key] = std::move(c.value);
  for (auto& s : kSettings.scan(t, all))
    if (!s.value.is_null()) out.settings[s.type] = std::move(s.value);
  for (const auto& l : kIpLists.scan(t, all)) {
    if (!l.enabled) continue;
    auto& ranges = l.list_type == ListType::ALLOW ? out.allowed : out.blocked;
    for (const auto& a : l.ip_addresses)
      if (const auto r = parse_range(a)) ranges.push_back(*r);
  }
  if (scope == 0) {
    const auto on = out.settings.find(kAccountIpLists);
    out.ip_lists_on = on != out.settings.end() && on->second.at(kAccountIpLists).at("value").as_bool();
  } else {
    const auto on = out.conf.find(kEnableIpLists);
    out.ip_lists_on = on != out.conf.end() && on->second == "true";
  }
  return out;
}

void changed(store::WriteTxn& t) {
  if (!kEpoch.put(t, {epoch_of(t) + 1})) throw std::logic_error("the epoch of settings is not unique");
}

void forget(store::WriteTxn& t, std::int64_t scope) {
  const auto erase_all = [&](const auto& table) {
    const auto all = table.scan(t, store::prefix({store::sortable(scope)}));
    for (const auto& record : all) table.erase(t, record.store_key());
    return !all.empty();
  };
  const bool conf = erase_all(kConf), lists = erase_all(kIpLists), settings = erase_all(kSettings);
  if (conf || lists || settings) changed(t);
}

std::shared_ptr<const Snapshot> Snapshots::of(std::int64_t scope) {
  if (const auto generation = store_.generation(); seen_generation_.load(std::memory_order_acquire) != generation) {
    const auto epoch = store_.read_as(epoch_of);
    std::unique_lock lock(mutex_);
    if (epoch > epoch_) known_.clear(), epoch_ = epoch;
    seen_generation_.store(generation, std::memory_order_release);
  }
  {
    std::shared_lock lock(mutex_);
    if (const auto i = known_.find(scope); i != known_.end()) return i->second;
  }
  auto [epoch, read] = store_.read_as([&](store::ReadTxn& t) { return std::pair(epoch_of(t), read_scope(t, scope)); });
  auto out = std::make_shared<const Snapshot>(std::move(read));
  std::unique_lock lock(mutex_);
  if (epoch_ == epoch) known_.insert_or_assign(scope, out);
  return out;
}

}  // namespace tarn::settings
