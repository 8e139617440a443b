#include "network/inventory.h"

#include <gmock/gmock.h>

#include "account/network_check.h"
#include "network/testing.h"

namespace tarn::network {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

account::NetworkVerdict verdict(const Model& m, bool endpoints = false) {
  const auto t = testing::built(m);
  account::Network network{
      .network_id = "n", .network_name = "new", .vpc_id = "vpc-1", .subnet_ids = {"subnet-3", "subnet-4"}, .security_group_ids = {"sg-1"}};
  if (endpoints) network.vpc_endpoints = account::NetworkVpcEndpoints{{"r"}, {"d"}};
  account::NetworkFacts facts{.workspace_region = "eu-central-1", .cloud_known = true, .vpc = vpc_facts(t, "vpc-1")};
  return account::judge(network, facts);
}
std::vector<std::string> texts(const account::NetworkVerdict& v) {
  std::vector<std::string> out;
  for (const auto& e : v.errors) out.push_back(std::string(json::name_of(e.error_type)) + ": " + e.error_message);
  for (const auto& w : v.warnings) out.push_back(std::string(json::name_of(w.warning_type)) + " warning: " + w.warning_message);
  return out;
}

TEST(Inventory, TheStorysNetworkIsNearlyValidAndYetItsClustersNeverStart) {
  const auto v = verdict(testing::article_model());
  EXPECT_EQ(v.status, account::VpcStatus::VALID) << ::testing::PrintToString(texts(v));
}

TEST(Inventory, FaultsOfTheModelAreTheVendorsErrors) {
  const auto one = [](const std::function<void(Model&)>& change) {
    auto m = testing::article_model();
    change(m);
    return texts(verdict(m));
  };
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].subnets[3].zone = "eu-central-1a"; }),
              ElementsAre("subnet: The subnets must be in at least two availability zones."));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].subnets[2].cidr = "10.21.0.0/27"; }),
              ElementsAre("subnet: Subnet subnet-3 has netmask /27: it must be between /17 and /26."));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].security_groups[0].egress[2].ports = "8443"; }),
              ElementsAre("securityGroup: Security group sg-1 must allow egress to TCP port 443."));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].security_groups[0].ingress.pop_back(); }),
              ElementsAre("securityGroup: Security group sg-1 must allow all TCP and UDP traffic between its own members."));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].route_tables[0].routes.erase(m.vpcs[0].route_tables[0].routes.begin()); }),
              ElementsAre("subnet warning: Subnet subnet-3 reaches S3 only by its route out of the VPC: add a VPC endpoint for it.",
                          "subnet warning: Subnet subnet-4 reaches S3 only by its route out of the VPC: add a VPC endpoint for it."));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].route_tables[0].routes.pop_back(); }),
              ::testing::Contains("subnet: Subnet subnet-3 has no route to the secure cluster connectivity relay, and no VPC endpoint for it."));
  EXPECT_THAT(one([](Model& m) {
                m.vpcs[0].network_acls = {{"acl-1",
                                           {{.rule = 1, .action = AclAction::allow, .cidr = "10.0.0.0/8"}},
                                           {{.rule = 1, .action = AclAction::allow, .cidr = "0.0.0.0/0"}}}};
                m.vpcs[0].subnets[2].network_acl = "acl-1";
              }),
              ElementsAre("networkAcl: Network ACL acl-1 of subnet subnet-3 must allow ingress of all traffic from 0.0.0.0/0."));
}

TEST(Inventory, EndpointsAreKnownInTheirRegion) {
  auto m = testing::article_model();
  testing::add_private_endpoints(m);
  m.services[1].endpoint_service = "com.amazonaws.vpce.eu-central-1.vpce-svc-1";
  const auto t = testing::built(m);
  const auto relay = endpoint_facts(t, "vpce-4", "eu-central-1");
  ASSERT_TRUE(relay);
  EXPECT_EQ(relay->use_case, account::EndpointUseCase::DATAPLANE_RELAY_ACCESS);
  EXPECT_EQ(relay->vpc_id, "vpc-1");
  EXPECT_EQ(relay->service_id, "com.amazonaws.vpce.eu-central-1.vpce-svc-1");
  EXPECT_FALSE(endpoint_facts(t, "vpce-4", "us-east-1"));
  EXPECT_FALSE(endpoint_facts(t, "vpce-9", "eu-central-1"));
  EXPECT_FALSE(vpc_facts(t, "vpc-9"));
  EXPECT_THAT(texts(verdict(m, true)), ElementsAre("securityGroup warning: Security group sg-1 should allow egress to TCP port 6666: secure cluster "
                                                   "connectivity over PrivateLink uses it."));
}

}  // namespace
}  // namespace tarn::network
