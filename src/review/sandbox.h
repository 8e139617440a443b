#pragma once
// Commands of repositories run here: in user, mount, process, network, IPC and host-name namespaces of their own, as a user without rights, on a
// read-only system, with one writable checkout and one writable folder for results. The only way out is one loopback port of the sandbox, whose
// listening socket is handed to the caller (the credential proxy accepts on it, outside). Where the kernel refuses any of this, the command does
// not run: there is no weaker mode.
//
// A sandbox is started through this very program (`tarn review-sandbox`, see sandbox_main), because namespaces want a process without threads.
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "review/child.h"

namespace tarn::review {

struct Mount {
  std::string source, target;
  bool writable = false;
};
BOOST_DESCRIBE_STRUCT(Mount, (), (source, target, writable))

struct SandboxRun {
  std::string root;           // an empty folder: the new root is mounted there, in the sandbox's own view only
  std::vector<Mount> mounts;  // beyond the system's programs and libraries, which are always there, read-only
  std::vector<std::string> command;
  std::vector<std::string> environment;  // all of it
  std::string folder = "/repo";
  std::int64_t uid = 65534, gid = 65534;  // where the service is root; otherwise its own
  std::int64_t memory_mb = 4096, disk_mb = 1024, file_mb = 1024;
};
BOOST_DESCRIBE_STRUCT(SandboxRun, (), (root, mounts, command, environment, folder, uid, gid, memory_mb, disk_mb, file_mb))

/// The loopback port inside on which the proxy is reached.
inline constexpr std::uint16_t kSandboxProxyPort = 3128;

/// `serve` gets the listening socket before the command starts (it owns it then). Exit code 125: the sandbox itself could not be made; `err` says
/// why.
ChildResult run_sandboxed(const SandboxRun& run, int seconds, std::size_t most_output, const std::function<void(int listening_fd)>& serve,
                          std::function<bool()> cancelled = {});

/// The program and libraries that this process runs from, which are not the system's: what `tarn` needs to run inside.
std::vector<Mount> own_program();

int sandbox_main(int argc, char** argv);

inline constexpr int kSandboxFailed = 125;

}  // namespace tarn::review
