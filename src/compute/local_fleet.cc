#include "compute/local_fleet.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "compute/node/agent.h"

namespace tarn::compute {
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

LocalFleet::LocalFleet(LocalFleetOptions options) : options_(std::move(options)), relay_(options_.relay, options_.tls) {
  relay_.each_turn([this] { reap(); });
}
LocalFleet::~LocalFleet() { stop(); }

void LocalFleet::start() {
  std::filesystem::create_directories(options_.homes);
  ::chmod(options_.homes.c_str(), 0700);
  node::sweep_cgroups();
  relay_.start();
}

void LocalFleet::stop() { relay_.stop(); }

Expected<NodePlace, std::string> LocalFleet::launch(const NodeOrder& order) {
  namespace fs = std::filesystem;
  NodePlace place;
  if (places_) {
    auto given = places_->place(order);
    if (!given) return fail(given.error());
    place = *std::move(given);
  }
  if (place.relay.empty()) place.relay = options_.dial.empty() ? relay_.address() : options_.dial;
  if (place.relay.starts_with("0.0.0.0:")) place.relay.replace(0, 7, "127.0.0.1");
  const std::string home = options_.homes + "/" + order.instance_id;
  std::error_code failure;
  fs::create_directories(home, failure);
  if (failure) return fail("cannot make the instance's folder " + home + ": " + failure.message());
  ::chmod(home.c_str(), 0700);
  node::Order o;
  o.instance_id = order.instance_id;
  o.cluster_id = order.cluster_id;
  o.role = order.role;
  o.token = order.token;
  o.relay = place.relay;
  o.relay_name = options_.relay_name;
  o.authority = options_.authority;
  o.netns = place.netns;
  o.names = place.names;
  o.lease_seconds = options_.lease_seconds;
  o.bootstrap_seconds = order.bootstrap_seconds;
  o.metrics_seconds = options_.metrics_seconds;
  o.isolate = options_.isolate;
  o.share = order.share;
  o.environment = order.environment;
  o.scripts = order.scripts;
  std::vector<std::string> command = options_.launcher;
  if (command.empty()) {
    o.home = home;
    o.driver = options_.driver;
    o.packages = options_.packages;
    o.python = options_.python;
    command = {options_.binary, "node"};
  }
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
  std::string path = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
  std::vector<char*> arguments;
  for (auto& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  char* environment[] = {path.data(), nullptr};
  pid_t pid = -1;
  int rc = 0;
  {
    // Under the lock, so that the reaper knows the child before it can end.
    const std::lock_guard lock(mutex_);
    rc = ::posix_spawnp(&pid, command.front().c_str(), &actions, &attributes, arguments.data(), environment);
    if (rc == 0) children_.push_back({.pid = pid, .instance_id = order.instance_id});
  }
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[0]);
  if (rc != 0) {
    ::close(ends[1]);
    std::error_code ignored;
    fs::remove_all(home, ignored);
    if (places_) places_->leave(order.instance_id);
    return fail("cannot start " + command.front() + ": " + std::strerror(rc));
  }
  // An order is far smaller than the pipe; a child that died leaves EPIPE (SIGPIPE is ignored by the server), which the reaper reports.
  for (std::size_t sent = 0; sent < text.size();) {
    const auto n = ::write(ends[1], text.data() + sent, text.size() - sent);
    if (n <= 0 && errno != EINTR) break;
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
  ::close(ends[1]);
  return place;
}

void LocalFleet::end(const std::string& instance_id) {
  relay_.send(instance_id, {{"op", "end"}});
  {
    const std::lock_guard lock(mutex_);
    for (auto& c : children_)
      if (c.instance_id == instance_id) {
        ::kill(c.pid, SIGTERM);  // the agent ends its processes, then itself; not reaped yet, so the id is still its own
        return;                  // and leaves its place when it has ended
      }
  }
  if (places_) places_->leave(instance_id);
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
      ended.emplace_back(i->instance_id, WIFEXITED(status) ? fmt::format("its process ended with {}", WEXITSTATUS(status))
                                                           : fmt::format("its process was killed by signal {}", WTERMSIG(status)));
      i = children_.erase(i);
    }
  }
  for (auto& [id, why] : ended) {
    const auto home = options_.homes + "/" + id;
    if (std::ifstream last(home + "/last-words"); last)
      if (std::string line; std::getline(last, line) && !line.empty()) why = line;
    std::error_code ignored;
    std::filesystem::remove_all(home, ignored);
    node::sweep_cgroups(id);  // an agent that was killed could not
    if (places_) places_->leave(id);
    if (listener_) listener_->node_lost(id, true, why);
  }
}

}  // namespace tarn::compute
