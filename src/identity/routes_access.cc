// Workspace permission assignments and rule sets.
#include "api/answers.h"
#include "identity/routes.h"

namespace tarn::identity {
namespace {

using api::lifted;
using api::Method;
using api::Request;
using api::Surface;
using api::this_account;

struct PermissionsBody {
  std::vector<std::string> permissions;
};
BOOST_DESCRIBE_STRUCT(PermissionsBody, (), (permissions))

struct NamedAssignment {
  std::optional<std::string> user_name, group_name, service_principal_name;
  std::optional<std::int64_t> principal_id;
  std::vector<std::string> permissions;
};
BOOST_DESCRIBE_STRUCT(NamedAssignment, (), (user_name, group_name, service_principal_name, principal_id, permissions))

struct NamedAssignments {
  std::vector<NamedAssignment> permission_assignments;
};
BOOST_DESCRIBE_STRUCT(NamedAssignments, (), (permission_assignments))

struct AssignmentList {
  std::vector<Assignment> permission_assignments;
};
BOOST_DESCRIBE_STRUCT(AssignmentList, (), (permission_assignments))

struct RuleSetBody {
  std::string name;
  std::vector<GrantRule> grant_rules;
  std::string etag;
};
BOOST_DESCRIBE_STRUCT(RuleSetBody, (), (name, grant_rules, etag))

struct RuleSetUpdate {
  std::string name;
  RuleSetBody rule_set;
};
BOOST_DESCRIBE_STRUCT(RuleSetUpdate, (), (name, rule_set))

struct Role {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(Role, (), (name))

struct Roles {
  std::vector<Role> roles;
};
BOOST_DESCRIBE_STRUCT(Roles, (), (roles))

/// "Other values will be ignored", says the vendor.
std::vector<WorkspacePermission> permissions_of(const std::vector<std::string>& names) {
  std::vector<WorkspacePermission> out;
  for (const auto& n : names)
    if (const auto p = json::enum_of<WorkspacePermission>(n)) out.push_back(*p);
  return out;
}

/// The workspace that the path or, on a workspace's own host, the host names.
Expected<std::int64_t, api::WireError> workspace_of(const Request& r) {
  TARN_CHECK(this_account(r));
  if (r.surface == Surface::workspace) return *r.context.workspace_id;
  return api::integer("workspace_id", r.capture("workspace_id"));
}

}  // namespace

std::vector<api::Route> assignment_routes(Assignments& assignments) {
  std::vector<api::Route> out;
  struct Place {
    const char* base;
    Surface surface;
    api::Auth auth;
  };
  for (const auto& place :
       {Place{"/api/2.0/accounts/{account_id}/workspaces/{workspace_id}/permissionassignments", Surface::account, api::Auth::account_admin},
        Place{"/api/2.0/preview/permissionassignments", Surface::workspace, api::Auth::workspace_admin}}) {
    const auto add = [&](Method method, const std::string& path, api::Handler handler) {
      out.push_back({.method = method,
                     .pattern = place.base + path,
                     .surface = place.surface,
                     .auth = place.auth,
                     .group = "permission-assignments",
                     .handler = std::move(handler)});
    };
    add(Method::GET, "", [&assignments](const Request& r) -> api::Result {
      TARN_TRY(workspace, workspace_of(r));
      TARN_TRY(all, lifted(assignments.list(workspace)));
      return api::ok(AssignmentList{all});
    });
    add(Method::GET, "/permissions", [](const Request& r) -> api::Result {
      TARN_CHECK(workspace_of(r));
      return api::ok(*json::parse(R"({"permissions":[{"permission_level":"USER","description":"Can access the workspace"},
                                                     {"permission_level":"ADMIN","description":"Can administer the workspace"}]})"));
    });
    add(Method::PUT, "/principals/{principal_id}", [&assignments](const Request& r) -> api::Result {
      TARN_TRY(workspace, workspace_of(r));
      TARN_TRY(principal, api::integer("principal_id", r.capture("principal_id")));
      TARN_TRY(body, api::body_of<PermissionsBody>(r));
      TARN_TRY(done, lifted(assignments.put(r.context, workspace, principal, permissions_of(body.permissions))));
      return api::ok(done);
    });
    add(Method::DELETE, "/principals/{principal_id}", [&assignments](const Request& r) -> api::Result {
      TARN_TRY(workspace, workspace_of(r));
      TARN_TRY(principal, api::integer("principal_id", r.capture("principal_id")));
      TARN_CHECK(lifted(assignments.remove(r.context, workspace, principal)));
      return api::ok();
    });
  }
  // The provider's databricks_permission_assignment names principals; each answers for itself.
  out.push_back(
      {.method = Method::POST,
       .pattern = "/api/2.0/preview/permissionassignments",
       .surface = Surface::workspace,
       .auth = api::Auth::workspace_admin,
       .group = "permission-assignments",
       .handler = api::Handler([&assignments](const Request& r) -> api::Result {
         TARN_TRY(body, api::body_of<NamedAssignments>(r));
         json::array all;
         for (const auto& a : body.permission_assignments) {
           Result<std::int64_t> id = fail(Error{Errc::invalid, "One of user_name, group_name, service_principal_name and principal_id is required"});
           if (a.principal_id)
             id = *a.principal_id;
           else if (a.user_name)
             id = assignments.named(Kind::user, *a.user_name);
           else if (a.group_name)
             id = assignments.named(Kind::group, *a.group_name);
           else if (a.service_principal_name)
             id = assignments.named(Kind::service_principal, *a.service_principal_name);
           auto done =
               id ? assignments.put(r.context, *r.context.workspace_id, *id, permissions_of(a.permissions)) : Result<Assignment>(fail(id.error()));
           all.push_back(done ? json::encode(*done) : json::value(json::object{{"error", done.error().message}}));
         }
         return api::ok(json::value(json::object{{"permission_assignments", std::move(all)}}));
       })});
  return out;
}

std::vector<api::Route> rule_set_routes(RuleSets& rule_sets) {
  std::vector<api::Route> out;
  struct Place {
    const char* base;
    Surface surface;
  };
  const auto required = [](const Request& r, const char* name) -> Expected<std::string, api::WireError> {
    const auto value = r.param(name);
    if (!value || value->empty()) return fail(api::bad_request(fmt::format("Parameter '{}' is required", name)));
    return *value;
  };
  // The service asks for account admins or managers of the resource, so the rows ask for a live principal.
  for (const auto& place : {Place{"/api/2.0/preview/accounts/{account_id}/access-control/", Surface::account},
                            Place{"/api/2.0/preview/accounts/access-control/", Surface::workspace}}) {
    const auto add = [&](Method method, const char* path, api::Handler handler) {
      out.push_back({.method = method,
                     .pattern = std::string(place.base) + path,
                     .surface = place.surface,
                     .auth = api::Auth::authenticated,
                     .group = "access-control",
                     .handler = std::move(handler)});
    };
    add(Method::GET, "rule-sets", [&rule_sets, required](const Request& r) -> api::Result {
      TARN_CHECK(this_account(r));
      TARN_TRY(name, required(r, "name"));
      TARN_TRY(found, lifted(rule_sets.get(r.context, name)));
      return api::ok(found);
    });
    add(Method::PUT, "rule-sets", [&rule_sets](const Request& r) -> api::Result {
      TARN_CHECK(this_account(r));
      TARN_TRY(body, api::body_of<RuleSetUpdate>(r));
      TARN_TRY(done, lifted(rule_sets.put(r.context, body.name, RuleSet{body.rule_set.name, body.rule_set.etag, body.rule_set.grant_rules})));
      return api::ok(done);
    });
    add(Method::GET, "assignable-roles", [&rule_sets, required](const Request& r) -> api::Result {
      TARN_CHECK(this_account(r));
      TARN_TRY(resource, required(r, "resource"));
      TARN_TRY(names, lifted(rule_sets.assignable_roles(r.context, resource)));
      Roles roles;
      for (const auto& n : names) roles.roles.push_back({n});
      return api::ok(roles);
    });
  }
  return out;
}

}  // namespace tarn::identity
