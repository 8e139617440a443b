#pragma once
// Private to the network's tests: networks to walk and to build.
#include <gtest/gtest.h>

#include <random>

#include "network/trace.h"

namespace tarn::network::testing {

/// The article's network: a spoke whose only way out is a transit gateway and an inspection VPC with a firewall, a NAT gateway behind it. The
/// firewall knows the first range; `new-a` is in the second, new one.
Model article_model();

/// The two private endpoints (workspace API and relay) in subnets that are there already.
void add_private_endpoints(Model& model);

/// Any network that checks: VPCs of random shape on a transit gateway or alone, with random holes in routes, rules and lists.
Model random_model(std::mt19937& random);

Topology built(const Model& model);

/// Between anything that exists: instances, services by address, endpoints, addresses that nobody has.
struct Question {
  int from;
  Destination to;
  std::uint16_t port;
};
std::vector<Question> questions(const Topology& t, std::mt19937& random, std::size_t most);

}  // namespace tarn::network::testing
