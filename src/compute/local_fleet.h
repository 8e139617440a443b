#pragma once
// Instances on this machine: each a `tarn node` process (node/agent.h) that dials in to the relay, a Unix socket of the data folder's
// owner, with the token that it was given on its standard input. One thread serves all connections and reaps what ended.
//
// A node outlives this process: when the connection ends it dials in again for as long as its lease lasts, then ends itself. So a control
// plane that is killed and started again finds its nodes; nodes of a server that never returns do not stay.
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "compute/fleet.h"

namespace tarn::compute {

struct LocalFleetOptions {
  std::string binary;    // the program whose verb `node` is run
  std::string relay;     // path of the Unix socket; its folder is the owner's only
  std::string homes;     // folder that holds one folder an instance
  std::string driver;    // the interpreter's driver (src/compute/node/driver.py)
  std::string packages;  // the cache of pinned downloads that its packages are in
  std::string python = "/usr/bin/python3";
  int lease_seconds = 30;
  bool isolate = true;  // cgroups, namespaces and a user of its own, where this process may
};

class LocalFleet final : public Fleet {
 public:
  explicit LocalFleet(LocalFleetOptions options);
  /// Stops serving; nodes stay for their lease.
  ~LocalFleet() override;
  LocalFleet(const LocalFleet&) = delete;

  void listen(FleetListener* listener) override { listener_ = listener; }
  /// Opens the relay and starts its thread. Throws std::runtime_error with a text for people.
  void start();
  void stop();

  Expected<void, std::string> launch(const NodeOrder& order) override;
  bool send(const std::string& instance_id, const json::object& message) override;
  void end(const std::string& instance_id) override;

 private:
  struct Connection;
  struct Child {
    pid_t pid = -1;
    std::string instance_id;
    bool ended_by_us = false;
  };
  void serve(std::stop_token stop);
  void accept_all();
  void read_from(Connection& c);
  void handle(Connection& c, const std::string& line);
  void close(int fd, bool tell);
  void reap();
  void poke();

  const LocalFleetOptions options_;
  FleetListener* listener_ = nullptr;
  int listener_fd_ = -1, wake_[2] = {-1, -1};
  std::mutex mutex_;  // of all below
  std::map<int, std::unique_ptr<Connection>> connections_;
  std::map<std::string, int> by_instance_;
  std::vector<Child> children_;
  std::set<std::string> ending_;
  std::jthread thread_;
};

}  // namespace tarn::compute
