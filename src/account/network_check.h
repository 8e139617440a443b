#pragma once
// The verdict over a network when a workspace attaches to it: pure. Rules: docs "Customer-managed VPC" (VPC, subnet and security group
// requirements) and "Enable AWS PrivateLink".
#include <map>

#include "account/settings.h"

namespace tarn::account {

/// Everything that the verdict depends on.
struct NetworkFacts {
  std::string workspace_region;
  bool cloud_known = false;                          // an inventory answered; false: only the registrations are judged
  std::optional<VpcInventory::Vpc> vpc;              // nothing although cloud_known: there is no such VPC
  std::vector<VpcEndpoint> endpoints;                // those that the network names
  std::map<std::string, std::string> endpoint_vpcs;  // aws_vpc_endpoint_id -> VPC that it stands in, where the cloud knows
  std::map<std::string, std::string> shared_groups;  // security group -> name of another network that has it too
};

struct NetworkVerdict {
  VpcStatus status = VpcStatus::VALID;  // never UNATTACHED
  std::vector<NetworkHealth> errors;
  std::vector<NetworkWarning> warnings;
};

NetworkVerdict judge(const Network& network, const NetworkFacts& facts);

}  // namespace tarn::account
