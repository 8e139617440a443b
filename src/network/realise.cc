#include "network/realise.h"

#include <map>

#include "base/crypto.h"

namespace tarn::network {
namespace {

constexpr int kOnlyLocal = 999, kFromInternet = 998, kFirstTable = 1000;

template <class T>
const T& nth_of(const std::vector<T>& all, int i) {
  return all[static_cast<std::size_t>(i)];
}

std::string set_of(const std::vector<Cidr>& ranges) {
  std::string out;
  for (const auto& c : ranges) out += (out.empty() ? "" : ", ") + c.text();
  return "{ " + out + " }";
}
bool any(const std::vector<Cidr>& ranges) {
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(), [](const Cidr& c) { return c.length == 0; });
}
/// What a rule matches, as nft says it; ranges of one rule may overlap, so each is a statement of its own.
std::vector<std::string> expressions(const Match& m, bool source = true, bool destination = true) {
  std::string tail;
  if (m.protocol != Protocol::all)
    tail = (m.protocol == Protocol::icmp || m.ports.all()) ? fmt::format("meta l4proto {} ", json::name_of(m.protocol))
                                                           : fmt::format("{} dport {} ", json::name_of(m.protocol), m.ports.text());
  std::vector<std::string> out{""};
  const auto side = [&](const char* field, const std::vector<Cidr>& ranges) {
    if (any(ranges)) return;
    std::vector<std::string> next;
    for (const auto& head : out)
      for (const auto& c : ranges) next.push_back(head + fmt::format("ip {} {} ", field, c.text()));
    out = std::move(next);
  };
  if (source) side("saddr", m.from);
  if (destination) side("daddr", m.to);
  for (auto& e : out) e += tail;
  return out;
}

constexpr std::string_view kKnown = "ct state established,related accept\nct state invalid drop\nct state new tcp flags & (syn|ack) != syn drop\n";

std::string chain(std::string_view hook, std::string_view policy, std::string_view rules) {
  return fmt::format("chain {0} {{\ntype filter hook {0} priority 0; policy {1};\n{2}}}\n", hook, policy, rules);
}
std::string nat_chain(std::string_view hook, std::string_view rules) {
  return fmt::format("chain {0}_nat {{\ntype nat hook {0} priority {1};\n{2}}}\n", hook, hook == "prerouting" ? -100 : 100, rules);
}
std::string table(std::string_view chains) { return fmt::format("table ip tarn {{\n{}}}\n", chains); }

class Maker {
 public:
  explicit Maker(const Topology& t) : t_(t) {}

  Realisation run() {
    space("net").rules = table(kQuiet);
    space("net").routes.push_back("route add blackhole default");
    for (std::size_t v = 0; v < t_.vpcs.size(); ++v) space(router(static_cast<int>(v)));
    for (std::size_t i = 0; i < t_.transits.size(); ++i) space(t_.transits[i].id);
    services();
    internet_links();
    subnets();
    endpoints();
    nats();
    firewalls();
    attachments();
    for (std::size_t v = 0; v < t_.vpcs.size(); ++v) finish_router(static_cast<int>(v));
    for (auto& name : order_) out_.namespaces.push_back(std::move(spaces_.at(name)));
    return std::move(out_);
  }

 private:
  static constexpr std::string_view kQuiet =
      // A cloud's routers send no ICMP of their own: what does not get through is silence.
      "chain output {\ntype filter hook output priority 0; policy accept;\nip protocol icmp drop\n}\n";

  struct Ends {
    std::string a, b;  // the addresses of both ends
  };
  /// An interface of a router: where it leads, and which subnet its packets leave.
  struct Port {
    std::string interface, next;  // next: the address behind it
    int subnet = -1, table = -1;
  };

  NamespacePlan& space(const std::string& name) {
    const auto [i, fresh] = spaces_.try_emplace(name);
    if (fresh) {
      order_.push_back(name);
      i->second.name = name;
      i->second.addresses = {"link set lo up"};
    }
    return i->second;
  }
  std::string router(int vpc) const { return nth_of(t_.vpcs, vpc).id; }

