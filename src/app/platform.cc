#include "app/platform.h"

#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <thread>

#include "account/configurations.h"
#include "account/directory.h"
#include "account/networks.h"
#include "account/prefixes.h"
#include "account/provisioner.h"
#include "account/routes.h"
#include "account/workspace_service.h"
#include "app/alert_ports.h"
#include "app/compute_room.h"
#include "app/control_routes.h"
#include "app/data_folder.h"
#include "app/entitlement_gate.h"
#include "app/job_ports.h"
#include "app/job_sources.h"
#include "app/lakeflow_tables.h"
#include "app/mailer.h"
#include "app/ml_links.h"
#include "app/not_enabled_routes.h"
#include "app/principals.h"
#include "app/quality_room.h"
#include "app/secret_values.h"
#include "app/serving_room.h"
#include "app/sql_engines.h"
#include "app/system_tables_of_compute.h"
#include "app/whole_backup.h"
#include "app/workspace_doors.h"
#include "app/workspace_network.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/resources.h"
#include "billing/budget_watch.h"
#include "billing/routes.h"
#include "catalog/routes.h"
#include "catalog/service.h"
#include "cli/child_process.h"
#include "compute/metrics_text.h"
#include "compute/node/agent.h"
#include "delta/log.h"
#include "doctor/edges.h"
#include "engine/engine.h"
#include "gateway/server.h"
#include "identity/room.h"
#include "jobs/routes.h"
#include "jobs/scheduler.h"
#include "jobs/watcher.h"
#include "objects/local_objects.h"
#include "objects/mirror.h"
#include "objects/remote_stores.h"
#include "objects/s3_endpoint.h"
#include "objects/session_credentials.h"
#include "permissions/routes.h"
#include "settings/room.h"
#include "sql/executor.h"
#include "sql/routes.h"
#include "sql/sidecar.h"
#include "sql/statements.h"
#include "sql/warehouses.h"
#include "store/root_key.h"
#include "store/secrets.h"

namespace tarn::app {
namespace {

namespace fs = std::filesystem;

sql::SizeRule sizes_of(const ServeOptions& o) {
  const auto host = compute::this_host();
  return sql::size_rule(static_cast<std::uint64_t>(o.warehouse_memory_mb) << 20, host.cpus, static_cast<std::uint64_t>(host.memory_bytes));
}

/// Of what runs on no warehouse.
engine::Share least_share(const ServeOptions& o) { return sql::share_of(sql::warehouse_sizes().front(), sizes_of(o)); }

int gpus_here() {
  int n = 0;
  while (fs::exists("/dev/nvidia" + std::to_string(n))) ++n;
  return n;
}

std::pair<std::string, std::uint16_t> address_of(const std::string& listen) {
  const auto colon = listen.rfind(':');
  const std::string port = colon == listen.npos ? "" : listen.substr(colon + 1);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos || std::stoi(port) > 65535)
    throw std::runtime_error("--listen wants ADDRESS:PORT, got '" + listen + "'");
  return {listen.substr(0, colon), static_cast<std::uint16_t>(std::stoi(port))};
}

/// Root buckets of workspaces: the local storage makes a bucket when it is registered, a remote one must have it.
class Roots final : public account::RootStorage {
 public:
  explicit Roots(objects::ObjectStore& objects) : objects_(objects) {}
  Expected<void, std::string> prepare(const std::string& bucket, std::int64_t) override {
    if (auto made = objects_.create_bucket(bucket); !made) return fail(made.error().message);
    return {};
  }

 private:
  objects::ObjectStore& objects_;
};

template <class T>
T ready(Expected<T, std::string> r) {
  if (!r) throw std::runtime_error(r.error());
  return *std::move(r);
}

}  // namespace

