#pragma once
// What account's services are told at start, and the narrow interfaces that they ask others through.
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "account/errors.h"
#include "account/types.h"

namespace tarn::account {

/// The AWS regions in which the vendor creates workspaces (docs: "Databricks clouds and regions").
std::set<std::string> vendor_regions();

struct Settings {
  std::string account_id;
  std::set<std::string> regions = vendor_regions();
  PricingTier default_pricing_tier = PricingTier::ENTERPRISE;      // of the account, for workspaces that name none
  std::set<std::string> reserved_deployment_names = {"accounts"};  // first labels of hosts that are not workspaces
};

/// What the cloud knows about a VPC that somebody else owns. Implemented by network/ where the network is modelled; without one,
/// registrations are judged by what is registered alone. Called outside transactions; thread-safe; answers within a second.
class VpcInventory {
 public:
  struct Subnet {
    std::string id, availability_zone;
    int netmask = 0;                               // prefix length
    std::string network_acl;                       // its id; empty: the VPC's default, which lets everything pass
    std::vector<std::string> acl_missing;          // what the vendor asks of a network ACL and this one does not allow
    std::vector<std::string> no_way, no_endpoint;  // services that no route leads to; that only a route out of the VPC leads to
  };
  struct SecurityGroup {
    std::string id;
    bool egress_443 = false;    // may open TCP 443 to anywhere
    bool internal_all = false;  // all TCP and UDP between its own members, both ways
    bool egress_6666 = true;    // the relay's port over private connectivity
  };
  struct Vpc {
    std::string id, region;
    bool dns_support = true, dns_hostnames = true;
    std::vector<Subnet> subnets;
    std::vector<SecurityGroup> security_groups;
  };
  struct Endpoint {
    std::string aws_account_id, service_id, state, vpc_id;
    EndpointUseCase use_case = EndpointUseCase::WORKSPACE_ACCESS;
  };
  virtual ~VpcInventory() = default;
  /// Nothing: there is no such VPC in this cloud.
  virtual std::optional<Vpc> vpc(std::string_view vpc_id) = 0;
  virtual std::optional<Endpoint> endpoint(std::string_view aws_vpc_endpoint_id, std::string_view region) = 0;
};

/// Whether a workspace's root bucket can be used, as provisioning asks. Implemented over objects/. Called outside transactions; may block.
class RootStorage {
 public:
  virtual ~RootStorage() = default;
  /// The error's text becomes the workspace's status message.
  virtual Expected<void, std::string> prepare(const std::string& bucket, std::int64_t workspace_id) = 0;
};

}  // namespace tarn::account
