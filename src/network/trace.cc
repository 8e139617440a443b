#include "network/trace.h"

#include <algorithm>
#include <set>

namespace tarn::network {
namespace {

constexpr Ports kEphemeral{32768, 60999};  // of Linux clients: where answers go
constexpr int kMostHops = 64;              // as a packet's time to live

template <class T>
const T& nth(const std::vector<T>& all, int i) {
  return all[static_cast<std::size_t>(i)];
}

struct Packet {
  Address source, destination;
  bool back = false;
  std::uint16_t port = 0;  // of the service, both ways
};

/// In the router of a VPC: what came from where, and the table that decides.
struct AtRouter {
  int vpc = -1, subnet = -1, table = -1;  // subnet: which it leaves, -1 for what comes from outside the VPC
};

/// By what a packet came to a service: the internet, or an endpoint.
struct Entry {
  int service = -1, endpoint = -1;
  AtRouter back;  // where the answer enters
  Address as;     // the endpoint's address, where it has one
  bool internet = false;
};

enum class End { stopped, instance, endpoint, service };

class Walker {
 public:
  Walker(const Topology& t, Trace& out) : t_(t), out_(out) {}

  void run(int from, Address to, std::uint16_t port) {
    const auto& home = nth(t_.subnets, from);
    Packet p{home.instance, to, false, port};
    if (to == home.instance) return pass("instance " + to.text(), "reaches itself", home.path);
    if (!leave_instance(home, p)) return;
    AtRouter at{home.vpc, from, home.table};
    switch (walk(at, p)) {
      case End::stopped:
        return;
      case End::instance:
        return answer({home_.vpc, subnet_, nth(t_.subnets, subnet_).table}, p);
      case End::endpoint:
      case End::service:
        return at_service(from, p);
    }
  }

 private:
  // ---- what is said ----
  void hop(std::string at, std::string what, Verdict v, const std::string& place) {
    out_.hops.push_back({back_ ? Direction::back : Direction::out, std::move(at), std::move(what), v, place});
  }
  void pass(std::string at, std::string what, const std::string& place) { hop(std::move(at), std::move(what), Verdict::pass, place); }
  End stop(std::string at, std::string what, const std::string& place, std::string cause, std::string cure) {
    hop(std::move(at), std::move(what), Verdict::drop, place);
    // An answer that is lost on its way hides a refusal: what refused stays the culprit.
    if (out_.culprit < 0) {
      out_.culprit = static_cast<int>(out_.hops.size()) - 1;
      out_.cause = std::move(cause);
      out_.cure = std::move(cure);
    } else {
      out_.cause += fmt::format(" Its reset is lost on the way back: {}", cause);
    }
    out_.outcome = Outcome::dropped;
    return End::stopped;
  }
  static std::string who(const Packet& p) {
    return p.back ? fmt::format("the answer from {}:{} to {}", p.source.text(), p.port, p.destination.text())
                  : fmt::format("TCP {} from {} to {}", p.port, p.source.text(), p.destination.text());
  }

  // ---- filters ----
  const Match* allowed(const std::vector<int>& groups, bool inwards, const Packet& p, std::string& group) const {
    for (const int g : groups) {
      const auto& all = nth(t_.groups, g);
      for (const auto& m : inwards ? all.ingress : all.egress)
        if (m.matches(p.source, p.destination, Protocol::tcp, p.port)) return group = all.id, &m;
    }
    return nullptr;
  }
  std::string names(const std::vector<int>& groups) const {
    std::string out;
    for (const int g : groups) out += (out.empty() ? "" : ", ") + nth(t_.groups, g).id;
    return out;
  }
  std::string group_place(const std::vector<int>& groups, bool inwards) const {
    return groups.empty() ? "" : nth(t_.groups, groups.front()).path + (inwards ? ".ingress" : ".egress");
  }

