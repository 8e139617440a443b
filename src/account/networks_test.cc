#include "account/fixtures.h"

namespace tarn::account::testing {
namespace {

TEST_F(AccountTest, ANetworkIsRegisteredUnattached) {
  const auto made = room.networks.create(admin, network_request("landing", "a"));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->vpc_status, VpcStatus::UNATTACHED);
  EXPECT_FALSE(made->workspace_id);
  EXPECT_EQ(room.networks.get(admin, made->network_id)->vpc_id, "vpc-0a1b2c3d");
  EXPECT_EQ(room.networks.list(admin).size(), 1u);
}

TEST_F(AccountTest, NetworksShareAVpcButNoSubnet) {
  network("landing", "a");
  EXPECT_TRUE(room.networks.create(admin, network_request("pipeline", "b")));
  auto overlapping = network_request("third", "c");
  overlapping.subnet_ids[1] = "subnet-a1";
  const auto refused = room.networks.create(admin, overlapping);
  EXPECT_EQ(code_of(refused), Errc::already_exists);
  EXPECT_NE(message_of(refused).find("subnet-a1"), std::string::npos);
  EXPECT_NE(message_of(refused).find("landing"), std::string::npos);
}

TEST_F(AccountTest, NetworksNameTheFieldThatIsWrong) {
  const auto refused = [&](auto change) {
    auto r = network_request("landing", "a");
    change(r);
    const auto made = room.networks.create(admin, r);
    EXPECT_EQ(code_of(made), Errc::invalid);
    return message_of(made);
  };
  EXPECT_EQ(refused([](auto& r) { r.subnet_ids.pop_back(); }), "Field 'subnet_ids' must have at least 2 entries, got 1");
  EXPECT_EQ(refused([](auto& r) { r.subnet_ids[1] = r.subnet_ids[0]; }), "Field 'subnet_ids' must not name 'subnet-a1' twice");
  EXPECT_EQ(refused([](auto& r) { r.security_group_ids.clear(); }), "Field 'security_group_ids' must have at least 1 entry, got 0");
  EXPECT_EQ(refused([](auto& r) { r.security_group_ids = {"sg-1", "sg-2", "sg-3", "sg-4", "sg-5", "sg-6"}; }),
            "Field 'security_group_ids' must have at most 5 entries, got 6");
  EXPECT_NE(refused([](auto& r) { r.vpc_id = "subnet-1"; }).find("Field 'vpc_id'"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.subnet_ids[1] = "subnet-\xc3\xa9"; }).find("Field 'subnet_ids[1]'"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.network_name.clear(); }).find("Field 'network_name'"), std::string::npos);
  EXPECT_TRUE(room.networks.list(admin).empty());
}

TEST_F(AccountTest, AVpcEndpointTakesItsUseFromTheFirstNetwork) {
  const auto rest = room.networks.create_endpoint(admin, {"rest", "vpce-01", "us-east-1"});
  const auto relay = room.networks.create_endpoint(admin, {"relay", "vpce-02", "us-east-1"});
  ASSERT_TRUE(rest && relay);
  EXPECT_EQ(rest->state, "available");
  EXPECT_FALSE(rest->use_case);
  auto r = network_request("landing", "a");
  r.vpc_endpoints = {{rest->vpc_endpoint_id}, {relay->vpc_endpoint_id}};
  ASSERT_TRUE(room.networks.create(admin, r));
  EXPECT_EQ(room.networks.get_endpoint(admin, relay->vpc_endpoint_id)->use_case, EndpointUseCase::DATAPLANE_RELAY_ACCESS);
  auto swapped = network_request("pipeline", "b");
  swapped.vpc_endpoints = {{relay->vpc_endpoint_id}, {rest->vpc_endpoint_id}};
  EXPECT_EQ(code_of(room.networks.create(admin, swapped)), Errc::malformed);
  EXPECT_EQ(code_of(room.networks.delete_endpoint(admin, rest->vpc_endpoint_id)), Errc::in_use);
}

