#include "app/workspace_network.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace tarn::app {
namespace {

namespace fs = std::filesystem;

int service_of(const network::Topology& t, network::ServiceRole role) {
  for (std::size_t i = 0; i < t.services.size(); ++i)
    if (t.services[i].role == role) return static_cast<int>(i);
  return -1;
}

/// Of the network namespace that the calling thread is in.
Expected<int, std::string> listening_socket(const network::Address& address, int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(std::string("no socket: ") + std::strerror(errno));
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(address.bits);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 && ::listen(fd, 128) == 0) return fd;
  const std::string why = std::strerror(errno);
  ::close(fd);
  return fail(fmt::format("cannot listen on {}:{} of the network: {}", address.text(), port, why));
}

}  // namespace

class WorkspaceNetwork::Places final : public compute::NodePlaces {
 public:
  Places(WorkspaceNetwork& owner, account::Networks& networks, account::WorkspaceDirectory& workspaces, compute::Relay& relay)
      : owner_(owner), networks_(networks), workspaces_(workspaces), relay_(relay) {}

  Expected<compute::NodePlace, std::string> place(const compute::NodeOrder& order) override {
    const auto subnets = networks_.subnets_of(order.workspace_id);
    if (subnets.empty()) return compute::NodePlace{};
    const auto read = owner_.current();
    const auto* t = &read->topology;
    TARN_TRY(up, usable(*t));
    if (!up) return compute::NodePlace{};
    // Spread over the zones as the vendor does, the same place for the same instance.
    const auto& id = subnets[std::hash<std::string>{}(order.instance_id) % subnets.size()];
    const int subnet = t->subnet(id);
    if (subnet < 0) return fail(fmt::format("subnet {} is not in the network's model", id));
    TARN_CHECK(listen(*t));
    const auto& service = t->services[static_cast<std::size_t>(service_of(*t, network::ServiceRole::RELAY))];
    const auto to = network::resolve(*t, subnet, service.name);
    return compute::NodePlace{.netns = owner_.realised_.full(network::subnet_namespace(*t, subnet)),
                              .relay = fmt::format("{}:{}", to->address.text(), service.ports.front()),
                              .address = t->subnets[static_cast<std::size_t>(subnet)].instance.text(),
                              .names = names(*t, subnet, order.workspace_id)};
  }
  void leave(const std::string&) override {}  // subnets' namespaces stay as long as the network is up

  std::vector<std::string> subnets_of(std::int64_t workspace_id) { return networks_.subnets_of(workspace_id); }
  std::string host_of(std::int64_t workspace_id) {
    const auto w = workspaces_.by_id(workspace_id);
    return w ? w->deployment_name + ".cloud.databricks.com" : "";
  }

  void settle() {
    const std::lock_guard lock(mutex_);
    leave_what_is_gone();
  }

  void resume() {
    const auto read = owner_.current();
    const auto* t = &read->topology;
    const auto up = usable(*t);
    const auto opened = up && *up ? listen(*t) : Expected<void, std::string>();
    const auto problem = !up ? up.error() : !opened ? opened.error() : "";
    if (!problem.empty()) spdlog::warn("no instance can start in the network of its workspace: {}", problem);
  }

  void answer_with(gateway::Server* server) {
    {
      const std::lock_guard lock(mutex_);
      server_ = server;
      // A server that drains closes what it listens on.
      if (!server) std::erase_if(listening_, [](const auto& one) { return one.second.door != 0; });
    }
    if (server) resume();
  }

 private:
  /// False: it is down. The error: it is there, and nothing may start in it.
  Expected<bool, std::string> usable(const network::Topology& t) const {
    const auto now = owner_.realised_.status();
    if (now.state == network::State::down) return false;
    if (now.state == network::State::up && now.digest == network::realise(t).digest()) return true;
    return fail(fmt::format("network '{}' is {}: run tarn network up again", now.network,
                            now.state == network::State::up ? "not what its file says now" : "half up"));
  }

