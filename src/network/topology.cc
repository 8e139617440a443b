#include "network/topology.h"

#include <algorithm>
#include <map>
#include <set>

namespace tarn::network {
namespace {

template <class T>
int index_of(const std::vector<T>& all, std::string_view id) {
  const auto i = std::find_if(all.begin(), all.end(), [&](const T& x) { return x.id == id; });
  return i == all.end() ? -1 : static_cast<int>(i - all.begin());
}

/// This network, loopback, link-local, multicast and beyond: nobody's ranges.
constexpr Cidr kReserved[] = {{{0}, 8}, {{127u << 24}, 8}, {{169u << 24 | 254u << 16}, 16}, {{224u << 24}, 3}};

bool reserved(Address a) {
  return std::any_of(std::begin(kReserved), std::end(kReserved), [&](const Cidr& r) { return r.contains(a); });
}

std::string labelled(const std::string& id, const std::optional<std::string>& name) { return name ? *name + " (" + id + ")" : id; }

std::string rule_text(std::string_view action, Protocol protocol, const Ports& ports, std::string_view from, std::string_view to) {
  std::string out(action);
  out += " " + std::string(json::name_of(protocol));
  if (!ports.all()) out += " " + ports.text();
  if (!from.empty()) out += " from " + std::string(from);
  if (!to.empty()) out += " to " + std::string(to);
  return out;
}

class Builder {
 public:
  Builder(const Model& model, const std::vector<Tenant>& tenants) : model_(model), tenants_(tenants) {}

  Expected<Topology, std::vector<Problem>> run() {
    services();
    for (std::size_t i = 0; i < model_.vpcs.size(); ++i) vpc_shape(model_.vpcs[i], at("vpcs", i));
    for (std::size_t i = 0; i < model_.transit_gateways.size(); ++i) transit(model_.transit_gateways[i], at("transit_gateways", i));
    for (std::size_t i = 0; i < model_.vpcs.size(); ++i) vpc_contents(model_.vpcs[i], at("vpcs", i), static_cast<int>(i));
    transit_ranges();
    tenants_and_groups();
    for (std::size_t i = 0; i < model_.vpcs.size(); ++i) group_rules(model_.vpcs[i], at("vpcs", i));
    if (!problems_.empty()) return fail(std::move(problems_));
    return std::move(out_);
  }

