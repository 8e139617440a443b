#pragma once
// The network under the workspaces, as the team that owns it writes it down (platform/network.yaml): values only, with the cloud's own ids,
// which are what `networks` of the platform registers. The members are the YAML's keys. What they mean is AWS's:
//   security groups are stateful and allow only; network ACLs are stateless, first match in the order of `rule`, else deny;
//   a route table's longest prefix decides, and the VPC's own ranges are always local; the firewall is stateful, first match, else `default`.
// topology.h checks a model and makes it walkable. Source: Amazon VPC and Transit Gateway guides; docs "Customer-managed VPC", "PrivateLink".
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace tarn::network {

enum class Protocol { all, tcp, udp, icmp };
BOOST_DESCRIBE_ENUM(Protocol, all, tcp, udp, icmp)

struct GroupRule {
  std::optional<Protocol> protocol;  // tcp
  std::optional<std::string> ports;  // "443", "1024-65535"; all
  std::vector<std::string> peers;    // ranges, ids of security groups, `self`, or a service's name (its prefixes)
};
BOOST_DESCRIBE_STRUCT(GroupRule, (), (protocol, ports, peers))

struct SecurityGroup {
  std::string id;
  std::optional<std::string> name;
  std::vector<GroupRule> ingress, egress;
};
BOOST_DESCRIBE_STRUCT(SecurityGroup, (), (id, name, ingress, egress))

enum class AclAction { allow, deny };
BOOST_DESCRIBE_ENUM(AclAction, allow, deny)

struct AclRule {
  int rule = 0;  // 1 to 32766; the lowest that matches decides
  AclAction action = AclAction::deny;
  std::optional<Protocol> protocol;  // all
  std::optional<std::string> ports;  // of the packet's destination; all
  std::string cidr;                  // where it comes from (ingress) or goes to (egress)
};
BOOST_DESCRIBE_STRUCT(AclRule, (), (rule, action, protocol, ports, cidr))

struct NetworkAcl {
  std::string id;
  std::vector<AclRule> ingress, egress;
};
BOOST_DESCRIBE_STRUCT(NetworkAcl, (), (id, ingress, egress))

struct Route {
  std::string to;   // a range, or the name of a service with prefixes (a prefix list)
  std::string via;  // tgw-…, fw-…, nat-…, igw-…, a gateway endpoint's vpce-…, or `blackhole`
};
BOOST_DESCRIBE_STRUCT(Route, (), (to, via))

struct RouteTable {
  std::string id;
  std::vector<Route> routes;
};
BOOST_DESCRIBE_STRUCT(RouteTable, (), (id, routes))

struct Subnet {
  std::string id;
  std::optional<std::string> name;
  std::string zone, cidr;
  std::optional<std::string> route_table;    // none: only the VPC itself
  std::optional<std::string> network_acl;    // none: everything passes
  std::vector<std::string> security_groups;  // of the instances there; a network registered over it says so too
};
BOOST_DESCRIBE_STRUCT(Subnet, (), (id, name, zone, cidr, route_table, network_acl, security_groups))

enum class EndpointType { GATEWAY, INTERFACE };
BOOST_DESCRIBE_ENUM(EndpointType, GATEWAY, INTERFACE)

struct Endpoint {
  std::string id;
  std::optional<std::string> name;
  EndpointType type = EndpointType::INTERFACE;
  std::string service;
  std::vector<std::string> subnets, security_groups;  // of an interface endpoint: one address a subnet
  std::optional<bool> private_dns;                    // the service's names lead to the endpoint inside the VPC; true
  std::optional<std::string> state;                   // available
};
BOOST_DESCRIBE_STRUCT(Endpoint, (), (id, name, type, service, subnets, security_groups, private_dns, state))

struct NatGateway {
  std::string id, subnet, public_address;
};
BOOST_DESCRIBE_STRUCT(NatGateway, (), (id, subnet, public_address))

enum class FirewallAction { allow, drop, reject };
BOOST_DESCRIBE_ENUM(FirewallAction, allow, drop, reject)

struct FirewallRule {
  FirewallAction action = FirewallAction::drop;
  std::optional<Protocol> protocol;   // all
  std::vector<std::string> from, to;  // ranges; none: any
  std::optional<std::string> ports;   // all
  std::optional<std::string> comment;
};
BOOST_DESCRIBE_STRUCT(FirewallRule, (), (action, protocol, from, to, ports, comment))

/// An inspection firewall: what a route table sends to it leaves by the route table of its own subnet, if its rules let it.
struct Firewall {
  std::string id;
  std::optional<std::string> name;
  std::string subnet;
  std::vector<FirewallRule> rules;
  std::optional<FirewallAction> default_;  // drop
};
BOOST_DESCRIBE_STRUCT(Firewall, (), (id, name, subnet, rules, default_))

struct Vpc {
  std::string id;
  std::optional<std::string> name;
  std::string region;
  std::vector<std::string> cidrs;
  std::optional<bool> dns_support, dns_hostnames;  // true
  std::optional<std::string> internet_gateway;
  std::vector<Subnet> subnets;
  std::vector<RouteTable> route_tables;
  std::vector<NetworkAcl> network_acls;
  std::vector<SecurityGroup> security_groups;
  std::vector<Endpoint> endpoints;
  std::vector<NatGateway> nat_gateways;
  std::vector<Firewall> firewalls;
};
BOOST_DESCRIBE_STRUCT(Vpc, (),
                      (id, name, region, cidrs, dns_support, dns_hostnames, internet_gateway, subnets, route_tables, network_acls, security_groups,
                       endpoints, nat_gateways, firewalls))

struct Attachment {
  std::string id, vpc;
  std::string subnet;  // whose route table decides for what comes out of the transit gateway here
};
BOOST_DESCRIBE_STRUCT(Attachment, (), (id, vpc, subnet))

struct TransitRouteTable {
  std::string id;
  std::vector<std::string> attachments;  // those whose packets it decides for
  std::vector<Route> routes;             // via: an attachment, or `blackhole`
};
BOOST_DESCRIBE_STRUCT(TransitRouteTable, (), (id, attachments, routes))

struct TransitGateway {
  std::string id;
  std::optional<std::string> name;
  std::vector<Attachment> attachments;
  std::vector<TransitRouteTable> route_tables;
};
BOOST_DESCRIBE_STRUCT(TransitGateway, (), (id, name, attachments, route_tables))

enum class ServiceRole { WORKSPACE, RELAY, S3, STS, KINESIS, OTHER };
BOOST_DESCRIBE_ENUM(ServiceRole, WORKSPACE, RELAY, S3, STS, KINESIS, OTHER)

/// What stands outside: the vendor's control plane and its relay, the cloud's own services.
struct Service {
  std::string name;
  ServiceRole role = ServiceRole::OTHER;
  std::vector<std::string> hosts;               // names that lead to it
  std::vector<std::string> addresses;           // public; the first is what its names resolve to outside
  std::vector<int> ports;                       // where it listens
  std::vector<std::string> prefixes;            // of its prefix list, for gateway endpoints
  std::optional<std::string> endpoint_service;  // com.amazonaws.vpce.…: what interface endpoints connect to
};
BOOST_DESCRIBE_STRUCT(Service, (), (name, role, hosts, addresses, ports, prefixes, endpoint_service))

/// The sections of a network's file.
struct Model {
  std::vector<Vpc> vpcs;
  std::vector<TransitGateway> transit_gateways;
  std::vector<Service> services;
};
BOOST_DESCRIBE_STRUCT(Model, (), (vpcs, transit_gateways, services))

/// What the platform's other sections say about the network: who lives where, and which private access settings hold for them.
struct Tenant {
  std::string workspace;
  std::vector<std::string> subnets, security_groups;
  bool has_private_access = false, public_access = true, any_endpoint = true;
  std::vector<std::string> allowed_endpoints;  // the cloud's ids, where not any
  std::string private_access;                  // the settings' name
};

}  // namespace tarn::network