struct Platform::Impl {
  ServeOptions options;
  std::string data;
  SystemClock clock;
  std::unique_ptr<store::Store> store;
  std::string account_id;
  crypto::Keyring keys;
  objects::RemoteConfig remote_config;
  objects::LocalObjects local_objects;
  objects::RemoteStores remote_stores;
  objects::RoutedObjects objects;
  objects::Mirror engine_objects;
  objects::SessionCredentials sessions;
  objects::RoutedVendor vendor;
  objects::S3Endpoint s3;
  identity::Room identity;
  identity::CachedDirectory& directory;
  identity::OwnerDoor& owner;
  permissions::Service permissions;
  settings::Room settings;
  account::CachedWorkspaceDirectory workspaces;
  WorkspaceDoors doors;
  catalog::UnityCatalog catalog;
  account::Settings account_settings;
  Roots roots;
  std::unique_ptr<WorkspaceNetwork> network;  // null: nobody modelled it
  WorkspaceLife workspace_life;
  account::Provisioner provisioner;
  account::Configurations configurations;
  account::Networks networks;
  account::WorkspaceService workspace_service;
  account::DeploymentPrefixes prefixes;
  billing::Budgets budgets;
  billing::Usage usage;
  std::unique_ptr<Mailer> mailer;  // null: no relay
  billing::BudgetWatch budget_watch;
  billing::LogDelivery log_delivery;
  std::unique_ptr<delta::ParquetCodec> parquet;
  delta::DeltaLog delta;
  ServingRoom serving;  // before those that ask it
  SqlEngines engines;
  sql::SidecarParser parser;
  store::Secrets catalog_secrets{keys};                        // of connections
  SecretValues secret_values{*store, directory, keys, clock};  // for SQL
  sql::Executor executor;
  Principals principals;  // for SQL
  sql::Warehouses warehouses;
  sql::Statements statements;
  ml::Room ml;
  RunsOfModels runs_of_models;
  std::unique_ptr<gateway::Authority> authority;
  WorkspaceRooms workspace_rooms;
  FoldersOfExperiments folders_of_experiments;
  JobFiles job_files;
  ComputeRoom compute_room;
  JobStatements job_statements;
  JobClusters job_clusters;
  JobWatched job_watched;
  JobGit job_git;
  JobWebhooks job_webhooks;
  jobs::LiveLogs job_logs;
  jobs::RunCounts run_counts;
  jobs::Destinations destinations;
  jobs::Service job_service;
  AlertStatements alert_statements;
  queries::AlertRuns alert_runs;
  JobAlerts job_alerts;
  jobs::Scheduler job_scheduler;
  jobs::Watcher job_watcher;
  jobs::Notifier job_notifier;
  QualityRoom quality;
  api::Router router, control;
  std::unique_ptr<gateway::Server> server;
  std::uint16_t tls_port = 0, proxy_port = 0, storage_port = 0, account_port = 0, metrics_port = 0;
  std::string admin_client;
  std::jthread ports_thread;  // last: it uses all of the above