  /// What a name server of the subnet would say: the hosts of all services, and the workspace's own name.
  std::map<std::string, std::string> names(const network::Topology& t, int subnet, std::int64_t workspace_id) {
    std::map<std::string, std::string> out;
    const auto add = [&](const std::string& host, const std::string& meaning) {
      if (const auto to = network::resolve(t, subnet, meaning); to && !host.empty()) out.emplace(host, to->address.text());
    };
    for (const auto& s : t.services)
      for (const auto& host : s.hosts) add(host, host);
    if (const int api = service_of(t, network::ServiceRole::WORKSPACE); api >= 0)
      add(host_of(workspace_id), t.services[static_cast<std::size_t>(api)].name);
    return out;
  }

  struct Listening {
    std::pair<dev_t, ino_t> which;  // the namespace
    std::string relay;              // ADDRESS:PORT of the relay's socket
    int door = 0;                   // of the server
  };
  static std::optional<std::pair<dev_t, ino_t>> identity_of(const std::string& name) {
    struct stat s {};
    if (::stat(("/run/netns/" + name).c_str(), &s) != 0) return std::nullopt;
    return std::pair(s.st_dev, s.st_ino);
  }
  /// With the lock held.
  void leave_what_is_gone() {
    std::erase_if(listening_, [&](const auto& one) {
      const auto& [key, l] = one;
      if (identity_of(key.first) == l.which) return false;
      if (!l.relay.empty()) relay_.stop_listening(l.relay);
      if (l.door && server_) server_->close(l.door);
      return true;
    });
  }

  /// The sockets of the relay and of the server stand in the namespaces of the services that they play, anew when those were built anew.
  Expected<void, std::string> listen(const network::Topology& t) {
    if (service_of(t, network::ServiceRole::RELAY) < 0) return fail(std::string("the network's model has no service with the role RELAY"));
    const std::lock_guard lock(mutex_);
    leave_what_is_gone();
    for (std::size_t i = 0; i < t.services.size(); ++i) {
      using enum network::ServiceRole;
      const auto& what = t.services[i];
      const bool relay = what.role == RELAY, door = what.role == WORKSPACE || what.role == S3 || what.role == STS;
      if (!relay && !(door && server_)) continue;
      const auto name = owner_.realised_.full(network::service_namespace(t, static_cast<int>(i)));
      const auto which = identity_of(name);
      if (!which) return fail("there is no network namespace " + name);
      const auto& address = what.addresses.front();
      const auto key = std::pair(name, fmt::format("{}:{}", address.text(), what.ports.front()));
      if (listening_.contains(key)) continue;
      Listening next{.which = *which, .relay = relay ? key.second : ""};
      Expected<void, std::string> done;
      TARN_CHECK(network::in_namespace(name, [&] {
        if (relay) {
          done = relay_.also_listen(key.second);
          return;
        }
        auto fd = listening_socket(address, what.ports.front());
        if (!fd) return void(done = fail(fd.error()));
        auto opened = server_->listen({.protocol = gateway::Protocol::https, .listening_fd = *fd});
        if (!opened) return void(done = fail(opened.error()));
        next.door = opened->id;
      }));
      TARN_CHECK(done);
      listening_.emplace(key, std::move(next));
    }
    return {};
  }

  WorkspaceNetwork& owner_;
  account::Networks& networks_;
  account::WorkspaceDirectory& workspaces_;
  compute::Relay& relay_;
  std::mutex mutex_;
  gateway::Server* server_ = nullptr;
  std::map<std::pair<std::string, std::string>, Listening> listening_;  // by namespace and ADDRESS:PORT
};

WorkspaceNetwork::WorkspaceNetwork(std::string path, std::string realised)
    : path_(std::move(path)), realised_(realised), stamp_(stamp(path_)), inventory_([this] {
        auto read = current();
        const auto* topology = &read->topology;
        return std::shared_ptr<const network::Topology>(std::move(read), topology);
      }) {
  if (!network::Namespaces::good_name(realised))
    throw std::runtime_error(fmt::format("'{}' is not a realised network's name: 1 to 12 small letters and digits", realised));
  auto first = read(path_);
  if (!first) throw std::runtime_error(fmt::format("the network cannot be used:\n{}", fmt::join(first.error(), "\n")));
  read_ = *std::move(first);
}
WorkspaceNetwork::~WorkspaceNetwork() = default;

