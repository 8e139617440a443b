#include "network/testing.h"

namespace tarn::network::testing {
namespace {

const std::string kAll = "0.0.0.0/0";

struct Dice {
  std::mt19937& random;
  bool in(int n) { return random() % static_cast<unsigned>(n) == 0; }  // one in n
  int below(int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); }
  template <class T>
  T of(const std::vector<T>& all) {
    return all[random() % all.size()];
  }
};

std::vector<AclRule> acl_side(Dice& d, bool inwards) {
  std::vector<AclRule> out;
  int number = 10;
  const auto add = [&](AclAction a, std::optional<Protocol> p, std::optional<std::string> ports, std::string cidr) {
    out.push_back({.rule = number, .action = a, .protocol = p, .ports = ports, .cidr = cidr});
    number += 10;
  };
  if (d.in(3)) add(AclAction::deny, Protocol::tcp, "443", d.of<std::string>({"10.0.0.0/8", "198.51.100.0/24", "192.0.2.0/24", "10.1.0.0/16"}));
  if (d.in(4)) add(AclAction::deny, Protocol::tcp, "6666", kAll);
  if (d.in(4)) add(AclAction::deny, Protocol::udp, "53", kAll);
  // Answers come back to high ports; a list without this loses them.
  if (inwards || d.in(2)) add(AclAction::allow, Protocol::tcp, d.in(6) ? "443" : "1024-65535", d.in(5) ? "10.0.0.0/8" : kAll);
  if (!d.in(5)) add(AclAction::allow, d.in(2) ? std::optional(Protocol::tcp) : std::nullopt, std::nullopt, d.in(5) ? "198.51.100.0/24" : kAll);
  if (d.in(4) && !out.empty()) std::swap(out.front().rule, out.back().rule);
  return out;
}

}  // namespace

Model article_model() {
  Model m;
  m.services = {
      {.name = "workspace", .role = ServiceRole::WORKSPACE, .hosts = {"acme.cloud.databricks.com"}, .addresses = {"203.0.113.10"}, .ports = {443}},
      {.name = "relay", .role = ServiceRole::RELAY, .hosts = {"tunnel.cloud.databricks.com"}, .addresses = {"203.0.113.20"}, .ports = {443, 6666}},
      {.name = "s3",
       .role = ServiceRole::S3,
       .hosts = {"s3.amazonaws.com"},
       .addresses = {"198.51.100.10"},
       .ports = {443},
       .prefixes = {"198.51.100.0/24"}},
      {.name = "sts", .role = ServiceRole::STS, .hosts = {"sts.amazonaws.com"}, .addresses = {"192.0.2.10"}, .ports = {443}}};
  Vpc spoke{.id = "vpc-1", .name = "spoke", .region = "eu-central-1", .cidrs = {"10.20.0.0/16", "10.21.0.0/16"}};
  spoke.subnets = {
      {.id = "subnet-1", .name = "old-a", .zone = "eu-central-1a", .cidr = "10.20.0.0/20", .route_table = "rtb-1", .security_groups = {"sg-1"}},
      {.id = "subnet-2", .name = "old-b", .zone = "eu-central-1b", .cidr = "10.20.16.0/20", .route_table = "rtb-1", .security_groups = {"sg-1"}},
      {.id = "subnet-3", .name = "new-a", .zone = "eu-central-1a", .cidr = "10.21.0.0/20", .route_table = "rtb-1", .security_groups = {"sg-1"}},
      {.id = "subnet-4", .name = "new-b", .zone = "eu-central-1b", .cidr = "10.21.16.0/20", .route_table = "rtb-1", .security_groups = {"sg-1"}}};
  spoke.route_tables = {{.id = "rtb-1", .routes = {{"s3", "vpce-1"}, {kAll, "tgw-1"}}}};
  spoke.security_groups = {
      {.id = "sg-1",
       .ingress = {{.protocol = Protocol::tcp, .peers = {"self"}}, {.protocol = Protocol::udp, .peers = {"self"}}},
       .egress = {{.protocol = Protocol::tcp, .peers = {"self"}}, {.protocol = Protocol::udp, .peers = {"self"}}, {.ports = "443", .peers = {kAll}}}},
      {.id = "sg-2", .ingress = {{.ports = "443", .peers = {"sg-1"}}}}};
  spoke.endpoints = {
      {.id = "vpce-1", .type = EndpointType::GATEWAY, .service = "s3"},
      {.id = "vpce-2", .type = EndpointType::INTERFACE, .service = "sts", .subnets = {"subnet-1", "subnet-2"}, .security_groups = {"sg-2"}}};
  Vpc inspection{.id = "vpc-2", .name = "inspection", .region = "eu-central-1", .cidrs = {"10.255.0.0/16"}, .internet_gateway = "igw-1"};
  inspection.subnets = {{.id = "subnet-11", .zone = "eu-central-1a", .cidr = "10.255.0.0/28", .route_table = "rtb-11"},
                        {.id = "subnet-12", .zone = "eu-central-1a", .cidr = "10.255.0.16/28", .route_table = "rtb-12"},
                        {.id = "subnet-13", .zone = "eu-central-1a", .cidr = "10.255.0.32/28", .route_table = "rtb-13"}};
  inspection.route_tables = {{.id = "rtb-11", .routes = {{kAll, "fw-1"}}},
                             {.id = "rtb-12", .routes = {{kAll, "nat-1"}, {"10.20.0.0/15", "tgw-1"}}},
                             {.id = "rtb-13", .routes = {{kAll, "igw-1"}, {"10.20.0.0/15", "fw-1"}}}};
  inspection.nat_gateways = {{.id = "nat-1", .subnet = "subnet-13", .public_address = "203.0.113.200"}};
  inspection.firewalls = {{.id = "fw-1",
                           .name = "inspection",
                           .subnet = "subnet-12",
                           .rules = {{.action = FirewallAction::allow, .protocol = Protocol::tcp, .from = {"10.20.0.0/16"}, .ports = "443"},
                                     {.action = FirewallAction::reject, .protocol = Protocol::tcp, .from = {"10.20.0.0/16"}, .ports = "25"}}}};
  m.vpcs = {spoke, inspection};
  m.transit_gateways = {{.id = "tgw-1",
                         .attachments = {{"tgw-attach-1", "vpc-1", "subnet-1"}, {"tgw-attach-2", "vpc-2", "subnet-11"}},
                         .route_tables = {{"tgw-rtb-1", {"tgw-attach-1"}, {{kAll, "tgw-attach-2"}}},
                                          {"tgw-rtb-2", {"tgw-attach-2"}, {{"10.20.0.0/15", "tgw-attach-1"}}}}}};
  return m;
}