  explicit Impl(const ServeOptions& o)
      : options(o),
        data(prepared(o.data)),
        store(store::open_store(o.store.empty() ? "sqlite:" + data + "/store.db" : o.store, clock)),
        account_id(account_of(*store)),
        keys(store::load_root_key(data, o.key_file)),
        remote_config(o.objects.empty() ? objects::RemoteConfig{} : ready(objects::read_remote_config(o.objects))),
        local_objects(data + "/objects"),
        remote_stores(remote_config, {sql::StatementOptions{}.results_bucket}, clock),
        objects(local_objects, remote_stores),
        engine_objects(objects, data + "/spool/remote", static_cast<std::uint64_t>(remote_config.cache_bytes.value_or(20LL << 30))),
        sessions(keys, clock, o.region),
        vendor(sessions, remote_stores),
        s3(local_objects, sessions, *store, clock),
        identity(*store, clock, account_id),
        directory(identity.directory),
        owner(identity.owner),
        permissions(*store, directory),
        settings(*store, clock),
        workspaces(*store),
        doors(workspaces, {.domain = o.domain, .region = o.region, .hosts_file = data + "/run/hosts", .allowed = o.allow}),
        catalog(*store, directory, vendor, objects, workspaces, clock, account_id, o.region),
        account_settings{.account_id = account_id},
        roots(objects),
        network(o.network.empty() ? nullptr : std::make_unique<WorkspaceNetwork>(o.network, o.network_name)),
        workspace_life(directory),
        provisioner({*store, workspace_life, catalog.metastores(), &roots, network ? &network->inventory() : nullptr}, account_settings),
        configurations(*store, clock, account_settings),
        networks(*store, clock, account_settings, network ? &network->inventory() : nullptr),
        workspace_service(*store, clock, account_settings, provisioner),
        prefixes(*store, clock, account_settings),
        budgets(*store, clock, account_id),
        usage(*store),
        mailer(o.mail.url.empty() ? nullptr : std::make_unique<Mailer>(o.mail)),
        budget_watch(*store, budgets, usage, clock, mail_through(mailer.get())),
        log_delivery(*store, objects, workspaces, clock, account_id, log_parts()),
        parquet(delta::duckdb_parquet_codec(objects, data + "/spool/checkpoints")),
        delta(objects, *parquet, clock),
        serving({*store, permissions, catalog, directory, objects, executor, clock, data, o.serving_idle_seconds, o.serving_timeout_seconds}),
        engines({.data = data,
                 .group = o.isolate_nodes ? "sql-" + server_of(data) : "",
                 .least = least_share(o),
                 .answer = [this](const engine::Question& q, const std::function<bool()>& ends) { return serving.questions.answer(q, ends); }}),
        executor(catalog, parser, engine_objects, delta, *engines.engine, account_id),
        principals(identity.scim),
        warehouses(*store, permissions, clock, sizes_of(o)),
        statements(executor, warehouses, *store, objects, vendor, clock,
                   {.server_id = server_of(data),
                    .default_catalog = [this](const access::Context& ctx) { return default_catalog(ctx); },
                    .legacy_access_off = [this](std::int64_t id) { return settings.legacy_access_off(id); }}),
        ml(tracking_url(data, o.store), *store, permissions, workspaces, objects, vendor, clock),
        runs_of_models(ml),
        authority(std::make_unique<gateway::Authority>(data + "/tls", o.domain)),
        workspace_rooms({*store, keys, objects, directory, permissions, workspaces, catalog, clock, data + "/spool", o.allow_git}),
        folders_of_experiments(workspace_rooms.tree, ml.experiments),
        job_files(workspace_rooms.tree, workspace_rooms.saved_queries),
        compute_room({.store = *store,
                      .permissions = permissions,
                      .directory = directory,
                      .workspaces = workspaces,
                      .catalog = catalog,
                      .objects = objects,
                      .workspace_rooms = workspace_rooms,
                      .files = job_files,
                      .clock = clock,
                      .door = {.catalog = catalog,
                               .directory = directory,
                               .tokens = identity.tokens,
                               .remote = remote_config,
                               .clock = clock,
                               .region = o.region,
                               .ways = [this](const compute::ContextOwner& owner) { return ways_of(owner); }},
                      .fleet = {.binary = cli::own_binary(),
                                .relay = {.listen = o.relay, .port_file = data + "/run/relay.port"},
                                .tls = compute::own_context(authority->server_context()),
                                .authority = whole_file(authority->ca_path()),
                                .relay_name = "relay." + o.domain,
                                .homes = data + "/nodes",
                                .driver = resources::shipped("src/compute/node/driver.py").string(),
                                .packages = resources::cache().string(),
                                .isolate = o.isolate_nodes,
                                .launcher = o.node_launcher,
                                .dial = o.relay_dial},
                      .clusters = {.server_id = server_of(data),
                                   .region = o.region,
                                   .bootstrap_timeout = Millis(o.bootstrap_timeout_seconds) * 1000,
                                   .most_instances = o.most_instances,
                                   .gpus = gpus_here()},
                      .logs = data + "/logs",
                      .allow_library = o.allow_library,
                      .pypi_index = o.pypi_index}),
        job_statements(statements),
        job_clusters(compute_room.clusters, compute_room.contexts),
        job_watched(catalog, delta, objects, workspace_rooms.volume_directory),
        job_git(workspace_rooms.git, workspace_rooms.git_targets, workspace_rooms.git_credentials),
        job_webhooks(o.allow_webhook),
        destinations(*store, keys, &job_webhooks, mailer != nullptr),
        job_service(*store, permissions, directory, &job_clusters, clock, server_of(data)),
        alert_statements(statements, clock, server_of(data)),
        alert_runs({.store = *store,
                    .objects = workspace_rooms.saved_queries,
                    .directory = directory,
                    .ports = alert_statements,
                    .clock = clock,
                    .server_id = server_of(data)}),
        job_alerts(alert_runs),
        job_scheduler({.store = *store,
                       .directory = directory,
                       .clock = clock,
                       .code = &job_clusters,
                       .sql = &job_statements,
                       .alerts = &job_alerts,
                       .files = &job_files,
                       .git = &job_git,
                       .logs = &job_logs,
                       .counts = &run_counts,
                       .server_id = server_of(data)}),
        job_watcher({.store = *store,
                     .directory = directory,
                     .clock = clock,
                     .watched = job_watched,
                     .server_id = server_of(data),
                     .fired = [this] { job_scheduler.wake(); }}),
        job_notifier({.store = *store,
                      .destinations = destinations,
                      .sender = job_webhooks,
                      .mail = mailer.get(),
                      .clock = clock,
                      .server_id = server_of(data)}),
        quality(*store, catalog, directory, executor, clock, mailer.get(), server_of(data)) {
    executor.set_questions(&serving.questions);
    executor.set_sail(&engines.sail);
    executor.set_principals(&principals);
    executor.set_secrets(&secret_values);
    job_service.on_due([this] { job_scheduler.wake(); });
    job_service.follow(&job_logs);
    job_service.notify(&destinations);
    workspace_rooms.saved_queries.destinations([this](std::int64_t workspace, const std::string& id) { return destinations.exists(workspace, id); });
    auto& clusters = compute_room.clusters;
    clusters.tell_when_up([this] { job_scheduler.wake(); });
    clusters.must_isolate([this](std::int64_t id) { return settings.clusters_must_isolate(id); });
    workspace_rooms.dbfs.shut_by([this](std::int64_t id) { return settings.legacy_dbfs_off(id); });
    clusters.blocked_by([this](std::int64_t workspace, const auto& tags) { return budget_watch.blocked(workspace, tags); });
    usage.also(&clusters);
    for (auto tables : {lakeflow_tables(job_service, account_id), compute_tables(clusters, usage, clock, account_id)}) {
      catalog.metastores().provide(securables_of(tables));
      for (auto& t : tables) executor.system().add(std::move(t));
    }
  }
  ~Impl() { quality.monitors.stop(), serving.stop(); }  // both ask rooms that end before them

