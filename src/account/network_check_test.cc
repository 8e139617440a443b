#include "account/network_check.h"

#include <gtest/gtest.h>

namespace tarn::account {
namespace {

struct NetworkVerdicts : testing::Test {
  Network network{
      .network_id = "n", .network_name = "landing", .vpc_id = "vpc-1", .subnet_ids = {"subnet-1", "subnet-2"}, .security_group_ids = {"sg-1"}};
  NetworkFacts facts{.workspace_region = "us-east-1",
                     .cloud_known = true,
                     .vpc = VpcInventory::Vpc{.id = "vpc-1",
                                              .region = "us-east-1",
                                              .subnets = {{"subnet-1", "us-east-1a", 24}, {"subnet-2", "us-east-1b", 24}},
                                              .security_groups = {{"sg-1", true, true}}}};

  /// The one error that the verdict must consist of.
  NetworkHealth broken() {
    const auto v = judge(network, facts);
    EXPECT_EQ(v.status, VpcStatus::BROKEN);
    EXPECT_EQ(v.errors.size(), 1u);
    return v.errors.empty() ? NetworkHealth{} : v.errors.front();
  }
};

TEST_F(NetworkVerdicts, ASoundNetworkIsValid) {
  EXPECT_EQ(judge(network, facts).status, VpcStatus::VALID);
  facts.cloud_known = false;
  facts.vpc.reset();
  EXPECT_EQ(judge(network, facts).status, VpcStatus::VALID) << "without an inventory only the registrations are judged";
}

TEST_F(NetworkVerdicts, AVpcMustExistInTheWorkspacesRegion) {
  facts.workspace_region = "eu-west-1";
  EXPECT_EQ(broken().error_type, ErrorType::vpc);
  facts.vpc.reset();
  EXPECT_EQ(broken().error_message, "VPC vpc-1 was not found.");
}

TEST_F(NetworkVerdicts, AVpcMustResolveNames) {
  facts.vpc->dns_hostnames = false;
  EXPECT_EQ(broken().error_type, ErrorType::vpc);
}

TEST_F(NetworkVerdicts, SubnetsMustExistInTwoZonesWithAFittingSize) {
  facts.vpc->subnets[1].availability_zone = "us-east-1a";
  EXPECT_EQ(broken().error_message, "The subnets must be in at least two availability zones.");
  facts.vpc->subnets[1] = {"subnet-2", "us-east-1b", 27};
  EXPECT_EQ(broken().error_type, ErrorType::subnet);
  facts.vpc->subnets.pop_back();
  EXPECT_EQ(broken().error_message, "Subnet subnet-2 was not found in VPC vpc-1.");
}

TEST_F(NetworkVerdicts, SecurityGroupsMustLetClustersWork) {
  facts.vpc->security_groups[0].egress_443 = false;
  EXPECT_EQ(broken().error_message, "Security group sg-1 must allow egress to TCP port 443.");
  facts.vpc->security_groups[0] = {"sg-1", true, false};
  EXPECT_EQ(broken().error_type, ErrorType::securityGroup);
  facts.vpc->security_groups.clear();
  EXPECT_EQ(broken().error_message, "Security group sg-1 was not found in VPC vpc-1.");
}

TEST_F(NetworkVerdicts, WhatSubnetsCannotReachIsSaid) {
  facts.vpc->subnets[0].no_endpoint = {"S3"};
  auto v = judge(network, facts);
  EXPECT_EQ(v.status, VpcStatus::WARNED);
  ASSERT_EQ(v.warnings.size(), 1u);
  EXPECT_EQ(v.warnings[0].warning_type, WarningType::subnet);
  EXPECT_EQ(v.warnings[0].warning_message, "Subnet subnet-1 reaches S3 only by its route out of the VPC: add a VPC endpoint for it.");
  facts.vpc->subnets[0].no_endpoint.clear();
  facts.vpc->subnets[0].no_way = {"the control plane"};
  EXPECT_EQ(broken().error_message, "Subnet subnet-1 has no route to the control plane, and no VPC endpoint for it.");
  facts.vpc->subnets[0].no_way.clear();
  facts.vpc->subnets[0].network_acl = "acl-1";
  facts.vpc->subnets[0].acl_missing = {"ingress of all traffic from 0.0.0.0/0"};
  EXPECT_EQ(broken().error_type, ErrorType::networkAcl);
}

TEST_F(NetworkVerdicts, PrivateConnectivityWantsTheRelaysPort) {
  facts.vpc->security_groups[0].egress_6666 = false;
  EXPECT_EQ(judge(network, facts).status, VpcStatus::VALID) << "without endpoints nobody uses it";
  network.vpc_endpoints = NetworkVpcEndpoints{{"a"}, {"b"}};
  EXPECT_EQ(judge(network, facts).status, VpcStatus::WARNED);
}

TEST_F(NetworkVerdicts, EndpointsMustBeAvailableHere) {
  facts.endpoints = {{.aws_vpc_endpoint_id = "vpce-1", .region = "us-east-1", .state = "pending"}};
  EXPECT_EQ(broken().error_message, "VPC endpoint vpce-1 is pending, not available.");
  facts.endpoints[0].state = "available";
  facts.endpoint_vpcs["vpce-1"] = "vpc-2";
  EXPECT_EQ(broken().error_message, "VPC endpoint vpce-1 stands in VPC vpc-2, not in vpc-1.");
  facts.endpoint_vpcs.clear();
  facts.endpoints[0].region = "eu-west-1";
  EXPECT_EQ(broken().error_type, ErrorType::vpc);
}

TEST_F(NetworkVerdicts, ASharedSecurityGroupWarns) {
  facts.shared_groups["sg-1"] = "pipeline";
  const auto v = judge(network, facts);
  EXPECT_EQ(v.status, VpcStatus::WARNED);
  ASSERT_EQ(v.warnings.size(), 1u);
  EXPECT_EQ(v.warnings[0].warning_type, WarningType::securityGroup);
  facts.vpc.reset();
  EXPECT_EQ(judge(network, facts).status, VpcStatus::BROKEN) << "an error outweighs a warning";
}

}  // namespace
}  // namespace tarn::account
