#pragma once
// A realised network on this machine: named network namespaces `tarn-NAME-…`, made and removed as root with iproute2 and nftables. Everything lies
// in them; the host's own namespace gets no interface, route or rule, so removing them removes all.
//
// `up` of the same plan again changes nothing; of another plan it builds anew. Whatever a killed `up` left, `up` and `down` clear away. Two callers
// at once take turns (a lock file). What lives in a namespace (nodes) loses its network at once and the namespace when it ends.
#include <functional>
#include <string>
#include <vector>

#include "network/realise.h"

namespace tarn::network {

/// Runs on a thread of its own inside a network namespace under /run/netns; sockets and children that it makes belong there. The error: there
/// is no such namespace, or this process may not enter it. What `work` throws is thrown here.
Expected<void, std::string> in_namespace(const std::string& name, const std::function<void()>& work);

enum class State { down, partial, up };
BOOST_DESCRIBE_ENUM(State, down, partial, up)

struct Resident {
  std::string name;  // the namespace's
  int pid = 0;
  std::string program;
};
BOOST_DESCRIBE_STRUCT(Resident, (), (name, pid, program))

struct Status {
  std::string network;
  State state = State::down;
  std::string digest;                   // of what is up
  std::vector<std::string> namespaces;  // full names
  std::vector<Resident> residents;      // processes that live in them
};
BOOST_DESCRIBE_STRUCT(Status, (), (network, state, digest, namespaces, residents))

class Namespaces {
 public:
  /// `name`: small letters and digits, 1 to 12; anything else is refused by every method that changes something. `run`: where state and lock files
  /// lie.
  explicit Namespaces(std::string name = "net", std::string run = "/run/tarn/network");

  static bool good_name(const std::string& name);

  /// The name under /run/netns of a plan's namespace.
  std::string full(const std::string& plan_name) const { return prefix() + plan_name; }

  /// True: built now; false: it was up already. The error names the command that failed and what it said; what was built is removed.
  Expected<bool, std::string> up(const Realisation& plan);
  /// The number of namespaces removed. Idempotent.
  Expected<int, std::string> down();
  Status status() const;

 private:
  std::string prefix() const { return "tarn-" + name_ + "-"; }
  Expected<void, std::string> usable() const;
  Expected<void, std::string> build(const Realisation& plan) const;
  int clear() const;
  std::vector<std::string> present() const;
  std::string state_file() const { return run_ + "/" + name_ + ".json"; }

  const std::string name_, run_;
};

}  // namespace tarn::network
