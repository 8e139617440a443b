// What lives in one workspace (entitlements, pools, policies), and private connectivity.
#include "base/json_read.h"
#include "platform/remote.h"

namespace tarn::platform {
namespace {

constexpr std::string_view kAccount = "/api/2.0/accounts/{account}/";
constexpr std::string_view kPools = "/api/2.0/instance-pools/", kPolicies = "/api/2.0/policies/clusters/",
                           kGroups = "/api/2.0/preview/scim/v2/Groups";

std::string text(const json::value& v, std::string_view name) { return json::id_of(json::find(v, {name})); }

client::ApiError problem(std::string message) { return {0, "", std::move(message)}; }

client::Result<void> done(client::Result<json::value> answer) {
  if (!answer) return fail(std::move(answer).error());
  return {};
}

json::array in_order(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  json::array out;
  for (auto& n : names) out.push_back(json::value(n));
  return out;
}

std::vector<std::string> texts(const json::value& v, std::string_view name) {
  std::vector<std::string> out;
  const auto* list = v.is_object() ? v.as_object().if_contains(name) : nullptr;
  if (list && list->is_array())
    for (const auto& x : list->as_array())
      if (x.is_string()) out.emplace_back(x.as_string());
  return out;
}

/// "landing/ai_engineer" -> both.
std::pair<std::string, std::string> split(const std::string& name) {
  const auto slash = name.find('/');
  return {name.substr(0, slash), name.substr(slash + 1)};
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

/// A server of before this API, or a workspace without it.
bool absent(const client::ApiError& e) { return e.status == 404 || e.error_code == "FEATURE_DISABLED" || e.error_code == "ENDPOINT_NOT_FOUND"; }

}  // namespace

client::Result<void> Remote::observe_private_access(std::vector<Resource>& out) {
  endpoint_names_.clear();
  private_access_names_.clear();
  TARN_TRY(endpoints, listed(api_.account("GET", std::string(kAccount) + "vpc-endpoints"), ""));
  for (const auto& e : endpoints) {
    endpoint_names_[text(e, "vpc_endpoint_id")] = text(e, "vpc_endpoint_name");
    out.push_back(
        {Kind::vpc_endpoint, text(e, "vpc_endpoint_name"), {{"aws_vpc_endpoint_id", text(e, "aws_vpc_endpoint_id")}, {"region", text(e, "region")}}});
  }
  TARN_TRY(settings, listed(api_.account("GET", std::string(kAccount) + "private-access-settings"), ""));
  for (const auto& s : settings) {
    private_access_names_[text(s, "private_access_settings_id")] = text(s, "private_access_settings_name");
    std::vector<std::string> allowed = texts(s, "allowed_vpc_endpoint_ids");
    for (auto& id : allowed) id = endpoint_names_[id];
    const auto* open = s.as_object().if_contains("public_access_enabled");
    out.push_back({Kind::private_access,
                   text(s, "private_access_settings_name"),
                   {{"region", text(s, "region")},
                    {"public_access", open && open->is_bool() && open->as_bool()},
                    {"level", text(s, "private_access_level").empty() ? "ACCOUNT" : text(s, "private_access_level")},
                    {"allowed_endpoints", in_order(std::move(allowed))}}});
  }
  return {};
}

client::Result<void> Remote::change_private_access(const Change& c) {
  const bool endpoint = c.kind == Kind::vpc_endpoint;
  const std::string base = std::string(kAccount) + (endpoint ? "vpc-endpoints" : "private-access-settings");
  const auto id_of = [&] {
    return endpoint ? account_id_of("vpc-endpoints", "vpc_endpoint_name", "vpc_endpoint_id", c.name)
                    : account_id_of("private-access-settings", "private_access_settings_name", "private_access_settings_id", c.name);
  };
  if (c.action == Action::delete_) {
    TARN_TRY(id, id_of());
    return done(api_.account("DELETE", base + "/" + id));
  }
  if (endpoint) {
    if (c.action == Action::update)
      return fail(problem("A registered VPC endpoint cannot be changed: give the new one another name, point the networks at it, then remove '" +
                          c.name + "'"));
    return done(api_.account(
        "POST", base,
        json::object{
            {"vpc_endpoint_name", c.name}, {"aws_vpc_endpoint_id", text(c.after, "aws_vpc_endpoint_id")}, {"region", text(c.after, "region")}}));
  }
  json::object body{{"private_access_settings_name", c.name},
                    {"region", text(c.after, "region")},
                    {"public_access_enabled", c.after.as_object().at("public_access")},
                    {"private_access_level", text(c.after, "level")}};
  json::array allowed;
  for (const auto& name : texts(c.after, "allowed_endpoints")) {
    TARN_TRY(id, account_id_of("vpc-endpoints", "vpc_endpoint_name", "vpc_endpoint_id", name));
    allowed.push_back(json::value(id));
  }
  if (!allowed.empty()) body["allowed_vpc_endpoint_ids"] = allowed;
  if (c.action == Action::create) return done(api_.account("POST", base, body));
  TARN_TRY(id, id_of());
  return done(api_.account("PUT", base + "/" + id, body));
}

client::Result<std::string> Remote::group_in(const std::string& deployment, const std::string& group) {
  TARN_TRY(rows, listed(api_.workspace(deployment, "GET", std::string(kGroups) + "?attributes=displayName&count=1000"), "Resources"));
  for (const auto& g : rows)
    if (text(g, "displayName") == group) return text(g, "id");
  return fail(problem("Group '" + group + "' is not in that workspace: assign it first"));
}

client::Result<void> Remote::observe_entitlements(std::vector<Resource>& out, const std::vector<Resource>& desired) {
  std::set<std::string> wanted;
  for (const auto& d : desired)
    if (d.kind == Kind::entitlements) wanted.insert(d.name);
  if (wanted.empty()) return {};
  TARN_TRY(all, workspaces());
  for (const auto& [name, w] : all) {
    if (w.status != "RUNNING") continue;
    TARN_TRY(rows,
             listed(api_.workspace(w.deployment, "GET", std::string(kGroups) + "?attributes=displayName,entitlements&count=1000"), "Resources"));
    for (const auto& g : rows) {
      const std::string address = name + "/" + text(g, "displayName");
      if (!wanted.contains(address)) continue;
      std::vector<std::string> allow;
      if (const auto* list = g.as_object().if_contains("entitlements"); list && list->is_array())
        for (const auto& e : list->as_array()) allow.push_back(text(e, "value"));
      if (!allow.empty()) out.push_back({Kind::entitlements, address, {{"allow", in_order(std::move(allow))}}});
    }
  }
  return {};
}

client::Result<void> Remote::change_entitlements(const Change& c) {
  const auto [workspace_name, group] = split(c.name);
  TARN_TRY(w, workspace(workspace_name));
  TARN_TRY(id, group_in(w.deployment, group));
  json::array values;
  for (const auto& e : texts(c.action == Action::delete_ ? c.before : c.after, "allow")) values.push_back(json::object{{"value", e}});
  const json::object operation{{"op", c.action == Action::delete_ ? "remove" : "replace"}, {"path", "entitlements"}, {"value", values}};
  return done(api_.workspace(
      w.deployment, "PATCH", std::string(kGroups) + "/" + id,
      json::object{{"schemas", json::array{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}}, {"Operations", json::array{operation}}}));
}

client::Result<std::map<std::string, std::string>> Remote::pool_ids(const std::string& deployment) {
  std::map<std::string, std::string> out;
  auto rows = listed(api_.workspace(deployment, "GET", std::string(kPools) + "list"), "instance_pools");
  if (!rows && absent(rows.error())) return out;
  if (!rows) return fail(std::move(rows).error());
  for (const auto& p : *rows) out[text(p, "instance_pool_name")] = text(p, "instance_pool_id");
  return out;
}

client::Result<void> Remote::observe_compute(std::vector<Resource>& out) {
  TARN_TRY(all, workspaces());
  for (const auto& [name, w] : all) {
    if (w.status != "RUNNING") continue;
    auto pools = listed(api_.workspace(w.deployment, "GET", std::string(kPools) + "list"), "instance_pools");
    if (!pools && absent(pools.error())) continue;
    if (!pools) return fail(std::move(pools).error());
    std::map<std::string, std::string> names;  // id -> name
    for (const auto& p : *pools) {
      names[text(p, "instance_pool_id")] = text(p, "instance_pool_name");
      const auto number = [&](const char* field) {
        const auto* v = p.as_object().if_contains(field);
        return v && v->is_int64() ? v->as_int64() : 0;
      };
      const auto* tags = p.as_object().if_contains("custom_tags");
      json::object a{{"node_type", text(p, "node_type_id")},
                     {"min_idle", number("min_idle_instances")},
                     {"idle_minutes", number("idle_instance_autotermination_minutes")},
                     {"tags", tags && tags->is_object() ? *tags : json::value(json::object{})}};
      if (p.as_object().contains("max_capacity")) a["max_capacity"] = number("max_capacity");
      out.push_back({Kind::pool, name + "/" + text(p, "instance_pool_name"), a});
    }
    auto policies = listed(api_.workspace(w.deployment, "GET", std::string(kPolicies) + "list"), "policies");
    if (!policies && absent(policies.error())) continue;
    if (!policies) return fail(std::move(policies).error());
    for (const auto& p : *policies) {
      const auto* built_in = p.as_object().if_contains("is_default");
      if ((built_in && built_in->is_bool() && built_in->as_bool()) || !text(p, "policy_family_id").empty()) continue;  // the service's own
      const auto parsed = json::parse(text(p, "definition"));
      json::object a;
      a["definition"] = mapped(parsed ? *parsed : json::value(json::object{}), [&](std::string_view v) {
        const auto pool = names.find(std::string(v));
        return pool == names.end() ? std::string(v) : "pool:" + pool->second;
      });
      if (const auto* most = p.as_object().if_contains("max_clusters_per_user"); most && most->is_int64()) a["max_clusters_per_user"] = *most;
      out.push_back({Kind::policy, name + "/" + text(p, "name"), a, "", text(p, "creator_user_name") == api_.target().client_id});
    }
  }
  return {};
}

client::Result<void> Remote::change_pool(const Change& c) {
  const auto [workspace_name, name] = split(c.name);
  TARN_TRY(w, workspace(workspace_name));
  json::object body;
  if (c.action != Action::create) {
    TARN_TRY(ids, pool_ids(w.deployment));
    if (!ids.contains(name)) return fail(problem("There is no pool named '" + name + "' in workspace '" + workspace_name + "'"));
    body["instance_pool_id"] = ids[name];
    if (c.action == Action::delete_) return done(api_.workspace(w.deployment, "POST", std::string(kPools) + "delete", body));
    if (std::find(c.fields.begin(), c.fields.end(), "node_type") != c.fields.end())
      return fail(problem("The node type of pool '" + name + "' cannot be changed once it is made: make another pool"));
  }
  const auto& a = c.after.as_object();
  body["instance_pool_name"] = name;
  body["node_type_id"] = a.at("node_type");
  body["min_idle_instances"] = a.at("min_idle");
  body["idle_instance_autotermination_minutes"] = a.at("idle_minutes");
  if (a.contains("max_capacity")) body["max_capacity"] = a.at("max_capacity");
  body["custom_tags"] = a.at("tags");
  if (c.action == Action::create) {
    body["enable_elastic_disk"] = true;
    body["aws_attributes"] = json::object{{"availability", "ON_DEMAND"}, {"zone_id", "auto"}};
  }
  return done(api_.workspace(w.deployment, "POST", std::string(kPools) + (c.action == Action::create ? "create" : "edit"), body));
}

client::Result<void> Remote::change_policy(const Change& c) {
  const auto [workspace_name, name] = split(c.name);
  TARN_TRY(w, workspace(workspace_name));
  json::object body;
  if (c.action != Action::create) {
    TARN_TRY(rows, listed(api_.workspace(w.deployment, "GET", std::string(kPolicies) + "list"), "policies"));
    for (const auto& p : rows)
      if (text(p, "name") == name) body["policy_id"] = text(p, "policy_id");
    if (body.empty()) return fail(problem("There is no policy named '" + name + "' in workspace '" + workspace_name + "'"));
    if (c.action == Action::delete_) return done(api_.workspace(w.deployment, "POST", std::string(kPolicies) + "delete", body));
  }
  TARN_TRY(pools, pool_ids(w.deployment));
  std::string missing;
  const auto definition = mapped(c.after.as_object().at("definition"), [&](std::string_view v) {
    if (!v.starts_with("pool:")) return std::string(v);
    const auto pool = pools.find(std::string(v.substr(5)));
    if (pool == pools.end()) missing = v.substr(5);
    return pool == pools.end() ? std::string(v) : pool->second;
  });
  if (!missing.empty())
    return fail(problem("Policy '" + name + "' speaks of pool '" + missing + "', which workspace '" + workspace_name + "' does not have"));
  body["name"] = name;
  body["definition"] = boost::json::serialize(ordered(definition));
  if (const auto* most = c.after.as_object().if_contains("max_clusters_per_user")) body["max_clusters_per_user"] = *most;
  return done(api_.workspace(w.deployment, "POST", std::string(kPolicies) + (c.action == Action::create ? "create" : "edit"), body));
}

}  // namespace tarn::platform
