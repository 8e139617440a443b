#pragma once
// `tarn node`: one instance. Reads its order from standard input, isolates itself as far as this machine allows, starts the interpreter's
// driver inside, and keeps it connected: it dials out to the relay with its token, hands the connection to the driver, and dials again when
// it ends. It dies with its lease: without a connection for that long, on SIGTERM, when the driver ends, and everything below dies with it.
//
// As root: control groups for memory, cpu and pids (v2 where the controller lives there, v1 otherwise, chosen one by one), a process
// namespace, mounts, IPC and host name of its own, a user of its own, no new privileges. The network is the host's: its namespace comes with
// the network's model. Not as root: resource limits and a low priority, and `isolation` says "not isolated".
#include <map>
#include <string>
#include <vector>

#include "compute/fleet.h"

namespace tarn::compute::node {

struct Order {
  std::string instance_id, cluster_id, token, relay, home, driver, packages, python;
  int lease_seconds = 30;
  bool isolate = true;
  NodeShare share;
  std::map<std::string, std::string> environment;
  std::vector<InitScriptText> scripts;
};
BOOST_DESCRIBE_STRUCT(Order, (),
                      (instance_id, cluster_id, token, relay, home, driver, packages, python, lease_seconds, isolate, share, environment, scripts))

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

}  // namespace tarn::compute::node
