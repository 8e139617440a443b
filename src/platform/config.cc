#include "platform/config.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "platform/network.h"

namespace tarn::platform {
namespace {

constexpr std::size_t kMostEntries = 200'000;

using Places = std::map<std::string, std::pair<std::string, int>>;

json::value scalar(const YAML::Node& node) {
  const std::string text = node.Scalar();
  if (node.Tag() == "!") return json::value(text);  // quoted
  if (text == "true") return true;
  if (text == "false") return false;
  if (text == "null" || text == "~" || text.empty()) return nullptr;
  std::int64_t whole = 0;
  const char* end = text.data() + text.size();
  if (auto [p, ec] = std::from_chars(text.data(), end, whole); ec == std::errc() && p == end) return whole;
  double real = 0;
  if (auto [p, ec] = std::from_chars(text.data(), end, real); ec == std::errc() && p == end) return real;
  return json::value(text);
}

/// YAML as JSON, noting each node's line and refusing duplicate keys.
json::value convert(const YAML::Node& node, const std::string& path, const std::string& file, Places& places, std::vector<Diagnostic>& problems,
                    int depth = 0) {
  places.emplace(path, std::pair(file, node.Mark().line + 1));
  // Aliases of aliases make a small file enormous; no platform has so many entries.
  if (places.size() >= kMostEntries) {
    if (places.size() == kMostEntries)
      problems.push_back({file, node.Mark().line + 1, "holds more than " + std::to_string(kMostEntries) + " entries"});
    places.emplace(path + "!", std::pair(file, 0));
    return nullptr;
  }
  if (depth > 32) {
    problems.push_back({file, node.Mark().line + 1, "nested more than 32 deep"});
    return nullptr;
  }
  if (node.IsSequence()) {
    json::array out;
    for (std::size_t i = 0; i < node.size(); ++i)
      out.push_back(convert(node[i], path + "[" + std::to_string(i) + "]", file, places, problems, depth + 1));
    return out;
  }
  if (node.IsMap()) {
    json::object out;
    for (const auto& entry : node) {
      const std::string name = entry.first.Scalar();
      const std::string below = path.empty() ? name : path + "." + name;
      if (out.contains(name)) problems.push_back({file, entry.first.Mark().line + 1, "'" + name + "' is given twice"});
      out[name] = convert(entry.second, below, file, places, problems, depth + 1);
      places[below] = {file, entry.first.Mark().line + 1};
    }
    return out;
  }
  return node.IsScalar() ? scalar(node) : json::value(nullptr);
}

/// How far two words are apart, for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

std::string suggest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const auto& k : known)
    if (const auto d = distance(word, k); d < least) least = d, best = k;
  return best.empty() ? "" : "; did you mean '" + best + "'?";
}

template <class T>
std::vector<std::string> member_names() {
  std::vector<std::string> out;
  boost::mp11::mp_for_each<json::detail::Members<T>>([&](auto d) { out.emplace_back(json::detail::wire_name(d.name)); });
  return out;
}

template <class T>
void decode_entry(T& out, const json::value& v, const std::string& path, Loaded& loaded) {
  auto decoded = json::decode<T>(v, {.unknown = json::Unknown::refuse});
  if (decoded) {
    out = *std::move(decoded);
    return;
  }
  const auto& e = decoded.error();
  const std::string full = path + (e.field.empty() || e.field.front() == '[' ? "" : ".") + e.field;
  auto place = loaded.places.find(full);
  if (place == loaded.places.end()) place = loaded.places.find(path);
  std::string message = "'" + full + "' " + e.problem;
  if (e.problem == "is not a known field") {
    const auto dot = e.field.rfind('.');
    message += suggest(dot == std::string::npos ? e.field : e.field.substr(dot + 1), member_names<T>());
  }
  loaded.problems.push_back(
      {place == loaded.places.end() ? "" : place->second.first, place == loaded.places.end() ? 0 : place->second.second, message});
}

/// The checks that span entries: unique names, references that exist, words that a list allows.
struct Checker {
  Loaded& out;