  bool leave_instance(const SubnetT& s, const Packet& p) {
    const auto at = fmt::format("instance {} in {}", s.instance.text(), s.label);
    if (s.groups.empty()) return pass(at, "no security group is named: everything may leave", s.path), true;
    std::string group;
    if (const auto* m = allowed(s.groups, false, p, group)) return pass(at, fmt::format("security group {}: {}", group, m->text), m->path), true;
    stop("security group " + names(s.groups), "no rule lets it out: dropped silently", group_place(s.groups, false),
         fmt::format("No egress rule of {} allows {}.", names(s.groups), who(p)),
         fmt::format("Add an egress rule to {}: tcp {} to {}/32 (the vendor asks for 443 to 0.0.0.0/0).", names(s.groups), p.port,
                     p.destination.text()));
    return false;
  }
  /// At an instance or endpoint's own address.
  bool enter(const std::vector<int>& groups, const std::string& at, const std::string& place, const Packet& p) {
    std::string group;
    if (const auto* m = allowed(groups, true, p, group)) return pass(at, fmt::format("security group {}: {}", group, m->text), m->path), true;
    if (groups.empty())
      stop(at, "has no security group: nothing may come in", place,
           fmt::format("{} has no security group, so nothing may open connections to it.", at), "Name a security group that allows it.");
    else
      stop(fmt::format("security group {} of {}", names(groups), at), "no rule lets it in: dropped silently", group_place(groups, true),
           fmt::format("No ingress rule of {} allows {}.", names(groups), who(p)),
           fmt::format("Add an ingress rule to {}: tcp {} from the instances' security group or {}/32.", names(groups), p.port, p.source.text()));
    return false;
  }
  bool acl(int subnet, bool inwards, const Packet& p) {
    const auto& s = nth(t_.subnets, subnet);
    if (s.acl < 0) return true;
    const auto& list = nth(t_.acls, s.acl);
    const Ports ports = p.back ? kEphemeral : Ports{p.port, p.port};
    const auto at = fmt::format("network ACL {} of {}, {}", list.id, s.label, inwards ? "ingress" : "egress");
    const auto wanted = fmt::format("tcp {} {} {}/32", p.back ? "1024-65535" : std::to_string(p.port), inwards ? "from" : "to",
                                    (inwards ? p.source : p.destination).text());
    const auto cure = fmt::format("Add a rule to {} ({}) that allows {}, with a number below the one that denies it.", list.id,
                                  inwards ? "ingress" : "egress", wanted);
    for (const auto& m : inwards ? list.ingress : list.egress) {
      if (!m.takes(Protocol::tcp) || !m.ports.overlaps(ports) || !covers(m, p)) continue;
      if (!m.allow)
        return stop(at, m.text + (m.ports.contains(ports) ? "" : ", which takes part of the client's ports") + ": dropped silently", m.path,
                    fmt::format("{} denies {} ({}).{}", at, who(p), m.text, stateless(p)), cure),
               false;
      if (m.ports.contains(ports)) return pass(at, m.text, m.path), true;
      stop(at, fmt::format("{}, which is only part of the ports {} that answers go to: some are dropped", m.text, ports.text()), m.path,
           fmt::format("{} allows only part of the client's ports for {}.{}", at, who(p), stateless(p)), cure);
      return false;
    }
    stop(at, "no rule allows it: dropped silently", list.path, fmt::format("{} has no rule that allows {}.{}", at, who(p), stateless(p)), cure);
    return false;
  }
  static bool covers(const Match& m, const Packet& p) {
    const auto in = [](const std::vector<Cidr>& all, Address a) {
      return all.empty() || std::any_of(all.begin(), all.end(), [&](const Cidr& c) { return c.contains(a); });
    };
    return in(m.from, p.source) && in(m.to, p.destination);
  }
  static const char* stateless(const Packet& p) { return p.back ? " Network ACLs are stateless: answers need a rule of their own." : ""; }

  /// Between two interfaces of a VPC; what stays in a subnet meets no network ACL.
  bool cross(int from, int to, const Packet& p) {
    if (from == to) return true;
    return (from < 0 || acl(from, false, p)) && (to < 0 || acl(to, true, p));
  }

