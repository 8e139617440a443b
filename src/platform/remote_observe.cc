#include "base/json_read.h"
#include "platform/remote.h"

namespace tarn::platform {
namespace {

std::string text(const json::object& o, std::string_view name) { return json::id_of(o.if_contains(name)); }

std::int64_t number(const json::object& o, std::string_view name) {
  const auto* v = o.if_contains(name);
  return v && v->is_int64() ? v->as_int64() : v && v->is_string() ? std::atoll(v->as_string().c_str()) : 0;
}

const json::object& child(const json::object& o, std::string_view name) {
  static const json::object none;
  const auto* v = o.if_contains(name);
  return v && v->is_object() ? v->as_object() : none;
}

json::value sorted_texts(const json::object& o, std::string_view name) {
  std::vector<std::string> out;
  if (const auto* v = o.if_contains(name); v && v->is_array())
    for (const auto& x : v->as_array())
      if (x.is_string()) out.emplace_back(x.as_string());
  std::sort(out.begin(), out.end());
  json::array a;
  for (auto& t : out) a.push_back(json::value(t));
  return a;
}

}  // namespace

client::Result<json::array> Remote::listed(client::Result<json::value> answer, std::string_view field) {
  if (!answer) return fail(std::move(answer).error());
  if (answer->is_array()) return std::move(answer->as_array());
  if (answer->is_object())
    if (auto* v = answer->as_object().if_contains(field); v && v->is_array()) return std::move(v->as_array());
  return json::array{};
}

client::Result<json::value> Remote::uc(std::string_view method, const std::string& path, const std::optional<json::value>& body) {
  TARN_TRY(deployment, door());
  return api_.workspace(deployment, method, "/api/2.1/unity-catalog" + path, body);
}

client::Result<json::array> Remote::uc_list(std::string_view path, std::string_view field) {
  json::array all;
  std::string token;
  do {
    const std::string sep = path.find('?') == path.npos ? "?" : "&";
    TARN_TRY(page, uc("GET", std::string(path) + (token.empty() ? "" : sep + "page_token=" + token)));
    token = page.is_object() ? text(page.as_object(), "next_page_token") : "";
    TARN_TRY(rows, listed(std::move(page), field));
    for (auto& r : rows) all.push_back(std::move(r));
  } while (!token.empty());
  return all;
}

client::Result<json::array> Remote::scim_list(std::string_view resource) {
  json::array all;
  while (true) {
    TARN_TRY(page, api_.account("GET", "/api/2.0/accounts/{account}/scim/v2/" + std::string(resource) +
                                           "?startIndex=" + std::to_string(all.size() + 1) + "&count=100"));
    const std::int64_t total = page.is_object() ? number(page.as_object(), "totalResults") : 0;
    TARN_TRY(rows, listed(std::move(page), "Resources"));
    if (rows.empty()) break;
    for (auto& r : rows) all.push_back(std::move(r));
    if (static_cast<std::int64_t>(all.size()) >= total) break;
  }
  return all;
}

client::Result<std::map<std::string, Remote::Workspace>> Remote::workspaces() {
  TARN_TRY(rows, listed(api_.account("GET", "/api/2.0/accounts/{account}/workspaces"), "workspaces"));
  std::map<std::string, Workspace> out;
  for (const auto& r : rows) {
    const auto& o = r.as_object();
    out[text(o, "workspace_name")] = {number(o, "workspace_id"), text(o, "workspace_name"), text(o, "deployment_name"), text(o, "workspace_status")};
  }
  return out;
}

client::Result<std::string> Remote::door() {
  if (!door_.empty()) return door_;
  TARN_TRY(all, workspaces());
  for (const auto& [name, w] : all) {
    if (w.status != "RUNNING") continue;
    auto answer = api_.account("GET", "/api/2.0/accounts/{account}/workspaces/" + std::to_string(w.id) + "/metastore");
    if (!answer || !answer->is_object()) continue;
    if (metastore_id_.empty() || text(child(answer->as_object(), "metastore_assignment"), "metastore_id") == metastore_id_)
      return door_ = w.deployment;
  }
  return fail(client::ApiError{
      0, "", "No running workspace is attached to the metastore, so its objects cannot be reached: assign the metastore to a workspace first"});
}

client::Result<std::vector<Resource>> Remote::observe(const std::vector<Resource>& desired) {
  std::vector<Resource> out;
  door_.clear();
  metastore_id_.clear();
  TARN_CHECK(observe_account(out));
  bool reachable = false;
  TARN_CHECK(observe_metastore(out, desired, reachable));
  if (reachable) TARN_CHECK(observe_catalog(out));
  TARN_CHECK(observe_people(out));
  TARN_CHECK(observe_entitlements(out, desired));
  if (reachable) TARN_CHECK(observe_grants(out, desired));
  TARN_CHECK(observe_compute(out, desired));
  TARN_CHECK(observe_budgets(out));
  std::stable_sort(out.begin(), out.end(), [](const Resource& a, const Resource& b) { return a.kind < b.kind; });
  return out;
}

client::Result<void> Remote::observe_account(std::vector<Resource>& out) {
  std::map<std::string, std::string> names;  // id -> name
  TARN_TRY(credentials, listed(api_.account("GET", "/api/2.0/accounts/{account}/credentials"), ""));
  for (const auto& r : credentials) {
    const auto& o = r.as_object();
    names[text(o, "credentials_id")] = text(o, "credentials_name");
    out.push_back({Kind::credentials, text(o, "credentials_name"), {{"role_arn", text(child(child(o, "aws_credentials"), "sts_role"), "role_arn")}}});
  }
  TARN_TRY(storage, listed(api_.account("GET", "/api/2.0/accounts/{account}/storage-configurations"), ""));
  for (const auto& r : storage) {
    const auto& o = r.as_object();
    names[text(o, "storage_configuration_id")] = text(o, "storage_configuration_name");
    out.push_back({Kind::storage, text(o, "storage_configuration_name"), {{"bucket", text(child(o, "root_bucket_info"), "bucket_name")}}});
  }
  TARN_CHECK(observe_private_access(out));
  const auto endpoints_of = [&](const json::object& network, std::string_view use) {
    json::object named;
    json::array list;
    const auto& all = child(network, "vpc_endpoints");
    if (const auto* v = all.if_contains(use); v && v->is_array())
      for (const auto& x : v->as_array()) list.push_back(json::value(endpoint_names_[json::id_of(&x)]));
    named["list"] = list;
    return sorted_texts(named, "list");
  };
  TARN_TRY(networks, listed(api_.account("GET", "/api/2.0/accounts/{account}/networks"), ""));
  for (const auto& r : networks) {
    const auto& o = r.as_object();
    names[text(o, "network_id")] = text(o, "network_name");
    out.push_back({Kind::network,
                   text(o, "network_name"),
                   {{"vpc_id", text(o, "vpc_id")},
                    {"subnet_ids", sorted_texts(o, "subnet_ids")},
                    {"security_group_ids", sorted_texts(o, "security_group_ids")},
                    {"rest_endpoints", endpoints_of(o, "rest_api")},
                    {"relay_endpoints", endpoints_of(o, "dataplane_relay")}}});
  }
  TARN_TRY(rows, listed(api_.account("GET", "/api/2.0/accounts/{account}/workspaces"), ""));
  for (const auto& r : rows) {
    const auto& o = r.as_object();
    if (text(o, "workspace_status") == "FAILED" || text(o, "workspace_status") == "CANCELLING") continue;
    json::object a{{"region", text(o, "aws_region")},
                   {"credentials", names[text(o, "credentials_id")]},
                   {"storage", names[text(o, "storage_configuration_id")]},
                   {"deployment_name", text(o, "deployment_name")}};
    if (const auto n = text(o, "network_id"); !n.empty()) a["network"] = names[n];
    if (const auto p = text(o, "private_access_settings_id"); !p.empty()) a["private_access"] = private_access_names_[p];
    if (const auto t = text(o, "pricing_tier"); !t.empty()) a["pricing_tier"] = t;
    out.push_back({Kind::workspace, text(o, "workspace_name"), a});
  }
  return {};
}

client::Result<void> Remote::observe_metastore(std::vector<Resource>& out, const std::vector<Resource>& desired, bool& reachable) {
  std::string wanted;
  for (const auto& r : desired)
    if (r.kind == Kind::metastore) wanted = r.name;
  TARN_TRY(metastores, listed(api_.account("GET", "/api/2.0/accounts/{account}/metastores"), "metastores"));
  std::map<std::string, std::string> names;
  for (const auto& r : metastores) {
    const auto& o = r.as_object();
    names[text(o, "metastore_id")] = text(o, "name");
    if (text(o, "name") == wanted) metastore_id_ = text(o, "metastore_id");
    json::object a{{"region", text(o, "region")}, {"external_access", false}};
    if (const auto* v = o.if_contains("external_access_enabled"); v && v->is_bool()) a["external_access"] = *v;
    if (const auto root = text(o, "storage_root"); !root.empty()) {
      // The service appends the metastore's id to the root that it was given.
      const auto cut = root.rfind("/" + text(o, "metastore_id"));
      a["storage_root"] = cut == root.npos ? root : root.substr(0, cut);
    }
    if (const auto id = text(o, "storage_root_credential_id"); !id.empty()) {
      TARN_TRY(one, api_.account("GET", "/api/2.0/accounts/{account}/metastores/" + text(o, "metastore_id") + "/storage-credentials"));
      TARN_TRY(list, listed(std::move(one), "storage_credentials"));
      for (const auto& c : list)
        if (c.is_object() && text(c.as_object(), "id") == id) a["data_access_role"] = text(child(c.as_object(), "aws_iam_role"), "role_arn");
    }
    out.push_back({Kind::metastore, text(o, "name"), a});
  }
  TARN_TRY(all, workspaces());
  for (const auto& [name, w] : all) {
    if (w.status != "RUNNING") continue;
    auto answer = api_.account("GET", "/api/2.0/accounts/{account}/workspaces/" + std::to_string(w.id) + "/metastore");
    if (!answer) {
      if (answer.error().status == 404) continue;
      return fail(std::move(answer).error());
    }
    const auto id = answer->is_object() ? text(child(answer->as_object(), "metastore_assignment"), "metastore_id") : "";
    if (id.empty()) continue;
    out.push_back({Kind::metastore_assignment, name, {{"metastore", names[id]}}});
    if (wanted.empty() && metastore_id_.empty()) metastore_id_ = id;  // the scope names none: it is the one that is assigned
    if (id != metastore_id_) continue;
    reachable = true;
    if (door_.empty()) door_ = w.deployment;
  }
  return {};
}

client::Result<void> Remote::observe_catalog(std::vector<Resource>& out) {
  const std::string me = api_.target().client_id;
  const auto ours = [&](const json::object& o) { return !me.empty() && text(o, "created_by") == me; };
  TARN_TRY(credentials, uc_list("/storage-credentials", "storage_credentials"));
  for (const auto& r : credentials) {
    const auto& o = r.as_object();
    if (text(o, "name").ends_with("-metastore-data-access")) continue;  // the metastore's own, made with it
    out.push_back({Kind::storage_credential,
                   text(o, "name"),
                   {{"role_arn", text(child(o, "aws_iam_role"), "role_arn")}, {"comment", text(o, "comment")}},
                   "",
                   ours(o)});
  }
  TARN_TRY(locations, uc_list("/external-locations", "external_locations"));
  for (const auto& r : locations) {
    const auto& o = r.as_object();
    const auto* read_only = o.if_contains("read_only");
    out.push_back({Kind::external_location,
                   text(o, "name"),
                   {{"url", text(o, "url")},
                    {"credential", text(o, "credential_name")},
                    {"read_only", read_only && read_only->is_bool() && read_only->as_bool()},
                    {"comment", text(o, "comment")}},
                   "",
                   ours(o)});
  }
  TARN_TRY(all, workspaces());
  std::map<std::int64_t, std::string> workspace_names;
  for (const auto& [name, w] : all) workspace_names[w.id] = name;
  TARN_TRY(catalogs, uc_list("/catalogs?include_browse=true", "catalogs"));
  for (const auto& r : catalogs) {
    const auto& o = r.as_object();
    const auto name = text(o, "name");
    if (name == "system" || name == "samples" || text(o, "catalog_type") == "SYSTEM_CATALOG" || text(o, "catalog_type") == "INTERNAL_CATALOG")
      continue;
    json::object a{{"comment", text(o, "comment")}};
    json::array bound;
    if (text(o, "isolation_mode") == "ISOLATED") {
      TARN_TRY(bindings, uc_list("/bindings/catalog/" + name, "bindings"));
      std::vector<std::string> sorted;
      for (const auto& b : bindings) sorted.push_back(workspace_names[number(b.as_object(), "workspace_id")]);
      std::sort(sorted.begin(), sorted.end());
      for (auto& b : sorted) bound.push_back(json::value(b));
    }
    a["workspaces"] = bound;
    if (const auto root = text(o, "storage_root"); !root.empty()) a["storage_root"] = root;
    out.push_back({Kind::catalog, name, a, "", ours(o)});
    TARN_TRY(schemas, uc_list("/schemas?catalog_name=" + name, "schemas"));
    for (const auto& s : schemas) {
      const auto& so = s.as_object();
      if (text(so, "name") == "information_schema" || text(so, "name") == "default") continue;
      json::object sa{{"comment", text(so, "comment")}};
      if (const auto root = text(so, "storage_root"); !root.empty()) sa["storage_root"] = root;
      out.push_back({Kind::schema, text(so, "full_name"), sa, "", ours(so)});
    }
  }
  return {};
}

client::Result<void> Remote::observe_people(std::vector<Resource>& out) {
  std::map<std::string, std::string> names;  // id -> name
  TARN_TRY(users, scim_list("Users"));
  for (const auto& r : users) {
    const auto& o = r.as_object();
    names[text(o, "id")] = text(o, "userName");
    out.push_back({Kind::user, text(o, "userName"), {{"display_name", text(o, "displayName")}}, "", false});
  }
  TARN_TRY(service_principals, scim_list("ServicePrincipals"));
  for (const auto& r : service_principals) names[text(r.as_object(), "id")] = text(r.as_object(), "applicationId");
  TARN_TRY(groups, scim_list("Groups"));
  for (const auto& r : groups) names[text(r.as_object(), "id")] = text(r.as_object(), "displayName");
  for (const auto& r : groups) {
    const auto& o = r.as_object();
    const auto name = text(o, "displayName");
    if (name == "account users") continue;
    std::vector<std::string> members;
    if (const auto* m = o.if_contains("members"); m && m->is_array())
      for (const auto& x : m->as_array()) {
        const auto known = names.find(text(x.as_object(), "value"));
        members.push_back(known == names.end() ? text(x.as_object(), "value") : known->second);
      }
    std::sort(members.begin(), members.end());
    json::array sorted;
    for (auto& m : members) sorted.push_back(json::value(m));
    out.push_back({Kind::group, name, {{"members", sorted}}, "", text(o, "externalId") == "tarn-platform/" + name});
  }
  TARN_TRY(all, workspaces());
  for (const auto& [name, w] : all) {
    if (w.status != "RUNNING") continue;
    TARN_TRY(rows, listed(api_.account("GET", "/api/2.0/accounts/{account}/workspaces/" + std::to_string(w.id) + "/permissionassignments"),
                          "permission_assignments"));
    for (const auto& r : rows) {
      const auto& o = r.as_object();
      const auto known = names.find(text(child(o, "principal"), "principal_id"));
      if (known == names.end() || known->second == api_.target().client_id) continue;  // the automation principal is its creator's ADMIN
      const auto permissions = sorted_texts(o, "permissions");
      const bool admin =
          std::any_of(permissions.as_array().begin(), permissions.as_array().end(), [](const auto& p) { return p.as_string() == "ADMIN"; });
      out.push_back({Kind::workspace_assignment, name + "/" + known->second, {{"role", admin ? "ADMIN" : "USER"}}, "", false});
    }
  }
  return {};
}

client::Result<void> Remote::observe_grants(std::vector<Resource>& out, const std::vector<Resource>& desired) {
  for (const auto& d : desired) {
    if (d.kind != Kind::grants) continue;
    const auto blank = d.name.find(' ');
    const std::string type = d.name.substr(0, blank), name = d.name.substr(blank + 1);
    auto rows = uc_list("/permissions/" + type + "/" + (type == "metastore" ? metastore_id_ : name), "privilege_assignments");
    if (!rows) {
      if (rows.error().status == 404) continue;  // the securable is not there yet
      return fail(std::move(rows).error());
    }
    json::object a;
    for (const auto& r : *rows) {
      const auto privileges = sorted_texts(r.as_object(), "privileges");
      if (!privileges.as_array().empty()) a[text(r.as_object(), "principal")] = privileges;
    }
    out.push_back({Kind::grants, d.name, a});
  }
  return {};
}

}  // namespace tarn::platform
