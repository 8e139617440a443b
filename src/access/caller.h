#pragma once
// Who is asking, as every room's method receives it.
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "store/store.h"

namespace tarn::access {

enum class PrincipalKind { user, service_principal };

/// An authenticated principal with everything authorisation asks about it, resolved once per request (from a cache that the
/// store's generation guards, so a revoked right is gone with the next request).
struct Caller {
  std::int64_t id = 0;
  PrincipalKind kind = PrincipalKind::user;
  std::string name;  // user name (e-mail), or a service principal's application id: what grants and audit rows name
  std::string display_name;
  bool account_admin = false;
  bool workspace_admin = false;            // of the workspace that the request is for
  std::set<std::int64_t> group_ids;        // account-level groups, nested ones included
  std::set<std::string> group_names;       // their names, plus `account users`: what Unity Catalog grants may name
  std::set<std::string> workspace_groups;  // workspace-local groups (`users`, `admins`, …) in this workspace; never hold catalog grants
  std::set<std::string> entitlements;      // in this workspace: workspace-access, databricks-sql-access, allow-cluster-create, …
};

/// One request's context: the caller and what its audit event must say.
struct Context {
  Caller caller;
  std::optional<std::int64_t> workspace_id;  // absent on the account host
  std::string request_id;
  std::string source_ip;
  std::string user_agent;

  /// The audit event of an action of this request.
  store::AuditEvent event(std::string service, std::string action, std::map<std::string, std::string> params = {}) const {
    return {.service = std::move(service),
            .action = std::move(action),
            .principal = caller.name,
            .workspace_id = workspace_id,
            .request_id = request_id,
            .source_ip = source_ip,
            .user_agent = user_agent,
            .params = std::move(params)};
  }
};

/// The platform itself (start-up, provisioning steps, background work): account admin under a name that no user can take.
inline Context system_context(std::string request_id = "system") {
  Context c;
  c.caller = {.id = 0,
              .kind = PrincipalKind::service_principal,
              .name = "System-User",
              .display_name = "System",
              .account_admin = true,
              .workspace_admin = true};
  c.request_id = std::move(request_id);
  return c;
}

}  // namespace tarn::access
