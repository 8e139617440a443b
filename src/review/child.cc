#include "review/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace tarn::review {
namespace {

std::string found(const std::string& program, const std::vector<std::string>& environment) {
  if (program.find('/') != std::string::npos) return program;
  for (const auto& e : environment) {
    if (!e.starts_with("PATH=")) continue;
    std::string_view rest = std::string_view(e).substr(5);
    while (!rest.empty()) {
      const auto end = std::min(rest.find(':'), rest.size());
      std::string candidate = std::string(rest.substr(0, end)) + "/" + program;
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return "/usr/bin/" + program;
}

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == 0) read_end = ends[0], write_end = ends[1];
  }
  ~Pipe() {
    if (read_end >= 0) ::close(read_end);
    shut();
  }
  void shut() {
    if (write_end >= 0) ::close(std::exchange(write_end, -1));
  }
};

}  // namespace

ChildResult run(const ChildSpec& spec) {
  ChildResult result;
  Pipe out, err;
  if (out.read_end < 0 || err.read_end < 0) {
    result.err = std::string("pipe: ") + std::strerror(errno);
    return result;
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write_end, 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.write_end, 2);
  int extra = spec.extra_fd;
  if (extra == 3) extra = ::fcntl(extra, F_DUPFD_CLOEXEC, 4);  // a dup onto itself would keep close-on-exec
  if (extra >= 0) ::posix_spawn_file_actions_adddup2(&actions, extra, 3);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, spec.extra_fd >= 0 ? 4 : 3);
  if (!spec.folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, spec.folder.c_str());
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> argv, envp;
  for (const auto& a : spec.command) argv.push_back(const_cast<char*>(a.c_str()));
  for (const auto& e : spec.environment) envp.push_back(const_cast<char*>(e.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const std::string program = found(spec.command.at(0), spec.environment);
  pid_t pid = -1;
  const int rc = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), envp.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (extra >= 0 && extra != spec.extra_fd) ::close(extra);
  out.shut();
  err.shut();
  if (rc != 0) {
    result.err = "Cannot run '" + spec.command[0] + "': " + std::strerror(rc);
    return result;
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(spec.seconds);
  std::array<pollfd, 2> ends{pollfd{out.read_end, POLLIN, 0}, pollfd{err.read_end, POLLIN, 0}};
  const auto take = [&](int i, std::string& into, bool& cut) {
    char block[16384];
    const auto n = ::read(ends[i].fd, block, sizeof block);
    if (n <= 0) {
      if (n == 0 || errno != EINTR) ends[i].fd = -1;
      return;
    }
    const auto room = spec.most_output - std::min(spec.most_output, into.size());
    into.append(block, std::min<std::size_t>(room, static_cast<std::size_t>(n)));
    cut = cut || static_cast<std::size_t>(n) > room;
  };
  bool killed = false;
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    const bool over = std::chrono::steady_clock::now() >= until || (spec.cancelled && spec.cancelled());
    if (over && !killed) {
      result.timed_out = killed = true;
      ::kill(-pid, SIGKILL);  // its group: what left the group holds the pipes at most until the next line
    } else if (over && std::chrono::steady_clock::now() >= until + std::chrono::seconds(5)) {
      break;
    }
    const int ready = ::poll(ends.data(), ends.size(), 200);
    if (ready <= 0) {
      if (killed && ready == 0) break;
      continue;
    }
    if (ends[0].fd >= 0 && ends[0].revents) take(0, result.out, result.out_cut);
    if (ends[1].fd >= 0 && ends[1].revents) take(1, result.err, result.err_cut);
  }
  // It closed both streams but may live on.
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid || (ended < 0 && errno != EINTR)) break;
    if (std::chrono::steady_clock::now() >= until || (spec.cancelled && spec.cancelled())) {
      result.timed_out = true;
      ::kill(-pid, SIGKILL);
      while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
      break;
    }
    ::poll(nullptr, 0, 5);
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace tarn::review
