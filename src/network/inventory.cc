#include "network/inventory.h"

namespace tarn::network {
namespace {

using Account = account::VpcInventory;

template <class T>
const T& entry(const std::vector<T>& all, int i) {
  return all[static_cast<std::size_t>(i)];
}

constexpr Cidr kAnywhere{{0}, 0};

bool whole(const std::vector<Cidr>& ranges, const Cidr& wanted) {
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(), [&](const Cidr& c) { return c.contains(wanted); });
}

/// Whether a list lets all of this pass: the first rule that touches it allows it wholly, or narrower denials do not come before.
bool lets(const std::vector<Match>& rules, Protocol protocol, const Ports& ports, const Cidr& range, bool inwards) {
  for (const auto& m : rules) {
    if (m.protocol != Protocol::all && m.protocol != protocol) continue;
    const auto& ranges = inwards ? m.from : m.to;
    const bool touches = m.ports.overlaps(ports) && std::any_of(ranges.begin(), ranges.end(), [&](const Cidr& c) { return c.overlaps(range); });
    if (!touches) continue;
    if (!m.allow) return false;
    if (m.ports.contains(ports) && whole(ranges, range)) return true;
  }
  return false;
}

/// Docs, "Customer-managed VPC", network ACLs: ALLOW ALL from 0.0.0.0/0 in; out to the VPC's own ranges everything, and these ports anywhere.
std::vector<std::string> missing_of(const AclT& acl, const VpcT& vpc) {
  std::vector<std::string> out;
  for (const auto protocol : {Protocol::tcp, Protocol::udp})
    if (!lets(acl.ingress, protocol, {}, kAnywhere, true)) {
      out.push_back("ingress of all traffic from 0.0.0.0/0");
      break;
    }
  for (const auto& range : vpc.ranges)
    if (!lets(acl.egress, Protocol::tcp, {}, range, false) || !lets(acl.egress, Protocol::udp, {}, range, false))
      out.push_back("egress of all traffic to " + range.text());
  if (!lets(acl.egress, Protocol::tcp, {443, 443}, kAnywhere, false)) out.push_back("egress to TCP port 443 of 0.0.0.0/0");
  return out;
}

bool has_endpoint(const Topology& t, const SubnetT& s, int service) {
  for (std::size_t i = 0; i < t.endpoints.size(); ++i) {
    const auto& e = t.endpoints[i];
    if (e.vpc != s.vpc || e.service != service || e.state != "available") continue;
    if (!e.gateway && e.private_dns) return true;
    if (!e.gateway || s.table < 0) continue;
    const auto* r = entry(t.tables, s.table).find(entry(t.services, service).addresses.front());
    if (r && r->via == Via::gateway_endpoint && r->index == static_cast<int>(i)) return true;
  }
  return false;
}

/// A route that leads somewhere. What happens behind it (firewalls) is not the vendor's to see, and is not judged: that is what
/// `tarn network trace` is for.
bool has_route(const Topology& t, const SubnetT& s, int service) {
  if (s.table < 0) return false;
  const auto* r = entry(t.tables, s.table).find(entry(t.services, service).addresses.front());
  return r && r->via != Via::blackhole;
}

bool opens(const GroupT& g, std::uint16_t port) {
  return std::any_of(g.egress.begin(), g.egress.end(),
                     [&](const Match& m) { return m.takes(Protocol::tcp) && m.ports.contains(port) && whole(m.to, kAnywhere); });
}

}  // namespace

std::optional<Account::Vpc> vpc_facts(const Topology& t, std::string_view vpc_id) {
  const int v = t.vpc(vpc_id);
  if (v < 0) return std::nullopt;
  const auto& vpc = entry(t.vpcs, v);
  Account::Vpc out{.id = vpc.id, .region = vpc.region, .dns_support = vpc.dns, .dns_hostnames = vpc.dns};
  for (const auto& s : t.subnets) {
    if (s.vpc != v) continue;
    Account::Subnet facts{.id = s.id, .availability_zone = s.zone, .netmask = s.range.length};
    if (s.acl >= 0) {
      facts.network_acl = entry(t.acls, s.acl).id;
      facts.acl_missing = missing_of(entry(t.acls, s.acl), vpc);
    }
    for (std::size_t i = 0; i < t.services.size(); ++i) {
      const auto role = t.services[i].role;
      const int service = static_cast<int>(i);
      if (role == ServiceRole::OTHER || has_endpoint(t, s, service)) continue;
      const bool cloud = role == ServiceRole::S3 || role == ServiceRole::STS || role == ServiceRole::KINESIS;
      const std::string name = cloud                        ? std::string(json::name_of(role))
                               : role == ServiceRole::RELAY ? "the secure cluster connectivity relay"
                                                            : "the control plane";
      if (!has_route(t, s, service))
        facts.no_way.push_back(name);
      else if (cloud)
        facts.no_endpoint.push_back(name);
    }
    out.subnets.push_back(std::move(facts));
  }
  for (std::size_t i = 0; i < t.groups.size(); ++i) {
    const auto& g = t.groups[i];
    // A group's VPC is where the group stands in the file.
    if (!g.path.starts_with(vpc.path + ".")) continue;
    out.security_groups.push_back({.id = g.id, .egress_443 = opens(g, 443), .internal_all = g.internal_all, .egress_6666 = opens(g, 6666)});
  }
  return out;
}

std::optional<Account::Endpoint> endpoint_facts(const Topology& t, std::string_view id, std::string_view region) {
  for (const auto& e : t.endpoints) {
    const auto& vpc = entry(t.vpcs, e.vpc);
    if (e.id != id || vpc.region != region) continue;
    const auto& service = entry(t.services, e.service);
    return Account::Endpoint{.service_id = service.endpoint_service,
                             .state = e.state,
                             .vpc_id = vpc.id,
                             .use_case = service.role == ServiceRole::RELAY ? account::EndpointUseCase::DATAPLANE_RELAY_ACCESS
                                                                            : account::EndpointUseCase::WORKSPACE_ACCESS};
  }
  return std::nullopt;
}

}  // namespace tarn::network
