#include "app/serve_verb.h"

#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "app/platform.h"
#include "base/log.h"

namespace tarn::app {
namespace {

int serve(const ServeOptions& options, const std::string& log_level, int drain_seconds) {
  log::init(log_level);
  // All threads inherit the mask: the signals are taken here, by sigwait, and nowhere else.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  try {
    Platform platform(options);
    std::cout << boost::json::serialize(platform.status()) << std::endl;
    int signal_number = 0;
    sigwait(&signals, &signal_number);
    spdlog::info("draining for at most {} s", drain_seconds);
    if (!platform.drain(std::chrono::seconds(drain_seconds))) spdlog::warn("some requests were cut off");
    return 0;
  } catch (const std::exception& e) {
    spdlog::critical("cannot serve: {}", e.what());
    return 1;
  }
}

}  // namespace

void add_serve_verb(CLI::App& app, int& exit_code) {
  auto o = std::make_shared<ServeOptions>();
  auto level = std::make_shared<std::string>("info");
  auto drain = std::make_shared<int>(10);
  CLI::App* v = app.add_subcommand("serve", "Run the control plane: gateway, APIs, storage");
  v->add_option("--data", o->data, "Data folder; made if absent")->required();
  v->add_option("--listen", o->listen, "ADDRESS:PORT for TLS; port 0 picks one")->capture_default_str();
  v->add_option("--store", o->store, "sqlite:PATH or postgresql://USER@HOST/DATABASE (default: a file in the data folder)");
  v->add_option("--key-file", o->key_file, "File with the root key (default: root.key in the data folder)");
  v->add_option("--objects", o->objects,
                "JSON file that says which buckets lie in which S3 service (default: all are local; docs/guides/storage.md)");
  v->add_option("--domain", o->domain, "accounts.DOMAIN is the account, NAME.DOMAIN a workspace")->capture_default_str();
  v->add_option("--region", o->region, "Region of the local storage")->capture_default_str();
  v->add_option(
      "--network", o->network,
      "YAML file or folder that models the network under the workspaces: registrations are judged by it, and nodes live in it while it is up "
      "(docs/guides/network.md)");
  v->add_option("--network-name", o->network_name, "Which realised network nodes live in (tarn network up --name)")->capture_default_str();
  v->add_option("--allow", o->allow, "A host that the proxy may connect to as it is (repeatable)")->allow_extra_args(false);
  v->add_option("--allow-git", o->allow_git, "HOST or HOST:PORT of a Git server inside your network, for Git folders (repeatable)")
      ->allow_extra_args(false);
  v->add_option("--relay", o->relay, "ADDRESS:PORT that cluster nodes dial (TLS); port 0 picks one and keeps it")->capture_default_str();
  v->add_option("--relay-dial", o->relay_dial, "HOST:PORT under which nodes on other machines reach the relay");
  v->add_option("--node-launcher", o->node_launcher,
                "Program and arguments that hand an order on their standard input to `tarn node` on another machine (ssh HOST tarn node)")
      ->delimiter(' ')
      ->allow_extra_args(false);
  v->add_option("--pypi-index", o->pypi_index, "Package index of clusters' libraries (its /simple URL)")->capture_default_str();
  v->add_option("--allow-library", o->allow_library, "HOST or HOST:PORT of a package index inside your network (repeatable)")
      ->allow_extra_args(false);
  v->add_option("--bootstrap-timeout", o->bootstrap_timeout_seconds, "Seconds that a cluster's node has to reach the relay")
      ->check(CLI::Range(5, 7200))
      ->capture_default_str();
  v->add_flag("!--no-isolation", o->isolate_nodes, "Run cluster nodes without control groups, namespaces and users of their own (for comparison)");
  v->add_option("--most-instances", o->most_instances, "Cluster nodes that may run at once")->check(CLI::Range(1, 10'000))->capture_default_str();
  v->add_option("--allow-webhook", o->allow_webhook, "HOST or HOST:PORT inside your network that jobs may notify (repeatable)")
      ->allow_extra_args(false);
  v->add_option("--smtp", o->mail.url, "Mail relay for notifications: smtp://HOST[:PORT] or smtps://HOST[:PORT] (default: no e-mail is sent)");
  v->add_option("--smtp-from", o->mail.from, "The sender's address");
  v->add_option("--smtp-user", o->mail.user, "User at the mail relay; TLS is then required");
  v->add_option("--smtp-password-file", o->mail.password_file, "File with the user's password in its first line");
  v->add_option("--smtp-ca", o->mail.ca_file, "Authority of the mail relay's certificate (default: the system's)");
  v->add_option("--io-threads", o->io_threads, "Threads that read and write sockets")->check(CLI::Range(1, 64))->capture_default_str();
  v->add_option("--warehouse-memory", o->warehouse_memory_mb,
                "MiB that an engine process of a 2X-Small SQL warehouse may use; each size up has twice as much, up to three quarters of the host's")
      ->check(CLI::Range(64, 1'000'000))
      ->capture_default_str();
  v->add_option("--serving-idle-seconds", o->serving_idle_seconds, "Without a request for so long, endpoints that may are scaled to zero")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  v->add_option("--serving-timeout-seconds", o->serving_timeout_seconds, "How long a model may take for a request; then its scorer is replaced")
      ->check(CLI::Range(1, 110))
      ->capture_default_str();
  v->add_flag("!--no-access-log", o->access_log, "Do not log each request");
  v->add_option("--log-level", *level, "trace, debug, info, warn or error")->capture_default_str();
  v->add_option("--drain-seconds", *drain, "How long requests in flight may take after SIGTERM")->check(CLI::Range(0, 3600))->capture_default_str();
  v->footer("Examples:\n  tarn serve --data ~/tarn\n  tarn serve --data ~/tarn --store postgresql://tarn@db/tarn --key-file /run/secrets/tarn.key");
  v->callback([o, level, drain, &exit_code] { exit_code = serve(*o, *level, *drain); });
}

}  // namespace tarn::app