 private:
  static std::string at(const std::string& list, std::size_t i) { return list + "[" + std::to_string(i) + "]"; }
  template <class... A>
  void problem(const std::string& path, fmt::format_string<A...> text, A&&... args) {
    problems_.push_back({path, fmt::format(text, std::forward<A>(args)...)});
  }
  /// Ids are unique over the whole file and look like the cloud's.
  void id(const std::string& path, std::string_view prefix, const std::string& id) {
    const bool plain = std::all_of(id.begin(), id.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
    if (!id.starts_with(prefix) || id.size() == prefix.size() || id.size() > 40 || !plain)
      problem(path, "'{}' is not an id: {} and small letters, digits and dashes, 40 at most", id, prefix);
    if (!ids_.insert(id).second) problem(path, "'{}' is defined twice", id);
  }
  std::optional<Cidr> range(const std::string& path, const std::string& text) {
    auto r = cidr_of(text);
    if (!r.problem.empty()) return problem(path, "{}", r.problem), std::nullopt;
    return r.cidr;
  }
  Ports ports(const std::string& path, const std::optional<std::string>& text, Protocol protocol) {
    if (!text) return {};
    const auto p = ports_of(*text);
    if (!p) problem(path + ".ports", "'{}' is not a port, a range such as 1024-65535, or all", *text);
    if (p && !p->all() && protocol != Protocol::tcp && protocol != Protocol::udp)
      problem(path + ".ports", "ports are of tcp or udp, not of {}", json::name_of(protocol));
    return p.value_or(Ports{});
  }

  void services() {
    std::set<std::string> names;
    std::map<Address, std::string> addresses;
    for (std::size_t i = 0; i < model_.services.size(); ++i) {
      const auto& s = model_.services[i];
      const auto path = at("services", i);
      ServiceT t{.name = s.name, .path = path, .endpoint_service = s.endpoint_service.value_or(""), .role = s.role, .hosts = s.hosts};
      if (s.name.empty() || s.name.size() > 40 || s.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != s.name.npos)
        problem(path + ".name", "'{}' is not a service's name: small letters, digits and dashes, 40 at most", s.name);
      for (const auto* group : {&s.hosts})
        for (const auto& host : *group)
          if (!names.insert(host).second) problem(path + ".hosts", "the name '{}' leads to two services", host);
      if (!names.insert(s.name).second) problem(path + ".name", "the name '{}' leads to two services", s.name);
      for (std::size_t k = 0; k < s.addresses.size(); ++k) {
        const auto a = address_of(s.addresses[k]);
        if (!a)
          problem(at(path + ".addresses", k), "'{}' is not an IPv4 address", s.addresses[k]);
        else if (reserved(*a))
          problem(at(path + ".addresses", k), "{} is reserved: no service can have it", a->text());
        else if (const auto [other, fresh] = addresses.emplace(*a, s.name); !fresh)
          problem(at(path + ".addresses", k), "{} is the address of service '{}' too", a->text(), other->second);
        else
          t.addresses.push_back(*a);
      }
      if (s.addresses.empty()) problem(path, "service '{}' needs at least one address", s.name);
      for (const int p : s.ports)
        if (p < 1 || p > 65535)
          problem(path + ".ports", "{} is not a port", p);
        else
          t.ports.push_back(static_cast<std::uint16_t>(p));
      if (s.ports.empty()) problem(path, "service '{}' listens on no port", s.name);
      for (std::size_t k = 0; k < s.prefixes.size(); ++k)
        if (const auto c = range(at(path + ".prefixes", k), s.prefixes[k])) t.prefixes.push_back(*c);
      out_.services.push_back(std::move(t));
    }
  }

  void vpc_shape(const Vpc& v, const std::string& path) {
    id(path + ".id", "vpc-", v.id);
    VpcT t{.id = v.id, .label = labelled(v.id, v.name), .region = v.region, .path = path, .internet_gateway = v.internet_gateway.value_or("")};
    t.dns = v.dns_support.value_or(true) && v.dns_hostnames.value_or(true);
    if (v.internet_gateway) id(path + ".internet_gateway", "igw-", *v.internet_gateway);
    if (v.cidrs.empty()) problem(path, "VPC {} has no range under 'cidrs'", v.id);
    for (std::size_t k = 0; k < v.cidrs.size(); ++k) {
      const auto where = at(path + ".cidrs", k);
      const auto c = range(where, v.cidrs[k]);
      if (!c) continue;
      if (c->length < 16 || c->length > 28) problem(where, "a VPC's range must be between /16 and /28, got {}", c->text());
      for (const auto& r : kReserved)
        if (r.overlaps(*c)) problem(where, "{} lies in {}, which no VPC may use", c->text(), r.text());
      for (const auto& other : t.ranges)
        if (other.overlaps(*c)) problem(where, "{} overlaps {} of the same VPC", c->text(), other.text());
      for (const auto& s : out_.services)
        for (const auto a : s.addresses)
          if (c->contains(a)) problem(where, "{} contains {}, the address of service '{}'", c->text(), a.text(), s.name);
      t.ranges.push_back(*c);
    }
    out_.vpcs.push_back(std::move(t));
    const int vpc = static_cast<int>(out_.vpcs.size()) - 1;
    for (std::size_t k = 0; k < v.network_acls.size(); ++k) acl(v.network_acls[k], at(path + ".network_acls", k));
    for (std::size_t k = 0; k < v.security_groups.size(); ++k) {
      const auto where = at(path + ".security_groups", k);
      id(where + ".id", "sg-", v.security_groups[k].id);
      out_.groups.push_back({.id = v.security_groups[k].id, .path = where});
      group_vpc_.push_back(vpc);
    }
    for (std::size_t k = 0; k < v.route_tables.size(); ++k) {
      const auto where = at(path + ".route_tables", k);
      id(where + ".id", "rtb-", v.route_tables[k].id);
      out_.tables.push_back({.id = v.route_tables[k].id, .path = where});
    }
    for (std::size_t k = 0; k < v.subnets.size(); ++k) subnet(v, v.subnets[k], at(path + ".subnets", k), vpc);
  }

  void acl(const NetworkAcl& a, const std::string& path) {
    id(path + ".id", "acl-", a.id);
    AclT t{.id = a.id, .path = path};
    const auto side = [&](const std::vector<AclRule>& rules, const char* name, std::vector<Match>& out, bool inwards) {
      std::map<int, Match> ordered;
      for (std::size_t k = 0; k < rules.size(); ++k) {
        const auto& r = rules[k];
        const auto where = at(path + "." + name, k);
        Match m{.allow = r.action == AclAction::allow, .protocol = r.protocol.value_or(Protocol::all), .path = where};
        m.ports = ports(where, r.ports, m.protocol);
        if (const auto c = range(where + ".cidr", r.cidr)) (inwards ? m.from : m.to) = {*c};
        m.text =
            fmt::format("rule {}: {}", r.rule, rule_text(json::name_of(r.action), m.protocol, m.ports, inwards ? r.cidr : "", inwards ? "" : r.cidr));
        if (r.rule < 1 || r.rule > 32766) problem(where + ".rule", "a rule's number is between 1 and 32766, got {}", r.rule);
        if (!ordered.emplace(r.rule, std::move(m)).second) problem(where + ".rule", "rule {} is given twice", r.rule);
      }
      for (auto& [number, m] : ordered) out.push_back(std::move(m));
    };
    side(a.ingress, "ingress", t.ingress, true);
    side(a.egress, "egress", t.egress, false);
    out_.acls.push_back(std::move(t));
  }

  void subnet(const Vpc& v, const Subnet& s, const std::string& path, int vpc) {
    id(path + ".id", "subnet-", s.id);
    SubnetT t{.id = s.id, .label = labelled(s.id, s.name), .zone = s.zone, .path = path, .vpc = vpc};
    if (s.zone.empty()) problem(path + ".zone", "subnet {} needs an availability zone", s.id);
    if (!s.zone.empty() && !s.zone.starts_with(v.region)) problem(path + ".zone", "zone '{}' is not in region {}", s.zone, v.region);
    if (const auto c = range(path + ".cidr", s.cidr)) {
      t.range = *c;
      const auto& ranges = out_.vpcs[static_cast<std::size_t>(vpc)].ranges;
      if (c->length < 16 || c->length > 28)
        problem(path + ".cidr", "a subnet's range must be between /16 and /28, got {}", c->text());
      else
        t.instance = c->at(10);
      if (std::none_of(ranges.begin(), ranges.end(), [&](const Cidr& r) { return r.contains(*c); }))
        problem(path + ".cidr", "{} is in no range of VPC {}", c->text(), v.id);
      for (const auto& other : out_.subnets)
        if (other.vpc == vpc && other.range.overlaps(*c))
          problem(path + ".cidr", "{} overlaps {} of subnet {}", c->text(), other.range.text(), other.id);
    }
    const auto own = [&](const char* field, const std::optional<std::string>& name, const auto& mine, const auto& all) {
      if (!name) return -1;
      if (index_of(mine, *name) < 0) problem(path + "." + field, "'{}' is not defined in VPC {}", *name, v.id);
      return index_of(all, *name);
    };
    t.table = own("route_table", s.route_table, v.route_tables, out_.tables);
    t.acl = own("network_acl", s.network_acl, v.network_acls, out_.acls);
    for (std::size_t k = 0; k < s.security_groups.size(); ++k)
      if (const int g = own("security_groups", s.security_groups[k], v.security_groups, out_.groups); g >= 0) t.groups.push_back(g);
    out_.subnets.push_back(std::move(t));
  }

  int subnet_of(const std::string& path, const std::string& name, int vpc) {
    const int i = index_of(out_.subnets, name);
    if (i < 0 || out_.subnets[static_cast<std::size_t>(i)].vpc != vpc) {
      problem(path, "subnet '{}' is not defined in VPC {}", name, out_.vpcs[static_cast<std::size_t>(vpc)].id);
      return -1;
    }
    return i;
  }

  /// The parts that lie in subnets, then the routes that lead to them.
  void vpc_contents(const Vpc& v, const std::string& path, int vpc) {
    for (std::size_t k = 0; k < v.endpoints.size(); ++k) endpoint(v, v.endpoints[k], at(path + ".endpoints", k), vpc);
    for (std::size_t k = 0; k < v.nat_gateways.size(); ++k) {
      const auto& n = v.nat_gateways[k];
      const auto where = at(path + ".nat_gateways", k);
      id(where + ".id", "nat-", n.id);
      NatT t{.id = n.id, .path = where, .vpc = vpc, .subnet = subnet_of(where + ".subnet", n.subnet, vpc)};
      if (const auto a = address_of(n.public_address))
        t.public_address = *a;
      else
        problem(where + ".public_address", "'{}' is not an IPv4 address", n.public_address);
      if (reserved(t.public_address)) problem(where + ".public_address", "{} is reserved: no gateway can have it", n.public_address);
      for (const auto& other : out_.nats)
        if (other.public_address == t.public_address) problem(where + ".public_address", "{} is the address of {} too", n.public_address, other.id);
      for (const auto& s : out_.services)
        if (std::find(s.addresses.begin(), s.addresses.end(), t.public_address) != s.addresses.end())
          problem(where + ".public_address", "{} is the address of service '{}' too", n.public_address, s.name);
      for (const auto& other : out_.vpcs)
        if (other.contains(t.public_address)) problem(where + ".public_address", "{} lies in a range of VPC {}", n.public_address, other.id);
      out_.nats.push_back(std::move(t));
    }
    for (std::size_t k = 0; k < v.firewalls.size(); ++k) firewall(v.firewalls[k], at(path + ".firewalls", k), vpc);
    for (const auto& t : v.route_tables) {
      auto& table = out_.tables[static_cast<std::size_t>(index_of(out_.tables, t.id))];
      for (std::size_t k = 0; k < t.routes.size(); ++k) vpc_route(t.routes[k], at(table.path + ".routes", k), table, v, vpc);
      std::stable_sort(table.routes.begin(), table.routes.end(), [](const auto& a, const auto& b) { return a.to.length > b.to.length; });
    }
  }

  void endpoint(const Vpc& v, const Endpoint& e, const std::string& path, int vpc) {
    id(path + ".id", "vpce-", e.id);
    EndpointT t{.id = e.id, .path = path, .state = e.state.value_or("available"), .vpc = vpc, .gateway = e.type == EndpointType::GATEWAY};
    for (std::size_t k = 0; k < out_.services.size(); ++k)
      if (out_.services[k].name == e.service) t.service = static_cast<int>(k);
    if (t.service < 0) problem(path + ".service", "service '{}' is not defined", e.service);
    if (t.gateway) {
      if (t.service >= 0 && out_.services[static_cast<std::size_t>(t.service)].prefixes.empty())
        problem(path + ".service", "a gateway endpoint needs the prefixes of service '{}'", e.service);
      if (!e.subnets.empty() || !e.security_groups.empty())
        problem(path, "a gateway endpoint has no subnets and no security groups: routes lead to it");
    } else {
      t.private_dns = e.private_dns.value_or(true);
      if (t.private_dns && !out_.vpcs[static_cast<std::size_t>(vpc)].dns)
        problem(path, "private DNS of {} needs dns_support and dns_hostnames of VPC {}", e.id, v.id);
      if (e.subnets.empty()) problem(path, "interface endpoint {} needs at least one subnet", e.id);
      std::set<std::string> zones;
      for (std::size_t k = 0; k < e.subnets.size(); ++k) {
        const int s = subnet_of(at(path + ".subnets", k), e.subnets[k], vpc);
        if (s < 0) continue;
        const auto& sub = out_.subnets[static_cast<std::size_t>(s)];
        if (!zones.insert(sub.zone).second) problem(at(path + ".subnets", k), "endpoint {} has two subnets in zone {}", e.id, sub.zone);
        const auto n = 11 + taken_[s]++;
        if (n + 1 >= sub.range.size())
          problem(at(path + ".subnets", k), "subnet {} has no address left for endpoint {}", sub.id, e.id);
        else
          t.interfaces.emplace_back(s, sub.range.at(n));
      }
      for (std::size_t k = 0; k < e.security_groups.size(); ++k) {
        const int g = index_of(out_.groups, e.security_groups[k]);
        if (g < 0 || group_vpc_[static_cast<std::size_t>(g)] != vpc)
          problem(at(path + ".security_groups", k), "'{}' is not defined in VPC {}", e.security_groups[k], v.id);
        else
          t.groups.push_back(g);
      }
      if (e.security_groups.empty()) problem(path, "interface endpoint {} needs a security group", e.id);
      if (t.private_dns)
        for (const auto& other : out_.endpoints)
          if (other.vpc == vpc && other.private_dns && other.service == t.service && t.service >= 0)
            problem(path, "{} and {} both answer for service '{}' by private DNS in VPC {}", other.id, e.id, e.service, v.id);
    }
    out_.endpoints.push_back(std::move(t));
  }

  void firewall(const Firewall& f, const std::string& path, int vpc) {
    id(path + ".id", "fw-", f.id);
    FirewallT t{.id = f.id, .label = labelled(f.id, f.name), .path = path, .vpc = vpc, .subnet = subnet_of(path + ".subnet", f.subnet, vpc)};
    t.otherwise = f.default_.value_or(FirewallAction::drop);
    for (std::size_t k = 0; k < f.rules.size(); ++k) {
      const auto& r = f.rules[k];
      const auto where = at(path + ".rules", k);
      Match m{.allow = r.action == FirewallAction::allow, .reject = r.action == FirewallAction::reject, .path = where};
      m.protocol = r.protocol.value_or(Protocol::all);
      m.ports = ports(where, r.ports, m.protocol);
      for (std::size_t n = 0; n < r.from.size(); ++n)
        if (const auto c = range(at(where + ".from", n), r.from[n])) m.from.push_back(*c);
      for (std::size_t n = 0; n < r.to.size(); ++n)
        if (const auto c = range(at(where + ".to", n), r.to[n])) m.to.push_back(*c);
      m.text = rule_text(json::name_of(r.action), m.protocol, m.ports, fmt::format("{}", fmt::join(r.from, ", ")),
                         fmt::format("{}", fmt::join(r.to, ", ")));
      if (r.comment) m.text += " (" + *r.comment + ")";
      t.rules.push_back(std::move(m));
    }
    out_.firewalls.push_back(std::move(t));
  }

  void vpc_route(const Route& r, const std::string& path, Table& table, const Vpc& v, int vpc) {
    RouteEntry e{.path = path, .text = r.to + " via " + r.via};
    std::vector<Cidr> to;
    const ServiceT* prefix_list = nullptr;
    for (const auto& s : out_.services)
      if (s.name == r.to && !s.prefixes.empty()) prefix_list = &s;
    if (prefix_list) {
      to = prefix_list->prefixes;
    } else if (const auto c = range(path + ".to", r.to)) {
      to = {*c};
      for (const auto& own : out_.vpcs[static_cast<std::size_t>(vpc)].ranges)
        if (own.contains(*c)) return problem(path + ".to", "{} lies in the VPC's own range {}, which is always local", c->text(), own.text());
    }
    const auto target = [&](Via via, int index) { e.via = via, e.index = index; };
    const auto inside = [&](const auto& all) {
      const int i = index_of(all, r.via);
      return i >= 0 && all[static_cast<std::size_t>(i)].vpc == vpc ? i : -1;
    };
    if (r.via == "blackhole")
      target(Via::blackhole, 0);
    else if (const int t = index_of(out_.transits, r.via); t >= 0) {
      target(Via::transit, t);
      if (out_.attachment_of(t, vpc) < 0) return problem(path + ".via", "VPC {} has no attachment to {}", v.id, r.via);
    } else if (const int f = inside(out_.firewalls); f >= 0)
      target(Via::firewall, f);
    else if (const int n = inside(out_.nats); n >= 0)
      target(Via::nat, n);
    else if (const int g = inside(out_.endpoints); g >= 0) {
      const auto& endpoint = out_.endpoints[static_cast<std::size_t>(g)];
      if (!endpoint.gateway) return problem(path + ".via", "{} is an interface endpoint: no route leads to it, its names do", r.via);
      if (!prefix_list || endpoint.service < 0 || out_.services[static_cast<std::size_t>(endpoint.service)].name != r.to)
        return problem(path + ".to", "a route to gateway endpoint {} names its service, not '{}'", r.via, r.to);
      target(Via::gateway_endpoint, g);
    } else if (v.internet_gateway && r.via == *v.internet_gateway)
      target(Via::internet, vpc);
    else
      return problem(path + ".via", "'{}' is no transit gateway, firewall, NAT gateway, gateway endpoint or internet gateway of VPC {}", r.via, v.id);
    for (const auto& c : to) {
      for (const auto& other : table.routes)
        if (other.to == c) problem(path + ".to", "table {} has two routes to {}", table.id, c.text());
      e.to = c;
      table.routes.push_back(e);
    }
  }

  void transit(const TransitGateway& g, const std::string& path) {
    id(path + ".id", "tgw-", g.id);
    const int transit = static_cast<int>(out_.transits.size());
    out_.transits.push_back({.id = g.id, .path = path});
    for (std::size_t k = 0; k < g.attachments.size(); ++k) {
      const auto& a = g.attachments[k];
      const auto where = at(path + ".attachments", k);
      id(where + ".id", "tgw-attach-", a.id);
      AttachmentT t{.id = a.id, .path = where, .transit = transit, .vpc = index_of(out_.vpcs, a.vpc)};
      if (t.vpc < 0)
        problem(where + ".vpc", "VPC '{}' is not defined", a.vpc);
      else
        t.subnet = subnet_of(where + ".subnet", a.subnet, t.vpc);
      if (t.vpc >= 0 && out_.attachment_of(transit, t.vpc) >= 0) problem(where, "VPC {} is attached to {} twice", a.vpc, g.id);
      out_.attachments.push_back(std::move(t));
    }
    for (std::size_t k = 0; k < g.route_tables.size(); ++k) {
      const auto& r = g.route_tables[k];
      const auto where = at(path + ".route_tables", k);
      id(where + ".id", "tgw-rtb-", r.id);
      Table table{.id = r.id, .path = where};
      const auto attachment = [&](const std::string& at, const std::string& name) {
        const int i = index_of(out_.attachments, name);
        if (i >= 0 && out_.attachments[static_cast<std::size_t>(i)].transit == transit) return i;
        problem(at, "attachment '{}' is not defined in {}", name, g.id);
        return -1;
      };
      for (std::size_t n = 0; n < r.attachments.size(); ++n) {
        const int a = attachment(at(where + ".attachments", n), r.attachments[n]);
        if (a < 0) continue;
        auto& known = out_.attachments[static_cast<std::size_t>(a)];
        if (known.table >= 0) problem(at(where + ".attachments", n), "two route tables decide for {}", known.id);
        known.table = static_cast<int>(k);
      }
      for (std::size_t n = 0; n < r.routes.size(); ++n) {
        const auto here = at(where + ".routes", n);
        RouteEntry e{.path = here, .text = r.routes[n].to + " via " + r.routes[n].via};
        const auto c = range(here + ".to", r.routes[n].to);
        if (!c) continue;
        e.to = *c;
        if (r.routes[n].via != "blackhole") e.via = Via::transit, e.index = attachment(here + ".via", r.routes[n].via);
        for (const auto& other : table.routes)
          if (other.to == *c) problem(here + ".to", "table {} has two routes to {}", r.id, c->text());
        table.routes.push_back(std::move(e));
      }
      std::stable_sort(table.routes.begin(), table.routes.end(), [](const auto& a, const auto& b) { return a.to.length > b.to.length; });
      out_.transits.back().tables.push_back(std::move(table));
    }
  }

  void transit_ranges() {
    for (const auto& a : out_.attachments)
      for (const auto& b : out_.attachments) {
        if (&a >= &b || a.transit != b.transit || a.vpc < 0 || b.vpc < 0 || a.vpc == b.vpc) continue;
        const auto &x = out_.vpcs[static_cast<std::size_t>(a.vpc)], &y = out_.vpcs[static_cast<std::size_t>(b.vpc)];
        for (const auto& r : x.ranges)
          for (const auto& s : y.ranges)
            if (r.overlaps(s)) problem(b.path, "VPCs {} and {} on one transit gateway overlap: {} and {}", x.id, y.id, r.text(), s.text());
      }
  }

  /// Instances have the groups that their network's registration names, where one is known.
  void tenants_and_groups() {
    out_.tenants = tenants_;
    for (const auto& t : tenants_)
      for (const auto& id : t.subnets) {
        const int s = index_of(out_.subnets, id);
        if (s < 0) continue;  // the registration's own check names it
        auto& subnet = out_.subnets[static_cast<std::size_t>(s)];
        std::vector<int> groups;
        for (const auto& g : t.security_groups)
          if (const int i = index_of(out_.groups, g); i >= 0) groups.push_back(i);
        if (subnet.groups.empty()) subnet.groups = groups;
        auto a = subnet.groups, b = groups;
        std::sort(a.begin(), a.end()), std::sort(b.begin(), b.end());
        if (a != b)
          problem(subnet.path, "subnet {} says other security groups than the network that workspace '{}' registers over it", subnet.id, t.workspace);
      }
  }

  void group_rules(const Vpc& v, const std::string& path) {
    for (std::size_t k = 0; k < v.security_groups.size(); ++k) {
      const auto& g = v.security_groups[k];
      auto& t = out_.groups[static_cast<std::size_t>(index_of(out_.groups, g.id))];
      const auto side = [&](const std::vector<GroupRule>& rules, const char* name, std::vector<Match>& out, bool inwards) {
        for (std::size_t n = 0; n < rules.size(); ++n) {
          const auto& r = rules[n];
          const auto where = at(at(path + ".security_groups", k) + "." + name, n);
          Match m{.protocol = r.protocol.value_or(Protocol::tcp), .path = where};
          m.ports = ports(where, r.ports, m.protocol);
          auto& ranges = inwards ? m.from : m.to;
          if (r.peers.empty()) problem(where, "a rule of {} needs at least one entry under 'peers'", g.id);
          for (std::size_t p = 0; p < r.peers.size(); ++p) peers(at(where + ".peers", p), r.peers[p], g.id, ranges);
          const auto who = fmt::format("{}", fmt::join(r.peers, ", "));
          m.text = rule_text("allow", m.protocol, m.ports, inwards ? who : "", inwards ? "" : who);
          if (!ranges.empty()) out.push_back(std::move(m));  // a group that nobody is in lets nobody in
        }
      };
      side(g.ingress, "ingress", t.ingress, true);
      side(g.egress, "egress", t.egress, false);
      const auto own = [&](const std::vector<GroupRule>& rules, Protocol protocol) {
        return std::any_of(rules.begin(), rules.end(), [&](const GroupRule& r) {
          const auto p = r.protocol.value_or(Protocol::tcp);
          const bool all = !r.ports || ports_of(*r.ports).value_or(Ports{1, 1}).all();
          return (p == Protocol::all || p == protocol) && all &&
                 std::any_of(r.peers.begin(), r.peers.end(), [&](const std::string& x) { return x == "self" || x == g.id || x == "0.0.0.0/0"; });
        });
      };
      t.internal_all = own(g.ingress, Protocol::tcp) && own(g.ingress, Protocol::udp) && own(g.egress, Protocol::tcp) && own(g.egress, Protocol::udp);
    }
  }

  void peers(const std::string& path, const std::string& peer, const std::string& self, std::vector<Cidr>& out) {
    const bool group = peer == "self" || peer.starts_with("sg-");
    if (group) {
      const int g = index_of(out_.groups, peer == "self" ? self : peer);
      if (g < 0) return problem(path, "security group '{}' is not defined", peer);
      for (const auto& s : out_.subnets)
        if (std::find(s.groups.begin(), s.groups.end(), g) != s.groups.end()) out.push_back({s.instance, 32});
      for (const auto& e : out_.endpoints)
        if (std::find(e.groups.begin(), e.groups.end(), g) != e.groups.end())
          for (const auto& [subnet, address] : e.interfaces) out.push_back({address, 32});
      return;
    }
    for (const auto& s : out_.services)
      if (s.name == peer && !s.prefixes.empty()) {
        out.insert(out.end(), s.prefixes.begin(), s.prefixes.end());
        return;
      }
    if (const auto c = range(path, peer)) out.push_back(*c);
  }

  const Model& model_;
  const std::vector<Tenant>& tenants_;
  Topology out_;
  std::vector<Problem> problems_;
  std::set<std::string> ids_;
  std::vector<int> group_vpc_;
  std::map<int, std::uint32_t> taken_;
};

bool any_contains(const std::vector<Cidr>& ranges, Address a) {
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(), [&](const Cidr& c) { return c.contains(a); });
}

}  // namespace

const RouteEntry* Table::find(Address to) const {
  const auto i = std::find_if(routes.begin(), routes.end(), [&](const RouteEntry& r) { return r.to.contains(to); });
  return i == routes.end() ? nullptr : &*i;
}

bool Match::matches(Address source, Address destination, Protocol p, std::uint16_t port) const {
  return takes(p) && any_contains(from, source) && any_contains(to, destination) && ports.contains(port);
}

bool VpcT::contains(Address a) const {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Cidr& c) { return c.contains(a); });
}

