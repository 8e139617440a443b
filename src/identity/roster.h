#pragma once
// Private to identity: what its records mean, as functions over one transaction. No caches, no locks, no checks of rights.
#include "access/caller.h"
#include "identity/errors.h"
#include "identity/records.h"

namespace tarn::identity::roster {

/// `account users`, to which every user and service principal belongs; below every id that new_numeric_id makes.
inline constexpr std::int64_t kAccountUsers = 1;
inline constexpr const char* kAccountUsersName = "account users";
inline constexpr const char* kAccountAdmin = "account_admin";
inline constexpr const char* kSecretManager = "roles/servicePrincipal.manager";
inline constexpr const char* kServicePrincipalUser = "roles/servicePrincipal.user";
inline constexpr const char* kGroupManager = "roles/group.manager";
inline constexpr std::array<const char*, 5> kKnownEntitlements{"workspace-access", "databricks-sql-access", "allow-cluster-create",
                                                               "allow-instance-pool-create", "workspace-consume"};

std::optional<PrincipalRecord> get(store::ReadTxn& t, std::int64_t id);
/// At account level (workspace 0), or a group local to a workspace.
std::optional<PrincipalRecord> by_name(store::ReadTxn& t, Kind kind, std::int64_t workspace, std::string_view name);
/// User, service principal or group of the account, in this order.
std::optional<PrincipalRecord> by_grant_name(store::ReadTxn& t, std::string_view name);
PrincipalRef ref(const PrincipalRecord& p);

std::vector<std::int64_t> members(store::ReadTxn& t, std::int64_t group);
std::vector<std::int64_t> direct_groups(store::ReadTxn& t, std::int64_t member);
/// All groups above a principal, nested ones included, account level and local, itself not.
std::set<std::int64_t> closure(store::ReadTxn& t, std::int64_t principal);
/// Users and service principals below a group.
std::set<std::int64_t> leaves(store::ReadTxn& t, std::int64_t group);
/// Whether putting `member` into `group` would close a ring.
bool would_cycle(store::ReadTxn& t, std::int64_t group, std::int64_t member);

enum class Place { none, user, admin };
/// What a principal with these groups is in a workspace.
Place place(store::ReadTxn& t, std::int64_t workspace, std::int64_t principal, const std::set<std::int64_t>& groups);
bool workspace_exists(store::ReadTxn& t, std::int64_t workspace);
/// Account principals that a workspace sees: assigned ones and those below assigned groups.
std::set<std::int64_t> visible(store::ReadTxn& t, std::int64_t workspace);
std::set<std::string> entitlements(store::ReadTxn& t, std::int64_t workspace, std::int64_t principal);
bool holds_role(store::ReadTxn& t, std::int64_t resource, std::string_view role, const access::Caller& caller);

/// The full picture of a live principal; see Directory::caller.
std::optional<access::Caller> caller(store::ReadTxn& t, std::int64_t principal, std::optional<std::int64_t> workspace);

std::int64_t epoch(store::ReadTxn& t);
/// Caches on every server forget what they hold.
void changed(store::WriteTxn& t);
void put_member(store::WriteTxn& t, std::int64_t group, std::int64_t member);
/// Removes a principal with everything that speaks of it: memberships, assignments, entitlements, secrets, tokens, roles.
void erase(store::WriteTxn& t, const PrincipalRecord& p);
/// How many live account admins there are (users and service principals that hold the role themselves or by group).
std::size_t account_admins(store::ReadTxn& t);

/// Runs a change with its audit event; a success makes caches forget.
/// F: (WriteTxn&) -> Result<T>. A change of what no cache holds (a new token) sets `forget` to false.
template <bool forget = true, class F>
auto change(store::Store& store, store::AuditEvent event, F&& f) {
  return store.write_as(std::move(event), [&](store::WriteTxn& t) {
    auto out = f(t);
    if (out && forget) changed(t);
    return out;
  });
}

}  // namespace tarn::identity::roster
