#include "identity/assignments.h"

#include "identity/roster.h"

namespace tarn::identity {

using store::sortable;

namespace {

Result<void> exists(store::ReadTxn& t, std::int64_t workspace) {
  if (roster::workspace_exists(t, workspace)) return {};
  return fail(Error{Errc::not_found, fmt::format("Workspace {} does not exist", workspace)});
}

Assignment shown(const PrincipalRecord& p, std::vector<WorkspacePermission> permissions) {
  Assignment a{.permissions = std::move(permissions), .principal = {.principal_id = p.id, .display_name = p.display_name}};
  (p.kind == Kind::user ? a.principal.user_name : p.kind == Kind::group ? a.principal.group_name : a.principal.service_principal_name) = p.name;
  return a;
}

Result<PrincipalRecord> assignable(store::ReadTxn& t, std::int64_t id) {
  auto p = roster::get(t, id);
  if (!p || p->workspace_id != 0) return fail(Error{Errc::not_found, fmt::format("Principal {} does not exist in this account", id)});
  if (p->id == roster::kAccountUsers) return fail(Error{Errc::invalid, "'account users' cannot be assigned: assign a group of your own"});
  return *std::move(p);
}

}  // namespace

Result<std::vector<Assignment>> Assignments::list(std::int64_t workspace) {
  return store_.read_as([&](store::ReadTxn& t) -> Result<std::vector<Assignment>> {
    TARN_CHECK(exists(t, workspace));
    std::vector<Assignment> out;
    for (const auto& a : kAssignments.scan(t, store::prefix({sortable(workspace)})))
      if (const auto p = roster::get(t, a.principal)) out.push_back(shown(*p, {a.admin ? WorkspacePermission::ADMIN : WorkspacePermission::USER}));
    return out;
  });
}

Result<Assignment> Assignments::put(const access::Context& ctx, std::int64_t workspace, std::int64_t principal,
                                    const std::vector<WorkspacePermission>& permissions) {
  const auto has = [&](WorkspacePermission p) { return std::find(permissions.begin(), permissions.end(), p) != permissions.end(); };
  const bool admin = has(WorkspacePermission::ADMIN), user = has(WorkspacePermission::USER);
  auto event = ctx.event("accounts", "updateWorkspacePermissionAssignment",
                         {{"workspace_id", std::to_string(workspace)},
                          {"principal_id", std::to_string(principal)},
                          {"permissions", admin  ? "ADMIN"
                                          : user ? "USER"
                                                 : ""}});
  return roster::change(store_, std::move(event), [&](store::WriteTxn& t) -> Result<Assignment> {
    TARN_CHECK(exists(t, workspace));
    TARN_TRY(p, assignable(t, principal));
    const AssignmentRecord r{workspace, principal, admin};
    if (!admin && !user) {
      kAssignments.erase(t, r.store_key());
      return shown(p, {});
    }
    if (!kAssignments.put(t, r)) throw std::logic_error("an assignment has no unique values");
    return shown(p, {admin ? WorkspacePermission::ADMIN : WorkspacePermission::USER});
  });
}

Result<void> Assignments::remove(const access::Context& ctx, std::int64_t workspace, std::int64_t principal) {
  auto event = ctx.event("accounts", "deleteWorkspacePermissionAssignment",
                         {{"workspace_id", std::to_string(workspace)}, {"principal_id", std::to_string(principal)}});
  return roster::change(store_, std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    TARN_CHECK(exists(t, workspace));
    if (!kAssignments.erase(t, store::key({sortable(workspace), sortable(principal)})))
      return fail(Error{Errc::not_found, fmt::format("Principal {} is not assigned to workspace {}", principal, workspace)});
    return {};
  });
}

Result<std::int64_t> Assignments::named(Kind kind, const std::string& name) {
  const auto p = store_.read_as([&](store::ReadTxn& t) { return roster::by_name(t, kind, 0, name); });
  if (!p) return fail(Error{Errc::not_found, fmt::format("Principal '{}' does not exist in this account", name)});
  return p->id;
}

}  // namespace tarn::identity
