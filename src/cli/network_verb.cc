// tarn network: the network under the workspaces, walked as a model and built from namespaces.
#include "cli/network_verb.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>

#include "cli/network_view.h"
#include "network/probe.h"
#include "platform/network.h"

namespace tarn::cli {
namespace {

struct Asked {
  std::string file = "platform", name = "net", from, to;
  double seconds = 2;
  bool json = false;
};

int complain(const std::string& message, bool as_json) {
  if (as_json)
    std::cout << boost::json::serialize(json::object{{"error", message}}) << std::endl;
  else
    std::cerr << Style::of_stdout().paint("31", "error") << ": " << message << "\n";
  return 1;
}

int complain(const std::vector<platform::Diagnostic>& problems, bool as_json) {
  if (!as_json) {
    std::cerr << problems_view(problems, Style::of_stdout());
    return 1;
  }
  json::array list;
  for (const auto& p : problems) list.push_back(json::object{{"file", p.file}, {"line", p.line}, {"message", p.message}});
  std::cout << boost::json::serialize(json::object{{"problems", list}}) << std::endl;
  return 1;
}

struct Way {
  std::vector<int> from;
  std::string to;
  std::uint16_t port = 0;
};

/// FROM and TO:PORT as the network knows them, or what is wrong with them.
Expected<Way, std::string> way_of(const network::Topology& t, const Asked& a) {
  Way out;
  const auto colon = a.to.rfind(':');
  const auto port = colon == a.to.npos ? "" : a.to.substr(colon + 1);
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (port.empty() || ec != std::errc() || end != port.data() + port.size() || out.port == 0)
    return fail(fmt::format("'{}' is not HOST:PORT, such as relay:443 or 10.20.0.10:443", a.to));
  out.to = a.to.substr(0, colon);
  out.from = network::origins(t, a.from);
  if (out.from.empty()) {
    std::string known;
    for (const auto& s : t.subnets) known += (known.empty() ? "" : ", ") + s.label;
    for (const auto& w : t.tenants) known += ", workspace " + w.workspace;
    return fail(
        fmt::format("nobody here is '{}': a subnet, an address in one, or a workspace whose network is registered in the same folder. There are {}",
                    a.from, known));
  }
  if (!network::resolve(t, out.from.front(), out.to)) {
    std::string known;
    for (const auto& s : t.services) known += (known.empty() ? "" : ", ") + s.name;
    return fail(fmt::format("'{}' is no address, and no service of the model has the name. There are {}", out.to, known));
  }
  return out;
}

template <class F>
int with_network(const Asked& a, F work) {
  const auto loaded = platform::load_path(a.file);
  const auto t = platform::network_of(loaded);
  if (!t) return complain(t.error(), a.json);
  return work(loaded, *t);
}

network::Trace placed(network::Trace t, const platform::Loaded& loaded) {
  for (auto& h : t.hops) h.place = platform::place_of(loaded, h.place);
  return t;
}

int run_trace(const Asked& a) {
  return with_network(a, [&](const platform::Loaded& loaded, const network::Topology& t) {
    const auto way = way_of(t, a);
    if (!way) return complain(way.error(), a.json);
    bool fine = true;
    json::array list;
    for (const int from : way->from) {
      const auto r = placed(network::trace(t, from, *network::resolve(t, from, way->to), way->port), loaded);
      fine = fine && r.outcome == network::Outcome::connected;
      if (a.json)
        list.push_back(json::encode(r));
      else
        std::cout << trace_view(r, Style::of_stdout());
    }
    if (a.json) std::cout << boost::json::serialize(json::object{{"connected", fine}, {"traces", list}}) << std::endl;
    return fine ? 0 : 1;
  });
}

int run_probe(const Asked& a) {
  return with_network(a, [&](const platform::Loaded& loaded, const network::Topology& t) {
    const auto way = way_of(t, a);
    if (!way) return complain(way.error(), a.json);
    const network::Namespaces spaces(a.name);
    const auto now = spaces.status();
    if (now.state != network::State::up)
      return complain(fmt::format("network '{}' is {}: tarn network up", a.name, json::name_of(now.state)), a.json);
    if (now.digest != network::realise(t).digest())
      return complain(fmt::format("what is up is not what {} says now: run tarn network up again", a.file), a.json);
    std::vector<network::Probe> probes;
    for (const int from : way->from) probes.push_back({from, network::resolve(t, from, way->to)->address, way->port});
    const auto tried = network::probe(t, spaces, probes, std::chrono::milliseconds(static_cast<long long>(a.seconds * 1000)));
    if (!tried) return complain(tried.error(), a.json);
    bool fine = true;
    json::array list;
    for (std::size_t i = 0; i < probes.size(); ++i) {
      const auto said = placed(network::trace(t, probes[i].from, *network::resolve(t, probes[i].from, way->to), way->port), loaded);
      const auto& got = tried->at(i);
      fine = fine && got.outcome == network::Outcome::connected;
      if (a.json)
        list.push_back(json::object{{"from", said.from},
                                    {"to", said.to},
                                    {"outcome", json::name_of(got.outcome)},
                                    {"detail", got.detail},
                                    {"model", json::name_of(said.outcome)}});
      else
        std::cout << fmt::format("{}  ->  {}: {} ({}); the model says {}\n", said.from, said.to, json::name_of(got.outcome), got.detail,
                                 json::name_of(said.outcome));
    }
    if (a.json) std::cout << boost::json::serialize(json::object{{"connected", fine}, {"probes", list}}) << std::endl;
    return fine ? 0 : 1;
  });
}

int run_up(const Asked& a) {
  return with_network(a, [&](const platform::Loaded&, const network::Topology& t) {
    const auto plan = network::realise(t);
    const auto built = network::Namespaces(a.name).up(plan);
    if (!built) return complain(built.error(), a.json);
    if (a.json)
      std::cout << boost::json::serialize(
                       json::object{{"network", a.name}, {"changed", *built}, {"namespaces", plan.namespaces.size()}, {"links", plan.links.size()}})
                << std::endl;
    else
      std::cout << fmt::format("{}: {} namespaces, {} links\n", *built ? "up" : "up already", plan.namespaces.size(), plan.links.size());
    return 0;
  });
}

int run_down(const Asked& a) {
  network::Namespaces spaces(a.name);
  const auto residents = spaces.status().residents;
  const auto gone = spaces.down();
  if (!gone) return complain(gone.error(), a.json);
  if (a.json) {
    std::cout << boost::json::serialize(json::object{{"network", a.name}, {"removed", *gone}, {"residents", json::encode(residents)}}) << std::endl;
    return 0;
  }
  std::cout << (*gone ? fmt::format("down: {} namespaces removed\n", *gone) : std::string("nothing was up\n"));
  for (const auto& r : residents) std::cout << fmt::format("  {} ({}) lived in {}: it has no network now\n", r.program, r.pid, r.name);
  return 0;
}

int run_status(const Asked& a) {
  const auto s = network::Namespaces(a.name).status();
  if (a.json)
    std::cout << json::encode_text(s) << std::endl;
  else
    std::cout << status_view(s, Style::of_stdout());
  return 0;
}

}  // namespace

void add_network_verb(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand("network", "The network under the workspaces: walk a packet through it, or build it from namespaces");
  verb->require_subcommand(1);
  const auto sub = [&](const char* name, const char* what, const char* footer, int (*run)(const Asked&)) {
    auto a = std::make_shared<Asked>();
    CLI::App* v = verb->add_subcommand(name, what);
    v->add_flag("--json", a->json, "JSON instead of text");
    v->footer(footer);
    v->callback([a, run, &exit_code] { exit_code = run(*a); });
    return std::pair(v, a);
  };
  const auto file = [](CLI::App* v, const std::shared_ptr<Asked>& a) {
    v->add_option("--file", a->file, "A network's YAML, or a platform's folder, which knows workspaces too")->capture_default_str();
  };
  const auto name = [](CLI::App* v, const std::shared_ptr<Asked>& a) {
    v->add_option("--name", a->name, "Which of several realised networks: small letters and digits")->capture_default_str();
  };
  const auto way = [](CLI::App* v, const std::shared_ptr<Asked>& a) {
    v->add_option("from", a->from, "A subnet, an address in one, or a workspace")->required();
    v->add_option("to", a->to, "NAME:PORT or ADDRESS:PORT")->required();
  };
  {
    auto [v, a] = sub("trace", "Walk a TCP connection hop by hop through the model; exit 0 if it connects, 1 if not",
                      "Examples:\n  tarn network trace pipeline relay:443\n  tarn network trace --file platform/network.yaml landing-a s3:443 --json",
                      run_trace);
    file(v, a), way(v, a);
  }
  {
    auto [v, a] =
        sub("probe", "Try the same with packets in the network that is up (root)", "Example:\n  tarn network probe pipeline relay:443", run_probe);
    file(v, a), name(v, a), way(v, a);
    v->add_option("--timeout", a->seconds, "Seconds to wait for an answer")->check(CLI::Range(0.1, 60.0))->capture_default_str();
  }
  {
    auto [v, a] = sub("up", "Build the network from namespaces, veth pairs and nftables (root); again changes nothing",
                      "Example:\n  tarn network up --file platform", run_up);
    file(v, a), name(v, a);
  }
  {
    auto [v, a] = sub("down", "Remove everything that up made, also what a killed up left (root)", "Example:\n  tarn network down", run_down);
    name(v, a);
  }
  {
    auto [v, a] = sub("status", "What is up, and who lives in it", "Example:\n  tarn network status --json", run_status);
    name(v, a);
  }
}

}  // namespace tarn::cli