  /// How code reaches the platform: in the network of its workspace by the names there, elsewhere by loopback.
  CodeDoor::Ways ways_of(const compute::ContextOwner& owner) {
    if (const auto c = network ? compute_room.clusters.find(owner.cluster_id) : std::nullopt; c && c->instance && !c->instance->address.empty())
      return {network->workspace_url(owner.workspace_id), network->storage_url()};
    return {doors.url(owner.workspace_id), fmt::format("http://127.0.0.1:{}", storage_port)};
  }

  /// The catalog that the workspace's administrators set for names without one.
  std::string default_catalog(const access::Context& ctx) {
    const auto set = settings.setting(ctx.workspace_id.value_or(0), "default_namespace_ws");
    return set.is_null() ? "" : std::string(set.at("namespace").at("value").as_string());
  }

  billing::LogDelivery::Parts log_parts() {
    return {.has_credentials = [this](const std::string& id) { return configurations.get_credential(access::system_context(), id).has_value(); },
            .bucket_of = [this](const std::string& id) -> std::optional<std::string> {
              const auto found = configurations.get_storage(access::system_context(), id);
              return found ? std::optional(found->root_bucket_info.bucket_name) : std::nullopt;
            },
            .usage = [this](Millis from, Millis to) { return usage.rows(from, to); }};
  }