  // ---- the walk ----
  End walk(AtRouter at, Packet& p) {
    std::set<std::tuple<int, int, int, Address, Address>> seen;
    for (int n = 0; n < kMostHops; ++n) {
      const auto& vpc = nth(t_.vpcs, at.vpc);
      const bool local = vpc.contains(p.destination);
      if (local) return deliver(at, p);
      const auto table = at.table < 0 ? nullptr : &nth(t_.tables, at.table);
      const auto name = table ? fmt::format("route table {} of {}", table->id, vpc.label) : fmt::format("the main route table of {}", vpc.label);
      if (!seen.emplace(at.vpc, at.subnet, at.table, p.source, p.destination).second)
        return stop(name, "was here before: the packet goes round until its time to live is up", table ? table->path : vpc.path,
                    fmt::format("A route loop: {} comes back to {}.", who(p), name),
                    "Follow the hops above and point one of their routes out of the circle.");
      const auto* route = table ? table->find(p.destination) : nullptr;
      if (!route)
        return stop(name, fmt::format("has no route to {}", p.destination.text()), table ? table->path : nth(t_.vpcs, at.vpc).path,
                    fmt::format("{} has no route for {}.", name, who(p)),
                    table ? fmt::format("Add a route to {}/32, or a range that holds it, to {}.", p.destination.text(), table->id)
                          : "Give the subnet a route table of its own.");
      if (route->via == Via::blackhole)
        return stop(name, route->text, route->path, fmt::format("{} sends {} into a black hole ({}).", name, who(p), route->text),
                    "Remove the black hole route, or add a longer prefix that leads on.");
      pass(name, route->text, route->path);
      switch (route->via) {
        case Via::firewall:
          if (const auto end = firewall(at, nth(t_.firewalls, route->index), route->index, p)) return *end;
          break;
        case Via::nat:
          if (const auto end = nat(at, nth(t_.nats, route->index), route->index, p)) return *end;
          break;
        case Via::transit:
          if (const auto end = transit(at, route->index, p)) return *end;
          break;
        case Via::internet:
          return internet(at, p);
        case Via::gateway_endpoint:
          return gateway(at, route->index, p);
        case Via::local:
        case Via::blackhole:
          break;
      }
    }
    return stop("the way", fmt::format("has more than {} hops", kMostHops), "", fmt::format("{} meets more than {} hops.", who(p), kMostHops),
                "Shorten the way: no packet lives that long.");
  }

  End deliver(const AtRouter& at, const Packet& p) {
    for (std::size_t i = 0; i < t_.subnets.size(); ++i) {
      const auto& s = t_.subnets[i];
      if (s.vpc != at.vpc || s.instance != p.destination) continue;
      if (!cross(at.subnet, static_cast<int>(i), p)) return End::stopped;
      const auto name = fmt::format("instance {} in {}", s.instance.text(), s.label);
      if (p.back)
        pass(name, "security groups are stateful: the answer is let in", s.path);
      else if (!enter(s.groups, name, s.path, p))
        return End::stopped;
      home_ = {at.vpc, static_cast<int>(i), s.table};
      subnet_ = static_cast<int>(i);
      return End::instance;
    }
    for (std::size_t i = 0; i < t_.endpoints.size(); ++i) {
      const auto& e = t_.endpoints[i];
      for (const auto& [subnet, address] : e.interfaces) {
        if (e.vpc != at.vpc || address != p.destination || p.back) continue;
        if (!cross(at.subnet, subnet, p)) return End::stopped;
        const auto name = fmt::format("endpoint {} at {}", e.id, address.text());
        if (e.state != "available")
          return stop(name, "is " + e.state + ": nothing answers", e.path, fmt::format("Endpoint {} is {}, not available.", e.id, e.state),
                      "Let the service's owner accept the endpoint.");
        if (!enter(e.groups, name, e.path, p)) return End::stopped;
        entry_ = {.service = e.service, .endpoint = static_cast<int>(i), .back = {e.vpc, subnet, nth(t_.subnets, subnet).table}, .as = address};
        return End::endpoint;
      }
    }
    const auto& vpc = nth(t_.vpcs, at.vpc);
    return stop("VPC " + vpc.label, fmt::format("nobody has the address {}", p.destination.text()), vpc.path,
                fmt::format("{} is in a range of VPC {}, and no instance or endpoint has it.", p.destination.text(), vpc.id),
                "Ask for an address that is there: an instance's, an endpoint's, or a service's name.");
  }

