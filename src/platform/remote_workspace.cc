// Entitlements in one workspace, and private connectivity.
#include "platform/remote.h"
#include "platform/remote_text.h"

namespace tarn::platform {
namespace {

constexpr std::string_view kGroups = "/api/2.0/preview/scim/v2/Groups";

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

}  // namespace tarn::platform
