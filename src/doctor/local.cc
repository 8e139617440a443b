#include "doctor/local.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>

namespace tarn::doctor {
namespace fs = std::filesystem;
namespace {

Finding not_ok(std::string check, Level level, std::string summary, std::string cause, std::string cure) {
  return {std::move(check), level, std::move(summary), std::move(cause), std::move(cure), std::nullopt};
}

/// Files whose content is a key or a secret: named so by the rooms that write them.
bool is_private(const fs::path& file) {
  const auto name = file.filename().string();
  for (const char* part : {"key", "secret"})
    if (name.find(part) != name.npos) return true;
  return false;
}

std::string size_text(std::uint64_t bytes) {
  return bytes >= (10ULL << 30) ? fmt::format("{} GiB", bytes >> 30) : fmt::format("{} MiB", bytes >> 20);
}

}  // namespace

Findings check_data_folder(const fs::path& folder) {
  constexpr const char* kCheck = "data-folder";
  const auto name = folder.string();
  struct stat s {};
  if (::stat(folder.c_str(), &s) != 0)
    return {not_ok(kCheck, Level::problem, fmt::format("{}: {}", name, std::strerror(errno)),
                   "The folder does not exist, or this user may not look at it.",
                   fmt::format("Start a server on it (tarn serve --data {}), or name the right one with --data.", name))};
  if (!S_ISDIR(s.st_mode))
    return {not_ok(kCheck, Level::problem, fmt::format("{} is not a folder", name), "A file has that name.", "Name another folder with --data.")};
  Findings out;
  if (s.st_uid != ::geteuid())
    out.push_back(not_ok(kCheck, Level::problem, fmt::format("{} belongs to user {}, this is user {}", name, s.st_uid, ::geteuid()),
                         "Only the folder's owner may run a server on it or use its control socket.", "Run tarn as the folder's owner."));
  if (s.st_mode & 077)
    out.push_back(not_ok(kCheck, Level::problem, fmt::format("{} has mode {:04o}: others may enter it", name, s.st_mode & 07777),
                         "The folder holds the root key and every secret of the platform.", fmt::format("chmod 700 {}", name)));
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0)
    out.push_back(not_ok(kCheck, Level::problem, fmt::format("{} cannot be written: {}", name, std::strerror(errno)),
                         "The permissions or a read-only file system forbid it.",
                         fmt::format("Give this user the folder (chown, chmod 700 {}).", name)));
  for (const char* below : {"", "admin", "tls", "run"}) {
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(folder / below, fs::directory_options::skip_permission_denied, ec)) {
      struct stat f {};
      if (!is_private(entry.path()) || ::lstat(entry.path().c_str(), &f) != 0 || !S_ISREG(f.st_mode) || !(f.st_mode & 077)) continue;
      out.push_back(not_ok(kCheck, Level::problem, fmt::format("{} has mode {:04o}: others may read it", entry.path().string(), f.st_mode & 07777),
                           "It holds a key or a secret of the platform.", fmt::format("chmod 600 {}", entry.path().string())));
    }
  }
  if (out.empty()) out.push_back(ok(kCheck, fmt::format("{} belongs to this user, mode {:04o}", name, s.st_mode & 07777)));
  return out;
}

Finding check_disk(const fs::path& folder, const DiskLimits& limits) {
  constexpr const char* kCheck = "disk";
  struct statvfs v {};
  if (::statvfs(folder.c_str(), &v) != 0)
    return not_ok(kCheck, Level::unknown, fmt::format("free space of {} cannot be read: {}", folder.string(), std::strerror(errno)), "", "");
  const auto free = static_cast<std::uint64_t>(v.f_bavail) * v.f_frsize;
  const auto summary = fmt::format("{} free for {}", size_text(free), folder.string());
  constexpr const char* kCause = "Tables, the metadata store and its log share this file system; when it is full, writes are refused.";
  constexpr const char* kCure = "Free or add space, or move the data folder to a larger file system.";
  if (free < limits.problem_bytes) return not_ok(kCheck, Level::problem, summary, kCause, kCure);
  if (v.f_files > 0 && v.f_favail < limits.problem_inodes)
    return not_ok(kCheck, Level::problem, fmt::format("{} inodes free for {}", static_cast<std::uint64_t>(v.f_favail), folder.string()), kCause,
                  kCure);
  if (free < limits.warn_bytes) return not_ok(kCheck, Level::warning, summary, kCause, kCure);
  return ok(kCheck, summary);
}

Finding check_clock(Millis now, Millis built, std::optional<bool> synchronised) {
  constexpr const char* kCheck = "clock";
  constexpr const char* kCause = "Tokens, certificates and request signatures carry times; 15 minutes off, they are refused.";
  constexpr const char* kCure = "Run a time service (timedatectl set-ntp true), or set the clock.";
  if (now < built)
    return not_ok(kCheck, Level::problem, fmt::format("{} is before this program was built ({})", to_rfc3339(now), to_rfc3339(built)), kCause, kCure);
  if (synchronised && !*synchronised)
    return not_ok(kCheck, Level::warning, fmt::format("{}, not kept by a time service", to_rfc3339(now)), kCause, kCure);
  return ok(kCheck, fmt::format("{}{}", to_rfc3339(now), synchronised ? ", kept by a time service" : ""));
}

std::optional<bool> kernel_clock_synchronised() {
  timex t{};
  const int state = ::adjtimex(&t);
  if (state < 0) return std::nullopt;
  return state != TIME_ERROR && !(t.status & STA_UNSYNC);
}

Finding check_versions(const std::string& program, const std::optional<std::string>& server) {
  constexpr const char* kCheck = "versions";
  if (!server) return not_ok(kCheck, Level::unknown, fmt::format("this program is {}; the server did not say its version", program), "", "");
  if (*server == program) return ok(kCheck, fmt::format("program and server are {}", program));
  return not_ok(kCheck, Level::warning, fmt::format("this program is {}, the server runs {}", program, *server),
                "The server was started by another build.",
                "Restart the server with this program: it upgrades the store when it starts; an older program refuses a newer store.");
}

}  // namespace tarn::doctor
