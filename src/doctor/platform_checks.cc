#include "doctor/platform_checks.h"

namespace tarn::doctor {
namespace {

std::string text(const json::value& v, std::string_view field) {
  const auto* o = v.if_object();
  const auto* f = o ? o->if_contains(field) : nullptr;
  if (!f) return "";
  if (const auto* s = f->if_string()) return std::string(*s);
  return boost::json::serialize(*f);
}

/// The rows of a listing: a bare array, or the array in the one field.
const json::array& rows(const json::value& body, std::string_view field) {
  static const json::array none;
  if (const auto* a = body.if_array()) return *a;
  const auto* o = body.if_object();
  const auto* f = o ? o->if_contains(field) : nullptr;
  const auto* a = f ? f->if_array() : nullptr;
  return a ? *a : none;
}

Finding refused(std::string check, const Probe::Answer& a) {
  return {std::move(check), Level::unknown, fmt::format("could not be looked at: {} {}", a.error_code, a.message), "", "", std::nullopt};
}

/// The question that every other depends on; nothing if it was answered.
std::optional<Finding> no_way_in(const Probe::Answer& a, const std::string& principal) {
  if (a.status == 0)
    return Finding{"server",
                   Level::problem,
                   a.message,
                   "Nobody answers at the account host.",
                   "Start the server (tarn serve), or see tarn doctor egress for the way there.",
                   std::nullopt};
  if (a.status == 401)
    return Finding{"credentials",
                   Level::problem,
                   fmt::format("{} is not let in: {}", principal, a.message),
                   "The token or the client secret is unknown, expired or revoked.",
                   "Make a new secret for the service principal, and set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.",
                   std::nullopt};
  if (a.status == 403) return at_edge("account-admin", Edge::not_account_admin, fmt::format("{}: {}", principal, a.message));
  if (a.status != 200)
    return Finding{"server",
                   Level::problem,
                   fmt::format("the account host answers {} {} {}", a.status, a.error_code, a.message),
                   "It is not this account's host, or it fails.",
                   "Check DATABRICKS_HOST and DATABRICKS_ACCOUNT_ID; the server's log has the request id.",
                   std::nullopt};
  return std::nullopt;
}

Finding prefix_check(Probe& probe, const json::array& workspaces) {
  constexpr const char* kCheck = "deployment-prefix";
  if (const auto known = probe.deployment_prefix()) {
    if (*known) return ok(kCheck, fmt::format("{} is registered", **known));
    return at_edge(kCheck, Edge::deployment_prefix_missing,
                   "no deployment name prefix is registered: a workspace with a deployment_name will be refused");
  }
  for (const auto& w : workspaces)
    if (const auto name = text(w, "deployment_name"); !name.empty() && !name.starts_with("dbc-"))
      return ok(kCheck, fmt::format("one is registered: workspace {} is {}", text(w, "workspace_name"), name));
  const auto& r = remedy(Edge::deployment_prefix_missing);
  return {kCheck,      Level::unknown, "cannot be seen from here, and no workspace has a chosen name yet", std::string(r.cause), std::string(r.cure),
          std::nullopt};
}

Findings metastore_checks(Probe& probe, const json::array& workspaces) {
  constexpr const char* kCheck = "metastore";
  const auto a = probe.get("/metastores");
  if (a.status != 200) return {refused(kCheck, a)};
  Findings out;
  std::set<std::string> served;
  for (const auto& m : rows(a.body, "metastores")) {
    const auto name = text(m, "name"), region = text(m, "region");
    served.insert(region);
    // The vendor's own: nobody of the account owns it, and it has nowhere to put a managed table.
    if (text(m, "owner") == "System-User" && text(m, "storage_root").empty())
      out.push_back(
          at_edge(kCheck, Edge::default_metastore,
                  fmt::format("{} ({}) took the place of region {}: no storage root, owned by System-User", name, text(m, "metastore_id"), region)));
    else
      out.push_back(ok(kCheck, fmt::format("{} serves region {}, owned by {}", name, region, text(m, "owner"))));
  }
  std::set<std::string> bare;
  for (const auto& w : workspaces)
    if (const auto region = text(w, "aws_region"); text(w, "workspace_status") == "RUNNING" && !served.contains(region)) bare.insert(region);
  for (const auto& region : bare)
    out.push_back({kCheck, Level::problem, fmt::format("region {} has running workspaces and no metastore", region),
                   "Its metastore was deleted, or never created.", "Create a metastore in the region and assign it to the workspaces.",
                   std::nullopt});
  if (out.empty()) out.push_back(ok(kCheck, "none yet; the first workspace of a region will make a default one appear unless yours is there first"));
  return out;
}

Findings workspace_checks(const json::array& workspaces) {
  Findings out;
  int running = 0;
  for (const auto& w : workspaces) {
    const auto status = text(w, "workspace_status");
    if (status == "RUNNING") ++running;
    if (status == "FAILED" || status == "BANNED")
      out.push_back({"workspaces", Level::problem, fmt::format("{} ({}) is {}", text(w, "workspace_name"), text(w, "workspace_id"), status),
                     text(w, "workspace_status_message"), "Correct what the message names and PATCH the workspace, or delete it and create it again.",
                     std::nullopt});
  }
  if (out.empty()) out.push_back(ok("workspaces", fmt::format("{} of {} running", running, workspaces.size())));
  return out;
}

Findings network_checks(Probe& probe) {
  const auto a = probe.get("/networks");
  if (a.status != 200) return {refused("networks", a)};
  Findings out;
  std::size_t registered = 0;
  for (const auto& n : rows(a.body, "networks")) {
    ++registered;
    const auto status = text(n, "vpc_status");
    if (status != "BROKEN" && status != "WARNED") continue;
    const bool broken = status == "BROKEN";
    const char* list = broken ? "error_messages" : "warning_messages";
    const auto* messages = n.as_object().if_contains(list);
    std::string cause;
    if (const auto* all = messages ? messages->if_array() : nullptr)
      for (const auto& m : *all) cause += (cause.empty() ? "" : " ") + text(m, broken ? "error_message" : "warning_message");
    out.push_back({"networks", broken ? Level::problem : Level::warning,
                   fmt::format("{} ({}) is {}", text(n, "network_name"), text(n, "network_id"), status), cause,
                   "The network belongs to whoever built the VPC: have it corrected there, then PATCH the workspace to look again.", std::nullopt});
  }
  if (out.empty()) out.push_back(ok("networks", fmt::format("{} registered, none broken", registered)));
  return out;
}

/// What a cluster's BOOTSTRAP_TIMEOUT never says. Nothing where nobody modelled the network.
Findings way_checks(Probe& probe) {
  const auto blocked = probe.blocked_ways();
  if (!blocked) return {};
  if (blocked->empty()) return {ok("ways", "nodes of every workspace reach the control plane and the cloud's services, says the network's model")};
  Findings out;
  for (const auto& b : *blocked)
    out.push_back({"ways", Level::problem,
                   fmt::format("nodes of {} do not reach {} ({}) from {}: {}{}", b.workspace, b.service, b.outcome, fmt::join(b.subnets, ", "), b.hop,
                               b.place.empty() ? "" : ", " + b.place),
                   b.cause, b.cure, std::nullopt});
  return out;
}

/// Groups that live in one workspace, beside its own `admins` and `users`: deployments by name.
std::map<std::string, std::vector<std::string>> local_groups(Probe& probe, const json::array& workspaces) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& w : workspaces) {
    if (text(w, "workspace_status") != "RUNNING") continue;
    const auto a = probe.get_in(text(w, "deployment_name"), "/api/2.0/preview/scim/v2/Groups?attributes=displayName,meta&count=1000");
    if (a.status != 200) continue;  // not assigned there: nothing is said of it
    for (const auto& g : rows(a.body, "Resources")) {
      const auto name = text(g, "displayName");
      const auto* meta = g.as_object().if_contains("meta");
      if (name != "admins" && name != "users" && meta && text(*meta, "resourceType") == "WorkspaceGroup")
        out[name].push_back(text(w, "workspace_name"));
    }
  }
  return out;
}

