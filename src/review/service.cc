#include "review/service.h"

#include <sys/stat.h>

#include <condition_variable>
#include <filesystem>
#include <thread>

#include "base/log.h"
#include "gateway/file_certificate.h"
#include "gateway/server.h"
#include "review/credential_proxy.h"
#include "review/nobody.h"
#include "review/routes.h"
#include "store/root_key.h"

namespace tarn::review {
namespace {

namespace fs = std::filesystem;

std::string prepared(const Config& c) {
  fs::create_directories(c.state + "/run");
  fs::permissions(c.state, fs::perms::owner_all);
  fs::remove_all(c.state + "/work");  // checkouts of a service that was killed
  fs::create_directories(c.state + "/work");
  return c.state;
}

std::pair<std::string, std::uint16_t> address_of(const std::string& listen) {
  const auto colon = listen.rfind(':');
  int port = -1;
  try {
    if (colon != listen.npos) port = std::stoi(listen.substr(colon + 1));
  } catch (const std::exception&) {
  }
  if (port < 0 || port > 65535) throw std::runtime_error("listen '" + listen + "' must be ADDRESS:PORT");
  return {listen.substr(0, colon), static_cast<std::uint16_t>(port)};
}

std::string secret_or_throw(const std::string& file) {
  auto secret = read_secret(file);
  if (!secret) throw std::runtime_error(secret.error());
  return *secret;
}

}  // namespace

struct Service::Impl {
  Config config;
  std::string state;
  SystemClock clock;
  std::atomic<bool> stopping{false}, cancelling{false};
  std::unique_ptr<store::Store> store;
  crypto::Keyring keys;
  store::Secrets secrets;
  Mask mask;
  Principal principal;
  std::unique_ptr<Runner> runner;
  std::map<std::string, std::string> webhook_secrets;
  std::unique_ptr<Reviewer> reviewer;
  std::unique_ptr<Doors> doors;
  api::Router nothing, webhooks, control;
  Nobody nobody;
  Workspaces no_workspace{false};
  std::unique_ptr<gateway::FileCertificate> certificate;  // null: plain HTTP
  std::unique_ptr<gateway::Server> server;
  std::string url;

  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> busy;
  bool something = true;
  std::map<std::string, Millis> next_drift;
  std::vector<std::thread> workers;

  explicit Impl(Config c)
      : config(std::move(c)),
        state(prepared(config)),
        store(store::open_store("sqlite:" + state + "/review.db", clock)),
        keys(store::load_root_key(state)),
        secrets(keys),
        principal(config.target) {
    runner = make_runner(config, principal, mask, [this] { return cancelling.load(); });
    std::map<std::string, Place> places;
    for (const auto& r : config.repositories) {
      Place p{.spec = &r};
      const auto token = secret_or_throw(r.token_file);
      webhook_secrets[r.repository] = secret_or_throw(r.webhook_secret_file);
      mask.learn(token);
      mask.learn(webhook_secrets[r.repository]);
      p.forge = make_forge(r, token);
      std::string name = r.repository;
      std::replace(name.begin(), name.end(), '/', '+');
      p.git = make_git(r.clone(), state + "/git/" + name + ".git", p.forge->git_credentials(), r.ca_file.value_or(""),
                       r.forge == ForgeKind::gitea ? PullRefs::gitea : PullRefs::gitlab);
      places.emplace(r.repository, std::move(p));
    }
    if (auto target = principal.target()) mask.learn(target->client_secret);
    reviewer = std::make_unique<Reviewer>(config, *store, secrets, clock, *runner, mask, std::move(places), state + "/work",
                                          [this] { return stopping.load(); });
    doors = std::make_unique<Doors>(Doors{config, *reviewer, *store,
                                          [this](const std::string& repository) -> std::optional<std::string> {
                                            const auto found = webhook_secrets.find(repository);
                                            return found == webhook_secrets.end() ? std::nullopt : std::optional(found->second);
                                          },
                                          [this] { wake(); }});
    add_webhook_routes(webhooks, *doors);
    add_control_routes(control, *doors);
    reviewer->recover();
    listen();
    for (const auto& r : config.repositories)
      if (r.drift) next_drift[r.repository] = clock.now() + r.drift->every_minutes * 60'000;
    // One repository's jobs run one after another, so more threads than repositories would idle.
    const auto count = std::min<std::size_t>(4, config.repositories.size());
    for (std::size_t i = 0; i < count; ++i) workers.emplace_back([this] { work(); });
  }