  std::optional<End> firewall(AtRouter& at, const FirewallT& f, int index, const Packet& p) {
    if (!cross(at.subnet, f.subnet, p)) return End::stopped;
    const auto name = "firewall " + f.label;
    const auto key = p.back ? std::tuple(index, p.destination, p.source) : std::tuple(index, p.source, p.destination);
    if (p.back) {
      if (!inspected_.contains(key))
        return stop(name, "knows no such connection: it saw no SYN of it, so the answer is dropped", f.path,
                    fmt::format("{} sees {} and never saw the way out: the two ways differ.", name, who(p)),
                    "Lead both directions through the same firewall, or neither.");
      answered_.insert(key);
      pass(name, "knows the connection", f.path);
    } else {
      const Match* hit = nullptr;
      for (const auto& m : f.rules)
        if (!hit && m.matches(p.source, p.destination, Protocol::tcp, p.port)) hit = &m;
      const bool allow = hit ? hit->allow : f.otherwise == FirewallAction::allow;
      const bool reject = hit ? hit->reject : f.otherwise == FirewallAction::reject;
      const auto rule = hit ? hit->text : fmt::format("no rule matches, the default is {}", json::name_of(f.otherwise));
      const auto place = hit ? hit->path : f.path;
      if (!allow) {
        const auto home = range_of(p.source);
        const auto cure = fmt::format(
            "Let the owners of {} allow tcp {} from {} to {}{}; or lead the name to a private endpoint inside the VPC, which needs no new subnet.",
            f.id, p.port, home, p.destination.text(), hit ? ", above the rule that matched" : "");
        if (!reject)
          return stop(
              name, fmt::format("drops SYN silently: {}", rule), place,
              fmt::format("{} silently drops SYN of {}: {}. Nothing is sent back, so clients hang until their own time is up.", name, who(p), rule),
              cure);
        hop(name, "answers with a reset: " + rule, Verdict::reject, place);
        refused(fmt::format("{} refuses {}: {}.", name, who(p), rule), cure);
        Packet reset{p.destination, p.source, true, p.port};
        back_ = true;
        answered_.insert(inspected_.begin(), inspected_.end());
        finish({f.vpc, f.subnet, nth(t_.subnets, f.subnet).table}, reset);
        return End::stopped;
      }
      pass(name, rule, place);
      inspected_.insert(key);
    }
    at = {f.vpc, f.subnet, nth(t_.subnets, f.subnet).table};
    return std::nullopt;
  }
  /// The subnet's range that an address belongs to: what a firewall's owners are asked to allow.
  std::string range_of(Address a) const {
    for (const auto& s : t_.subnets)
      if (s.range.contains(a)) return s.range.text();
    return a.text() + "/32";
  }

  std::optional<End> nat(AtRouter& at, const NatT& n, int index, Packet& p) {
    if (!cross(at.subnet, n.subnet, p)) return End::stopped;
    const auto name = "NAT gateway " + n.id;
    if (p.back)
      return stop(name, "knows no such connection", n.path, fmt::format("{} gets {}, which it never sent out.", name, who(p)),
                  "Lead answers to private addresses by routes that do not end at the NAT gateway.");
    translated_.push_back({index, p.source});
    pass(name, fmt::format("sends it on as {}", n.public_address.text()), n.path);
    p.source = n.public_address;
    at = {n.vpc, n.subnet, nth(t_.subnets, n.subnet).table};
    return std::nullopt;
  }

  std::optional<End> transit(AtRouter& at, int transit, const Packet& p) {
    const auto& g = nth(t_.transits, transit);
    const auto& a = nth(t_.attachments, t_.attachment_of(transit, at.vpc));
    // A network ACL holds for what leaves a subnet towards the attachment; the attachment's own subnet is not modelled with one.
    if (at.subnet >= 0 && !acl(at.subnet, false, p)) return End::stopped;
    const auto name = "transit gateway " + g.id;
    if (a.table < 0)
      return stop(name, fmt::format("no route table decides for {}", a.id), a.path,
                  fmt::format("Attachment {} is in no route table of {}.", a.id, g.id), fmt::format("Associate {} with a route table.", a.id));
    const auto& table = nth(g.tables, a.table);
    const auto* route = table.find(p.destination);
    if (!route)
      return stop(name, fmt::format("route table {} has no route to {}", table.id, p.destination.text()), table.path,
                  fmt::format("Route table {} of {} has no route for {}.", table.id, g.id, who(p)),
                  fmt::format("Add a route to {} via the attachment of its VPC to {}.", range_of(p.destination), table.id));
    if (route->via == Via::blackhole)
      return stop(name, fmt::format("route table {}: {}", table.id, route->text), route->path,
                  fmt::format("Route table {} sends {} into a black hole.", table.id, who(p)),
                  "Remove the black hole route, or add a longer prefix that leads on.");
    pass(name, fmt::format("route table {}: {}", table.id, route->text), route->path);
    const auto& next = nth(t_.attachments, route->index);
    at = {next.vpc, -1, nth(t_.subnets, next.subnet).table};
    return std::nullopt;
  }