  void problem(const std::string& path, std::string message) {
    const auto i = out.places.find(path);
    out.problems.push_back({i == out.places.end() ? "" : i->second.first, i == out.places.end() ? 0 : i->second.second, std::move(message)});
  }
  template <class T>
  std::vector<std::string> names(const std::string& key, const std::vector<T>& entries) {
    std::vector<std::string> seen;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto path = key + "[" + std::to_string(i) + "]";
      const auto& name = entries[i].name;
      if (name.empty()) problem(path, "'" + path + ".name' must not be empty");
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) problem(path, key + " '" + name + "' is defined twice");
      seen.push_back(name);
    }
    return seen;
  }
  void refer(const std::string& path, const std::string& what, const std::string& name, const std::vector<std::string>& known) {
    if (std::find(known.begin(), known.end(), name) == known.end()) problem(path, what + " '" + name + "' is not defined" + suggest(name, known));
  }

  void run() {
    const Config& c = out.config;
    const auto credentials = names("credentials", c.credentials), storage = names("storage", c.storage), networks = names("networks", c.networks);
    const auto workspaces = names("workspaces", c.workspaces);
    const auto at = [](const char* key, std::size_t i, const char* field = "") {
      return std::string(key) + "[" + std::to_string(i) + "]" + (*field ? "." : "") + field;
    };
    const auto endpoints = names("vpc_endpoints", c.vpc_endpoints), settings = names("private_access", c.private_access);
    const auto refer_all = [&](const std::string& path, const char* what, const std::vector<std::string>& names, const auto& known) {
      for (std::size_t j = 0; j < names.size(); ++j) refer(path + "[" + std::to_string(j) + "]", what, names[j], known);
    };
    for (std::size_t i = 0; i < c.networks.size(); ++i) {
      refer_all(at("networks", i, "rest_endpoints"), "VPC endpoint", c.networks[i].rest_endpoints, endpoints);
      refer_all(at("networks", i, "relay_endpoints"), "VPC endpoint", c.networks[i].relay_endpoints, endpoints);
      if (c.networks[i].rest_endpoints.empty() != c.networks[i].relay_endpoints.empty())
        problem(at("networks", i), "network '" + c.networks[i].name + "' needs both rest_endpoints and relay_endpoints, or neither");
    }
    for (std::size_t i = 0; i < c.private_access.size(); ++i) {
      const auto& s = c.private_access[i];
      refer_all(at("private_access", i, "allowed_endpoints"), "VPC endpoint", s.allowed_endpoints, endpoints);
      if ((s.level == PrivateAccessLevel::ENDPOINT) == s.allowed_endpoints.empty())
        problem(at("private_access", i), "private access '" + s.name + "' names allowed_endpoints if, and only if, its level is ENDPOINT");
    }
    std::map<std::string, std::string> network_users;
    for (std::size_t i = 0; i < c.workspaces.size(); ++i) {
      const auto& w = c.workspaces[i];
      refer(at("workspaces", i, "credentials"), "credentials", w.credentials, credentials);
      refer(at("workspaces", i, "storage"), "storage", w.storage, storage);
      if (w.network) {
        refer(at("workspaces", i, "network"), "network", *w.network, networks);
        const auto [user, fresh] = network_users.emplace(*w.network, w.name);
        if (!fresh)
          problem(at("workspaces", i, "network"),
                  "network '" + *w.network + "' already serves workspace '" + user->second + "': one network configuration serves one workspace");
      }
      if (w.private_access) refer(at("workspaces", i, "private_access"), "private access", *w.private_access, settings);
      if (!w.region && !c.account) problem(at("workspaces", i), "workspace '" + w.name + "' has no region: give one, or account.region");
    }
    if (c.metastore) {
      for (std::size_t i = 0; i < c.metastore->workspaces.size(); ++i)
        refer("metastore.workspaces[" + std::to_string(i) + "]", "workspace", c.metastore->workspaces[i], workspaces);
      if (!c.metastore->region && !c.account) problem("metastore", "the metastore has no region: give one, or account.region");
    }
    const auto storage_credentials = names("storage_credentials", c.storage_credentials);
    names("external_locations", c.external_locations);
    for (std::size_t i = 0; i < c.external_locations.size(); ++i)
      refer(at("external_locations", i, "credential"), "storage credential", c.external_locations[i].credential, storage_credentials);
    std::vector<std::string> catalogs = names("catalogs", c.catalogs), schemas;
    for (std::size_t i = 0; i < c.catalogs.size(); ++i) {
      for (std::size_t j = 0; j < c.catalogs[i].workspaces.size(); ++j)
        refer(at("catalogs", i, "workspaces") + "[" + std::to_string(j) + "]", "workspace", c.catalogs[i].workspaces[j], workspaces);
      for (const auto& s : names(at("catalogs", i, "schemas"), c.catalogs[i].schemas)) schemas.push_back(c.catalogs[i].name + "." + s);
    }
    auto principals = names("users", c.users);
    const auto groups = names("groups", c.groups);
    principals.insert(principals.end(), groups.begin(), groups.end());
    for (std::size_t i = 0; i < c.groups.size(); ++i) {
      for (std::size_t j = 0; j < c.groups[i].members.size(); ++j)
        refer(at("groups", i, "members") + "[" + std::to_string(j) + "]", "user or group", c.groups[i].members[j], principals);
      for (const auto& [workspace, role] : c.groups[i].workspaces)
        refer(at("groups", i, "workspaces") + "." + workspace, "workspace", workspace, workspaces);
    }
    no_cycles();
    run_workspace_objects(workspaces, groups);
    for (std::size_t i = 0; i < c.grants.size(); ++i) {
      const auto& g = c.grants[i];
      const auto blank = g.on.find(' ');
      const std::string type = g.on.substr(0, blank), name = blank == std::string::npos ? "" : g.on.substr(blank + 1);
      static const std::vector<std::string> types{"metastore", "catalog", "schema", "table", "volume", "external_location", "storage_credential"};
      if (std::find(types.begin(), types.end(), type) == types.end()) {
        problem(at("grants", i, "on"),
                "'" + g.on +
                    "' does not begin with a securable's type (metastore, catalog, schema, table, volume, external_location, storage_credential)" +
                    suggest(type, types));
        continue;
      }
      if (type == "catalog") refer(at("grants", i, "on"), "catalog", name, catalogs);
      if (type == "schema") refer(at("grants", i, "on"), "schema", name, schemas);
      if (type == "storage_credential") refer(at("grants", i, "on"), "storage credential", name, storage_credentials);
      if (type != "metastore" && name.empty()) problem(at("grants", i, "on"), "'" + g.on + "' names no " + type + ": write  " + type + " NAME");
      auto known = principals;
      known.push_back("account users");
      refer(at("grants", i, "to"), "user or group", g.to, known);
      if (g.allow.empty()) problem(at("grants", i), "a grant needs at least one privilege under 'allow'");
    }
  }

  /// What lives in one workspace: names are unique there, and refer to what is there.
  void run_workspace_objects(const std::vector<std::string>& workspaces, const std::vector<std::string>& groups) {
    const Config& c = out.config;
    const auto at = [](const char* key, std::size_t i, const char* field = "") {
      return std::string(key) + "[" + std::to_string(i) + "]" + (*field ? "." : "") + field;
    };
    std::set<std::string> seen;
    const auto once = [&](const std::string& path, const char* what, const std::string& workspace, const std::string& name) {
      if (name.empty()) problem(path, std::string(what) + " needs a name");
      if (!seen.insert(std::string(what) + "/" + workspace + "/" + name).second)
        problem(path, std::string(what) + " '" + name + "' is defined twice in workspace '" + workspace + "'");
    };
    static const std::vector<std::string> kEntitlements{"workspace-access", "databricks-sql-access", "allow-cluster-create",
                                                        "allow-instance-pool-create"};
    for (std::size_t i = 0; i < c.entitlements.size(); ++i) {
      const auto& e = c.entitlements[i];
      refer(at("entitlements", i, "workspace"), "workspace", e.workspace, workspaces);
      refer(at("entitlements", i, "group"), "group", e.group, groups);
      once(at("entitlements", i), "an entitlement", e.workspace, e.group);
      for (const auto& a : e.allow) refer(at("entitlements", i, "allow"), "entitlement", a, kEntitlements);
      const auto g = std::find_if(c.groups.begin(), c.groups.end(), [&](const auto& x) { return x.name == e.group; });
      if (g != c.groups.end() && !g->workspaces.contains(e.workspace))
        problem(at("entitlements", i),
                "group '" + e.group + "' is not assigned to workspace '" + e.workspace + "': it can have no entitlements there");
    }
    std::map<std::string, std::vector<std::string>> pools;
    for (std::size_t i = 0; i < c.pools.size(); ++i) {
      const auto& p = c.pools[i];
      refer(at("pools", i, "workspace"), "workspace", p.workspace, workspaces);
      once(at("pools", i), "a pool", p.workspace, p.name);
      pools[p.workspace].push_back(p.name);
      if (p.max_capacity && *p.max_capacity < p.min_idle.value_or(0))
        problem(at("pools", i), "pool '" + p.name + "' keeps more instances idle (" + std::to_string(p.min_idle.value_or(0)) +
                                    ") than it may have (" + std::to_string(*p.max_capacity) + ")");
    }
    for (std::size_t i = 0; i < c.policies.size(); ++i) {
      const auto& p = c.policies[i];
      refer(at("policies", i, "workspace"), "workspace", p.workspace, workspaces);
      once(at("policies", i), "a policy", p.workspace, p.name);
      if (!p.definition.is_object()) {
        problem(at("policies", i), "the definition of policy '" + p.name + "' must be a mapping of attributes to rules");
        continue;
      }
      for (const auto& rule : p.definition.as_object()) {
        if (!rule.value().is_object()) {
          problem(at("policies", i), "rule '" + std::string(rule.key()) + "' of policy '" + p.name + "' must be a mapping (type, value, …)");
          continue;
        }
        const auto pool = [&](const json::value& v) {
          if (v.is_string() && v.as_string().starts_with("pool:"))
            refer(at("policies", i), "pool", std::string(v.as_string().subview(5)), pools[p.workspace]);
        };
        for (const auto& field : rule.value().as_object()) {
          pool(field.value());
          if (field.value().is_array())
            for (const auto& v : field.value().as_array()) pool(v);
        }
      }
    }
    const auto listed = [&](const std::string& path, const std::string& workspace, const std::optional<AccessList>& allow) {
      if (!allow) return;
      for (const auto& [who, level] : *allow) {
        if (who.find('@') != std::string::npos) continue;  // a user; the API knows whether there is one
        refer(path, "group", who, groups);
        const auto g = std::find_if(c.groups.begin(), c.groups.end(), [&](const auto& x) { return x.name == who; });
        if (g != c.groups.end() && !g->workspaces.contains(workspace))
          problem(path, "group '" + who + "' is not assigned to workspace '" + workspace + "': it can be given nothing there");
        if (!level.starts_with("CAN_")) problem(path, "'" + level + "' is no permission level: CAN_USE, CAN_ATTACH_TO, CAN_RESTART, CAN_MANAGE");
      }
    };
    for (std::size_t i = 0; i < c.pools.size(); ++i) listed(at("pools", i, "allow"), c.pools[i].workspace, c.pools[i].allow);
    for (std::size_t i = 0; i < c.policies.size(); ++i) listed(at("policies", i, "allow"), c.policies[i].workspace, c.policies[i].allow);
    for (std::size_t i = 0; i < c.clusters.size(); ++i) {
      const auto& k = c.clusters[i];
      refer(at("clusters", i, "workspace"), "workspace", k.workspace, workspaces);
      once(at("clusters", i), "a cluster", k.workspace, k.name);
      if (k.pool.has_value() == k.node_type.has_value())
        problem(at("clusters", i), "cluster '" + k.name + "' needs exactly one of 'pool' and 'node_type'");
      if (k.runtime.empty()) problem(at("clusters", i), "cluster '" + k.name + "' needs a 'runtime', such as 15.4.x-scala2.12");
      if (k.pool) refer(at("clusters", i, "pool"), "pool", *k.pool, pools[k.workspace]);
      if (k.policy) {
        std::vector<std::string> known;
        for (const auto& p : c.policies)
          if (p.workspace == k.workspace) known.push_back(p.name);
        refer(at("clusters", i, "policy"), "policy", *k.policy, known);
      }
      if (k.workers.value_or(0) < 0) problem(at("clusters", i, "workers"), "cluster '" + k.name + "' cannot have fewer than 0 workers");
      listed(at("clusters", i, "allow"), k.workspace, k.allow);
    }
    for (std::size_t i = 0; i < c.budgets.size(); ++i) {
      const auto& b = c.budgets[i];
      if (b.workspace) refer(at("budgets", i, "workspace"), "workspace", *b.workspace, workspaces);
      if (!(b.limit >= 0.01) || b.limit > 1e12) problem(at("budgets", i, "limit"), "budget '" + b.name + "' needs a 'limit' in dollars, above zero");
      for (const auto& e : b.emails)
        if (e.find('@') == std::string::npos) problem(at("budgets", i, "emails"), "'" + e + "' is no e-mail address");
    }
    names("budgets", c.budgets);
  }

  void no_cycles() {
    std::map<std::string, const GroupSpec*> by_name;
    for (const auto& g : out.config.groups) by_name[g.name] = &g;
    std::map<std::string, int> state;  // 1 on the way, 2 done
    std::function<bool(const std::string&)> visit = [&](const std::string& name) {
      const auto g = by_name.find(name);
      if (g == by_name.end() || state[name] == 2) return true;
      if (state[name] == 1) return false;
      state[name] = 1;
      for (const auto& m : g->second->members)
        if (!visit(m)) return false;
      state[name] = 2;
      return true;
    };
    for (std::size_t i = 0; i < out.config.groups.size(); ++i)
      if (!visit(out.config.groups[i].name)) {
        problem("groups[" + std::to_string(i) + "]", "group '" + out.config.groups[i].name + "' is, through its members, a member of itself");
        return;
      }
  }
};

}  // namespace

