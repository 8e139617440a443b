#pragma once
// What other rooms ask identity: who is behind a credential, and whom a name means. Implemented by identity/service.
// Thread-safe; answers come from caches guarded by the store's generation, so a change holds from the next request on.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/caller.h"
#include "base/result.h"

namespace tarn::identity {

enum class Kind { user, service_principal, group };

/// An account-level principal.
struct PrincipalRef {
  std::int64_t id = 0;
  Kind kind = Kind::user;
  std::string name;  // user name, application id, or group display name: what grants name
  std::string display_name;
  bool active = true;
};

class Directory {
 public:
  virtual ~Directory() = default;

  /// Account-level user, service principal (by application id) or group by the name a grant would use. `account users` is a group.
  /// Names compare without case for users and groups. Workspace-local groups are never found: they cannot hold catalog grants.
  virtual std::optional<PrincipalRef> find_principal(std::string_view name) = 0;
  virtual std::optional<PrincipalRef> get_principal(std::int64_t id) = 0;
  /// A group local to a workspace (`users`, `admins`, those made on its host), which lists of its objects may name; catalog grants never.
  virtual std::optional<PrincipalRef> find_local_group(std::int64_t workspace_id, std::string_view name) = 0;
  virtual std::optional<PrincipalRef> get_local_group(std::int64_t workspace_id, std::int64_t id) = 0;

  /// The principal as a caller: account roles, group closure, and, with a workspace, its assignment and entitlements there.
  /// Nothing if the principal is gone or inactive, or (workspace given) neither assigned to the workspace nor an account admin.
  virtual std::optional<access::Caller> caller(std::int64_t principal_id, std::optional<std::int64_t> workspace_id) = 0;

  struct Refusal {
    bool known_but_not_here = false;  // a live principal that is not assigned to this workspace (403) rather than a bad token (401)
    std::string message;
  };
  /// The caller behind a bearer token (OAuth access token or personal access token). A token for another workspace, an expired,
  /// revoked or unknown one is refused. Constant-time in the token's content.
  virtual Expected<access::Caller, Refusal> authenticate(std::string_view bearer, std::optional<std::int64_t> workspace_id) = 0;

  /// Whether an account-level principal belongs to a workspace: assigned itself, or below an assigned group.
  virtual bool is_assigned(std::int64_t workspace_id, std::int64_t principal_id) = 0;
  /// Whether the caller holds a role on a service principal or group by its rule set, itself or through a group
  /// (roles/servicePrincipal.user: to let something run as the service principal).
  virtual bool holds_role(const access::Caller& /*caller*/, std::int64_t /*resource_id*/, std::string_view /*role*/) { return false; }
};

/// What the owner of the data folder may do without a credential: the first start, and verbs over the owner-only control socket.
/// Blocks; call on a worker thread.
class Bootstrap {
 public:
  virtual ~Bootstrap() = default;
  struct Admin {
    std::string client_id;      // application id
    std::string client_secret;  // empty unless a secret was issued by this call
  };
  /// The automation service principal, made as account admin if it is not there. A secret is issued when the principal is new or
  /// `new_secret` asks for one (the folder's copy was lost); earlier secrets then stay valid until revoked.
  virtual Admin ensure_admin(bool new_secret) = 0;
  /// A short-lived bearer token for a live principal (user name or application id), for one workspace or, without, for the account.
  /// Audited as the owner's act. The error is a text for people: unknown principal, not assigned to the workspace.
  virtual Expected<std::string, std::string> mint_token(std::string_view principal, std::optional<std::int64_t> workspace_id) = 0;
};

/// What provisioning a workspace does in the directory, within account's own transaction.
class WorkspacePrincipals {
 public:
  virtual ~WorkspacePrincipals() = default;
  /// Creates the workspace-local groups `admins` and `users` and assigns the creator as ADMIN.
  virtual void on_workspace_created(store::WriteTxn& txn, std::int64_t workspace_id, std::int64_t creator_id) = 0;
  /// Drops assignments, local groups and workspace tokens.
  virtual void on_workspace_deleted(store::WriteTxn& txn, std::int64_t workspace_id) = 0;
};

}  // namespace tarn::identity