  Ends link(const std::string& a, const std::string& a_interface, const std::string& b, const std::string& b_interface) {
    const auto n = static_cast<std::uint32_t>(out_.links.size());
    out_.links.push_back({a, a_interface, b, b_interface});
    const Address base{(169u << 24 | 254u << 16) + n * 4};
    const Ends ends{Address{base.bits + 1}.text(), Address{base.bits + 2}.text()};
    for (const auto& [name, interface, address] : {std::tuple(a, a_interface, ends.a), std::tuple(b, b_interface, ends.b)}) {
      space(name).addresses.push_back(fmt::format("addr add {}/30 dev {}", address, interface));
      space(name).addresses.push_back(fmt::format("link set {} up", interface));
    }
    return ends;
  }

  void services() {
    for (std::size_t i = 0; i < t_.services.size(); ++i) {
      const auto name = service_namespace(t_, static_cast<int>(i));
      const auto ends = link("net", fmt::format("s{}", i), name, "eth0");
      auto& s = space(name);
      s.forwards = false;
      for (const auto a : t_.services[i].addresses) {
        s.addresses.push_back(fmt::format("addr add {}/32 dev eth0", a.text()));
        space("net").routes.push_back(fmt::format("route add {}/32 via {}", a.text(), ends.b));
      }
      s.routes.push_back(fmt::format("route add default via {} src {}", ends.a, t_.services[i].addresses.front().text()));
    }
  }

  void internet_links() {
    for (std::size_t v = 0; v < t_.vpcs.size(); ++v) {
      if (t_.vpcs[v].internet_gateway.empty()) continue;
      const auto ends = link(router(static_cast<int>(v)), "i", "net", fmt::format("v{}", v));
      internet_[static_cast<int>(v)] = ends.b;
      for (const auto& n : t_.nats)
        if (n.vpc == static_cast<int>(v)) space("net").routes.push_back(fmt::format("route add {}/32 via {}", n.public_address.text(), ends.a));
    }
  }

  Ends port(int vpc, const std::string& interface, int subnet, int table, const std::string& inner) {
    const auto ends = link(router(vpc), interface, inner, "eth0");
    ports_[vpc].push_back({interface, ends.b, subnet, table});
    return ends;
  }

  void subnets() {
    for (std::size_t i = 0; i < t_.subnets.size(); ++i) {
      const auto& s = t_.subnets[i];
      const auto name = subnet_namespace(t_, static_cast<int>(i));
      const auto interface = fmt::format("s{}", i);
      const auto ends = port(s.vpc, interface, static_cast<int>(i), s.table, name);
      locals_[s.vpc].push_back(fmt::format("{} dev {}", s.range.text(), interface));
      auto& n = space(name);
      n.forwards = false;
      n.addresses.push_back(fmt::format("addr add {}/32 dev eth0", s.instance.text()));
      n.routes.push_back(fmt::format("route add default via {} src {}", ends.a, s.instance.text()));
      std::string in = "iifname lo accept\nct state established,related accept\n", out = "oifname lo accept\nct state established,related accept\n";
      for (const int g : s.groups) {
        for (const auto& m : nth_of(t_.groups, g).ingress)
          for (const auto& e : expressions(m)) in += e + "accept\n";
        for (const auto& m : nth_of(t_.groups, g).egress)
          for (const auto& e : expressions(m)) out += e + "accept\n";
      }
      n.rules = table(chain("input", "drop", in) + chain("output", s.groups.empty() ? "accept" : "drop", out));
    }
  }