int Topology::vpc(std::string_view id) const { return index_of(vpcs, id); }
int Topology::group(std::string_view id) const { return index_of(groups, id); }

int Topology::subnet(std::string_view name) const {
  for (std::size_t i = 0; i < subnets.size(); ++i)
    if (subnets[i].id == name || subnets[i].label == fmt::format("{} ({})", name, subnets[i].id)) return static_cast<int>(i);
  return -1;
}

int Topology::service(std::string_view name) const {
  for (std::size_t i = 0; i < services.size(); ++i)
    if (services[i].name == name || std::find(services[i].hosts.begin(), services[i].hosts.end(), name) != services[i].hosts.end())
      return static_cast<int>(i);
  return -1;
}

int Topology::service_at(Address a) const {
  for (std::size_t i = 0; i < services.size(); ++i)
    if (std::find(services[i].addresses.begin(), services[i].addresses.end(), a) != services[i].addresses.end()) return static_cast<int>(i);
  return -1;
}

int Topology::attachment_of(int transit, int vpc) const {
  for (std::size_t i = 0; i < attachments.size(); ++i)
    if (attachments[i].transit == transit && attachments[i].vpc == vpc) return static_cast<int>(i);
  return -1;
}

const Tenant* Topology::tenant_of(int subnet) const {
  const auto& id = subnets[static_cast<std::size_t>(subnet)].id;
  for (const auto& t : tenants)
    if (std::find(t.subnets.begin(), t.subnets.end(), id) != t.subnets.end()) return &t;
  return nullptr;
}

Expected<Topology, std::vector<Problem>> build(const Model& model, const std::vector<Tenant>& tenants) { return Builder(model, tenants).run(); }

}  // namespace tarn::network
