// The caller's side: starts `tarn review-sandbox`, tells it what to do over a socket pair, takes the listening socket from it.
#include "review/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace tarn::review {
namespace {

namespace fs = std::filesystem;

/// Waits for the one message that carries a descriptor; -1 if the other side ends first.
int receive_descriptor(int socket) {
  pollfd p{socket, POLLIN, 0};
  if (::poll(&p, 1, 20'000) <= 0) return -1;
  char byte;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return fd;
}

}  // namespace

ChildResult run_sandboxed(const SandboxRun& sandbox, int seconds, std::size_t most_output, const std::function<void(int)>& serve,
                          std::function<bool()> cancelled) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return {.exit_code = kSandboxFailed, .err = std::string("socketpair: ") + std::strerror(errno)};
  // Speaks with the sandbox while run() waits for it.
  std::thread conversation([&, near = ends[0]] {
    const std::string text = json::encode_text(sandbox) + '\0';
    for (std::string_view rest = text; !rest.empty();) {
      const auto n = ::send(near, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    const int listening = receive_descriptor(near);
    if (listening < 0) return;
    serve(listening);
    const char go = '1';
    ::send(near, &go, 1, MSG_NOSIGNAL);
  });
  ChildSpec spec{.command = {"/proc/self/exe", "review-sandbox"},
                 .environment = {"PATH=/usr/bin:/bin"},
                 .seconds = seconds,
                 .most_output = most_output,
                 .extra_fd = ends[1]};
  spec.cancelled = std::move(cancelled);
  auto result = run(spec);
  ::close(ends[1]);  // the conversation ends, if the sandbox did not begin it
  ::shutdown(ends[0], SHUT_RDWR);
  conversation.join();
  ::close(ends[0]);
  return result;
}

std::vector<Mount> own_program() {
  std::set<std::string> files;
  const auto system = [](const std::string& path) { return path.starts_with("/usr/") || path.starts_with("/lib"); };
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto at = line.find('/'), rights = line.find(' ');
    // What is executed, and nothing else that happens to be mapped (a store's shared memory).
    if (at == line.npos || rights == line.npos || line.substr(rights + 1, 4).find('x') == line.npos) continue;
    std::string path = line.substr(at);
    std::error_code failure;
    if (!system(path) && fs::is_regular_file(path, failure)) files.insert(path);
  }
  std::vector<Mount> out;
  for (const auto& f : files) out.push_back({f, f, false});
  return out;
}

}  // namespace tarn::review
