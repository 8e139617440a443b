#include "base/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>

namespace tarn {
namespace {

/// posix_spawn's attribute objects, destroyed in every case.
struct Plan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  std::vector<int> copies;
  Plan() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~Plan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    for (const int fd : copies) ::close(fd);
  }
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const auto& w : words) out.push_back(const_cast<char*>(w.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

Expected<pid_t, int> spawn(const Spawn& what) {
  Plan plan;
  const int count = static_cast<int>(what.descriptors.size());
  for (int at = 0; at < count; ++at) {
    const int ours = what.descriptors[static_cast<std::size_t>(at)];
    if (ours == Spawn::kNull) {
      ::posix_spawn_file_actions_addopen(&plan.actions, at, "/dev/null", at == 0 ? O_RDONLY : O_WRONLY, 0);
      continue;
    }
    // Beyond all of them first: no duplicate lands on what is still needed, and none onto itself, which would keep close-on-exec.
    const int copy = ::fcntl(ours, F_DUPFD_CLOEXEC, count);
    if (copy < 0) return fail(errno);
    plan.copies.push_back(copy);
    ::posix_spawn_file_actions_adddup2(&plan.actions, copy, at);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&plan.actions, count);
  if (!what.folder.empty()) ::posix_spawn_file_actions_addchdir_np(&plan.actions, what.folder.c_str());
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&plan.attributes, &none);
  ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
  ::posix_spawnattr_setpgroup(&plan.attributes, 0);
  ::posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int failure =
      ::posix_spawn(&pid, what.program.c_str(), &plan.actions, &plan.attributes, pointers(what.arguments).data(), pointers(what.environment).data());
  if (failure != 0) return fail(failure);
  return pid;
}

}  // namespace tarn