std::string Diagnostic::text() const { return file + (line ? ":" + std::to_string(line) : "") + ": " + message; }

std::string Loaded::place(const std::string& path) const {
  const auto i = places.find(path);
  return i == places.end() ? "" : i->second.first + ":" + std::to_string(i->second.second);
}

Loaded load_texts(const std::map<std::string, std::string>& files) {
  Loaded out;
  // One merged document: lists of the same name in several files are one list, in file order.
  std::map<std::string, std::size_t> counts;
  for (const auto& [file, text] : files) {
    json::object document;
    Places places;
    try {
      const YAML::Node node = YAML::Load(text);
      if (node.IsNull()) continue;
      if (!node.IsMap()) {
        out.problems.push_back({file, 1, "must be a mapping of sections (credentials, workspaces, catalogs, groups, grants, …)"});
        continue;
      }
      document = convert(node, "", file, places, out.problems).as_object();
    } catch (const YAML::Exception& e) {
      out.problems.push_back({file, e.mark.line + 1, e.msg});
      continue;
    }
    std::map<std::string, std::size_t> before = counts;
    for (const auto& [path, place] : places) {
      // groups[2].name of this file becomes groups[2 + entries of earlier files].name
      const auto bracket = path.find('[');
      const auto dot = path.find('.');
      if (bracket == std::string::npos || dot < bracket) {
        out.places.emplace(path, place);
        continue;
      }
      const std::string section = path.substr(0, bracket);
      const auto close = path.find(']');
      const auto index = std::stoul(path.substr(bracket + 1, close - bracket - 1)) + before[section];
      out.places.emplace(section + "[" + std::to_string(index) + "]" + path.substr(close + 1), place);
    }
    const auto sections = member_names<Config>();
    for (const auto& entry : document) {
      const std::string name(entry.key());
      if (std::find(sections.begin(), sections.end(), name) == sections.end())
        out.problems.push_back({file, places[name].second, "'" + name + "' is not a known section" + suggest(name, sections)});
    }
    boost::mp11::mp_for_each<json::detail::Members<Config>>([&](auto d) {
      auto& member = out.config.*d.pointer;
      using M = std::remove_reference_t<decltype(member)>;
      const std::string name(d.name);
      const auto* found = document.if_contains(name);
      if (!found || found->is_null()) return;
      if constexpr (json::detail::is_optional<M>::value) {
        if (member) out.problems.push_back({file, places[name].second, "'" + name + "' is given twice"});
        decode_entry(member.emplace(), *found, name, out);
      } else {
        if (!found->is_array()) {
          out.problems.push_back({file, places[name].second, "'" + name + "' must be a list"});
          return;
        }
        for (const auto& item : found->as_array()) {
          const std::string path = name + "[" + std::to_string(counts[name]++) + "]";
          decode_entry(member.emplace_back(), item, path, out);
        }
      }
    });
  }
  if (out.problems.empty()) Checker{out}.run();
  if (out.problems.empty())
    for (auto& p : check_network(out.config)) {
      const auto place = place_of(out, p.path);
      const auto colon = place.rfind(':');
      out.problems.push_back({place.substr(0, colon), colon == place.npos ? 0 : std::stoi(place.substr(colon + 1)), std::move(p.message)});
    }
  return out;
}

