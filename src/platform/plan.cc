#include "platform/plan.h"

#include "base/crypto.h"

namespace tarn::platform {
namespace {

json::value sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  json::array out;
  for (auto& n : names) out.push_back(json::value(n));
  return out;
}

std::string index(const char* section, std::size_t i) { return std::string(section) + "[" + std::to_string(i) + "]"; }

void put(json::object& o, const char* name, const std::optional<std::string>& v) {
  if (v) o[name] = *v;
}

/// `USE CATALOG`, `use_catalog` and `USE_CATALOG` are one privilege.
std::string privilege_name(std::string text) {
  for (char& c : text) c = c == ' ' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::vector<Resource> expand(const Loaded& loaded) {
  const Config& c = loaded.config;
  std::vector<Resource> out;
  const auto add = [&](Kind kind, std::string name, json::object attributes, const std::string& path) {
    out.push_back({kind, std::move(name), std::move(attributes), loaded.place(path)});
  };
  const auto region_of = [&](const std::optional<std::string>& own) { return own ? *own : c.account ? c.account->region : std::string(); };

  for (std::size_t i = 0; i < c.credentials.size(); ++i)
    add(Kind::credentials, c.credentials[i].name, {{"role_arn", c.credentials[i].role_arn}}, index("credentials", i));
  for (std::size_t i = 0; i < c.storage.size(); ++i) add(Kind::storage, c.storage[i].name, {{"bucket", c.storage[i].bucket}}, index("storage", i));
  for (std::size_t i = 0; i < c.networks.size(); ++i) {
    const auto& n = c.networks[i];
    add(Kind::network, n.name,
        {{"vpc_id", n.vpc_id},
         {"subnet_ids", sorted(n.subnet_ids)},
         {"security_group_ids", sorted(n.security_group_ids)},
         {"rest_endpoints", sorted(n.rest_endpoints)},
         {"relay_endpoints", sorted(n.relay_endpoints)}},
        index("networks", i));
  }
  for (std::size_t i = 0; i < c.vpc_endpoints.size(); ++i) {
    const auto& e = c.vpc_endpoints[i];
    add(Kind::vpc_endpoint, e.name, {{"aws_vpc_endpoint_id", e.aws_vpc_endpoint_id}, {"region", region_of(e.region)}}, index("vpc_endpoints", i));
  }
  for (std::size_t i = 0; i < c.private_access.size(); ++i) {
    const auto& s = c.private_access[i];
    add(Kind::private_access, s.name,
        {{"region", region_of(s.region)},
         {"public_access", s.public_access.value_or(false)},
         {"level", json::name_of(s.level.value_or(PrivateAccessLevel::ACCOUNT))},
         {"allowed_endpoints", sorted(s.allowed_endpoints)}},
        index("private_access", i));
  }
  for (std::size_t i = 0; i < c.workspaces.size(); ++i) {
    const auto& w = c.workspaces[i];
    json::object a{{"region", region_of(w.region)}, {"credentials", w.credentials}, {"storage", w.storage}};
    put(a, "deployment_name", w.deployment_name);
    put(a, "network", w.network);
    put(a, "private_access", w.private_access);
    put(a, "pricing_tier", w.pricing_tier);
    add(Kind::workspace, w.name, a, index("workspaces", i));
  }
  if (c.metastore) {
    const auto& m = *c.metastore;
    json::object a{{"region", region_of(m.region)}, {"external_access", m.external_access.value_or(false)}};
    put(a, "storage_root", m.storage_root);
    put(a, "data_access_role", m.data_access_role);
    if (m.evict_default) a["evict_default"] = *m.evict_default;
    add(Kind::metastore, m.name, a, "metastore");
    for (std::size_t i = 0; i < m.workspaces.size(); ++i)
      add(Kind::metastore_assignment, m.workspaces[i], {{"metastore", m.name}}, "metastore.workspaces[" + std::to_string(i) + "]");
  }
  for (std::size_t i = 0; i < c.storage_credentials.size(); ++i) {
    const auto& s = c.storage_credentials[i];
    add(Kind::storage_credential, s.name, {{"role_arn", s.role_arn}, {"comment", s.comment.value_or("")}}, index("storage_credentials", i));
  }
  for (std::size_t i = 0; i < c.external_locations.size(); ++i) {
    const auto& l = c.external_locations[i];
    add(Kind::external_location, l.name,
        {{"url", l.url}, {"credential", l.credential}, {"read_only", l.read_only.value_or(false)}, {"comment", l.comment.value_or("")}},
        index("external_locations", i));
  }
  for (std::size_t i = 0; i < c.catalogs.size(); ++i) {
    const auto& k = c.catalogs[i];
    json::object a{{"comment", k.comment.value_or("")}, {"workspaces", sorted(k.workspaces)}};
    put(a, "storage_root", k.storage_root);
    add(Kind::catalog, k.name, a, index("catalogs", i));
  }
  for (std::size_t i = 0; i < c.catalogs.size(); ++i)
    for (std::size_t j = 0; j < c.catalogs[i].schemas.size(); ++j) {
      const auto& s = c.catalogs[i].schemas[j];
      json::object a{{"comment", s.comment.value_or("")}};
      put(a, "storage_root", s.storage_root);
      add(Kind::schema, c.catalogs[i].name + "." + s.name, a, index("catalogs", i) + "." + index("schemas", j));
    }
  for (std::size_t i = 0; i < c.users.size(); ++i)
    add(Kind::user, c.users[i].name, {{"display_name", c.users[i].display_name.value_or(c.users[i].name)}}, index("users", i));
  // A group comes after the groups among its members.
  std::vector<std::size_t> order, state(c.groups.size());
  std::function<void(std::size_t)> visit = [&](std::size_t i) {
    if (std::exchange(state[i], 1)) return;
    for (const auto& m : c.groups[i].members)
      for (std::size_t j = 0; j < c.groups.size(); ++j)
        if (c.groups[j].name == m) visit(j);
    order.push_back(i);
  };
  for (std::size_t i = 0; i < c.groups.size(); ++i) visit(i);
  for (std::size_t i : order) add(Kind::group, c.groups[i].name, {{"members", sorted(c.groups[i].members)}}, index("groups", i));
  for (std::size_t i = 0; i < c.groups.size(); ++i)
    for (const auto& [workspace, role] : c.groups[i].workspaces)
      add(Kind::workspace_assignment, workspace + "/" + c.groups[i].name, {{"role", json::name_of(role)}},
          index("groups", i) + ".workspaces." + workspace);

  for (std::size_t i = 0; i < c.entitlements.size(); ++i) {
    const auto& e = c.entitlements[i];
    add(Kind::entitlements, e.workspace + "/" + e.group, {{"allow", sorted(e.allow)}}, index("entitlements", i));
  }
  for (std::size_t i = 0; i < c.pools.size(); ++i) {
    const auto& p = c.pools[i];
    json::object a{{"node_type", p.node_type},
                   {"min_idle", p.min_idle.value_or(0)},
                   {"idle_minutes", p.idle_minutes.value_or(10)},
                   {"tags", json::encode(p.tags)}};
    if (p.max_capacity) a["max_capacity"] = *p.max_capacity;
    if (p.allow) a["allow"] = json::encode(*p.allow);
    add(Kind::pool, p.workspace + "/" + p.name, a, index("pools", i));
  }
  for (std::size_t i = 0; i < c.policies.size(); ++i) {
    const auto& p = c.policies[i];
    json::object a{{"definition", p.definition}};
    if (p.max_clusters_per_user) a["max_clusters_per_user"] = *p.max_clusters_per_user;
    if (p.allow) a["allow"] = json::encode(*p.allow);
    add(Kind::policy, p.workspace + "/" + p.name, a, index("policies", i));
  }
  for (std::size_t i = 0; i < c.clusters.size(); ++i) {
    const auto& k = c.clusters[i];
    json::object a{{"runtime", k.runtime}, {"workers", k.workers.value_or(0)}, {"autotermination_minutes", k.autotermination_minutes.value_or(60)}};
    put(a, "node_type", k.node_type);
    put(a, "pool", k.pool);
    put(a, "policy", k.policy);
    if (k.allow) a["allow"] = json::encode(*k.allow);
    add(Kind::cluster, k.workspace + "/" + k.name, a, index("clusters", i));
  }
  for (std::size_t i = 0; i < c.budgets.size(); ++i) {
    const auto& b = c.budgets[i];
    json::object a{{"limit", fmt::format("{:.2f}", b.limit)}, {"stop", b.stop.value_or(false)}, {"emails", sorted(b.emails)}};
    put(a, "workspace", b.workspace);
    add(Kind::budget, b.name, a, index("budgets", i));
  }

  // Grants are authoritative for every securable that the configuration manages: one resource a securable.
  std::map<std::string, std::map<std::string, std::vector<std::string>>> by_securable;
  std::map<std::string, std::string> places;
  const auto managed = [&](const std::string& securable, const std::string& path) { by_securable[securable], places.emplace(securable, path); };
  if (c.metastore) managed("metastore " + c.metastore->name, "metastore");
  for (std::size_t i = 0; i < c.storage_credentials.size(); ++i)
    managed("storage_credential " + c.storage_credentials[i].name, index("storage_credentials", i));
  for (std::size_t i = 0; i < c.external_locations.size(); ++i)
    managed("external_location " + c.external_locations[i].name, index("external_locations", i));
  for (std::size_t i = 0; i < c.catalogs.size(); ++i) {
    managed("catalog " + c.catalogs[i].name, index("catalogs", i));
    for (std::size_t j = 0; j < c.catalogs[i].schemas.size(); ++j)
      managed("schema " + c.catalogs[i].name + "." + c.catalogs[i].schemas[j].name, index("catalogs", i) + "." + index("schemas", j));
  }
  for (std::size_t i = 0; i < c.grants.size(); ++i) {
    std::string on = c.grants[i].on;
    if (on.starts_with("metastore") && c.metastore) on = "metastore " + c.metastore->name;
    places[on] = index("grants", i);
    for (const auto& p : c.grants[i].allow) by_securable[on][c.grants[i].to].push_back(privilege_name(p));
  }
  for (const auto& [securable, grants] : by_securable) {
    json::object a;
    for (const auto& [principal, privileges] : grants) a[principal] = sorted(privileges);
    add(Kind::grants, securable, a, places[securable]);
  }

  std::stable_sort(out.begin(), out.end(), [](const Resource& a, const Resource& b) { return a.kind < b.kind; });
  return out;
}

std::vector<std::string> differing_fields(Kind kind, const json::object& want, const json::object& have) {
  std::vector<std::string> out;
  for (const auto& entry : want) {
    const std::string name(entry.key());
    const auto* found = have.if_contains(entry.key());
    if (kind == Kind::metastore && name == "evict_default") continue;  // an instruction for the first apply, not a state
    if (kind == Kind::workspace && name == "deployment_name" && found && found->is_string() && entry.value().is_string()) {
      // The account's registered prefix stands before the name that was asked for.
      const std::string_view wanted = entry.value().as_string(), is = found->as_string();
      if (is == wanted || is.ends_with("-" + std::string(wanted)) || wanted == "EMPTY") continue;
    }
    if (!found || *found != entry.value()) out.push_back(name);
  }
  if (kind == Kind::grants)
    for (const auto& entry : have)
      if (!want.contains(entry.key())) out.emplace_back(entry.key());
  return out;
}

Plan make_plan(const std::vector<Resource>& desired, const std::vector<Resource>& observed, const std::string& account_id, bool drift) {
  Plan plan{.account_id = account_id};
  std::unordered_map<std::string, const Resource*> have, wanted;
  for (const auto& r : observed) have[r.address()] = &r;
  std::string all;
  for (const auto& r : desired) {
    wanted[r.address()] = &r;
    all += r.address() + boost::json::serialize(r.attributes) + "\n";
    const auto found = have.find(r.address());
    if (found == have.end()) {
      if (r.kind == Kind::grants && r.attributes.empty()) continue;  // nothing granted and nothing to grant
      plan.changes.push_back({Action::create, r.kind, r.name, nullptr, r.attributes, {}, r.place});
    } else if (auto fields = differing_fields(r.kind, r.attributes, found->second->attributes); !fields.empty()) {
      plan.changes.push_back({Action::update, r.kind, r.name, found->second->attributes, r.attributes, std::move(fields), r.place});
    }
  }
  plan.digest = crypto::to_hex(crypto::sha256(all));
  for (auto r = observed.rbegin(); r != observed.rend(); ++r) {
    if (wanted.contains(r->address()) || r->kind == Kind::grants) continue;
    if (r->ours)
      plan.changes.push_back({Action::delete_, r->kind, r->name, r->attributes, nullptr});
    else if (drift && r->kind != Kind::cluster)  // people make clusters of their own
      plan.changes.push_back({Action::unmanaged, r->kind, r->name, r->attributes, nullptr});
  }
  return plan;
}

Plan make_destroy_plan(const std::vector<Resource>& desired, const std::vector<Resource>& observed, const std::string& account_id) {
  Plan plan{.account_id = account_id};
  std::unordered_map<std::string, const Resource*> have;
  for (const auto& r : observed) have[r.address()] = &r;
  for (auto r = desired.rbegin(); r != desired.rend(); ++r) {
    const auto found = have.find(r->address());
    if (found == have.end() || (r->kind == Kind::grants && found->second->attributes.empty())) continue;
    plan.changes.push_back({Action::delete_, r->kind, r->name, found->second->attributes, nullptr, {}, r->place});
  }
  return plan;
}

std::string shown(const json::value& v) {
  if (v.is_string()) return v.as_string().empty() ? "\"\"" : std::string(v.as_string());
  if (v.is_array()) {
    std::string out;
    for (const auto& x : v.as_array()) out += (out.empty() ? "" : ", ") + shown(x);
    return "[" + out + "]";
  }
  return boost::json::serialize(v);
}

}  // namespace tarn::platform