  End internet(const AtRouter& at, const Packet& p) {
    const auto& vpc = nth(t_.vpcs, at.vpc);
    const auto name = "internet gateway " + vpc.internet_gateway;
    if (at.subnet >= 0 && !acl(at.subnet, false, p)) return End::stopped;
    const bool own = std::any_of(t_.nats.begin(), t_.nats.end(), [&](const NatT& n) { return n.vpc == at.vpc && n.public_address == p.source; });
    if (p.back || !own)
      return stop(name, fmt::format("{} is no public address of this VPC: dropped", p.source.text()), vpc.path + ".internet_gateway",
                  fmt::format("{} leaves by {} with a source address that the internet does not know.", who(p), name),
                  "Send it through a NAT gateway: nodes have no public address.");
    pass(name, "out to the internet", vpc.path + ".internet_gateway");
    const int service = t_.service_at(p.destination);
    if (service < 0)
      return stop("the internet", fmt::format("nobody here has the address {}", p.destination.text()), "",
                  fmt::format("No service of the model has the address {}.", p.destination.text()),
                  "Add the service to 'services', or correct the address.");
    entry_ = {.service = service, .internet = true};
    return End::service;
  }

  End gateway(const AtRouter& at, int endpoint, const Packet& p) {
    const auto& e = nth(t_.endpoints, endpoint);
    const auto name = "gateway endpoint " + e.id;
    if (at.subnet >= 0 && !acl(at.subnet, false, p)) return End::stopped;
    if (e.state != "available")
      return stop(name, "is " + e.state, e.path, fmt::format("Endpoint {} is {}, not available.", e.id, e.state),
                  "Let its owner accept the endpoint.");
    if (p.back || !nth(t_.vpcs, at.vpc).contains(p.source))
      return stop(name, "serves its own VPC only", e.path,
                  fmt::format("{} comes from outside VPC {}, which {} serves.", who(p), nth(t_.vpcs, at.vpc).id, e.id),
                  "Give the VPC that it comes from a gateway endpoint of its own.");
    const auto& s = nth(t_.services, e.service);
    if (t_.service_at(p.destination) != e.service)
      return stop(name, fmt::format("nobody has the address {}", p.destination.text()), e.path,
                  fmt::format("{} is in the prefixes of service '{}', which does not have it.", p.destination.text(), s.name),
                  "Correct the address.");
    pass(name, "to service " + s.name, e.path);
    entry_ = {.service = e.service, .endpoint = endpoint, .back = {at.vpc, -1, -1}};
    return End::service;
  }

  // ---- the service and its answer ----
  void at_service(int from, const Packet& p) {
    const auto& s = nth(t_.services, entry_.service);
    const bool listens = std::find(s.ports.begin(), s.ports.end(), p.port) != s.ports.end();
    if (listens) {
      pass("service " + s.name, fmt::format("takes the connection on port {}", p.port), s.path);
    } else {
      hop("service " + s.name, fmt::format("does not listen on port {}: answers with a reset", p.port), Verdict::reject, s.path + ".ports");
      refused(fmt::format("Service '{}' does not listen on port {}.", s.name, p.port), fmt::format("It listens on {}.", fmt::join(s.ports, ", ")));
    }
    Packet answer{p.destination, p.source, true, p.port};
    AtRouter at = entry_.back;
    back_ = true;
    if (entry_.internet) {
      const auto [index, original] = translated_.back();
      translated_.pop_back();
      const auto& n = nth(t_.nats, index);
      if (!acl(n.subnet, true, answer)) return;
      pass("NAT gateway " + n.id, fmt::format("gives the answer back to {}", original.text()), n.path);
      answer.destination = original;
      at = {n.vpc, n.subnet, nth(t_.subnets, n.subnet).table};
    } else if (entry_.as.bits) {
      answer.source = entry_.as;
    }
    finish(at, answer);
    if (out_.outcome == Outcome::connected) private_access(from, s);
  }

  void answer(const AtRouter& at, const Packet& p) {
    back_ = true;
    Packet answer{p.destination, p.source, true, p.port};
    finish(at, answer);
  }

  /// The answer's way home; after it, what firewalls make of the rest of the connection.
  void finish(const AtRouter& at, Packet& p) {
    if (walk(at, p) != End::instance) return;
    if (out_.outcome == Outcome::rejected) return;
    for (const auto& key : inspected_)
      if (!answered_.contains(key)) {
        const auto& f = nth(t_.firewalls, std::get<0>(key));
        back_ = false;
        stop("firewall " + f.label, "saw SYN and never its answer: it drops what follows", f.path,
             fmt::format("The answer goes round firewall {}, which then drops the rest of the connection as invalid.", f.label),
             "Lead both directions through the same firewall, or neither.");
        return;
      }
  }