  void endpoints() {
    for (std::size_t i = 0; i < t_.endpoints.size(); ++i) {
      const auto& e = t_.endpoints[i];
      const auto& service = nth_of(t_.services, e.service);
      const bool open = e.state == "available";
      if (e.gateway) {
        const auto ends = port(e.vpc, fmt::format("g{}", i), -1, -1, e.id);
        const auto outside = link(e.id, "eth1", "net", fmt::format("g{}", i));
        gateways_[static_cast<int>(i)] = ends.b;
        auto& n = space(e.id);
        for (const auto& c : nth_of(t_.vpcs, e.vpc).ranges) n.routes.push_back(fmt::format("route add {} via {}", c.text(), ends.a));
        std::vector<Cidr> addresses;
        for (const auto a : service.addresses) {
          addresses.push_back({a, 32});
          n.routes.push_back(fmt::format("route add {}/32 via {}", a.text(), outside.b));
        }
        n.routes.push_back("route add blackhole default");
        n.rules = table(chain("forward", "drop",
                              open ? fmt::format("{}iifname eth0 ip saddr {} ip daddr {} accept\n", kKnown, set_of(nth_of(t_.vpcs, e.vpc).ranges),
                                                 set_of(addresses))
                                   : "") +
                        nat_chain("postrouting", "oifname eth1 masquerade\n") + std::string(kQuiet));
        continue;
      }
      for (std::size_t k = 0; k < e.interfaces.size(); ++k) {
        const auto [subnet, address] = e.interfaces[k];
        const auto name = fmt::format("{}-{}", e.id, k), interface = fmt::format("e{}.{}", i, k);
        const auto ends = port(e.vpc, interface, subnet, nth_of(t_.subnets, subnet).table, name);
        const auto outside = link(name, "eth1", "net", interface);
        locals_[e.vpc].push_back(fmt::format("{}/32 via {} dev {}", address.text(), ends.b, interface));
        auto& n = space(name);
        n.routes.push_back(fmt::format("route add default via {}", ends.a));
        for (const auto a : service.addresses) n.routes.push_back(fmt::format("route add {}/32 via {}", a.text(), outside.b));
        std::string in;
        for (const int g : e.groups)
          for (const auto& m : nth_of(t_.groups, g).ingress)
            for (const auto& x : expressions(m)) in += "iifname eth0 " + x + "accept\n";
        n.rules = table(chain("forward", "drop", open ? std::string(kKnown) + in : "") +
                        nat_chain("prerouting", fmt::format("ip daddr {} dnat to {}\n", address.text(), service.addresses.front().text())) +
                        nat_chain("postrouting", "oifname eth1 masquerade\n") + std::string(kQuiet));
      }
    }
  }

  void nats() {
    for (std::size_t i = 0; i < t_.nats.size(); ++i) {
      const auto& n = t_.nats[i];
      const auto ends = port(n.vpc, fmt::format("n{}", i), n.subnet, nth_of(t_.subnets, n.subnet).table, n.id);
      nats_[static_cast<int>(i)] = ends.b;
      space(n.id).routes.push_back(fmt::format("route add default via {}", ends.a));
      space(n.id).rules = table(chain("forward", "accept", fmt::format("{}ip daddr {} drop\n", kKnown, n.public_address.text())) +
                                nat_chain("postrouting", fmt::format("snat to {}\n", n.public_address.text())) + std::string(kQuiet));
    }
  }

  void firewalls() {
    for (std::size_t i = 0; i < t_.firewalls.size(); ++i) {
      const auto& f = t_.firewalls[i];
      const auto ends = port(f.vpc, fmt::format("f{}", i), f.subnet, nth_of(t_.subnets, f.subnet).table, f.id);
      firewalls_[static_cast<int>(i)] = ends.b;
      space(f.id).routes.push_back(fmt::format("route add default via {}", ends.a));
      std::string rules(kKnown);
      const auto verdict = [&](const std::string& e, bool allow, bool reject) {
        if (allow)
          rules += e + "accept\n";
        else if (!reject)
          rules += e + "drop\n";
        else
          rules += e + "meta l4proto tcp reject with tcp reset\n" + e + "reject with icmp type admin-prohibited\n";
      };
      for (const auto& m : f.rules)
        for (const auto& e : expressions(m)) verdict(e, m.allow, m.reject);
      verdict("", f.otherwise == FirewallAction::allow, f.otherwise == FirewallAction::reject);
      space(f.id).rules = table(chain("forward", "drop", rules) +
                                "chain output {\ntype filter hook output priority 0; policy accept;\nicmp type time-exceeded drop\n}\n");
    }
  }