  void bootstrap() {
    const std::string file = data + "/admin/client-secret";
    const auto admin = owner.ensure_admin(!fs::exists(file));
    admin_client = admin.client_id;
    if (!admin.client_secret.empty()) write_private(file, admin.client_secret + "\n");
  }

  void listen() {
    const gateway::Services services{
        .router = router,
        .directory = directory,
        .workspaces = workspaces,
        .storage = {.handle = [this](const api::Request& r) { return s3.handle(r); }, .admit = [this](const api::Request& r) { return s3.admit(r); }},
        .account_id = account_id,
        .blocked = [this](std::optional<std::int64_t> workspace, std::string_view ip) { return settings.refusal(workspace, ip); },
        .unentitled = entitlement_refusal,
        .generation = [this] { return store->generation_at_hand(); },
        .refused = [this](const api::Request& r, const api::Route& route, const api::WireError& e) { audit_refusal(r, route, e); }};
    server = std::make_unique<gateway::Server>(gateway::Options{.io_threads = options.io_threads,
                                                                .spool_dir = data + "/spool/uploads",
                                                                .access_log = options.access_log ? data + "/run/access.log" : "",
                                                                .allowed_hosts = options.allow},
                                               services, gateway::Hosts(options.domain, options.region), authority.get());
    doors.open_on(*server);
    server->metrics().also([this] {
      return compute::metrics_text(compute_room.clusters, compute_room.fleet.relay(), clock) +
             jobs::metrics_text(*store, run_counts, server_of(data), clock);
    });
    using gateway::Protocol;
    using gateway::Site;
    const auto [address, port] = address_of(options.listen);
    storage_port = ready(server->listen({.protocol = Protocol::http, .fixed = {.site = Site::storage}})).port;
    sessions.set_endpoint(fmt::format("http://127.0.0.1:{}", storage_port));
    account_port = ready(server->listen({.protocol = Protocol::http, .fixed = {.site = Site::account}})).port;
    metrics_port = ready(server->listen({.protocol = Protocol::http, .fixed = {.site = Site::admin}})).port;
    proxy_port = ready(server->listen({.protocol = Protocol::proxy})).port;
    tls_port = ready(server->listen({.protocol = Protocol::https, .address = address, .port = port})).port;
    add_control_routes(
        control,
        {.identity = owner,
         .prefixes = prefixes,
         .workspaces = workspaces,
         .directory = directory,
         .store = *store,
         .clock = clock,
         .platform_routes = router,
         .status = [this] { return status(); },
         .backup =
             [this](const std::string& to, bool with_key) {
               return json::encode(backup_whole(*store, ml.database, data + "/objects",
                                                with_key ? (options.key_file.empty() ? data + "/root.key" : options.key_file) : "", to, clock));
             },
         .rotate_key =
             [this] {
               return store::rotate_root_key(*store, keys, {.service = "accounts", .action = "rotateRootKey", .principal = "owner"}, data,
                                             options.key_file);
             },
         .allow_host = [this](const std::string& host) { doors.allow(host); },
         .lend_bucket = [this](const std::string& bucket, bool write) { return lend_bucket(bucket, write); },
         .blocked_ways = network ? std::function([this] { return network->blocked_ways(workspaces); }) : nullptr});
    ready(server->listen({.protocol = Protocol::http, .unix_path = data + "/run/control.sock", .control = &control}));
  }

