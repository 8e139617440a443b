#pragma once
// What runs clusters: instances, each a `tarn node` that dials in. An interface, so that the life cycle is tested without processes;
// local_fleet.h runs them on this machine. Thread-safe.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "compute/node_types.h"

namespace tarn::compute {

/// What an instance gets of this machine: its node type's part of it (see share_of).
struct NodeShare {
  std::int64_t memory_bytes = 0;
  double cpus = 0;     // the most it may use at once
  int cpu_weight = 0;  // its part where cores are short, 1024 a core
  int pids = 0;
};
BOOST_DESCRIBE_STRUCT(NodeShare, (), (memory_bytes, cpus, cpu_weight, pids))

struct HostFacts {
  std::int64_t memory_bytes = 0;
  int cpus = 1;
};
HostFacts this_host();

/// The largest type of the catalogue without a GPU (16 cores, 128 GB) stands for the whole host; others scale by cores and memory. At
/// least 384 MB and a core to burst on, so that a small laptop still starts a kernel; the weight keeps the promise where cores are short.
NodeShare share_of(const NodeType& type, const HostFacts& host);

/// A script that an instance runs, in order, before it says that it is up; one that fails ends the instance.
struct InitScriptText {
  std::string name, content;
  bool global = false;
};
BOOST_DESCRIBE_STRUCT(InitScriptText, (), (name, content, global))

/// What a runtime needs on this machine before a node can have it (the files of Apache Spark).
class RuntimeFiles {
 public:
  enum class State { ready, fetching, failed };
  struct Answer {
    State state = State::ready;
    std::string why;  // failed
  };
  virtual ~RuntimeFiles() = default;
  /// Begins to fetch what is missing, once; never blocks. Called from any thread.
  virtual Answer want(const std::string& runtime) = 0;
};

/// What an instance is to its cluster. A waiting one is a pool's: it has no cluster yet, and becomes either when it is assigned.
enum class NodeRole { driver, worker, waiting };
BOOST_DESCRIBE_ENUM(NodeRole, driver, worker, waiting)

struct NodeOrder {
  std::string instance_id, cluster_id, token;  // the token is the instance's proof when it first dials in
  std::int64_t workspace_id = 0;
  NodeRole role = NodeRole::driver;
  NodeShare share;
  std::map<std::string, std::string> environment;
  std::vector<InitScriptText> scripts;
  int bootstrap_seconds = 700;  // how long it may try to reach the relay for the first time
};

/// Where an instance stands in a network.
struct NodePlace {
  std::string netns;    // name of a network namespace (/run/netns/NAME) that it lives in; empty: the host's
  std::string relay;    // HOST:PORT that it dials; empty: the fleet's own address
  std::string address;  // its own address, as clusters/get shows it; empty: not known
  /// Host names with their addresses as this place resolves them: all that is resolved there. Empty: the machine's own resolution.
  std::map<std::string, std::string> names;
};

/// A network model that says where instances stand. Called without locks held; thread-safe.
class NodePlaces {
 public:
  virtual ~NodePlaces() = default;
  /// Before an instance starts. The error ends its cluster.
  virtual Expected<NodePlace, std::string> place(const NodeOrder& order) = 0;
  /// It ended. May be called more than once, and for instances of an earlier process.
  virtual void leave(const std::string& instance_id) = 0;
};

/// Told on the fleet's thread; must not block for long.
class FleetListener {
 public:
  virtual ~FleetListener() = default;
  /// An instance dialled in: may it? (A node that lies about its identity may not.) The first time its token decides, and fixes the lease
  /// that it brought; from then on only that lease does, and the token is worth nothing.
  virtual bool node_admitted(const std::string& instance_id, const std::string& token, const std::string& lease) = 0;
  /// Its processes run. The message holds `isolation`, as /clusters/get reports it, and `cluster_id`: whose it is, empty while it waits in a pool.
  virtual void node_up(const std::string& instance_id, const json::object& message) = 0;
  /// Its connection ended; `ended`: so did its process, it will not come back.
  virtual void node_lost(const std::string& instance_id, bool ended, const std::string& why) = 0;
  virtual void node_said(const std::string& instance_id, const json::object& message) = 0;
};

class Fleet {
 public:
  virtual ~Fleet() = default;
  /// Set once, before start. The listener must outlive the fleet's thread (stop joins it).
  virtual void listen(FleetListener* listener) = 0;
  /// Begins to start an instance; node_up follows, or node_lost. Where it stands; the error says why it could not even begin.
  virtual Expected<NodePlace, std::string> launch(const NodeOrder& order) = 0;
  /// False: it is not connected now.
  virtual bool send(const std::string& instance_id, const json::object& message) = 0;
  /// Bulk, which may wait behind less than what `send` says. False: as there, or it takes no more now.
  virtual bool carry(const std::string& instance_id, const json::object& message) = 0;
  /// Ends it: its processes are killed. node_lost(ended) follows if it was known.
  virtual void end(const std::string& instance_id) = 0;
};

}  // namespace tarn::compute