void add_private_endpoints(Model& m) {
  m.vpcs[0].endpoints.push_back(
      {.id = "vpce-3", .type = EndpointType::INTERFACE, .service = "workspace", .subnets = {"subnet-1", "subnet-2"}, .security_groups = {"sg-2"}});
  m.vpcs[0].endpoints.push_back(
      {.id = "vpce-4", .type = EndpointType::INTERFACE, .service = "relay", .subnets = {"subnet-1", "subnet-2"}, .security_groups = {"sg-2"}});
}

Model random_model(std::mt19937& random) {
  Dice d{random};
  Model m;
  m.services = {{.name = "relay", .role = ServiceRole::RELAY, .addresses = {"203.0.113.20"}, .ports = {443, 6666}},
                {.name = "s3", .role = ServiceRole::S3, .addresses = {"198.51.100.10"}, .ports = {443}, .prefixes = {"198.51.100.0/24"}},
                {.name = "sts", .role = ServiceRole::STS, .addresses = {"192.0.2.10"}, .ports = {443}}};
  const int vpcs = 1 + d.below(3);
  const bool transit = vpcs > 1 && !d.in(4);
  std::vector<std::string> ranges;
  for (int v = 0; v < vpcs; ++v) {
    const auto n = std::to_string(v + 1);
    ranges.push_back("10." + n + ".0.0/16");
    Vpc vpc{.id = "vpc-" + n, .region = "r1", .cidrs = {ranges.back()}};
    const bool way_out = !d.in(3);
    if (way_out) vpc.internet_gateway = "igw-" + n;
    vpc.security_groups = {{.id = "sg-" + n + "a"}, {.id = "sg-" + n + "b"}};
    auto &nodes = vpc.security_groups[0], &others = vpc.security_groups[1];
    nodes.ingress = {{.protocol = Protocol::tcp, .peers = {"self"}}};
    if (d.in(2)) nodes.ingress.push_back({.ports = "443", .peers = {d.in(2) ? "10.0.0.0/8" : "10.1.0.0/16"}});
    nodes.egress = {{.protocol = Protocol::tcp, .peers = {"self"}}};
    if (!d.in(5)) nodes.egress.push_back({.ports = "443", .peers = {d.in(5) ? "198.51.100.0/24" : kAll}});
    if (!d.in(3)) nodes.egress.push_back({.protocol = Protocol::all, .peers = {d.in(3) ? "s3" : kAll}});
    others.ingress = {{.ports = "443", .peers = {d.in(3) ? "self" : "sg-" + n + "a"}}};
    others.egress = {{.protocol = d.in(2) ? Protocol::tcp : Protocol::udp, .peers = {kAll}}};
    for (const char* name : {"a", "b"}) vpc.network_acls.push_back({"acl-" + n + name, acl_side(d, true), acl_side(d, false)});
    const int subnets = 2 + d.below(3);
    // A second range that routes and rules elsewhere may not know of.
    const bool grown = d.in(3);
    if (grown) vpc.cidrs.push_back("10.10" + n + ".0.0/16");
    for (int s = 0; s < subnets; ++s) {
      const bool late = grown && s == subnets - 1;
      Subnet subnet{
          .id = "subnet-" + n + std::to_string(s), .zone = s % 2 ? "r1b" : "r1a", .cidr = fmt::format("10.{}{}.{}.0/24", late ? "10" : "", n, s)};
      if (!d.in(9)) subnet.route_table = "rtb-" + n + std::to_string(s);
      if (d.in(3)) subnet.network_acl = d.in(2) ? "acl-" + n + "a" : "acl-" + n + "b";
      if (!d.in(6)) subnet.security_groups = {d.in(4) ? "sg-" + n + "b" : "sg-" + n + "a"};
      vpc.subnets.push_back(subnet);
      vpc.route_tables.push_back({.id = "rtb-" + n + std::to_string(s)});
    }
    const auto some_subnet = [&] { return vpc.subnets[random() % vpc.subnets.size()].id; };
    if (d.in(2)) vpc.endpoints.push_back({.id = "vpce-" + n + "s3", .type = EndpointType::GATEWAY, .service = "s3"});
    if (d.in(4) && !vpc.endpoints.empty()) vpc.endpoints.back().state = "pendingacceptance";
    for (const char* service : {"sts", "relay"})
      if (d.in(2)) {
        Endpoint e{.id = "vpce-" + n + service, .type = EndpointType::INTERFACE, .service = service, .subnets = {some_subnet()}};
        e.security_groups = {d.in(4) ? "sg-" + n + "a" : "sg-" + n + "b"};
        if (d.in(8)) e.state = "pendingacceptance";
        vpc.endpoints.push_back(e);
      }
    if (way_out && !d.in(5)) vpc.nat_gateways.push_back({"nat-" + n, some_subnet(), "203.0.113.20" + n});
    if (d.in(2)) {
      Firewall f{.id = "fw-" + n, .subnet = some_subnet()};
      f.default_ = d.of<FirewallAction>({FirewallAction::allow, FirewallAction::drop, FirewallAction::reject});
      for (int r = d.below(4); r > 0; --r) {
        FirewallRule rule{.action =
                              d.of<FirewallAction>({FirewallAction::allow, FirewallAction::allow, FirewallAction::drop, FirewallAction::reject})};
        if (d.in(2)) rule.protocol = Protocol::tcp, rule.ports = d.of<std::string>({"443", "1-1023", "6666"});
        if (d.in(2)) rule.from = {d.of<std::string>({"10.1.0.0/16", "10.2.0.0/16", "10.0.0.0/8"})};
        if (d.in(3)) rule.to = {d.of<std::string>({"10.0.0.0/8", "203.0.113.0/24", "198.51.100.0/24"})};
        f.rules.push_back(rule);
      }
      vpc.firewalls.push_back(f);
    }
    m.vpcs.push_back(std::move(vpc));
  }
  if (transit) {
    TransitGateway g{.id = "tgw-1"};
    for (int v = 0; v < vpcs; ++v) {
      const auto n = std::to_string(v + 1);
      g.attachments.push_back({"tgw-attach-" + n, "vpc-" + n, "subnet-" + n + std::to_string(d.below(2))});
      TransitRouteTable table{.id = "tgw-rtb-" + n};
      if (!d.in(8)) table.attachments = {"tgw-attach-" + n};
      for (int other = 0; other < vpcs; ++other)
        if (other != v && !d.in(6))
          table.routes.push_back({"10." + std::to_string(other + 1) + ".0.0/16", d.in(9) ? "blackhole" : "tgw-attach-" + std::to_string(other + 1)});
      for (int other = 0; other < vpcs; ++other)
        if (other != v && d.in(3))
          table.routes.push_back({"10.10" + std::to_string(other + 1) + ".0.0/16", "tgw-attach-" + std::to_string(other + 1)});
      if (!d.in(4)) table.routes.push_back({kAll, "tgw-attach-" + std::to_string(1 + d.below(vpcs))});
      g.route_tables.push_back(table);
    }
    m.transit_gateways = {g};
  }
  for (int v = 0; v < vpcs; ++v) {
    auto& vpc = m.vpcs[static_cast<std::size_t>(v)];
    const auto n = std::to_string(v + 1);
    std::vector<std::string> ways;
    if (transit) ways.insert(ways.end(), 2, "tgw-1");
    if (vpc.internet_gateway) ways.push_back(*vpc.internet_gateway);
    if (!vpc.nat_gateways.empty()) ways.insert(ways.end(), 2, "nat-" + n);
    if (!vpc.firewalls.empty()) ways.insert(ways.end(), 2, "fw-" + n);
    for (std::size_t s = 0; s < vpc.route_tables.size(); ++s) {
      auto& routes = vpc.route_tables[s].routes;
      if (!ways.empty() && !d.in(6)) routes.push_back({kAll, d.of(ways)});
      // Where a gateway stands, the way mostly leads on.
      for (const auto& nat : vpc.nat_gateways)
        if (nat.subnet == vpc.subnets[s].id && vpc.internet_gateway && !d.in(5)) routes = {{kAll, *vpc.internet_gateway}};
      if (!vpc.endpoints.empty() && vpc.endpoints[0].type == EndpointType::GATEWAY && !d.in(3)) routes.push_back({"s3", vpc.endpoints[0].id});
      for (int other = 0; other < vpcs; ++other)
        if (other != v && !ways.empty() && d.in(2)) routes.push_back({ranges[static_cast<std::size_t>(other)], d.in(8) ? "blackhole" : d.of(ways)});
    }
  }
  return m;
}

