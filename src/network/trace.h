#pragma once
// A TCP connection walked hop by hop through the model, forth and back: who passes it, who drops it, why, and what would cure it. Pure; ends on
// every topology (a route loop is found and named). The same model realised with packets is namespaces.h; a test holds one against the other.
#include <string>
#include <vector>

#include "network/topology.h"

namespace tarn::network {

enum class Verdict { pass, drop, reject };
BOOST_DESCRIBE_ENUM(Verdict, pass, drop, reject)

enum class Direction { out, back };
BOOST_DESCRIBE_ENUM(Direction, out, back)

struct Hop {
  Direction direction = Direction::out;
  std::string at;    // who decides: "security group sg-…", "route table rtb-… of VPC …"
  std::string what;  // what it did, and by which rule
  Verdict verdict = Verdict::pass;
  std::string place;  // in the model: "vpcs[0].firewalls[0].rules[2]"; the caller may turn it into file:line
};
BOOST_DESCRIBE_STRUCT(Hop, (), (direction, at, what, verdict, place))

enum class Outcome {
  connected,
  forbidden,  // TCP connects, and the service turns the workspace away (private access settings)
  rejected,   // a reset comes back: by a firewall's rule, or nothing listens on the port
  dropped     // silence: the client waits until its own time is up
};
BOOST_DESCRIBE_ENUM(Outcome, connected, forbidden, rejected, dropped)

struct Trace {
  std::string from, to;  // as resolved: "landing-a (subnet-…) 10.20.0.10", "relay 18.159.44.32:443"
  std::string name;      // how a name became an address; empty for an address
  Outcome outcome = Outcome::connected;
  std::vector<Hop> hops;
  int culprit = -1;  // the hop that ends it; -1: none does
  std::string cause, cure;
};
BOOST_DESCRIBE_STRUCT(Trace, (), (from, to, name, outcome, hops, culprit, cause, cure))

struct Destination {
  Address address;
  std::string label;
  std::string how;  // for a name: who answered it
};

/// What `name` is, seen from a subnet: an address, a service's name or host, a subnet's instance. Nothing: nobody knows it.
std::optional<Destination> resolve(const Topology& t, int from_subnet, std::string_view name);

/// The subnets that `name` stands for: a subnet's id or name, an instance's address, a workspace of the tenants. Empty: none.
std::vector<int> origins(const Topology& t, std::string_view name);

Trace trace(const Topology& t, int from_subnet, const Destination& to, std::uint16_t port);

}  // namespace tarn::network