  /// For the owner's own tools that keep files beside the platform's (a Terraform state): S3 credentials of 12 hours for one bucket.
  Expected<objects::Credentials, std::string> lend_bucket(const std::string& bucket, bool write) {
    if (objects.is_remote(bucket)) return fail("the bucket '" + bucket + "' lies in a remote store: its owner lends it");
    if (auto made = objects.create_bucket(bucket); !made) return fail(made.error().message);
    store->audit_later({.service = "storage",
                        .action = "lendBucket",
                        .principal = "owner",
                        .params = {{"bucket", bucket}, {"access", write ? "read_write" : "read"}}});
    return *sessions.vend({{"s3://" + bucket + "/"}, write ? objects::Access::read_write : objects::Access::read, "owner"}, Millis(12) * 3600 * 1000);
  }

  void audit_refusal(const api::Request& r, const api::Route& route, const api::WireError& e) {
    const bool by_address = e.error_code == settings::kIpDenied;
    auto event =
        r.context.event(by_address || r.surface == api::Surface::account ? "accounts" : "workspace", by_address ? "IpAccessDenied" : "authorise",
                        {{"path", route.pattern}, {"method", std::string(json::name_of(r.method))}});
    event.outcome = store::Outcome::denied;
    event.status = e.status;
    event.error = e.message;
    store->audit_later(std::move(event));
    if (route.auth == api::Auth::account_admin && e.status == 403) doctor::log_edge(doctor::Edge::not_account_admin, r.caller().name);
  }

  json::object status() {
    doors.follow();
    const auto url = [&](const std::string& label) { return fmt::format("https://{}.{}:{}", label, options.domain, tls_port); };
    json::object named, plain;
    for (const auto& w : workspaces.all()) {
      if (!w.running) continue;
      named[w.name] = url(w.deployment_name);
      if (auto here = doors.url(w.id); !here.empty()) plain[w.name] = std::move(here);
    }
    return {{"ready", true},
            {"version", TARN_VERSION},
            {"accounts_url", url("accounts")},
            {"proxy_url", fmt::format("http://127.0.0.1:{}", proxy_port)},
            {"s3_endpoint", fmt::format("http://127.0.0.1:{}", storage_port)},
            {"region", options.region},
            {"account_id", account_id},
            {"ca_cert", authority->ca_path()},
            {"java_trust_store", authority->java_trust_store()},
            {"hosts_file", fs::absolute(data + "/run/hosts").string()},
            {"workspaces", named},
            {"admin", json::object{{"client_id", admin_client}, {"client_secret_file", data + "/admin/client-secret"}}},
            {"plain_http", plain},
            {"plain_http_account", fmt::format("http://127.0.0.1:{}", account_port)},
            {"metrics_url", fmt::format("http://127.0.0.1:{}/metrics", metrics_port)},
            {"relay", compute_room.fleet.relay().address()},
            {"tls_direct", fmt::format("127.0.0.1:{}", tls_port)},
            {"pid", static_cast<std::int64_t>(::getpid())}};
  }

  /// Between requests: workspaces' ports, storage whose retention is over, and log files that are due.
  void housekeeping(std::stop_token stop) {
    std::mutex m;
    std::condition_variable_any wake;
    std::unique_lock lock(m);
    std::int64_t seen = -1;
    for (int turn = 0; !stop.stop_requested(); ++turn) {
      wake.wait_for(lock, stop, std::chrono::milliseconds(500), [] { return false; });
      if (stop.stop_requested()) return;
      try {
        if (const auto now = store->generation(); now != seen) {
          seen = now;
          doors.follow();
        }
        if (network && turn % 4 == 0) network->settle();
        if (turn % 120 == 0) catalog.remove_expired_storage();
        if (turn % 20 == 0) log_delivery.deliver();
      } catch (const std::exception& e) {
        spdlog::warn("housekeeping: {}", e.what());
      }
    }
  }
};