  void attachments() {
    for (std::size_t i = 0; i < t_.attachments.size(); ++i) {
      const auto& a = t_.attachments[i];
      const auto& transit = nth_of(t_.transits, a.transit).id;
      const auto name = fmt::format("t{}", i);
      const auto ends = link(router(a.vpc), name, transit, name);
      ports_[a.vpc].push_back({name, ends.b, -1, nth_of(t_.subnets, a.subnet).table});
      attachments_[static_cast<int>(i)] = ends;
      space(transit).routes.push_back(fmt::format("rule add pref 100 iif {} lookup {}", name, a.table < 0 ? kOnlyLocal : kFirstTable + a.table));
    }
    for (std::size_t i = 0; i < t_.transits.size(); ++i) {
      auto& n = space(t_.transits[i].id);
      n.rules = table(kQuiet);
      n.routes.push_back(fmt::format("route add blackhole default metric 9999 table {}", kOnlyLocal));
      for (std::size_t k = 0; k < t_.transits[i].tables.size(); ++k) {
        const auto id = kFirstTable + static_cast<int>(k);
        for (const auto& r : t_.transits[i].tables[k].routes)
          n.routes.push_back(r.via == Via::transit
                                 ? fmt::format("route add {} via {} dev t{} table {}", r.to.text(), attachments_.at(r.index).a, r.index, id)
                                 : fmt::format("route add blackhole {} table {}", r.to.text(), id));
        n.routes.push_back(fmt::format("route add blackhole default metric 9999 table {}", id));
      }
    }
  }

  void finish_router(int vpc) {
    auto& n = space(router(vpc));
    std::set<int> tables;
    for (const auto& p : ports_[vpc]) {
      tables.insert(p.table);
      n.routes.push_back(fmt::format("rule add pref 100 iif {} lookup {}", p.interface, p.table < 0 ? kOnlyLocal : kFirstTable + p.table));
    }
    for (const int table : tables) fill_table(n, vpc, table);
    if (internet_.contains(vpc)) {
      n.routes.push_back(fmt::format("rule add pref 100 iif i lookup {}", kFromInternet));
      for (const auto& [index, next] : nats_)
        if (const auto& nat = nth_of(t_.nats, index); nat.vpc == vpc)
          n.routes.push_back(fmt::format("route add {}/32 via {} dev n{} table {}", nat.public_address.text(), next, index, kFromInternet));
      n.routes.push_back(fmt::format("route add blackhole default metric 9999 table {}", kFromInternet));
    }
    n.rules = table(filters(vpc) + std::string(kQuiet));
  }

  void fill_table(NamespacePlan& n, int vpc, int table) {
    const int id = table < 0 ? kOnlyLocal : kFirstTable + table;
    const auto add = [&](const std::string& what) { n.routes.push_back(fmt::format("route add {} table {}", what, id)); };
    for (const auto& l : locals_[vpc]) add(l);
    for (const auto& c : nth_of(t_.vpcs, vpc).ranges) add(fmt::format("blackhole {} metric 9999", c.text()));
    add("blackhole default metric 9999");
    if (table < 0) return;
    for (const auto& r : nth_of(t_.tables, table).routes) {
      const auto to = r.to.text();
      switch (r.via) {
        case Via::transit: {
          const int a = t_.attachment_of(r.index, vpc);
          add(fmt::format("{} via {} dev t{}", to, attachments_.at(a).b, a));
          break;
        }
        case Via::firewall:
          add(fmt::format("{} via {} dev f{}", to, firewalls_.at(r.index), r.index));
          break;
        case Via::nat:
          add(fmt::format("{} via {} dev n{}", to, nats_.at(r.index), r.index));
          break;
        case Via::internet:
          add(fmt::format("{} via {} dev i", to, internet_.at(vpc)));
          break;
        case Via::gateway_endpoint:
          add(fmt::format("{} via {} dev g{}", to, gateways_.at(r.index), r.index));
          break;
        case Via::blackhole:
          add("blackhole " + to);
          break;
        case Via::local:
          break;
      }
    }
  }

