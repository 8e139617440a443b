#include <thread>

#include "platform/remote.h"
#include "platform/remote_text.h"

namespace tarn::platform {
namespace {

using Note = std::function<void(const std::string&)>;

/// What `to` has and `from` has not.
json::array minus(const std::vector<std::string>& to, const std::vector<std::string>& from) {
  json::array out;
  for (const auto& t : to)
    if (std::find(from.begin(), from.end(), t) == from.end()) out.push_back(json::value(t));
  return out;
}

std::string quote_scim(const std::string& name) {
  std::string out;
  for (unsigned char c : name) {
    if (c == '"' || c == '\\') out += "%5C";
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.')
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  return "%22" + out + "%22";
}

}  // namespace

client::Result<std::string> Remote::account_id_of(std::string_view collection, std::string_view name_field, std::string_view id_field,
                                                  const std::string& name) {
  TARN_TRY(rows, listed(api_.account("GET", std::string(kAccount) + std::string(collection)), ""));
  for (const auto& r : rows)
    if (text(r, name_field) == name) return text(r, id_field);
  return fail(problem("There is no " + std::string(collection) + " named '" + name + "'"));
}

client::Result<Remote::Workspace> Remote::workspace(const std::string& name) {
  TARN_TRY(all, workspaces());
  const auto found = all.find(name);
  if (found == all.end()) return fail(problem("There is no workspace named '" + name + "'"));
  return found->second;
}

client::Result<json::object> Remote::metastore(const std::string& name) {
  TARN_TRY(rows, listed(api_.account("GET", std::string(kAccount) + "metastores"), "metastores"));
  for (auto& r : rows)
    if (text(r, "name") == name) return std::move(r.as_object());
  return fail(problem("There is no metastore named '" + name + "'"));
}

client::Result<std::string> Remote::principal_id(const std::string& name) {
  for (const auto& [resource, attribute] : {std::pair("Groups", "displayName"), {"Users", "userName"}, {"ServicePrincipals", "applicationId"}}) {
    TARN_TRY(rows, listed(api_.account("GET", std::string(kAccount) + "scim/v2/" + resource + "?filter=" + attribute + "%20eq%20" + quote_scim(name)),
                          "Resources"));
    if (!rows.empty()) return text(rows[0], "id");
  }
  return fail(client::ApiError{404, "PRINCIPAL_DOES_NOT_EXIST", "Could not find principal with name " + name});
}

client::Result<void> Remote::execute(const Change& c, const Note& note) {
  switch (c.kind) {
    case Kind::credentials:
    case Kind::storage:
    case Kind::network:
      return change_account(c, note);
    case Kind::vpc_endpoint:
    case Kind::private_access:
      return change_private_access(c);
    case Kind::entitlements:
      return change_entitlements(c);
    case Kind::pool:
      return change_pool(c);
    case Kind::policy:
      return change_policy(c);
    case Kind::cluster:
      return change_cluster(c);
    case Kind::budget:
      return change_budget(c);
    case Kind::workspace:
      return change_workspace(c, note);
    case Kind::metastore:
    case Kind::metastore_assignment:
      return change_metastore(c, note);
    case Kind::storage_credential:
    case Kind::external_location:
    case Kind::catalog:
    case Kind::schema:
      return change_catalog(c);
    case Kind::user:
    case Kind::group:
    case Kind::workspace_assignment:
      return change_people(c);
    case Kind::grants:
      return change_grants(c);
  }
  return fail(problem("unknown kind"));
}

client::Result<void> Remote::change_account(const Change& c, const Note&) {
  struct Collection {
    const char *path, *name, *id;
  };
  const Collection where = c.kind == Kind::credentials ? Collection{"credentials", "credentials_name", "credentials_id"}
                           : c.kind == Kind::storage ? Collection{"storage-configurations", "storage_configuration_name", "storage_configuration_id"}
                                                     : Collection{"networks", "network_name", "network_id"};
  const std::string base = std::string(kAccount) + where.path;
  if (c.action == Action::delete_) {
    TARN_TRY(id, account_id_of(where.path, where.name, where.id, c.name));
    return done(api_.account("DELETE", base + "/" + id));
  }
  if (c.action == Action::update)
    return fail(problem("A registered " + std::string(json::name_of(c.kind)) +
                        " cannot be changed: give the new one another name, point the workspaces at it, then remove '" + c.name + "'"));
  json::object body{{where.name, c.name}};
  if (c.kind == Kind::credentials) body["aws_credentials"] = json::object{{"sts_role", json::object{{"role_arn", text(c.after, "role_arn")}}}};
  if (c.kind == Kind::storage) body["root_bucket_info"] = json::object{{"bucket_name", text(c.after, "bucket")}};
  if (c.kind == Kind::network) {
    for (const char* field : {"vpc_id", "subnet_ids", "security_group_ids"}) body[field] = c.after.as_object().at(field);
    json::object endpoints;
    for (const auto& [field, use] : {std::pair("rest_endpoints", "rest_api"), {"relay_endpoints", "dataplane_relay"}}) {
      json::array ids;
      for (const auto& name : texts(c.after.as_object().if_contains(field))) {
        TARN_TRY(id, account_id_of("vpc-endpoints", "vpc_endpoint_name", "vpc_endpoint_id", name));
        ids.push_back(json::value(id));
      }
      if (!ids.empty()) endpoints[use] = ids;
    }
    if (!endpoints.empty()) body["vpc_endpoints"] = endpoints;
  }
  return done(api_.account("POST", base, body));
}

client::Result<void> Remote::change_workspace(const Change& c, const Note& note) {
  const std::string base = std::string(kAccount) + "workspaces";
  if (c.action == Action::delete_) {
    TARN_TRY(w, workspace(c.name));
    return done(api_.account("DELETE", base + "/" + std::to_string(w.id)));
  }
  json::object body;
  TARN_TRY(credentials, account_id_of("credentials", "credentials_name", "credentials_id", text(c.after, "credentials")));
  TARN_TRY(storage, account_id_of("storage-configurations", "storage_configuration_name", "storage_configuration_id", text(c.after, "storage")));
  body["credentials_id"] = credentials;
  body["storage_configuration_id"] = storage;
  if (const auto n = text(c.after, "network"); !n.empty()) {
    TARN_TRY(network, account_id_of("networks", "network_name", "network_id", n));
    body["network_id"] = network;
  }
  if (const auto p = text(c.after, "private_access"); !p.empty()) {
    TARN_TRY(settings, account_id_of("private-access-settings", "private_access_settings_name", "private_access_settings_id", p));
    body["private_access_settings_id"] = settings;
  }
  std::string id;
  if (c.action == Action::update) {
    for (const auto& field : c.fields)
      if (field == "region" || field == "deployment_name")
        return fail(problem("The " + field + " of workspace '" + c.name + "' cannot be changed once it is made: make another workspace"));
    TARN_TRY(w, workspace(c.name));
    id = std::to_string(w.id);
    TARN_CHECK(done(api_.account("PATCH", base + "/" + id, body)));
  } else {
    body["workspace_name"] = c.name;
    body["aws_region"] = text(c.after, "region");
    if (const auto d = text(c.after, "deployment_name"); !d.empty()) body["deployment_name"] = d;
    if (const auto t = text(c.after, "pricing_tier"); !t.empty()) body["pricing_tier"] = t;
    TARN_TRY(made, api_.account("POST", base, body));
    id = text(made, "workspace_id");
  }
  for (auto until = std::chrono::steady_clock::now() + std::chrono::minutes(20);; std::this_thread::sleep_for(std::chrono::milliseconds(100))) {
    TARN_TRY(w, api_.account("GET", base + "/" + id));
    const auto status = text(w, "workspace_status");
    if (status == "RUNNING") {
      note("RUNNING as " + text(w, "deployment_name"));
      return {};
    }
    if (status != "PROVISIONING") return fail(problem("workspace '" + c.name + "' is " + status + ": " + text(w, "workspace_status_message")));
    if (std::chrono::steady_clock::now() > until) return fail(problem("workspace '" + c.name + "' is still PROVISIONING after 20 minutes"));
  }
}

client::Result<void> Remote::evict_default(const std::string& region, const Note& note) {
  TARN_TRY(rows, listed(api_.account("GET", std::string(kAccount) + "metastores"), "metastores"));
  for (const auto& r : rows) {
    // The automatic one: in this region, without a storage root, owned by the service itself.
    if (text(r, "region") != region || !text(r, "storage_root").empty() || text(r, "owner") != "System-User") continue;
    const auto id = text(r, "metastore_id");
    TARN_TRY(all, workspaces());
    for (const auto& [name, w] : all) {
      const auto base = std::string(kAccount) + "workspaces/" + std::to_string(w.id) + "/metastore";
      auto assigned = api_.account("GET", base);
      if (!assigned || !assigned->is_object()) continue;
      const auto* a = assigned->as_object().if_contains("metastore_assignment");
      if (a && text(*a, "metastore_id") == id) {
        TARN_CHECK(done(api_.account("DELETE", std::string(kAccount) + "workspaces/" + std::to_string(w.id) + "/metastores/" + id)));
        note("detached the default metastore '" + text(r, "name") + "' from " + name);
      }
    }
    TARN_CHECK(done(api_.account("DELETE", std::string(kAccount) + "metastores/" + id + "?force=true")));
    note("deleted the default metastore '" + text(r, "name") + "'");
  }
  return {};
}

client::Result<void> Remote::change_metastore(const Change& c, const Note& note) {
  const std::string base = std::string(kAccount) + "metastores";
  door_.clear();
  if (c.kind == Kind::metastore_assignment) {
    TARN_TRY(w, workspace(c.name));
    const std::string of = text(c.action == Action::delete_ ? c.before : c.after, "metastore");
    TARN_TRY(m, metastore(of));
    const std::string id = text(m, "metastore_id"), path = std::string(kAccount) + "workspaces/" + std::to_string(w.id) + "/metastores/" + id;
    if (c.action == Action::delete_) return done(api_.account("DELETE", path));
    metastore_id_ = id;
    const json::object body{{"metastore_assignment", json::object{{"workspace_id", w.id}, {"metastore_id", id}}}};
    return done(api_.account(c.action == Action::update ? "PUT" : "POST", path, body));
  }
  if (c.action == Action::delete_) {
    TARN_TRY(m, metastore(c.name));
    return done(api_.account("DELETE", base + "/" + text(m, "metastore_id") + "?force=true"));
  }
  json::object info{{"name", c.name}};
  std::string id;
  if (c.action == Action::create) {
    const auto* evict = c.after.as_object().if_contains("evict_default");
    if (evict && evict->is_bool() && evict->as_bool()) TARN_CHECK(evict_default(text(c.after, "region"), note));
    info["region"] = text(c.after, "region");
    if (const auto root = text(c.after, "storage_root"); !root.empty()) info["storage_root"] = root;
    TARN_TRY(made, api_.account("POST", base, json::object{{"metastore_info", info}}));
    id = text(made.is_object() && made.as_object().contains("metastore_info") ? made.as_object().at("metastore_info") : made, "metastore_id");
  } else {
    for (const auto& field : c.fields)
      if (field == "region" || field == "storage_root")
        return fail(problem("The " + field + " of metastore '" + c.name + "' cannot be changed once it is made"));
    TARN_TRY(m, metastore(c.name));
    id = text(m, "metastore_id");
  }
  metastore_id_ = id;
  json::object update{{"metastore_id", id}};
  if (const auto role = text(c.after, "data_access_role");
      !role.empty() && (c.action == Action::create || text(c.before, "data_access_role") != role)) {
    const json::object credential{
        {"credential_info", json::object{{"name", c.name + "-metastore-data-access"}, {"aws_iam_role", json::object{{"role_arn", role}}}}}};
    TARN_TRY(made, api_.account("POST", base + "/" + id + "/storage-credentials", credential));
    const auto& o = made.as_object();
    update["storage_root_credential_id"] = text(o.contains("credential_info") ? o.at("credential_info") : made, "id");
  }
  const auto* external = c.after.as_object().if_contains("external_access");
  if (external && external->is_bool() && (c.action == Action::update || external->as_bool())) update["external_access_enabled"] = *external;
  if (update.size() == 1) return {};
  return done(api_.account("PUT", base + "/" + id, json::object{{"metastore_info", update}}));
}

client::Result<void> Remote::bind(const std::string& catalog, const json::value& want) {
  const auto names = texts(want.is_object() ? want.as_object().if_contains("workspaces") : nullptr);
  if (names.empty()) return done(uc("PATCH", "/catalogs/" + catalog, json::object{{"isolation_mode", "OPEN"}}));
  TARN_TRY(all, workspaces());
  std::set<std::int64_t> wanted;
  for (const auto& n : names) {
    if (!all.contains(n)) return fail(problem("There is no workspace named '" + n + "' to bind catalog '" + catalog + "' to"));
    wanted.insert(all[n].id);
  }
  TARN_TRY(have, uc_list("/bindings/catalog/" + catalog, "bindings"));
  json::array add, remove;
  for (const auto& b : have) {
    const std::int64_t id = std::atoll(text(b, "workspace_id").c_str());
    if (!wanted.erase(id)) remove.push_back(json::object{{"workspace_id", id}});
  }
  for (const auto id : wanted) add.push_back(json::object{{"workspace_id", id}, {"binding_type", "BINDING_TYPE_READ_WRITE"}});
  // Bound first, closed after: no moment in which the catalog is shut for the workspaces that keep it.
  if (!add.empty() || !remove.empty()) TARN_CHECK(done(uc("PATCH", "/bindings/catalog/" + catalog, json::object{{"add", add}, {"remove", remove}})));
  return done(uc("PATCH", "/catalogs/" + catalog, json::object{{"isolation_mode", "ISOLATED"}}));
}

client::Result<void> Remote::change_catalog(const Change& c) {
  const std::string base = c.kind == Kind::storage_credential  ? "/storage-credentials"
                           : c.kind == Kind::external_location ? "/external-locations"
                           : c.kind == Kind::catalog           ? "/catalogs"
                                                               : "/schemas";
  if (c.action == Action::delete_) return done(uc("DELETE", base + "/" + c.name + "?force=true"));
  json::object body;
  if (c.kind == Kind::storage_credential) body["aws_iam_role"] = json::object{{"role_arn", text(c.after, "role_arn")}};
  if (c.kind == Kind::external_location) {
    body["url"] = text(c.after, "url");
    body["credential_name"] = text(c.after, "credential");
    body["read_only"] = c.after.as_object().at("read_only");
  }
  if (const auto comment = text(c.after, "comment"); !comment.empty() || c.action == Action::update) body["comment"] = comment;
  const bool rebinds = std::find(c.fields.begin(), c.fields.end(), "workspaces") != c.fields.end();
  if (c.action == Action::create) {
    const auto dot = c.name.find('.');
    body["name"] = c.kind == Kind::schema ? c.name.substr(dot + 1) : c.name;
    if (c.kind == Kind::schema) body["catalog_name"] = c.name.substr(0, dot);
    if (const auto root = text(c.after, "storage_root"); !root.empty()) body["storage_root"] = root;
    TARN_CHECK(done(uc("POST", base, body)));
    if (c.kind == Kind::catalog && !texts(c.after.as_object().if_contains("workspaces")).empty()) return bind(c.name, c.after);
    return {};
  }
  for (const auto& field : c.fields)
    if (field == "storage_root") return fail(problem("The storage_root of '" + c.name + "' cannot be changed once it is made"));
  TARN_CHECK(done(uc("PATCH", base + "/" + c.name, body)));
  return rebinds ? bind(c.name, c.after) : client::Result<void>{};
}

client::Result<void> Remote::change_people(const Change& c) {
  const std::string scim = std::string(kAccount) + "scim/v2/";
  if (c.kind == Kind::workspace_assignment) {
    const auto slash = c.name.find('/');
    TARN_TRY(w, workspace(c.name.substr(0, slash)));
    TARN_TRY(id, principal_id(c.name.substr(slash + 1)));
    const std::string path = std::string(kAccount) + "workspaces/" + std::to_string(w.id) + "/permissionassignments/principals/" + id;
    if (c.action == Action::delete_) return done(api_.account("DELETE", path));
    return done(api_.account("PUT", path, json::object{{"permissions", json::array{json::value(text(c.after, "role"))}}}));
  }
  const bool user = c.kind == Kind::user;
  const std::string base = scim + (user ? "Users" : "Groups");
  if (c.action == Action::delete_) {
    TARN_TRY(id, principal_id(c.name));
    return done(api_.account("DELETE", base + "/" + id));
  }
  json::array members;
  const auto want = texts(c.after.as_object().if_contains("members"));
  const auto have = texts(c.before.is_object() ? c.before.as_object().if_contains("members") : nullptr);
  for (const auto& name : minus(want, have)) {
    TARN_TRY(id, principal_id(std::string(name.as_string())));
    members.push_back(json::object{{"value", id}});
  }
  if (c.action == Action::create) {
    if (user)
      return done(api_.account("POST", base,
                               json::object{{"schemas", json::array{"urn:ietf:params:scim:schemas:core:2.0:User"}},
                                            {"userName", c.name},
                                            {"displayName", text(c.after, "display_name")}}));
    return done(api_.account("POST", base,
                             json::object{{"schemas", json::array{"urn:ietf:params:scim:schemas:core:2.0:Group"}},
                                          {"displayName", c.name},
                                          {"externalId", "tarn-platform/" + c.name},
                                          {"members", members}}));
  }
  TARN_TRY(id, principal_id(c.name));
  json::array operations;
  if (user) operations.push_back(json::object{{"op", "replace"}, {"path", "displayName"}, {"value", text(c.after, "display_name")}});
  if (!members.empty()) operations.push_back(json::object{{"op", "add"}, {"path", "members"}, {"value", members}});
  for (const auto& name : minus(have, want)) {
    TARN_TRY(member, principal_id(std::string(name.as_string())));
    operations.push_back(json::object{{"op", "remove"}, {"path", "members[value eq \"" + member + "\"]"}});
  }
  return done(api_.account("PATCH", base + "/" + id,
                           json::object{{"schemas", json::array{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}}, {"Operations", operations}}));
}

client::Result<void> Remote::change_grants(const Change& c) {
  const auto blank = c.name.find(' ');
  const std::string type = c.name.substr(0, blank);
  std::string name = c.name.substr(blank + 1);
  if (type == "metastore") {
    TARN_TRY(m, metastore(name));
    name = text(m, "metastore_id");
  }
  const auto of = [](const json::value& v) {
    std::map<std::string, std::vector<std::string>> out;
    if (v.is_object())
      for (const auto& entry : v.as_object()) out[std::string(entry.key())] = texts(&entry.value());
    return out;
  };
  auto want = of(c.after), have = of(c.before);
  json::array changes;
  for (const auto& [principal, privileges] : want)
    if (auto add = minus(privileges, have[principal]); !add.empty()) changes.push_back(json::object{{"principal", principal}, {"add", add}});
  for (const auto& [principal, privileges] : have)
    if (auto remove = minus(privileges, want[principal]); !remove.empty())
      changes.push_back(json::object{{"principal", principal}, {"remove", remove}});
  return done(uc("PATCH", "/permissions/" + type + "/" + name, json::object{{"changes", changes}}));
}

ApplyResult apply(Remote& remote, const Plan& plan, const std::function<void(const Change&, std::string_view, const std::string&)>& progress) {
  ApplyResult result;
  std::vector<Resource> scope;  // what the plan speaks of is what must be looked at again
  for (const auto& c : plan.changes) scope.push_back({c.kind, c.name, c.after.is_object() ? c.after.as_object() : json::object{}});
  auto observed = remote.observe(scope);
  if (!observed) {
    result.failure = observed.error().text();
    return result;
  }
  std::unordered_map<std::string, const Resource*> have;
  for (const auto& r : *observed) have[r.address()] = &r;
  for (const auto& c : plan.changes) {
    if (c.action == Action::unmanaged) continue;
    const auto now = have.find(c.address());
    const json::object* is = now == have.end() ? nullptr : &now->second->attributes;
    const bool holds = c.action == Action::delete_ ? !is : is && differing_fields(c.kind, c.after.as_object(), *is).empty();
    if (holds) {
      ++result.skipped;
      progress(c, "held", "");
      continue;
    }
    const bool as_planned = c.action == Action::create ? !is || (c.kind == Kind::grants && is->empty()) || (c.kind == Kind::metastore_assignment)
                                                       : is && c.before.is_object() && differing_fields(c.kind, c.before.as_object(), *is).empty();
    if (!as_planned) {
      result.failure = c.address() + ": changed since the plan was made: plan again";
      progress(c, "failed", *result.failure);
      return result;
    }
    progress(c, "begin", "");
    auto done = remote.execute(c, [&](const std::string& note) { progress(c, "note", note); });
    if (!done) {
      result.failure = c.address() + ": " + done.error().text();
      progress(c, "failed", done.error().text());
      return result;
    }
    ++result.done;
    progress(c, "done", "");
  }
  return result;
}

}  // namespace tarn::platform