Platform::Platform(const ServeOptions& options) : impl_(std::make_unique<Impl>(options)) {
  Impl& p = *impl_;
  p.bootstrap();
  p.identity.guard(p.permissions, p.settings);
  p.router.add(p.identity.routes());
  p.router.add(permissions::routes(p.permissions));
  p.catalog.models().set_run_sources(&p.runs_of_models);
  p.catalog.exchange().set_secrets(&p.catalog_secrets);
  p.router.add(p.ml.routes());
  p.router.add(p.settings.routes());
  p.router.add(not_enabled_routes());
  p.router.add(billing::routes(p.budgets, p.log_delivery));
  p.router.add(account::routes(p.configurations, p.networks, p.workspace_service));
  p.router.add(catalog::routes(p.catalog));
  p.router.add(sql::routes(p.warehouses, p.statements));
  p.router.add(p.compute_room.routes());
  p.workspace_life.also_created([&p](store::WriteTxn& t, std::int64_t id) { p.settings.on_workspace_created(t, id); });
  p.workspace_life.also([&p](store::WriteTxn& t, std::int64_t id) { p.workspace_rooms.on_workspace_deleted(t, id); });
  p.workspace_life.also([&p](store::WriteTxn& t, std::int64_t id) { p.ml.on_workspace_deleted(t, id); });
  p.ml.experiments.set_folders(&p.folders_of_experiments);
  p.workspace_rooms.tree.watch(p.folders_of_experiments);
  p.workspace_life.also([&p](store::WriteTxn& t, std::int64_t id) {
    p.compute_room.on_workspace_deleted(t, id);
    p.warehouses.on_workspace_deleted(t, id);
    p.job_service.on_workspace_deleted(t, id);
    p.serving.endpoints.on_workspace_deleted(t, id);
    p.permissions.on_workspace_deleted(t, id);
    p.settings.on_workspace_deleted(t, id);
  });
  p.router.add(p.workspace_rooms.routes());
  p.router.add(jobs::routes(p.job_service));
  p.router.add(jobs::destination_routes(p.destinations));
  p.router.add(p.serving.routes());
  p.router.add(quality::routes(p.quality.monitors));
  p.statements.recover();
  p.parser.warm();
  p.provisioner.start();
  p.budget_watch.look();  // what may not run does not start
  p.budget_watch.start();
  p.compute_room.start(
      [&p] {
        if (p.network) p.compute_room.fleet.place_with(&p.network->places(p.networks, p.workspaces, p.compute_room.fleet.relay()));
      },
      [&p] {
        if (p.network) p.network->resume();
      });
  p.job_git.start();
  p.job_scheduler.start();
  p.alert_runs.start();
  p.serving.start();
  p.quality.monitors.start();
  p.job_watcher.start();
  p.job_notifier.start();
  p.listen();
  if (p.network) p.network->answer_with(p.server.get());
  write_private(p.data + "/run/server.json", boost::json::serialize(p.status()) + "\n");
  p.ports_thread = std::jthread([&p](std::stop_token stop) { p.housekeeping(stop); });
}

Platform::~Platform() { drain(std::chrono::milliseconds(0)); }

json::object Platform::status() { return impl_->status(); }

bool Platform::drain(std::chrono::milliseconds patience) {
  Impl& p = *impl_;
  if (p.ports_thread.joinable()) {
    p.ports_thread.request_stop();
    p.ports_thread.join();
  }
  if (p.network) p.network->answer_with(nullptr);
  const bool clean = p.server->drain(patience);
  p.budget_watch.stop();
  p.job_notifier.stop();
  p.job_watcher.stop();
  p.alert_runs.stop();
  p.job_scheduler.stop();
  p.job_git.stop();
  p.quality.monitors.stop();
  p.serving.stop();
  p.compute_room.stop();
  p.provisioner.stop();
  p.store->flush_audit();
  std::error_code ignored;
  fs::remove(p.data + "/run/server.json", ignored);
  return clean;
}

}  // namespace tarn::app
