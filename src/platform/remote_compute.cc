// What runs in a workspace and what it may cost: pools, policies and clusters with their access lists, and the account's budgets.
#include "platform/remote.h"
#include "platform/remote_text.h"

namespace tarn::platform {
namespace {

constexpr std::string_view kPools = "/api/2.0/instance-pools/", kPolicies = "/api/2.0/policies/clusters/", kClusters = "/api/2.1/clusters/",
                           kPermissions = "/api/2.0/permissions/", kBudgets = "/api/2.1/accounts/{account}/budgets";

/// How one kind of compute object is listed and named.
struct Listing {
  std::string_view base, field, id, name, permissions;
};
const Listing& listing_of(Kind kind) {
  static const Listing pools{kPools, "instance_pools", "instance_pool_id", "instance_pool_name", "instance-pools"},
      policies{kPolicies, "policies", "policy_id", "name", "cluster-policies"},
      clusters{kClusters, "clusters", "cluster_id", "cluster_name", "clusters"};
  return kind == Kind::pool ? pools : kind == Kind::policy ? policies : clusters;
}

std::int64_t number_in(const json::value& v, std::string_view name) {
  const auto* n = json::find(v, {name});
  return n && n->is_int64() ? n->as_int64() : 0;
}

/// Every text of a policy's rules through `f`.
json::value mapped(const json::value& definition, const std::function<std::string(std::string_view)>& f) {
  if (!definition.is_object()) return definition;
  json::object out = definition.as_object();
  for (auto& rule : out) {
    if (!rule.value().is_object()) continue;
    for (auto& field : rule.value().as_object()) {
      if (field.value().is_string()) field.value() = f(field.value().as_string());
      if (field.value().is_array())
        for (auto& v : field.value().as_array())
          if (v.is_string()) v = f(v.as_string());
    }
  }
  return out;
}

/// Members in the order of their names, at every depth: the text that Terraform's jsonencode makes of the same definition, so that neither side
/// sees the other's as changed.
json::value ordered(const json::value& v) {
  if (v.is_array()) {
    json::array out;
    for (const auto& x : v.as_array()) out.push_back(ordered(x));
    return out;
  }
  if (!v.is_object()) return v;
  std::map<std::string_view, const json::value*> members;
  for (const auto& m : v.as_object()) members.emplace(m.key(), &m.value());
  json::object out;
  for (const auto& [name, value] : members) out[name] = ordered(*value);
  return out;
}

std::string name_of(const std::map<std::string, std::string>& ids, const std::string& id) {
  for (const auto& [name, known] : ids)
    if (known == id) return name;
  return id;
}

/// Dollars as the API carries them: a decimal text.
std::string dollars(double amount) { return fmt::format("{:.2f}", amount); }

}  // namespace

client::Result<std::map<std::string, std::string>> Remote::compute_ids(const std::string& deployment, Kind kind) {
  const auto& of = listing_of(kind);
  std::map<std::string, std::string> out;
  auto rows = listed(api_.workspace(deployment, "GET", std::string(of.base) + "list"), of.field);
  if (!rows && absent(rows.error())) return out;
  if (!rows) return fail(std::move(rows).error());
  for (const auto& r : *rows)
    if (kind != Kind::cluster || text(r, "cluster_source") != "JOB") out[text(r, of.name)] = text(r, of.id);
  return out;
}

client::Result<json::object> Remote::access_list(const std::string& deployment, Kind kind, const std::string& id) {
  TARN_TRY(answer, api_.workspace(deployment, "GET", std::string(kPermissions) + std::string(listing_of(kind).permissions) + "/" + id));
  json::object out;
  TARN_TRY(entries, listed(std::move(answer), "access_control_list"));
  for (const auto& e : entries) {
    const auto who = text(e, "group_name") + text(e, "user_name") + text(e, "service_principal_name");
    // Administrators, and whoever made it, have theirs without being named.
    if (who == "admins" || who == api_.target().client_id) continue;
    const auto* levels = json::find(e, {"all_permissions"});
    if (!levels || !levels->is_array()) continue;
    for (const auto& level : levels->as_array()) {
      const auto* inherited = json::find(level, {"inherited"});
      if (!inherited || !inherited->is_bool() || !inherited->as_bool()) out[who] = text(level, "permission_level");
    }
  }
  return out;
}

client::Result<void> Remote::set_access_list(const std::string& deployment, Kind kind, const std::string& id, const json::value& allow) {
  json::array entries;
  for (const auto& [who, level] : allow.as_object()) {
    const bool user = who.contains('@');
    entries.push_back(json::object{{user ? "user_name" : "group_name", who}, {"permission_level", level}});
  }
  return done(api_.workspace(deployment, "PUT", std::string(kPermissions) + std::string(listing_of(kind).permissions) + "/" + id,
                             json::object{{"access_control_list", entries}}));
}

client::Result<void> Remote::observe_compute(std::vector<Resource>& out, const std::vector<Resource>& desired) {
  TARN_TRY(all, workspaces());
  const auto wants_list = [&](const Resource& seen) {
    return std::any_of(desired.begin(), desired.end(),
                       [&](const Resource& d) { return d.kind == seen.kind && d.name == seen.name && d.attributes.contains("allow"); });
  };
  for (const auto& [workspace_name, w] : all) {
    if (w.status != "RUNNING") continue;
    std::map<std::string, std::string> pools, policies;  // name -> id
    for (const auto kind : {Kind::pool, Kind::policy, Kind::cluster}) {
      const auto& of = listing_of(kind);
      auto rows = listed(api_.workspace(w.deployment, "GET", std::string(of.base) + "list"), of.field);
      if (!rows && absent(rows.error())) continue;
      if (!rows) return fail(std::move(rows).error());
      for (const auto& row : *rows) {
        Resource seen{kind, workspace_name + "/" + text(row, of.name)};
        if (kind == Kind::pool) {
          pools[text(row, of.name)] = text(row, of.id);
          const auto* tags = json::find(row, {"custom_tags"});
          seen.attributes = {{"node_type", text(row, "node_type_id")},
                             {"min_idle", number_in(row, "min_idle_instances")},
                             {"idle_minutes", number_in(row, "idle_instance_autotermination_minutes")},
                             {"tags", tags && tags->is_object() ? *tags : json::value(json::object{})}};
          if (row.as_object().contains("max_capacity")) seen.attributes["max_capacity"] = number_in(row, "max_capacity");
        } else if (kind == Kind::policy) {
          policies[text(row, of.name)] = text(row, of.id);
          const auto* built_in = json::find(row, {"is_default"});
          if ((built_in && built_in->is_bool() && built_in->as_bool()) || !text(row, "policy_family_id").empty()) continue;  // the service's own
          const auto parsed = json::parse(text(row, "definition"));
          seen.attributes["definition"] = mapped(parsed ? *parsed : json::value(json::object{}), [&](std::string_view v) {
            const auto name = name_of(pools, std::string(v));
            return name == v ? std::string(v) : "pool:" + name;
          });
          if (const auto* most = json::find(row, {"max_clusters_per_user"}); most && most->is_int64())
            seen.attributes["max_clusters_per_user"] = *most;
          seen.ours = text(row, "creator_user_name") == api_.target().client_id;
        } else {
          if (text(row, "cluster_source") == "JOB") continue;
          seen.attributes = {{"runtime", text(row, "spark_version")},
                             {"workers", number_in(row, "num_workers")},
                             {"autotermination_minutes", number_in(row, "autotermination_minutes")}};
          if (const auto pool = text(row, "instance_pool_id"); !pool.empty())
            seen.attributes["pool"] = name_of(pools, pool);
          else
            seen.attributes["node_type"] = text(row, "node_type_id");
          if (const auto policy = text(row, "policy_id"); !policy.empty()) seen.attributes["policy"] = name_of(policies, policy);
          seen.ours = text(row, "creator_user_name") == api_.target().client_id;
        }
        if (wants_list(seen)) {
          TARN_TRY(allow, access_list(w.deployment, kind, text(row, of.id)));
          seen.attributes["allow"] = std::move(allow);
        }
        out.push_back(std::move(seen));
      }
    }
  }
  return {};
}

client::Result<Remote::Place> Remote::place_of(const Change& c) {
  const auto [workspace_name, name] = split(c.name);
  TARN_TRY(w, workspace(workspace_name));
  Place out{.workspace = workspace_name, .name = name, .deployment = w.deployment};
  if (c.action == Action::create) return out;
  TARN_TRY(ids, compute_ids(w.deployment, c.kind));
  if (!ids.contains(name))
    return fail(problem("There is no " + std::string(json::name_of(c.kind)) + " named '" + name + "' in workspace '" + workspace_name + "'"));
  out.id = ids[name];
  return out;
}

client::Result<void> Remote::put_compute(const Change& c, const Place& at, const json::object& body) {
  const auto& of = listing_of(c.kind);
  TARN_TRY(answer, api_.workspace(at.deployment, "POST", std::string(of.base) + (c.action == Action::create ? "create" : "edit"), body));
  const auto* allow = c.after.as_object().if_contains("allow");
  if (!allow) return {};
  return set_access_list(at.deployment, c.kind, at.id.empty() ? text(answer, of.id) : at.id, *allow);
}

client::Result<void> Remote::change_pool(const Change& c) {
  TARN_TRY(at, place_of(c));
  json::object body;
  if (!at.id.empty()) body["instance_pool_id"] = at.id;
  if (c.action == Action::delete_) return done(api_.workspace(at.deployment, "POST", std::string(kPools) + "delete", body));
  if (std::find(c.fields.begin(), c.fields.end(), "node_type") != c.fields.end())
    return fail(problem("The node type of pool '" + at.name + "' cannot be changed once it is made: make another pool"));
  const auto& a = c.after.as_object();
  body["instance_pool_name"] = at.name;
  body["node_type_id"] = a.at("node_type");
  body["min_idle_instances"] = a.at("min_idle");
  body["idle_instance_autotermination_minutes"] = a.at("idle_minutes");
  if (a.contains("max_capacity")) body["max_capacity"] = a.at("max_capacity");
  body["custom_tags"] = a.at("tags");
  if (c.action == Action::create) {
    body["enable_elastic_disk"] = true;
    body["aws_attributes"] = json::object{{"availability", "ON_DEMAND"}, {"zone_id", "auto"}};
  }
  return put_compute(c, at, body);
}

client::Result<void> Remote::change_policy(const Change& c) {
  TARN_TRY(at, place_of(c));
  json::object body;
  if (!at.id.empty()) body["policy_id"] = at.id;
  if (c.action == Action::delete_) return done(api_.workspace(at.deployment, "POST", std::string(kPolicies) + "delete", body));
  TARN_TRY(pools, compute_ids(at.deployment, Kind::pool));
  std::string missing;
  const auto definition = mapped(c.after.as_object().at("definition"), [&](std::string_view v) {
    if (!v.starts_with("pool:")) return std::string(v);
    const auto pool = pools.find(std::string(v.substr(5)));
    if (pool == pools.end()) missing = v.substr(5);
    return pool == pools.end() ? std::string(v) : pool->second;
  });
  if (!missing.empty())
    return fail(problem("Policy '" + at.name + "' speaks of pool '" + missing + "', which workspace '" + at.workspace + "' does not have"));
  body["name"] = at.name;
  body["definition"] = boost::json::serialize(ordered(definition));
  if (const auto* most = c.after.as_object().if_contains("max_clusters_per_user")) body["max_clusters_per_user"] = *most;
  return put_compute(c, at, body);
}

client::Result<void> Remote::change_cluster(const Change& c) {
  TARN_TRY(at, place_of(c));
  json::object body;
  if (!at.id.empty()) body["cluster_id"] = at.id;
  if (c.action == Action::delete_) {
    TARN_CHECK(done(api_.workspace(at.deployment, "POST", std::string(kClusters) + "unpin", body)));  // a pinned one is not deleted
    return done(api_.workspace(at.deployment, "POST", std::string(kClusters) + "permanent-delete", body));
  }
  const auto& a = c.after.as_object();
  if (c.fields == std::vector<std::string>{"allow"}) return set_access_list(at.deployment, c.kind, at.id, a.at("allow"));  // nothing restarts
  body["cluster_name"] = at.name;
  body["spark_version"] = a.at("runtime");
  body["num_workers"] = a.at("workers");
  body["autotermination_minutes"] = a.at("autotermination_minutes");
  if (a.contains("node_type")) body["node_type_id"] = a.at("node_type");
  for (const auto& [field, kind, wire] : {std::tuple("pool", Kind::pool, "instance_pool_id"), std::tuple("policy", Kind::policy, "policy_id")}) {
    if (!a.contains(field)) continue;
    const auto name = text(c.after, field);
    TARN_TRY(ids, compute_ids(at.deployment, kind));
    if (!ids.contains(name))
      return fail(problem(fmt::format("Cluster '{}' uses {} '{}', which workspace '{}' does not have", at.name, field, name, at.workspace)));
    body[wire] = ids[name];
  }
  TARN_CHECK(put_compute(c, at, body));
  if (c.action != Action::create) return {};
  // An unpinned cluster is forgotten some time after it ended; one that is written down stays.
  TARN_TRY(ids, compute_ids(at.deployment, Kind::cluster));
  return done(api_.workspace(at.deployment, "POST", std::string(kClusters) + "pin", json::object{{"cluster_id", ids[at.name]}}));
}

client::Result<json::array> Remote::budget_rows() {
  json::array all;
  std::string token;
  do {
    auto page = api_.account("GET", std::string(kBudgets) + (token.empty() ? "" : "?page_token=" + token));
    if (!page && absent(page.error())) return all;
    if (!page) return fail(std::move(page).error());
    token = text(*page, "next_page_token");
    TARN_TRY(rows, listed(std::move(page), "budgets"));
    for (auto& r : rows) all.push_back(std::move(r));
  } while (!token.empty());
  return all;
}

client::Result<void> Remote::observe_budgets(std::vector<Resource>& out) {
  TARN_TRY(rows, budget_rows());
  TARN_TRY(all, workspaces());
  for (const auto& row : rows) {
    double limit = 0;
    bool stop = false;
    std::vector<std::string> emails;
    if (const auto* alerts = json::find(row, {"alert_configurations"}); alerts && alerts->is_array() && !alerts->as_array().empty()) {
      const auto& alert = alerts->as_array()[0];
      limit = std::atof(text(alert, "quantity_threshold").c_str());
      if (const auto* actions = json::find(alert, {"action_configurations"}); actions && actions->is_array())
        for (const auto& action : actions->as_array()) {
          if (text(action, "action_type") == "BLOCK_USAGE")
            stop = true;
          else
            emails.push_back(text(action, "target"));
        }
    }
    json::object a{{"limit", dollars(limit)}, {"stop", stop}, {"emails", in_order(std::move(emails))}};
    if (const auto* ids = json::find(row, {"filter", "workspace_id", "values"}); ids && ids->is_array())
      for (const auto& id : ids->as_array())
        for (const auto& [name, w] : all)
          if (id.is_int64() && id.as_int64() == w.id) a["workspace"] = name;
    out.push_back({Kind::budget, text(row, "display_name"), a});
  }
  return {};
}

client::Result<void> Remote::change_budget(const Change& c) {
  std::string id;
  if (c.action != Action::create) {
    TARN_TRY(rows, budget_rows());
    for (const auto& row : rows)
      if (text(row, "display_name") == c.name) id = text(row, "budget_configuration_id");
    if (id.empty()) return fail(problem("There is no budget named '" + c.name + "'"));
    if (c.action == Action::delete_) return done(api_.account("DELETE", std::string(kBudgets) + "/" + id));
  }
  const auto& a = c.after.as_object();
  json::array actions;
  for (const auto& e : texts(c.after, "emails")) actions.push_back(json::object{{"action_type", "EMAIL_NOTIFICATION"}, {"target", e}});
  if (a.at("stop").as_bool()) actions.push_back(json::object{{"action_type", "BLOCK_USAGE"}});
  json::object budget{{"display_name", c.name},
                      {"alert_configurations", json::array{json::object{{"time_period", "MONTH"},
                                                                        {"trigger_type", "CUMULATIVE_SPENDING_EXCEEDED"},
                                                                        {"quantity_type", "LIST_PRICE_DOLLARS_USD"},
                                                                        {"quantity_threshold", a.at("limit")},
                                                                        {"action_configurations", actions}}}}};
  if (a.contains("workspace")) {
    TARN_TRY(w, workspace(text(c.after, "workspace")));
    budget["filter"] = json::object{{"workspace_id", json::object{{"operator", "IN"}, {"values", json::array{w.id}}}}};
  }
  if (id.empty()) return done(api_.account("POST", std::string(kBudgets), json::object{{"budget", budget}}));
  budget["budget_configuration_id"] = id;
  return done(api_.account("PUT", std::string(kBudgets) + "/" + id, json::object{{"budget", budget}}));
}

}  // namespace tarn::platform
