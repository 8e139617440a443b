#include "network/topology.h"

#include <gmock/gmock.h>

#include "network/testing.h"

namespace tarn::network {
namespace {

using testing::article_model;
using ::testing::ElementsAre;

std::vector<std::string> problems_of(const Model& m) {
  std::vector<std::string> out;
  if (const auto t = build(m); !t)
    for (const auto& p : t.error()) out.push_back(p.path + ": " + p.message);
  return out;
}

TEST(Addresses, AreReadStrictly) {
  EXPECT_EQ(address_of("10.20.0.1")->text(), "10.20.0.1");
  for (const char* bad : {"", "10.20.0", "10.20.0.256", "10.20.0.1.2", "a.b.c.d", "10.20.0.-1", "10.20.0. 1", "10..0.1"})
    EXPECT_FALSE(address_of(bad)) << bad;
  EXPECT_EQ(cidr_of("10.20.0.0/16").cidr.last().text(), "10.20.255.255");
  EXPECT_EQ(cidr_of("0.0.0.0/0").cidr.last().text(), "255.255.255.255");
  EXPECT_EQ(cidr_of("10.20.0.7/16").problem, "'10.20.0.7/16' begins inside its range: the range is 10.20.0.0/16");
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0.0/8/8"}) EXPECT_FALSE(cidr_of(bad).problem.empty()) << bad;
  EXPECT_EQ(ports_of("1024-65535")->low, 1024);
  for (const char* bad : {"", "70000", "9-1", "a", "1-", "-1"}) EXPECT_FALSE(ports_of(bad)) << bad;
}

TEST(Topology, TheArticlesNetworkIsSound) {
  const auto t = testing::built(article_model());
  EXPECT_EQ(t.subnets[2].instance.text(), "10.21.0.10");
  EXPECT_EQ(t.endpoints[1].interfaces[1].second.text(), "10.20.16.11");
  EXPECT_EQ(t.tables[0].routes.back().to.text(), "0.0.0.0/0") << "the longest prefix comes first";
}

TEST(Topology, ContradictionsAreNamedAllOfThem) {
  auto m = article_model();
  m.vpcs[0].subnets[1].cidr = "10.20.8.0/21";
  m.vpcs[0].subnets[2].cidr = "10.30.0.0/20";
  m.vpcs[0].subnets[3].route_table = "rtb-11";
  m.vpcs[0].route_tables[0].routes.push_back({"10.21.0.0/24", "tgw-1"});
  m.vpcs[0].route_tables[0].routes.push_back({"0.0.0.0/0", "blackhole"});
  m.vpcs[0].security_groups[0].egress[2].ports = "http";
  m.vpcs[1].cidrs[0] = "10.20.0.0/16";
  m.transit_gateways[0].route_tables[1].attachments = {"tgw-attach-1"};
  EXPECT_THAT(problems_of(m),
              ::testing::IsSupersetOf({
                  "vpcs[0].subnets[1].cidr: 10.20.8.0/21 overlaps 10.20.0.0/20 of subnet subnet-1",
                  "vpcs[0].subnets[2].cidr: 10.30.0.0/20 is in no range of VPC vpc-1",
                  "vpcs[0].subnets[3].route_table: 'rtb-11' is not defined in VPC vpc-1",
                  "vpcs[0].route_tables[0].routes[2].to: 10.21.0.0/24 lies in the VPC's own range 10.21.0.0/16, which is always local",
                  "vpcs[0].route_tables[0].routes[3].to: table rtb-1 has two routes to 0.0.0.0/0",
                  "vpcs[0].security_groups[0].egress[2].ports: 'http' is not a port, a range such as 1024-65535, or all",
                  "transit_gateways[0].attachments[1]: VPCs vpc-1 and vpc-2 on one transit gateway overlap: 10.20.0.0/16 and 10.20.0.0/16",
                  "transit_gateways[0].route_tables[1].attachments[0]: two route tables decide for tgw-attach-1",
              }));
}

TEST(Topology, ReferencesAndIdsAreChecked) {
  const auto one = [](const std::function<void(Model&)>& change) {
    auto m = article_model();
    change(m);
    return problems_of(m);
  };
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].endpoints[0].service = "s4"; }),
              ::testing::Contains("vpcs[0].endpoints[0].service: service 's4' is not defined"));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].route_tables[0].routes[1].via = "vpce-2"; }),
              ElementsAre("vpcs[0].route_tables[0].routes[1].via: vpce-2 is an interface endpoint: no route leads to it, its names do"));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].route_tables[0].routes[1].via = "nat-1"; }),
              ElementsAre("vpcs[0].route_tables[0].routes[1].via: 'nat-1' is no transit gateway, firewall, NAT gateway, gateway endpoint or internet "
                          "gateway of VPC vpc-1"));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].subnets[1].id = "subnet-1"; }), ::testing::Contains("vpcs[0].subnets[1].id: 'subnet-1' is defined twice"));
  EXPECT_THAT(one([](Model& m) { m.services[0].name = "a; rm -rf /"; }), ::testing::SizeIs(1));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].id = "vpc-1/../x"; }), ::testing::SizeIs(::testing::Ge(1)));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].dns_hostnames = false; }),
              ElementsAre("vpcs[0].endpoints[1]: private DNS of vpce-2 needs dns_support and dns_hostnames of VPC vpc-1"));
  EXPECT_THAT(one([](Model& m) { m.vpcs[0].cidrs.push_back("169.254.8.0/24"); }),
              ElementsAre("vpcs[0].cidrs[2]: 169.254.8.0/24 lies in 169.254.0.0/16, which no VPC may use"));
  EXPECT_THAT(one([](Model& m) { m.services[1].addresses = {"203.0.113.10"}; }),
              ::testing::Contains("services[1].addresses[0]: 203.0.113.10 is the address of service 'workspace' too"));
}

TEST(Topology, ASmallSubnetHasRoomForFewEndpoints) {
  auto m = article_model();
  m.vpcs[0].subnets.push_back({.id = "subnet-5", .zone = "eu-central-1a", .cidr = "10.20.255.0/28"});
  for (int i = 0; i < 5; ++i)
    m.vpcs[0].endpoints.push_back({.id = "vpce-x" + std::to_string(i),
                                   .type = EndpointType::INTERFACE,
                                   .service = "relay",
                                   .subnets = {"subnet-5"},
                                   .security_groups = {"sg-2"},
                                   .private_dns = false});
  EXPECT_THAT(problems_of(m), ElementsAre("vpcs[0].endpoints[6].subnets[0]: subnet subnet-5 has no address left for endpoint vpce-x4"));
}

TEST(Topology, RandomModelsAreSound) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto t = build(testing::random_model(random));
    ASSERT_TRUE(t) << "seed " << seed << ": " << t.error().front().path << " " << t.error().front().message;
  }
}

}  // namespace
}  // namespace tarn::network
