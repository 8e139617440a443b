#include "network/trace.h"

#include <gmock/gmock.h>

#include "network/realise.h"
#include "network/testing.h"

namespace tarn::network {
namespace {

using testing::article_model;
using ::testing::HasSubstr;

Trace ask(const Model& m, std::string_view from, std::string_view to, std::uint16_t port, const std::vector<Tenant>& tenants = {}) {
  auto t = build(m, tenants);
  EXPECT_TRUE(t) << t.error().front().path << " " << t.error().front().message;
  const int s = t->subnet(from);
  const auto d = resolve(*t, s, to);
  EXPECT_TRUE(d) << to;
  return trace(*t, s, *d, port);
}
std::string culprit(const Trace& t) { return t.culprit < 0 ? "" : t.hops[static_cast<std::size_t>(t.culprit)].at; }
std::string place(const Trace& t) { return t.culprit < 0 ? "" : t.hops[static_cast<std::size_t>(t.culprit)].place; }

TEST(TraceOfTheArticle, TheOldRangeReachesTheRelay) {
  const auto t = ask(article_model(), "old-a", "tunnel.cloud.databricks.com", 443);
  EXPECT_EQ(t.outcome, Outcome::connected) << t.cause;
  EXPECT_EQ(t.name, "tunnel.cloud.databricks.com is 203.0.113.20, its public address");
  EXPECT_EQ(t.culprit, -1);
  // Forth through the firewall and back through it.
  EXPECT_EQ(std::count_if(t.hops.begin(), t.hops.end(), [](const Hop& h) { return h.at == "firewall inspection (fw-1)"; }), 2);
}

TEST(TraceOfTheArticle, TheNewRangesSynIsDroppedByTheFirewallAndNobodySaysSo) {
  const auto t = ask(article_model(), "new-a", "relay", 443);
  EXPECT_EQ(t.outcome, Outcome::dropped);
  EXPECT_EQ(culprit(t), "firewall inspection (fw-1)");
  EXPECT_EQ(place(t), "vpcs[1].firewalls[0]");
  EXPECT_THAT(t.cause, HasSubstr("silently drops SYN"));
  EXPECT_THAT(t.cure, HasSubstr("allow tcp 443 from 10.21.0.0/20 to 203.0.113.20"));
  EXPECT_THAT(t.cure, HasSubstr("private endpoint"));
}

TEST(TraceOfTheArticle, S3AndStsNeverNeededTheFirewall) {
  EXPECT_EQ(ask(article_model(), "new-a", "s3", 443).outcome, Outcome::connected);
  const auto sts = ask(article_model(), "new-b", "sts", 443);
  EXPECT_EQ(sts.outcome, Outcome::connected);
  EXPECT_THAT(sts.name, HasSubstr("by private DNS of endpoint vpce-2"));
  EXPECT_THAT(sts.to, HasSubstr("10.20.16.11")) << "the one in its own zone";
}

TEST(TraceOfTheArticle, PrivateEndpointsCureItWithoutTheFirewall) {
  auto m = article_model();
  testing::add_private_endpoints(m);
  for (const char* service : {"relay", "workspace"}) {
    const auto t = ask(m, "new-a", service, 443);
    EXPECT_EQ(t.outcome, Outcome::connected) << t.cause;
    for (const auto& h : t.hops) EXPECT_THAT(h.at, ::testing::Not(HasSubstr("firewall")));
  }
  EXPECT_EQ(ask(m, "new-a", "203.0.113.20", 443).outcome, Outcome::dropped) << "by its public address it still goes the old way";
}

TEST(TraceOfTheArticle, PrivateAccessSettingsTurnAwayWhatPacketsReach) {
  auto m = article_model();
  testing::add_private_endpoints(m);
  Tenant tenant{.workspace = "pipeline",
                .subnets = {"subnet-3"},
                .security_groups = {"sg-1"},
                .has_private_access = true,
                .public_access = false,
                .any_endpoint = false,
                .allowed_endpoints = {"vpce-4"},
                .private_access = "pas"};
  EXPECT_EQ(ask(m, "new-a", "relay", 443, {tenant}).outcome, Outcome::connected);
  const auto t = ask(m, "new-a", "workspace", 443, {tenant});
  EXPECT_EQ(t.outcome, Outcome::forbidden);
  EXPECT_THAT(t.cause, HasSubstr("private access settings 'pas' of workspace 'pipeline'"));
  tenant.subnets = {"subnet-1"};
  EXPECT_EQ(ask(m, "old-a", "203.0.113.10", 443, {tenant}).outcome, Outcome::forbidden) << "public access is off";
}

TEST(Traces, EachKindOfDropIsNamed) {
  const auto one = [](const std::function<void(Model&)>& change, std::uint16_t port = 443) {
    auto m = article_model();
    change(m);
    return ask(m, "old-a", "relay", port);
  };
  auto t = one([](Model& m) { m.vpcs[0].security_groups[0].egress.pop_back(); });
  EXPECT_EQ(culprit(t), "security group sg-1");
  EXPECT_THAT(t.cure, HasSubstr("Add an egress rule to sg-1: tcp 443"));
  t = one([](Model& m) { m.vpcs[0].route_tables[0].routes.pop_back(); });
  EXPECT_EQ(culprit(t), "route table rtb-1 of spoke (vpc-1)");
  t = one([](Model& m) { m.vpcs[0].route_tables[0].routes[1].via = "blackhole"; });
  EXPECT_THAT(t.cause, HasSubstr("black hole"));
  t = one([](Model& m) { m.transit_gateways[0].route_tables[0].attachments.clear(); });
  EXPECT_THAT(t.cause, HasSubstr("Attachment tgw-attach-1 is in no route table"));
  t = one([](Model& m) { m.vpcs[1].route_tables[1].routes[0].via = "igw-1"; });
  EXPECT_THAT(t.cure, HasSubstr("NAT gateway"));
  EXPECT_EQ(one([](Model& m) { m.vpcs[1].firewalls[0].rules[0].to = {"192.0.2.0/24"}; }).outcome, Outcome::dropped);
  t = one([](Model& m) { m.vpcs[1].firewalls[0].default_ = FirewallAction::reject; }, 8080);
  EXPECT_EQ(t.outcome, Outcome::dropped) << "its own security group first";
}

TEST(Traces, TheReplysWayIsWalkedToo) {
  auto m = article_model();
  m.transit_gateways[0].route_tables[1].routes = {{"10.20.16.0/20", "tgw-attach-1"}};
  auto t = ask(m, "old-a", "relay", 443);
  EXPECT_EQ(t.outcome, Outcome::dropped);
  EXPECT_EQ(t.hops[static_cast<std::size_t>(t.culprit)].direction, Direction::back);
  EXPECT_THAT(t.cause, HasSubstr("tgw-rtb-2"));
  // Network ACLs forget: the answer to a high port needs a rule of its own.
  m = article_model();
  m.vpcs[0].network_acls = {{"acl-1",
                             {{.rule = 1, .action = AclAction::allow, .protocol = Protocol::tcp, .ports = "443", .cidr = "0.0.0.0/0"}},
                             {{.rule = 1, .action = AclAction::allow, .cidr = "0.0.0.0/0"}}}};
  m.vpcs[0].subnets[0].network_acl = "acl-1";
  t = ask(m, "old-a", "relay", 443);
  EXPECT_EQ(t.outcome, Outcome::dropped);
  EXPECT_THAT(t.cause, HasSubstr("stateless"));
  m.vpcs[0].network_acls[0].ingress[0].ports = "49152-65535";
  EXPECT_THAT(ask(m, "old-a", "relay", 443).cause, HasSubstr("only part of the client's ports"));
  m.vpcs[0].network_acls[0].ingress[0].ports = "1024-65535";
  EXPECT_EQ(ask(m, "old-a", "relay", 443).outcome, Outcome::connected);
  // The answer goes round the firewall.
  m = article_model();
  m.vpcs[1].route_tables[2].routes[1].via = "tgw-1";
  EXPECT_THAT(ask(m, "old-a", "relay", 443).cause, HasSubstr("goes round firewall"));
}

TEST(Traces, RefusalsComeBackUnlessTheirWayIsCut) {
  auto m = article_model();
  m.vpcs[0].security_groups[0].egress.push_back({.ports = "25", .peers = {"0.0.0.0/0"}});
  m.services[1].ports.push_back(25);
  auto t = ask(m, "old-a", "relay", 25);
  EXPECT_EQ(t.outcome, Outcome::rejected);
  EXPECT_EQ(place(t), "vpcs[1].firewalls[0].rules[1]");
  m.transit_gateways[0].route_tables[1].routes.clear();
  t = ask(m, "old-a", "relay", 25);
  EXPECT_EQ(t.outcome, Outcome::dropped);
  EXPECT_EQ(place(t), "vpcs[1].firewalls[0].rules[1]") << "who refused stays the culprit";
  EXPECT_THAT(t.cause, HasSubstr("reset is lost on the way back"));
  m = article_model();
  m.services[1].ports = {6666};
  EXPECT_EQ(ask(m, "old-a", "relay", 443).outcome, Outcome::rejected);
}

TEST(Traces, ARouteLoopIsFoundAndNamed) {
  auto m = article_model();
  m.transit_gateways[0].route_tables[0].routes = {{"0.0.0.0/0", "tgw-attach-1"}};
  const auto t = ask(m, "old-a", "relay", 443);
  EXPECT_EQ(t.outcome, Outcome::dropped);
  EXPECT_THAT(t.cause, HasSubstr("A route loop"));
}

TEST(Traces, EndOnEveryTopology) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    const auto t = testing::built(testing::random_model(random));
    for (const auto& q : testing::questions(t, random, 1000)) {
      const auto r = trace(t, q.from, q.to, q.port);
      EXPECT_LT(r.hops.size(), 200u) << "seed " << seed;
      EXPECT_EQ(r.outcome == Outcome::connected, r.culprit < 0) << "seed " << seed;
      EXPECT_EQ(r.outcome == Outcome::connected, r.cause.empty()) << "seed " << seed;
    }
  }
}

