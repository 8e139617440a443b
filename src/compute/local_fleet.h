#pragma once
// Instances that this process starts: each a `tarn node` process (node/agent.h) that dials in to the relay (relay.h) with the token that it was
// given on its standard input. They run on this machine, in a network namespace where the network's model says so, or wherever the launcher
// takes them. The relay's thread also reaps what ended.
//
// A node outlives this process: when the connection ends it dials in again for as long as its lease lasts, then ends itself. So a control
// plane that is killed and started again finds its nodes; nodes of a server that never returns do not stay.
#include <mutex>
#include <set>
#include <vector>

#include "compute/fleet.h"
#include "compute/relay.h"

namespace tarn::compute {

struct LocalFleetOptions {
  std::string binary;      // the program whose verb `node` is run
  RelayOptions relay;      //
  TlsContext tls;          // the relay's certificate
  std::string authority;   // PEM of who signed it: what nodes trust
  std::string relay_name;  // the name that nodes expect in it
  std::string homes;       // folder that holds one folder an instance
  std::string driver;      // the interpreter's driver (src/compute/node/driver.py)
  std::string packages;    // the cache of pinned downloads that its packages are in
  std::string python = "/usr/bin/python3";
  int lease_seconds = 30;
  int metrics_seconds = 5;  // how often a node says what it uses
  bool isolate = true;      // cgroups, namespaces and a user of its own, where this process may
  /// A program with arguments that is run with the order on its standard input instead of `binary node`, and takes it to a `tarn node`
  /// elsewhere (ssh HOST tarn node): that one finds its own folders and programs, and dials `dial`.
  std::vector<std::string> launcher;
  std::string dial;  // HOST:PORT under which nodes reach the relay; empty: where it listens
};

class LocalFleet final : public Fleet {
 public:
  explicit LocalFleet(LocalFleetOptions options);
  /// Stops serving; nodes stay for their lease.
  ~LocalFleet() override;
  LocalFleet(const LocalFleet&) = delete;

  void listen(FleetListener* listener) override { listener_ = listener, relay_.listen(listener); }
  /// Set before start; must outlive this. Without it every instance has the host's network.
  void place_with(NodePlaces* places) { places_ = places; }
  /// Opens the relay and starts its thread. Throws std::runtime_error with a text for people.
  void start();
  void stop();
  Relay& relay() { return relay_; }

  Expected<NodePlace, std::string> launch(const NodeOrder& order) override;
  bool send(const std::string& instance_id, const json::object& message) override { return relay_.send(instance_id, message); }
  bool carry(const std::string& instance_id, const json::object& message) override { return relay_.carry(instance_id, message); }
  void end(const std::string& instance_id) override;

 private:
  struct Child {
    pid_t pid = -1;
    std::string instance_id;
  };
  void reap();

  const LocalFleetOptions options_;
  FleetListener* listener_ = nullptr;
  NodePlaces* places_ = nullptr;
  std::mutex mutex_;  // of the children
  std::vector<Child> children_;
  Relay relay_;  // last: its thread uses the above
};

}  // namespace tarn::compute