compute::NodePlaces& WorkspaceNetwork::places(account::Networks& networks, account::WorkspaceDirectory& workspaces, compute::Relay& relay) {
  places_ = std::make_unique<Places>(*this, networks, workspaces, relay);
  return *places_;
}

void WorkspaceNetwork::answer_with(gateway::Server* server) { places_->answer_with(server); }

std::string WorkspaceNetwork::workspace_url(std::int64_t workspace_id) {
  const auto read = current();
  const int api = service_of(read->topology, network::ServiceRole::WORKSPACE);
  const auto host = places_->host_of(workspace_id);
  if (api < 0 || host.empty()) return "";
  const int port = read->topology.services[static_cast<std::size_t>(api)].ports.front();
  return "https://" + host + (port == 443 ? "" : ":" + std::to_string(port));
}

std::string WorkspaceNetwork::storage_url() {
  const auto read = current();
  const int s3 = service_of(read->topology, network::ServiceRole::S3);
  if (s3 < 0) return "";
  const auto& what = read->topology.services[static_cast<std::size_t>(s3)];
  if (what.hosts.empty()) return "";
  return "https://" + what.hosts.front() + (what.ports.front() == 443 ? "" : ":" + std::to_string(what.ports.front()));
}

void WorkspaceNetwork::resume() { places_->resume(); }
void WorkspaceNetwork::settle() { places_->settle(); }

json::array WorkspaceNetwork::blocked_ways(account::WorkspaceDirectory& workspaces) {
  const auto read = current();
  const auto& t = read->topology;
  json::array out;
  for (const auto& w : workspaces.all()) {
    const auto subnets = places_->subnets_of(w.id);
    for (const auto& service : t.services) {
      if (service.role == network::ServiceRole::OTHER) continue;
      json::array stuck;
      std::optional<network::Trace> first;
      for (const auto& id : subnets) {
        const int s = t.subnet(id);
        if (s < 0) continue;
        auto way = network::trace(t, s, *network::resolve(t, s, service.name), service.ports.front());
        if (way.outcome == network::Outcome::connected) continue;
        stuck.push_back(json::value(id));
        if (!first) first = std::move(way);
      }
      if (!first) continue;
      const auto& hop = first->hops[static_cast<std::size_t>(first->culprit)];
      out.push_back(json::object{{"workspace", w.name},
                                 {"subnets", stuck},
                                 {"service", fmt::format("{}:{}", service.name, service.ports.front())},
                                 {"outcome", json::name_of(first->outcome)},
                                 {"hop", hop.at},
                                 {"place", platform::place_of(read->files, hop.place)},
                                 {"cause", first->cause},
                                 {"cure", first->cure}});
    }
  }
  return out;
}

Expected<std::shared_ptr<const WorkspaceNetwork::Read>, std::vector<std::string>> WorkspaceNetwork::read(const std::string& path) {
  auto files = platform::load_path(path);
  auto built = platform::network_of(files);
  if (built) return std::make_shared<const Read>(Read{std::move(files), *std::move(built)});
  std::vector<std::string> problems;
  for (const auto& p : built.error()) problems.push_back(p.text());
  return fail(std::move(problems));
}

std::string WorkspaceNetwork::stamp(const std::string& path) {
  std::string out;
  const auto add = [&](const fs::path& p) {
    struct stat s {};
    if (::stat(p.c_str(), &s) == 0) out += fmt::format("{} {} {}.{}\n", p.string(), s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  };
  add(path);
  std::vector<fs::path> files;
  std::error_code ec;
  if (fs::is_directory(path, ec))
    for (const auto& e : fs::directory_iterator(path, ec)) files.push_back(e.path());
  std::sort(files.begin(), files.end());
  for (const auto& f : files) add(f);
  return out;
}

std::shared_ptr<const WorkspaceNetwork::Read> WorkspaceNetwork::current() {
  const std::lock_guard lock(mutex_);
  auto now = stamp(path_);
  if (now == stamp_) return read_;
  stamp_ = std::move(now);
  if (auto again = read(path_))
    read_ = *std::move(again);
  else
    spdlog::error("the network's file has changed and cannot be used; the last good one holds: {}", fmt::join(again.error(), "; "));
  return read_;
}

}  // namespace tarn::app
