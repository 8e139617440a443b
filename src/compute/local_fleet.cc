#include "compute/local_fleet.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/json_read.h"
#include "base/log.h"
#include "compute/node/agent.h"

namespace tarn::compute {
namespace {

constexpr std::size_t kMostLine = 16u << 20;    // one message of a node; results are cut long before
constexpr std::size_t kMostQueued = 64u << 20;  // what a node that does not read may leave with us

}  // namespace

struct LocalFleet::Connection {
  int fd = -1;
  std::string instance_id;  // empty until admitted
  std::string in, out;
};

HostFacts this_host() {
  HostFacts h;
  h.cpus = static_cast<int>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  h.memory_bytes = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  return h;
}

NodeShare share_of(const NodeType& type, const HostFacts& host) {
  constexpr double kMemoryMb = 131'072, kCores = 16;
  NodeShare s;
  const double memory = std::min(1.0, static_cast<double>(type.memory_mb) / kMemoryMb), cores = std::min(1.0, type.num_cores / kCores);
  s.memory_bytes = std::max<std::int64_t>(384ll << 20, static_cast<std::int64_t>(memory * static_cast<double>(host.memory_bytes)));
  s.cpus = std::min<double>(host.cpus, std::max(1.0, cores * host.cpus));
  s.cpu_weight = std::max(32, static_cast<int>(cores * host.cpus * 1024));
  s.pids = 128 + static_cast<int>(type.num_cores * 64);
  return s;
}

LocalFleet::LocalFleet(LocalFleetOptions options) : options_(std::move(options)) {}
LocalFleet::~LocalFleet() { stop(); }

void LocalFleet::start() {
  namespace fs = std::filesystem;
  fs::create_directories(options_.homes);
  ::chmod(options_.homes.c_str(), 0700);
  node::sweep_cgroups();
  sockaddr_un address{.sun_family = AF_UNIX};
  if (options_.relay.size() >= sizeof address.sun_path)
    throw std::runtime_error("the relay's path '" + options_.relay + "' is too long for a socket");
  options_.relay.copy(address.sun_path, options_.relay.size());
  ::unlink(options_.relay.c_str());
  listener_fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener_fd_ < 0 || ::bind(listener_fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(options_.relay.c_str(), 0600) != 0 || ::listen(listener_fd_, 128) != 0 || ::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0)
    throw std::runtime_error("cannot open the relay '" + options_.relay + "': " + std::strerror(errno));
  thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
}

void LocalFleet::stop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    poke();
    thread_.join();
  }
  const std::lock_guard lock(mutex_);
  for (auto& [fd, c] : connections_) ::close(fd);
  connections_.clear();
  by_instance_.clear();
  for (int* fd : {&listener_fd_, &wake_[0], &wake_[1]})
    if (*fd >= 0) ::close(std::exchange(*fd, -1));
}

void LocalFleet::poke() {
  if (wake_[1] >= 0) [[maybe_unused]]
    const auto n = ::write(wake_[1], "x", 1);
}

