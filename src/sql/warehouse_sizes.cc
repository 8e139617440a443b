#include "sql/warehouse_sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tarn::sql {
namespace {

constexpr std::array<std::string_view, 10> kSizes{"2X-Small", "X-Small",  "Small",    "Medium",   "Large",
                                                  "X-Large",  "2X-Large", "3X-Large", "4X-Large", "5X-Large"};

std::size_t step_of(std::string_view size) {
  const auto at = std::ranges::find(kSizes, size);
  return at == kSizes.end() ? 0 : static_cast<std::size_t>(at - kSizes.begin());
}

std::string bytes(std::uint64_t n) {
  return n >= 1ull << 30 ? fmt::format("{:.1f} GiB", static_cast<double>(n) / (1ull << 30)) : fmt::format("{} MiB", n >> 20);
}

}  // namespace

SizeRule size_rule(std::uint64_t smallest_memory_bytes, int host_threads, std::uint64_t host_memory_bytes) {
  return {.smallest = {.threads = 2, .memory_bytes = smallest_memory_bytes, .spill_bytes = 4 * smallest_memory_bytes},
          .host_threads = host_threads,
          .host_memory_bytes = host_memory_bytes};
}

std::span<const std::string_view> warehouse_sizes() { return kSizes; }
bool is_warehouse_size(std::string_view size) { return std::ranges::find(kSizes, size) != kSizes.end(); }

engine::Share share_of(std::string_view size, const SizeRule& rule) {
  const auto step = step_of(size);
  const auto wanted = rule.smallest.memory_bytes << step;
  return {.threads = std::min(rule.smallest.threads << step, std::max(1, rule.host_threads)),
          .memory_bytes = std::min(wanted, rule.host_memory_bytes / 4 * 3),
          .spill_bytes = rule.smallest.spill_bytes << step};
}

std::optional<std::string_view> saturated_at(std::string_view size, const SizeRule& rule) {
  const auto own = share_of(size, rule);
  for (std::size_t i = 0, n = step_of(size); i < n; ++i)
    if (const auto smaller = share_of(kSizes[i], rule); smaller.threads == own.threads && smaller.memory_bytes == own.memory_bytes) return kSizes[i];
  return std::nullopt;
}

std::string size_text(std::string_view size, const SizeRule& rule) {
  const auto share = share_of(size, rule);
  auto out = fmt::format("An engine process of size {} has {} {}, {} of memory and {} for spilling.", size, share.threads,
                         share.threads == 1 ? "thread" : "threads", bytes(share.memory_bytes), bytes(share.spill_bytes));
  if (const auto equal = saturated_at(size, rule))
    out += fmt::format(" This host has no more to give ({} processors, {} of memory): {} gets as much.", rule.host_threads,
                       bytes(rule.host_memory_bytes), *equal);
  return out;
}

}  // namespace tarn::sql