  /// Network ACLs at each subnet's interfaces, and the internet gateway's rule that only public addresses leave.
  std::string filters(int vpc) {
    std::string chains, jumps;
    std::set<int> acls;
    std::map<int, std::string> inside;  // subnet -> its interfaces
    for (const auto& p : ports_[vpc])
      if (p.subnet >= 0) inside[p.subnet] += (inside[p.subnet].empty() ? "" : ", ") + ("\"" + p.interface + "\"");
    for (const auto& [subnet, interfaces] : inside) {
      const int acl = nth_of(t_.subnets, subnet).acl;
      if (acl < 0) continue;
      acls.insert(acl);
      jumps += fmt::format("iifname {{ {0} }} oifname != {{ {0} }} jump acl{1}_egress\n", interfaces, acl);
    }
    // After all of those: a packet leaves one subnet before it enters the next.
    for (const auto& [subnet, interfaces] : inside)
      if (const int acl = nth_of(t_.subnets, subnet).acl; acl >= 0)
        jumps += fmt::format("oifname {{ {0} }} iifname != {{ {0} }} jump acl{1}_ingress\n", interfaces, acl);
    for (const int a : acls) {
      const auto side = [&](const char* name, const std::vector<Match>& rules) {
        std::string text;
        for (const auto& m : rules)
          for (const auto& e : expressions(m)) text += e + (m.allow ? "return\n" : "drop\n");
        chains += fmt::format("chain acl{}_{} {{\n{}drop\n}}\n", a, name, text);
      };
      side("ingress", nth_of(t_.acls, a).ingress);
      side("egress", nth_of(t_.acls, a).egress);
    }
    if (internet_.contains(vpc)) {
      std::string own;
      for (const auto& n : t_.nats)
        if (n.vpc == vpc) own += (own.empty() ? "" : ", ") + n.public_address.text();
      jumps += own.empty() ? "oifname \"i\" drop\n" : fmt::format("oifname \"i\" ip saddr != {{ {} }} drop\n", own);
    }
    return chains + chain("forward", "accept", jumps);
  }

  const Topology& t_;
  Realisation out_;
  std::map<std::string, NamespacePlan> spaces_;
  std::vector<std::string> order_;
  std::map<int, std::vector<Port>> ports_;          // by VPC
  std::map<int, std::vector<std::string>> locals_;  // by VPC
  std::map<int, std::string> internet_, nats_, firewalls_, gateways_;
  std::map<int, Ends> attachments_;  // a: the router's end, b: the transit gateway's
};

}  // namespace

std::string subnet_namespace(const Topology& t, int subnet) { return nth_of(t.subnets, subnet).id; }
std::string service_namespace(const Topology& t, int service) { return "service-" + nth_of(t.services, service).name; }

std::string Realisation::digest() const {
  std::string all;
  for (const auto& n : namespaces) {
    all += n.name + "\n" + (n.forwards ? "f\n" : "\n") + n.rules;
    for (const auto* lines : {&n.addresses, &n.routes})
      for (const auto& l : *lines) all += l + "\n";
  }
  for (const auto& l : links) all += l.a + l.a_interface + l.b + l.b_interface + "\n";
  return crypto::to_hex(crypto::sha256(all)).substr(0, 32);
}

Realisation realise(const Topology& t) { return Maker(t).run(); }

}  // namespace tarn::network
