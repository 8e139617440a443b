#pragma once
// The same network as Linux builds it: which network namespaces, which veth pairs, addresses, routes and nftables rules. Pure: a plan of texts for
// `ip -batch` and `nft -f`, which namespaces.h carries out.
//
// One namespace a subnet (its instances), a VPC's router, an interface endpoint's address, a gateway endpoint, a NAT gateway, a firewall, a transit
// gateway, a service, and one for the internet between them. Every link is a veth pair with a /30 of 169.254.0.0/16 for its next hops.
// A router decides by the interface that a packet comes from (`ip rule iif`), as the cloud decides by the subnet. Nothing is put into the host's
// own namespace. Stateful parts (security groups, firewalls, NAT) each have their own namespace, so each has its own connection table.
#include <string>
#include <vector>

#include "network/topology.h"

namespace tarn::network {

struct NamespacePlan {
  std::string name;                    // without the network's prefix: "subnet-0aa…"
  std::vector<std::string> addresses;  // `ip -batch` lines, run inside
  std::vector<std::string> routes;     // likewise, after the addresses
  std::string rules;                   // nft
  bool forwards = true;
};
struct LinkPlan {
  std::string a, a_interface, b, b_interface;  // namespaces by their plan's names
};
struct Realisation {
  std::vector<NamespacePlan> namespaces;
  std::vector<LinkPlan> links;
  std::string digest() const;  // two plans with the same digest build the same network
};

Realisation realise(const Topology& t);

std::string subnet_namespace(const Topology& t, int subnet);
std::string service_namespace(const Topology& t, int service);

}  // namespace tarn::network
