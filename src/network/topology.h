#pragma once
// A checked network, resolved for walking: ranges parsed, references turned into indices, addresses given out. Values, built once, then const.
// The instances of a subnet share one address here, the tenth of its range; interface endpoints get those behind it.
#include <string>
#include <vector>

#include "base/result.h"
#include "network/address.h"
#include "network/model.h"

namespace tarn::network {

/// What is wrong, at a place of the model: "vpcs[0].subnets[1].cidr".
struct Problem {
  std::string path, message;
};

enum class Via { local, transit, firewall, nat, internet, gateway_endpoint, blackhole };

struct RouteEntry {
  Cidr to;
  Via via = Via::blackhole;
  int index = -1;  // in the list of that kind; of a transit route: the attachment
  std::string path, text;
};

struct Table {
  std::string id, path;
  std::vector<RouteEntry> routes;  // the longest prefix first
  const RouteEntry* find(Address to) const;
};

/// One rule with everything resolved; a security group's peers are ranges here.
struct Match {
  bool allow = true;
  bool reject = false;  // a firewall's: with an answer
  Protocol protocol = Protocol::all;
  std::vector<Cidr> from, to;  // none: any
  Ports ports;
  std::string path, text;
  bool takes(Protocol p) const { return protocol == Protocol::all || protocol == p; }
  bool matches(Address source, Address destination, Protocol p, std::uint16_t port) const;
};

struct GroupT {
  std::string id, path;
  std::vector<Match> ingress, egress;
  bool internal_all = false;  // all TCP and UDP between its own members, both ways
};
struct AclT {
  std::string id, path;
  std::vector<Match> ingress, egress;  // in the order of their numbers
};
struct SubnetT {
  std::string id, label, zone, path;
  int vpc = -1, table = -1, acl = -1;  // -1: none named
  Cidr range;
  Address instance;
  std::vector<int> groups;
};
struct EndpointT {
  std::string id, path, state;
  int vpc = -1, service = -1;
  bool gateway = false, private_dns = false;
  std::vector<int> groups;
  std::vector<std::pair<int, Address>> interfaces;  // subnet, address
};
struct NatT {
  std::string id, path;
  int vpc = -1, subnet = -1;
  Address public_address;
};
struct FirewallT {
  std::string id, label, path;
  int vpc = -1, subnet = -1;
  std::vector<Match> rules;
  FirewallAction otherwise = FirewallAction::drop;
};
struct VpcT {
  std::string id, label, region, path, internet_gateway;
  std::vector<Cidr> ranges;
  bool dns = true;  // names of endpoints lead to them
  bool contains(Address a) const;
};
struct AttachmentT {
  std::string id, path;
  int transit = -1, vpc = -1, subnet = -1, table = -1;  // table: of the transit gateway, -1: none decides for it
};
struct TransitT {
  std::string id, path;
  std::vector<Table> tables;
};
struct ServiceT {
  std::string name, path, endpoint_service;
  ServiceRole role = ServiceRole::OTHER;
  std::vector<std::string> hosts;
  std::vector<Address> addresses;
  std::vector<std::uint16_t> ports;
  std::vector<Cidr> prefixes;
};

struct Topology {
  std::vector<VpcT> vpcs;
  std::vector<SubnetT> subnets;
  std::vector<Table> tables;  // of all VPCs
  std::vector<AclT> acls;
  std::vector<GroupT> groups;
  std::vector<EndpointT> endpoints;
  std::vector<NatT> nats;
  std::vector<FirewallT> firewalls;
  std::vector<TransitT> transits;
  std::vector<AttachmentT> attachments;
  std::vector<ServiceT> services;
  std::vector<Tenant> tenants;

  int vpc(std::string_view id) const;  // -1: there is none; likewise below
  int subnet(std::string_view id_or_name) const;
  int service(std::string_view name_or_host) const;
  int service_at(Address a) const;
  int attachment_of(int transit, int vpc) const;
  const Tenant* tenant_of(int subnet) const;  // the workspace that lives there
  int group(std::string_view id) const;
};

/// All problems of a model, or its topology.
Expected<Topology, std::vector<Problem>> build(const Model& model, const std::vector<Tenant>& tenants = {});

}  // namespace tarn::network
