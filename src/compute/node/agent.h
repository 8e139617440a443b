#pragma once
// `tarn node`: one instance. Reads its order from standard input, isolates itself as far as this machine allows, starts the interpreter's
// driver inside, and keeps it connected: it dials out to the relay over TLS with its token, carries the driver's lines (node/link.h), says
// every few seconds what the instance uses, and dials again when the connection ends. It dies with its lease: without a connection for that
// long, refused by the relay, on SIGTERM, when the driver ends, and everything below dies with it.
//
// An order without folders and programs comes from another machine: this one's own are used.
//
// As root: control groups for memory, cpu and pids (v2 where the controller lives there, v1 otherwise, chosen one by one), a process
// namespace, mounts, IPC and host name of its own, a user of its own, no new privileges; the network namespace that the order names, with its
// names for a resolver, or else the host's. Not as root: resource limits and a low priority, and `isolation` says "not isolated".
#include <map>
#include <string>
#include <vector>

#include "compute/fleet.h"

namespace tarn::compute::node {

struct Order {
  std::string instance_id, cluster_id, token;
  NodeRole role = NodeRole::driver;
  std::string relay, relay_name, authority;  // HOST:PORT, the name that its certificate has, PEM of who signed it
  std::string netns;                         // name of the network namespace to live in
  std::map<std::string, std::string> names;  // host names with their addresses: all that is resolved there; the authority is trusted for them
  std::string home, driver, packages, python;
  int lease_seconds = 30, bootstrap_seconds = 700, metrics_seconds = 5;
  bool isolate = true;
  NodeShare share;
  std::map<std::string, std::string> environment;
  std::vector<InitScriptText> scripts;
};
BOOST_DESCRIBE_STRUCT(Order, (),
                      (instance_id, cluster_id, token, role, relay, relay_name, authority, netns, names, home, driver, packages, python,
                       lease_seconds, bootstrap_seconds, metrics_seconds, isolate, share, environment, scripts))

/// The verb. Standard input holds the order.
int node_main(int argc, char** argv);

/// One controller's group of an instance.
struct Group {
  std::string controller, path;
  bool v2 = false;
};
/// Makes the groups that this machine offers and sets the share; `missing` names the controllers that could not be had, with the reason.
std::vector<Group> make_groups(const std::string& instance_id, const NodeShare& share, std::vector<std::string>& missing);
/// Puts the calling process into them.
void join(const std::vector<Group>& groups);
/// Kills what is in them and removes them; waits for the kernel for at most two seconds.
void remove_groups(const std::vector<Group>& groups);
/// Removes empty groups that instances left whose agent was killed.
void sweep_cgroups();
/// The same for one instance whose agent is known to have ended; what is still in them is killed.
void sweep_cgroups(const std::string& instance_id);

/// A CPU group of the server's own beside the instances', for what it runs on people's behalf (SQL engines): where cores are short the processes in
/// it weigh this much together, so that a flood of statements does not take an instance's part. `join` and the end do nothing without root or a
/// controller. One of a name; removed with its owner, after its processes have ended.
class ServerGroup {
 public:
  ServerGroup(std::string name, int cpu_weight);
  ~ServerGroup();
  ServerGroup(const ServerGroup&) = delete;
  void join(int pid) const;

 private:
  std::string path_;  // empty: there is none
  int weight_ = 0;
  bool v2_ = false;
};

/// What an instance uses now: from its groups where it has them, otherwise summed over the processes below `first`.
struct Usage {
  std::int64_t memory_bytes = 0, cpu_micros = 0, processes = 0;
};
BOOST_DESCRIBE_STRUCT(Usage, (), (memory_bytes, cpu_micros, processes))
Usage usage_of(const std::vector<Group>& groups, int first);

}  // namespace tarn::compute::node
