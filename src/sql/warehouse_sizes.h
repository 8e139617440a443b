#pragma once
// What a warehouse's size is worth on this host. The vendor's sizes double from step to step; so do ours: the smallest has a fixed part of the
// machine, each size up twice that, none more than the host has to give (all processors, three quarters of the memory: the rest is the control
// plane's and the kernel's). On a small host the larger sizes are therefore equal, and say so.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/profile.h"

namespace tarn::sql {

struct SizeRule {
  engine::Share smallest{.threads = 2, .memory_bytes = 2ull << 30, .spill_bytes = 8ull << 30};
  int host_threads = 2;
  std::uint64_t host_memory_bytes = 4ull << 30;
};

/// A host's rule where the smallest size has so much memory.
SizeRule size_rule(std::uint64_t smallest_memory_bytes, int host_threads, std::uint64_t host_memory_bytes);

/// From the smallest to the largest, as the wire spells them.
std::span<const std::string_view> warehouse_sizes();
bool is_warehouse_size(std::string_view size);

/// What an engine process of a warehouse of this size may take; statements that run in it at the same time share it. A size that is not one: the
/// smallest's. Spilling is limited to four times the memory that the size asks for, whether the host has that memory or not.
engine::Share share_of(std::string_view size, const SizeRule& rule);

/// The smallest size that gets no less than this one, where that is another: the host has no more. Else nothing.
std::optional<std::string_view> saturated_at(std::string_view size, const SizeRule& rule);

/// For people: what the size gets, and where the host ends.
std::string size_text(std::string_view size, const SizeRule& rule);

}  // namespace tarn::sql