Loaded load(const std::string& folder) {
  std::map<std::string, std::string> files;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ec)) {
    const auto extension = entry.path().extension();
    if (extension != ".yaml" && extension != ".yml") continue;
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    files[(std::filesystem::path(folder) / entry.path().filename()).lexically_normal().string()] = text.str();
  }
  Loaded out;
  if (ec) {
    out.problems.push_back({folder, 0, "cannot be read: " + ec.message()});
    return out;
  }
  if (files.empty()) {
    out.problems.push_back({folder, 0, "holds no *.yaml file"});
    return out;
  }
  return load_texts(files);
}

namespace {

template <class T>
json::value schema_of() {
  using namespace json::detail;
  if constexpr (std::is_same_v<T, json::value>) {
    return json::object{};
  } else if constexpr (is_optional<T>::value) {
    return schema_of<typename T::value_type>();
  } else if constexpr (is_vector<T>::value) {
    return json::object{{"type", "array"}, {"items", schema_of<typename T::value_type>()}};
  } else if constexpr (is_map<T>::value) {
    return json::object{{"type", "object"}, {"additionalProperties", schema_of<typename T::mapped_type>()}};
  } else if constexpr (std::is_same_v<T, std::string>) {
    return json::object{{"type", "string"}};
  } else if constexpr (std::is_same_v<T, bool>) {
    return json::object{{"type", "boolean"}};
  } else if constexpr (std::is_integral_v<T>) {
    return json::object{{"type", "integer"}};
  } else if constexpr (std::is_floating_point_v<T>) {
    return json::object{{"type", "number"}};
  } else if constexpr (DescribedEnum<T>) {
    json::array names;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto d) { names.push_back(json::value(wire_name(d.name))); });
    return json::object{{"enum", names}};
  } else {
    json::object properties;
    json::array required;
    boost::mp11::mp_for_each<Members<T>>([&](auto d) {
      using M = std::remove_reference_t<decltype(std::declval<T&>().*d.pointer)>;
      const auto name = wire_name(d.name);
      properties[name] = schema_of<M>();
      if constexpr (!is_optional<M>::value && !is_vector<M>::value && !is_map<M>::value && !std::is_same_v<M, json::value>)
        required.push_back(json::value(name));
    });
    json::object out{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
    if (!required.empty()) out["required"] = required;
    return out;
  }
}

}  // namespace

json::value json_schema() {
  json::object out{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "A file of a Tarn platform folder"}};
  const json::value derived = schema_of<Config>();
  for (const auto& entry : derived.as_object()) out[entry.key()] = entry.value();
  return out;
}

}  // namespace tarn::platform
