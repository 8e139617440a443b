#pragma once
// Checks of this machine and a data folder; nothing here talks to a server.
#include <filesystem>

#include "base/clock.h"
#include "doctor/finding.h"

namespace tarn::doctor {

/// The folder exists, belongs to this user, can be written, others cannot enter it, and no file of a key or secret in it is readable to them.
Findings check_data_folder(const std::filesystem::path& folder);

struct DiskLimits {
  std::uint64_t warn_bytes = 5ULL << 30, problem_bytes = 1ULL << 30;
  std::uint64_t problem_inodes = 10'000;
};
/// Free space and inodes where the folder is.
Finding check_disk(const std::filesystem::path& folder, const DiskLimits& limits = {});

/// The clock is not before this program was built, and is kept by a time service. Signatures and tokens fail at 15 minutes off.
/// `synchronised`: what the kernel says; nothing if it cannot be asked.
Finding check_clock(Millis now, Millis built, std::optional<bool> synchronised);
std::optional<bool> kernel_clock_synchronised();

/// This program against the server that runs, and against the folder's schema if known.
Finding check_versions(const std::string& program, const std::optional<std::string>& server);

}  // namespace tarn::doctor
