#include "account/network_check.h"

namespace tarn::account {
namespace {

template <class T>
const T* by_id(const std::vector<T>& all, const std::string& id) {
  const auto i = std::find_if(all.begin(), all.end(), [&](const T& x) { return x.id == id; });
  return i == all.end() ? nullptr : &*i;
}

void judge_subnet(NetworkVerdict& out, const VpcInventory::Subnet& subnet) {
  for (const auto& wanted : subnet.acl_missing)
    out.errors.push_back({ErrorType::networkAcl, fmt::format("Network ACL {} of subnet {} must allow {}.", subnet.network_acl, subnet.id, wanted)});
  for (const auto& service : subnet.no_way)
    out.errors.push_back({ErrorType::subnet, fmt::format("Subnet {} has no route to {}, and no VPC endpoint for it.", subnet.id, service)});
  for (const auto& service : subnet.no_endpoint)
    out.warnings.push_back(
        {WarningType::subnet, fmt::format("Subnet {} reaches {} only by its route out of the VPC: add a VPC endpoint for it.", subnet.id, service)});
}

void judge_vpc(NetworkVerdict& out, const Network& network, const NetworkFacts& facts) {
  const auto error = [&](ErrorType type, std::string text) { out.errors.push_back({type, std::move(text)}); };
  if (!facts.vpc) return error(ErrorType::vpc, fmt::format("VPC {} was not found.", network.vpc_id));
  const auto& vpc = *facts.vpc;
  if (vpc.region != facts.workspace_region)
    error(ErrorType::vpc, fmt::format("VPC {} is in {}, the workspace is in {}.", vpc.id, vpc.region, facts.workspace_region));
  if (!vpc.dns_support || !vpc.dns_hostnames)
    error(ErrorType::vpc, fmt::format("VPC {} must have DNS hostnames and DNS resolution enabled.", vpc.id));
  std::set<std::string> zones;
  bool all_found = true;
  for (const auto& id : network.subnet_ids) {
    const auto* subnet = by_id(vpc.subnets, id);
    if (!subnet) {
      error(ErrorType::subnet, fmt::format("Subnet {} was not found in VPC {}.", id, vpc.id)), all_found = false;
      continue;
    }
    zones.insert(subnet->availability_zone);
    if (subnet->netmask < 17 || subnet->netmask > 26)
      error(ErrorType::subnet, fmt::format("Subnet {} has netmask /{}: it must be between /17 and /26.", id, subnet->netmask));
  }
  for (const auto& id : network.subnet_ids)
    if (const auto* subnet = by_id(vpc.subnets, id)) judge_subnet(out, *subnet);
  if (all_found && zones.size() < 2) error(ErrorType::subnet, "The subnets must be in at least two availability zones.");
  for (const auto& id : network.security_group_ids) {
    const auto* group = by_id(vpc.security_groups, id);
    if (!group) {
      error(ErrorType::securityGroup, fmt::format("Security group {} was not found in VPC {}.", id, vpc.id));
      continue;
    }
    if (!group->egress_443) error(ErrorType::securityGroup, fmt::format("Security group {} must allow egress to TCP port 443.", id));
    if (network.vpc_endpoints && !group->egress_6666)
      out.warnings.push_back(
          {WarningType::securityGroup,
           fmt::format("Security group {} should allow egress to TCP port 6666: secure cluster connectivity over PrivateLink uses it.", id)});
    if (!group->internal_all)
      error(ErrorType::securityGroup, fmt::format("Security group {} must allow all TCP and UDP traffic between its own members.", id));
  }
}

}  // namespace

NetworkVerdict judge(const Network& network, const NetworkFacts& facts) {
  NetworkVerdict out;
  if (facts.cloud_known) judge_vpc(out, network, facts);
  for (const auto& endpoint : facts.endpoints) {
    if (endpoint.state != "available")
      out.errors.push_back({ErrorType::vpc, fmt::format("VPC endpoint {} is {}, not available.", endpoint.aws_vpc_endpoint_id, endpoint.state)});
    if (endpoint.region != facts.workspace_region)
      out.errors.push_back({ErrorType::vpc, fmt::format("VPC endpoint {} is in {}, the workspace is in {}.", endpoint.aws_vpc_endpoint_id,
                                                        endpoint.region, facts.workspace_region)});
    const auto vpc = facts.endpoint_vpcs.find(endpoint.aws_vpc_endpoint_id);
    if (vpc != facts.endpoint_vpcs.end() && vpc->second != network.vpc_id)
      out.errors.push_back(
          {ErrorType::vpc, fmt::format("VPC endpoint {} stands in VPC {}, not in {}.", endpoint.aws_vpc_endpoint_id, vpc->second, network.vpc_id)});
  }
  for (const auto& [group, other] : facts.shared_groups)
    out.warnings.push_back(
        {WarningType::securityGroup,
         fmt::format("Security group {} is shared with network {}: a rule changed for one workspace changes for both.", group, other)});
  out.status = !out.errors.empty() ? VpcStatus::BROKEN : !out.warnings.empty() ? VpcStatus::WARNED : VpcStatus::VALID;
  return out;
}

}  // namespace tarn::account