TEST_F(AccountTest, ARefusedNetworkLeavesItsEndpointsAlone) {
  const auto rest = room.networks.create_endpoint(admin, {"rest", "vpce-01", "us-east-1"});
  const auto far = room.networks.create_endpoint(admin, {"relay", "vpce-02", "eu-west-1"});
  auto r = network_request("landing", "a");
  r.vpc_endpoints = {{rest->vpc_endpoint_id}, {far->vpc_endpoint_id}};
  EXPECT_EQ(code_of(room.networks.create(admin, r)), Errc::malformed);
  EXPECT_FALSE(room.networks.get_endpoint(admin, rest->vpc_endpoint_id)->use_case);
  r.vpc_endpoints = {{rest->vpc_endpoint_id}, {}};
  EXPECT_EQ(code_of(room.networks.create(admin, r)), Errc::invalid);
  r.vpc_endpoints = {{"nowhere"}, {far->vpc_endpoint_id}};
  EXPECT_EQ(code_of(room.networks.create(admin, r)), Errc::not_found);
}

TEST_F(AccountTest, AVpcEndpointIsWhatTheCloudSaysItIs) {
  inventory.endpoints["vpce-01"] = {"123456789012", "vpce-svc-1", "rejected", "vpc-1", EndpointUseCase::DATAPLANE_RELAY_ACCESS};
  Room with_cloud(*store, clock, &inventory);
  const auto made = with_cloud.networks.create_endpoint(admin, {"relay", "vpce-01", "us-east-1"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->state, "rejected");
  EXPECT_EQ(made->use_case, EndpointUseCase::DATAPLANE_RELAY_ACCESS);
  EXPECT_EQ(code_of(with_cloud.networks.create_endpoint(admin, {"other", "vpce-99", "us-east-1"})), Errc::invalid);
  EXPECT_EQ(code_of(with_cloud.networks.create_endpoint(admin, {"again", "vpce-01", "us-east-1"})), Errc::already_exists);
}

TEST_F(AccountTest, VpcEndpointsRefuseUnknownRegions) {
  const auto made = room.networks.create_endpoint(admin, {"rest", "vpce-01", "mars-north-1"});
  EXPECT_EQ(code_of(made), Errc::invalid);
  EXPECT_NE(message_of(made).find("Field 'region'"), std::string::npos);
  EXPECT_NE(message_of(made).find("us-east-1"), std::string::npos);
}

TEST_F(AccountTest, PrivateAccessIsReplacedAsAWhole) {
  const auto endpoint = room.networks.create_endpoint(admin, {"rest", "vpce-01", "us-east-1"});
  const auto made = room.networks.create_private_access(admin, {"pas", "us-east-1", true, PrivateAccessLevel::ENDPOINT, {endpoint->vpc_endpoint_id}});
  ASSERT_TRUE(made) << made.error().message;
  const auto& id = made->private_access_settings_id;
  EXPECT_EQ(code_of(room.networks.delete_endpoint(admin, endpoint->vpc_endpoint_id)), Errc::in_use);
  const auto replaced = room.networks.replace_private_access(admin, id, {"renamed", "us-east-1", std::nullopt, std::nullopt, {}});
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_FALSE(replaced->public_access_enabled);
  EXPECT_EQ(replaced->private_access_level, PrivateAccessLevel::ACCOUNT);
  EXPECT_TRUE(room.networks.get_private_access(admin, id)->allowed_vpc_endpoint_ids.empty());
  EXPECT_TRUE(room.networks.delete_endpoint(admin, endpoint->vpc_endpoint_id));
  EXPECT_EQ(code_of(room.networks.replace_private_access(admin, "nowhere", {"x", "us-east-1", std::nullopt, std::nullopt, {}})), Errc::not_found);
  EXPECT_TRUE(room.networks.delete_private_access(admin, id));
  EXPECT_TRUE(room.networks.list_private_access(admin).empty());
}

TEST_F(AccountTest, PrivateAccessChecksWhatItAllows) {
  const auto far = room.networks.create_endpoint(admin, {"rest", "vpce-01", "eu-west-1"});
  EXPECT_EQ(code_of(room.networks.create_private_access(admin, {"p", "us-east-1", true, PrivateAccessLevel::ENDPOINT, {far->vpc_endpoint_id}})),
            Errc::invalid);
  EXPECT_EQ(code_of(room.networks.create_private_access(admin, {"p", "us-east-1", true, PrivateAccessLevel::ENDPOINT, {"nowhere"}})),
            Errc::not_found);
  EXPECT_EQ(code_of(room.networks.create_private_access(admin, {"p", "eu-west-1", true, PrivateAccessLevel::ACCOUNT, {far->vpc_endpoint_id}})),
            Errc::invalid);
  EXPECT_TRUE(room.networks.list_private_access(admin).empty());
}

}  // namespace
}  // namespace tarn::account::testing
