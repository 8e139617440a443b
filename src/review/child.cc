#include "review/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "base/spawn.h"

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
  std::vector<int> descriptors{Spawn::kNull, out.write_end, err.write_end};
  if (spec.extra_fd >= 0) descriptors.push_back(spec.extra_fd);
  const auto started = spawn({.program = found(spec.command.at(0), spec.environment),
                              .arguments = spec.command,
                              .environment = spec.environment,
                              .descriptors = std::move(descriptors),
                              .folder = spec.folder});
  out.shut();
  err.shut();
  if (!started) {
    result.err = "Cannot run '" + spec.command[0] + "': " + std::strerror(started.error());
    return result;
  }
  const pid_t pid = *started;
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