Topology built(const Model& model) {
  auto t = build(model);
  if (t) return *std::move(t);
  for (const auto& p : t.error()) ADD_FAILURE() << p.path << ": " << p.message;
  return {};
}

std::vector<Question> questions(const Topology& t, std::mt19937& random, std::size_t most) {
  std::vector<Question> all;
  const auto add = [&](std::size_t from, std::optional<Destination> to, std::uint16_t port) {
    if (to && to->address != t.subnets[from].instance) all.push_back({static_cast<int>(from), *to, port});
  };
  for (std::size_t from = 0; from < t.subnets.size(); ++from) {
    for (const auto& s : t.services) {
      for (const std::uint16_t port : {443, 6666}) {
        add(from, resolve(t, static_cast<int>(from), s.name), port);
        add(from, resolve(t, static_cast<int>(from), s.addresses.front().text()), port);
      }
    }
    for (const auto& to : t.subnets) {
      add(from, Destination{to.instance, to.label, ""}, 443);
      add(from, Destination{to.instance, to.label, ""}, 8080);
    }
    add(from, Destination{t.subnets[from].range.at(200), "", ""}, 443);
    add(from, Destination{*address_of("198.51.100.77"), "", ""}, 443);
  }
  std::shuffle(all.begin(), all.end(), random);
  if (all.size() <= most) return all;
  // Most of what one can ask of a random network is dropped: what gets through comes first, as far as half of the places.
  const auto through = [&](const Question& q) { return trace(t, q.from, q.to, q.port).outcome != Outcome::dropped; };
  const auto middle = std::stable_partition(all.begin(), all.end(), through);
  const auto kept = std::min<std::ptrdiff_t>(middle - all.begin(), static_cast<std::ptrdiff_t>(most / 2));
  all.erase(all.begin() + kept, middle);
  if (all.size() > most) all.resize(most);
  return all;
}

}  // namespace tarn::network::testing