Expected<void, std::string> LocalFleet::launch(const NodeOrder& order) {
  namespace fs = std::filesystem;
  const std::string home = options_.homes + "/" + order.instance_id;
  std::error_code failure;
  fs::create_directories(home, failure);
  if (failure) return fail("cannot make the instance's folder " + home + ": " + failure.message());
  ::chmod(home.c_str(), 0700);
  node::Order o;
  o.instance_id = order.instance_id;
  o.cluster_id = order.cluster_id;
  o.token = order.token;
  o.relay = options_.relay;
  o.home = home;
  o.driver = options_.driver;
  o.packages = options_.packages;
  o.python = options_.python;
  o.lease_seconds = options_.lease_seconds;
  o.isolate = options_.isolate;
  o.share = order.share;
  o.environment = order.environment;
  o.scripts = order.scripts;
  const std::string text = json::encode_text(o);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(std::string("pipe: ") + std::strerror(errno));
  ::fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  const std::string log = home + "/node.log";
  posix_spawn_file_actions_adddup2(&actions, ends[0], 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  std::string binary = options_.binary, verb = "node", path = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
  char* arguments[] = {binary.data(), verb.data(), nullptr};
  char* environment[] = {path.data(), nullptr};
  pid_t pid = -1;
  int rc = 0;
  {
    // Under the lock, so that the reaper knows the child before it can end.
    const std::lock_guard lock(mutex_);
    rc = ::posix_spawn(&pid, binary.c_str(), &actions, &attributes, arguments, environment);
    if (rc == 0) children_.push_back({.pid = pid, .instance_id = order.instance_id});
  }
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[0]);
  if (rc != 0) {
    ::close(ends[1]);
    return fail("cannot start " + binary + ": " + std::strerror(rc));
  }
  // An order is far smaller than the pipe; a child that died leaves EPIPE (SIGPIPE is ignored by the server), which the reaper reports.
  for (std::size_t sent = 0; sent < text.size();) {
    const auto n = ::write(ends[1], text.data() + sent, text.size() - sent);
    if (n <= 0 && errno != EINTR) break;
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  ::close(ends[1]);
  return {};
}

bool LocalFleet::send(const std::string& instance_id, const json::object& message) {
  {
    const std::lock_guard lock(mutex_);
    const auto i = by_instance_.find(instance_id);
    if (i == by_instance_.end()) return false;
    auto& out = connections_.at(i->second)->out;
    if (out.size() > kMostQueued) return false;
    out += boost::json::serialize(message) + "\n";
  }
  poke();
  return true;
}

void LocalFleet::end(const std::string& instance_id) {
  send(instance_id, {{"op", "end"}});
  const std::lock_guard lock(mutex_);
  for (auto& c : children_)
    if (c.instance_id == instance_id) {
      c.ended_by_us = true;
      ::kill(c.pid, SIGTERM);  // the agent ends its processes, then itself; not reaped yet, so the id is still its own
    }
  ending_.insert(instance_id);
}

void LocalFleet::serve(std::stop_token stop) {
  while (!stop.stop_requested()) {
    std::vector<pollfd> fds{{wake_[0], POLLIN, 0}, {listener_fd_, POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [fd, c] : connections_) fds.push_back({fd, static_cast<short>(POLLIN | (c->out.empty() ? 0 : POLLOUT)), 0});
    }
    ::poll(fds.data(), fds.size(), 200);
    try {
      if (fds[0].revents) {
        char drop[64];
        while (::read(wake_[0], drop, sizeof drop) > 0) {
        }
      }
      if (fds[1].revents) accept_all();
      for (std::size_t i = 2; i < fds.size(); ++i) {
        Connection* c = nullptr;
        bool dead = false;
        {
          const std::lock_guard lock(mutex_);
          const auto found = connections_.find(fds[i].fd);
          if (found == connections_.end()) continue;
          c = found->second.get();
          if (fds[i].revents & POLLOUT) {
            const auto n = ::send(c->fd, c->out.data(), c->out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0)
              c->out.erase(0, static_cast<std::size_t>(n));
            else if (n < 0 && errno != EAGAIN && errno != EINTR)
              dead = true;
          }
        }
        if (dead)
          close(fds[i].fd, true);
        else if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
          read_from(*c);
      }
      reap();
    } catch (const std::exception& e) {
      spdlog::error("relay: {}", e.what());
    }
  }
}

void LocalFleet::accept_all() {
  for (int fd; (fd = ::accept4(listener_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
    ucred who{};
    socklen_t size = sizeof who;
    // Only this server's own user dials in: agents run as it and hand the connection to their interpreter.
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != ::geteuid()) {
      ::close(fd);
      continue;
    }
    const std::lock_guard lock(mutex_);
    auto c = std::make_unique<Connection>();
    c->fd = fd;
    connections_[fd] = std::move(c);
  }
}

/// Only the relay's thread reads a connection and erases it, so the reference stays good without the lock.
void LocalFleet::read_from(Connection& c) {
  char block[65536];
  const int fd = c.fd;
  for (;;) {
    const auto n = ::recv(fd, block, sizeof block, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (n <= 0) return close(fd, true);
    c.in.append(block, static_cast<std::size_t>(n));
    if (c.in.size() > kMostLine) return close(fd, true);
    if (static_cast<std::size_t>(n) < sizeof block) break;
  }
  std::size_t from = 0;
  for (std::size_t end; (end = c.in.find('\n', from)) != c.in.npos; from = end + 1) {
    handle(c, c.in.substr(from, end - from));
    const std::lock_guard lock(mutex_);
    if (!connections_.contains(fd)) return;
  }
  c.in.erase(0, from);
}

void LocalFleet::handle(Connection& c, const std::string& line) {
  const auto parsed = json::parse(line);
  if (!parsed || !parsed->is_object()) return close(c.fd, true);
  const auto& o = parsed->as_object();
  const auto type = json::text_at(o, "type");
  if (c.instance_id.empty()) {
    const auto id = json::text_at(o, "instance_id");
    if (type != "hello" || !listener_ || !listener_->node_admitted(id, json::text_at(o, "token"))) {
      spdlog::warn("relay: an instance that says it is '{}' was refused", id.substr(0, 64));
      return close(c.fd, false);
    }
    const std::lock_guard lock(mutex_);
    if (const auto old = by_instance_.find(id); old != by_instance_.end() && old->second != c.fd) {
      const int stale = old->second;
      connections_.at(stale)->instance_id.clear();
      ::shutdown(stale, SHUT_RDWR);
    }
    c.instance_id = id;
    by_instance_[id] = c.fd;
    c.out += "{\"op\":\"welcome\"}\n";
    return;
  }
  if (type == "up") {
    const auto* isolation = o.if_contains("isolation");
    return listener_->node_up(c.instance_id, isolation ? *isolation : json::value());
  }
  listener_->node_said(c.instance_id, o);
}

void LocalFleet::close(int fd, bool tell) {
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    const auto i = connections_.find(fd);
    if (i == connections_.end()) return;
    id = i->second->instance_id;
    if (!id.empty() && by_instance_[id] == fd) by_instance_.erase(id);
    connections_.erase(i);
    ::close(fd);
  }
  if (tell && !id.empty() && listener_) listener_->node_lost(id, false, "its connection ended");
}

void LocalFleet::reap() {
  std::vector<std::pair<std::string, std::string>> ended;
  {
    const std::lock_guard lock(mutex_);
    for (auto i = children_.begin(); i != children_.end();) {
      int status = 0;
      if (::waitpid(i->pid, &status, WNOHANG) != i->pid) {
        ++i;
        continue;
      }
      std::string why = WIFEXITED(status) ? fmt::format("its process ended with {}", WEXITSTATUS(status))
                                          : fmt::format("its process was killed by signal {}", WTERMSIG(status));
      if (std::ifstream last(options_.homes + "/" + i->instance_id + "/last-words"); last) {
        std::string line;
        if (std::getline(last, line) && !line.empty()) why = line;
      }
      ended.emplace_back(i->instance_id, why);
      std::error_code ignored;
      std::filesystem::remove_all(options_.homes + "/" + i->instance_id, ignored);
      ending_.erase(i->instance_id);
      i = children_.erase(i);
    }
  }
  for (const auto& [id, why] : ended)
    if (listener_) listener_->node_lost(id, true, why);
}

}  // namespace tarn::compute