/// Values swapped and spoilt at random: a model is refused, or it can be walked and realised.
TEST(Traces, SpoiltModelsAreRefusedOrWalked) {
  const std::vector<std::string> spoil{"",   "0.0.0.0/0", "10.20.0.0/15", "255.255.255.255", "vpc-1", "tgw-1", "fw-1", "igw-1", "443",
                                       "-1", "self",      "all"};
  std::mt19937 random(11);
  int refused = 0, walked = 0;
  for (int round = 0; round < 1500; ++round) {
    auto document = json::encode(testing::article_model());
    std::vector<json::value*> leaves;
    std::function<void(json::value&)> collect = [&](json::value& v) {
      if (v.is_object())
        for (auto& kv : v.as_object()) collect(kv.value());
      else if (v.is_array())
        for (auto& x : v.as_array()) collect(x);
      else
        leaves.push_back(&v);
    };
    collect(document);
    for (int n = 1 + static_cast<int>(random() % 3); n > 0; --n) {
      auto& leaf = *leaves[random() % leaves.size()];
      leaf = random() % 2 ? json::value(spoil[random() % spoil.size()]) : json::value(*leaves[random() % leaves.size()]);
    }
    const auto model = json::decode<Model>(document, {.unknown = json::Unknown::refuse});
    Expected<Topology, std::vector<Problem>> t = fail(std::vector<Problem>{{"", "does not decode"}});
    if (model) t = build(*model);
    if (!t) {
      ++refused;
      EXPECT_FALSE(t.error().front().message.empty());
      continue;
    }
    ++walked;
    EXPECT_FALSE(realise(*t).digest().empty());
    for (const auto& q : testing::questions(*t, random, 20)) EXPECT_LT(trace(*t, q.from, q.to, q.port).hops.size(), 200u);
  }
  EXPECT_GT(refused, 300);
  EXPECT_GT(walked, 50);
}

TEST(Traces, NamesAreResolvedWhereTheyAreAsked) {
  const auto t = testing::built(article_model());
  EXPECT_EQ(resolve(t, 0, "sts.amazonaws.com")->address.text(), "10.20.0.11");
  EXPECT_EQ(resolve(t, t.subnet("subnet-12"), "sts")->address.text(), "192.0.2.10") << "another VPC's private DNS is not asked";
  EXPECT_EQ(resolve(t, 0, "old-b")->address.text(), "10.20.16.10");
  EXPECT_FALSE(resolve(t, 0, "nobody"));
  EXPECT_EQ(origins(t, "10.21.0.77"), std::vector<int>{2});
  EXPECT_TRUE(origins(t, "nobody").empty());
}

}  // namespace
}  // namespace tarn::network
