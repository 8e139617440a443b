#include "app/workspace_network.h"

#include <sys/stat.h>

#include "base/log.h"

namespace tarn::app {
namespace {

namespace fs = std::filesystem;

int relay_of(const network::Topology& t) {
  for (std::size_t i = 0; i < t.services.size(); ++i)
    if (t.services[i].role == network::ServiceRole::RELAY) return static_cast<int>(i);
  return -1;
}

}  // namespace

class WorkspaceNetwork::Places final : public compute::NodePlaces {
 public:
  Places(WorkspaceNetwork& owner, account::Networks& networks, compute::Relay& relay) : owner_(owner), networks_(networks), relay_(relay) {}

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
    TARN_TRY(relay, listen(*t));
    const auto& service = t->services[static_cast<std::size_t>(relay)];
    const auto to = network::resolve(*t, subnet, service.name);
    return compute::NodePlace{.netns = owner_.realised_.full(network::subnet_namespace(*t, subnet)),
                              .relay = fmt::format("{}:{}", to->address.text(), service.ports.front()),
                              .address = t->subnets[static_cast<std::size_t>(subnet)].instance.text()};
  }
  void leave(const std::string&) override {}  // subnets' namespaces stay as long as the network is up

  std::vector<std::string> subnets_of(std::int64_t workspace_id) { return networks_.subnets_of(workspace_id); }

  void settle() {
    const std::lock_guard lock(mutex_);
    leave_what_is_gone();
  }

  void resume() {
    const auto read = owner_.current();
    const auto* t = &read->topology;
    const auto up = usable(*t);
    const auto opened = up && *up ? listen(*t) : Expected<int, std::string>(0);
    const auto problem = !up ? up.error() : !opened ? opened.error() : "";
    if (!problem.empty()) spdlog::warn("no instance can start in the network of its workspace: {}", problem);
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

  struct Listening {
    std::string name, address;  // of the namespace; ADDRESS:PORT
    std::pair<dev_t, ino_t> which;
  };
  static std::optional<std::pair<dev_t, ino_t>> identity_of(const std::string& name) {
    struct stat s {};
    if (::stat(("/run/netns/" + name).c_str(), &s) != 0) return std::nullopt;
    return std::pair(s.st_dev, s.st_ino);
  }
  /// With the lock held.
  void leave_what_is_gone() {
    if (!listening_ || identity_of(listening_->name) == listening_->which) return;
    relay_.stop_listening(listening_->address);
    listening_.reset();
  }

  /// The relay's socket stands in the namespace of the model's relay service, anew when that was built anew. Returns the service.
  Expected<int, std::string> listen(const network::Topology& t) {
    const int service = relay_of(t);
    if (service < 0) return fail(std::string("the network's model has no service with the role RELAY"));
    const auto name = owner_.realised_.full(network::service_namespace(t, service));
    const auto which = identity_of(name);
    if (!which) return fail("there is no network namespace " + name);
    const std::lock_guard lock(mutex_);
    leave_what_is_gone();
    if (listening_) return service;
    const auto& what = t.services[static_cast<std::size_t>(service)];
    Listening next{name, fmt::format("{}:{}", what.addresses.front().text(), what.ports.front()), *which};
    Expected<void, std::string> done;
    TARN_CHECK(network::in_namespace(name, [&] { done = relay_.also_listen(next.address); }));
    TARN_CHECK(done);
    listening_ = std::move(next);
    return service;
  }

  WorkspaceNetwork& owner_;
  account::Networks& networks_;
  compute::Relay& relay_;
  std::mutex mutex_;
  std::optional<Listening> listening_;
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

compute::NodePlaces& WorkspaceNetwork::places(account::Networks& networks, compute::Relay& relay) {
  places_ = std::make_unique<Places>(*this, networks, relay);
  return *places_;
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