Findings group_checks(Probe& probe, const json::array& workspaces) {
  Findings out;
  const auto local = local_groups(probe, workspaces);
  const auto refused = probe.refused_grants();
  for (const auto& r : refused.value_or(std::vector<Probe::RefusedGrant>{})) {
    const bool own = r.principal == "admins" || r.principal == "users";
    const auto in = local.find(r.principal);
    if (own || in != local.end())
      out.push_back(at_edge("grants", Edge::workspace_local_group,
                            fmt::format("a grant on {} to '{}' was refused: that group is local to workspace {}", r.securable, r.principal,
                                        own ? "by its nature" : fmt::format("{}", fmt::join(in->second, ", ")))));
    else
      out.push_back(at_edge("grants", Edge::grant_before_group,
                            fmt::format("a grant on {} to '{}' was refused: the account has no principal of that name", r.securable, r.principal)));
  }
  for (const auto& [name, in] : local) {
    auto f = at_edge("groups", Edge::workspace_local_group, fmt::format("group '{}' is local to workspace {}", name, fmt::join(in, ", ")));
    f.level = Level::warning;
    out.push_back(std::move(f));
  }
  if (out.empty()) out.push_back(ok("groups", "none is local to a workspace, no grant waits for one"));
  return out;
}

}  // namespace

Findings check_platform(Probe& probe) {
  const auto listing = probe.get("/workspaces");
  if (auto f = no_way_in(listing, probe.principal())) return {*std::move(f)};
  Findings out{ok("server", "the account host answers"), ok("account-admin", fmt::format("{} is an account admin", probe.principal()))};
  const auto& workspaces = rows(listing.body, "workspaces");
  const auto add = [&](Findings more) { out.insert(out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end())); };
  out.push_back(prefix_check(probe, workspaces));
  add(metastore_checks(probe, workspaces));
  add(workspace_checks(workspaces));
  add(network_checks(probe));
  add(way_checks(probe));
  add(group_checks(probe, workspaces));
  return out;
}

}  // namespace tarn::doctor