  void refused(std::string cause, std::string cure) {
    out_.culprit = static_cast<int>(out_.hops.size()) - 1;
    out_.outcome = Outcome::rejected;
    out_.cause = std::move(cause);
    out_.cure = std::move(cure);
  }

  void private_access(int from, const ServiceT& s) {
    const auto* tenant = t_.tenant_of(from);
    if (!tenant || !tenant->has_private_access || (s.role != ServiceRole::WORKSPACE && s.role != ServiceRole::RELAY)) return;
    const bool by_endpoint = entry_.endpoint >= 0;
    const auto endpoint = by_endpoint ? nth(t_.endpoints, entry_.endpoint).id : "";
    const bool listed = tenant->any_endpoint ||
                        std::find(tenant->allowed_endpoints.begin(), tenant->allowed_endpoints.end(), endpoint) != tenant->allowed_endpoints.end();
    if (by_endpoint ? listed : tenant->public_access || s.role == ServiceRole::RELAY) return;
    back_ = false;
    hop("private access settings " + tenant->private_access,
        by_endpoint ? fmt::format("endpoint {} is not among the allowed ones", endpoint) : "public access is off", Verdict::reject, s.path);
    out_.culprit = static_cast<int>(out_.hops.size()) - 1;
    out_.outcome = Outcome::forbidden;
    out_.cause =
        fmt::format("TCP connects, and the private access settings '{}' of workspace '{}' turn it away.", tenant->private_access, tenant->workspace);
    out_.cure = by_endpoint ? fmt::format("Register {} and list it in the settings' allowed endpoints.", endpoint)
                            : "Connect through a registered VPC endpoint, or allow public access in the settings.";
  }

  const Topology& t_;
  Trace& out_;
  bool back_ = false;
  AtRouter home_;
  int subnet_ = -1;
  Entry entry_;
  std::vector<std::pair<int, Address>> translated_;
  std::set<std::tuple<int, Address, Address>> inspected_, answered_;
};

}  // namespace

std::optional<Destination> resolve(const Topology& t, int from, std::string_view name) {
  if (const auto a = address_of(name)) {
    const int s = t.service_at(*a);
    return Destination{*a, s >= 0 ? nth(t.services, s).name : "", ""};
  }
  if (const int s = t.service(name); s >= 0) {
    const auto& service = nth(t.services, s);
    const auto& home = nth(t.subnets, from);
    for (const auto& e : t.endpoints) {
      if (e.vpc != home.vpc || e.service != s || !e.private_dns || e.interfaces.empty()) continue;
      auto best = e.interfaces.front();
      for (const auto& i : e.interfaces)
        if (nth(t.subnets, i.first).zone == home.zone) best = i;
      return Destination{best.second, service.name, fmt::format("{} is {} here, by private DNS of endpoint {}", name, best.second.text(), e.id)};
    }
    return Destination{service.addresses.front(), service.name, fmt::format("{} is {}, its public address", name, service.addresses.front().text())};
  }
  if (const int s = t.subnet(name); s >= 0) return Destination{nth(t.subnets, s).instance, nth(t.subnets, s).label, ""};
  for (const auto& tenant : t.tenants)
    if (tenant.workspace == name && !tenant.subnets.empty())
      if (const int s = t.subnet(tenant.subnets.front()); s >= 0) return Destination{nth(t.subnets, s).instance, nth(t.subnets, s).label, ""};
  return std::nullopt;
}

std::vector<int> origins(const Topology& t, std::string_view name) {
  if (const int s = t.subnet(name); s >= 0) return {s};
  std::vector<int> out;
  if (const auto a = address_of(name)) {
    for (std::size_t i = 0; i < t.subnets.size(); ++i)
      if (t.subnets[i].range.contains(*a)) out.push_back(static_cast<int>(i));
    return out.size() == 1 ? out : std::vector<int>{};
  }
  for (const auto& tenant : t.tenants)
    if (tenant.workspace == name)
      for (const auto& id : tenant.subnets)
        if (const int s = t.subnet(id); s >= 0) out.push_back(s);
  return out;
}

Trace trace(const Topology& t, int from, const Destination& to, std::uint16_t port) {
  Trace out;
  const auto& home = nth(t.subnets, from);
  out.from = fmt::format("{} {}", home.label, home.instance.text());
  out.to = fmt::format("{}{}:{}", to.label.empty() ? "" : to.label + " ", to.address.text(), port);
  out.name = to.how;
  Walker(t, out).run(from, to.address, port);
  return out;
}

}  // namespace tarn::network
