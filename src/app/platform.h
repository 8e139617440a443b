#pragma once
// The whole server, wired: the only place that knows every room. Constructs bottom up (store, keys, objects, identity, catalog, account,
// delta, engine, sql, gateway), listens, and ends in the opposite order.
#include <memory>
#include <string>
#include <vector>

#include "app/mailer.h"
#include "base/json.h"

namespace tarn::app {

struct ServeOptions {
  std::string data;                    // the data folder; made if absent
  std::string listen = "127.0.0.1:0";  // ADDRESS:PORT of the TLS listener; 0 picks one
  std::string store;                   // empty: sqlite in the data folder
  std::string key_file;                // empty: root.key in the data folder
  std::string domain = "tarn.localhost";
  std::string objects;                     // file that names remote stores (objects/remote_stores.h); empty: every bucket is local
  std::string region = "eu-central-1";     // of the local storage and of what names none
  std::string network;                     // file or folder that models the network under the workspaces; empty: none is known
  std::string network_name = "net";        // of the realisation (`tarn network up --name`) that nodes live in while it is up
  std::vector<std::string> allow;          // hosts that the proxy may connect to as they are
  std::vector<std::string> allow_git;      // HOST or HOST:PORT of Git servers that may have any address and speak plain HTTP
  std::string relay = "127.0.0.1:0";       // ADDRESS:PORT that cluster nodes dial over TLS; port 0 picks one and keeps it
  std::string relay_dial;                  // HOST:PORT under which nodes elsewhere reach it; empty: as it listens
  std::vector<std::string> node_launcher;  // program and arguments that take an order to a `tarn node` elsewhere
  int bootstrap_timeout_seconds = 700;     // then a cluster whose node did not arrive ends with BOOTSTRAP_TIMEOUT
  int most_instances = 64;                 // nodes on this machine
  bool isolate_nodes = true;               // false: no control groups, namespaces and users, for comparison
  int warehouse_memory_mb = 2048;          // of an engine process of the smallest SQL warehouse; larger sizes have multiples of it
  int serving_idle_seconds = 300;          // without a request: an endpoint that may is scaled to zero
  int serving_timeout_seconds = 60;        // of one request to a model

  // Where clusters' libraries come from, and HOST or HOST:PORT of package indexes that may have any address and speak plain HTTP.
  std::string pypi_index = "https://pypi.org/simple";
  std::vector<std::string> allow_library;

  MailRelay mail;                          // url empty: no e-mail is sent
  std::vector<std::string> allow_webhook;  // HOST or HOST:PORT of webhooks that may have any address and speak plain HTTP
  unsigned io_threads = 2;
  bool access_log = true;
};

class Platform {
 public:
  /// Starts everything; ready when it returns. Throws std::runtime_error with a text for people.
  explicit Platform(const ServeOptions& options);
  ~Platform();

  /// The ready line and `tarn status`: addresses, authority, workspaces, where the automation principal's secret is.
  json::object status();
  /// Stops accepting, lets what runs finish for at most `patience`, writes what is due. True if nothing had to be cut.
  bool drain(std::chrono::milliseconds patience);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::app