  void listen() {
    if (config.tls) certificate = std::make_unique<gateway::FileCertificate>(config.tls->certificate_file, config.tls->key_file);
    gateway::Options options{.io_threads = 1, .workers = 4, .queue = 256, .spool_dir = "", .access_log = ""};
    options.limits.connections = 256;
    if (certificate) options.tls = certificate->server_context();
    server = std::make_unique<gateway::Server>(
        options,
        gateway::Services{.router = nothing, .directory = nobody, .workspaces = no_workspace, .storage = {}, .account_id = "", .refused = {}},
        gateway::Hosts("review.invalid", "none"), nullptr);
    const auto [address, port] = address_of(config.listen.value_or("127.0.0.1:4141"));
    auto open = server->listen(
        {.protocol = certificate ? gateway::Protocol::https : gateway::Protocol::http, .address = address, .port = port, .control = &webhooks});
    if (!open) throw std::runtime_error(open.error());
    url = fmt::format("{}://{}:{}", certificate ? "https" : "http", address, open->port);
    auto own = server->listen({.protocol = gateway::Protocol::http, .unix_path = state + "/run/control.sock", .control = &control});
    if (!own) throw std::runtime_error(own.error());
  }

  void wake() {
    std::lock_guard lock(mutex);
    something = true;
    changed.notify_all();
  }

  /// What the clock asks for; when it will ask again.
  Millis tick(Millis now) {
    Millis soonest = now + 3600'000;
    for (auto& [repository, at] : next_drift) {
      if (at <= now) {
        reviewer->enqueue({.kind = JobKind::drift, .repository = repository});
        at = now + config.repository(repository)->drift->every_minutes * 60'000;
      }
      soonest = std::min(soonest, at);
    }
    return soonest;
  }

  void work() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      std::optional<JobRecord> job;
      Millis due = 0;
      try {
        const auto clock_due = tick(clock.now());
        job = reviewer->next(busy, due);
        due = std::min(due, clock_due);
      } catch (const std::exception& e) {
        spdlog::error("queue: {}", e.what());
        due = clock.now() + 5'000;
      }
      if (!job) {
        something = false;
        changed.wait_for(lock, std::chrono::milliseconds(std::max<Millis>(due - clock.now(), 10)), [&] { return stopping || something; });
        continue;
      }
      busy.insert(job->repository);
      lock.unlock();
      try {
        reviewer->work_on(*job);
      } catch (const std::exception& e) {
        spdlog::error("job {}: {}", job->id, e.what());  // it stays in the store and is taken again
      }
      lock.lock();
      busy.erase(job->repository);
      something = true;
      changed.notify_all();
    }
  }
};

Service::Service(Config config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Service::~Service() { stop(std::chrono::milliseconds(0)); }

json::object Service::status() const {
  json::array repositories;
  for (const auto& r : impl_->config.repositories) repositories.push_back(json::value(r.repository));
  return {{"ready", true}, {"webhooks", impl_->url + "/webhooks"}, {"state", impl_->state}, {"repositories", repositories}};
}

void Service::stop(std::chrono::milliseconds patience) {
  Impl& s = *impl_;
  if (s.workers.empty()) return;
  s.server->drain(std::chrono::milliseconds(2000));
  {
    std::unique_lock lock(s.mutex);
    s.stopping = true;
    s.changed.notify_all();
    s.changed.wait_for(lock, patience, [&] { return s.busy.empty(); });
  }
  s.cancelling = true;
  for (auto& w : s.workers) w.join();
  s.workers.clear();
  s.store->flush_audit();
}

}  // namespace tarn::review
