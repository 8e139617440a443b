#pragma once
// What a workspace's administrators say about personal access tokens: who may use them (a list of the Permissions API,
// authorization/tokens), whether there are any, how long new ones live, and for whom administrators may make them. Thread-safe.
#include "access/object_permissions.h"
#include "access/workspace_settings.h"

namespace tarn::identity {

class TokenRules {
 public:
  /// Declares the kind `authorization`. Both must outlive this.
  TokenRules(access::ObjectPermissions& permissions, access::WorkspaceSettings& settings) : permissions_(permissions), settings_(settings) {
    permissions_.add_kind({.type = "authorization",
                           .levels = {{"CAN_USE", "Can use tokens"}, {"CAN_MANAGE", "Can manage tokens"}},
                           .find = [](std::int64_t, const std::string&) { return std::optional<access::FoundObject>(); },
                           .object_type = "tokens",
                           .roots = {"tokens"},
                           .root_defaults = {{"users", "CAN_USE"}},
                           .missing = "authorization/{} does not exist.",
                           .audit_service = "accounts",
                           .audit_action = "changeDbTokenAcl"});
  }

  /// Why a caller's personal access tokens are worth nothing in a workspace, new ones and those it has; nothing if they are good.
  std::optional<std::string> refusal(const access::Caller& caller, std::int64_t workspace) const {
    if (!settings_.conf_on(workspace, "enableTokensConfig")) return "Personal access tokens are disabled for this workspace.";
    const access::Context ctx{.caller = caller, .workspace_id = workspace};
    if (permissions_.allows(ctx, {"authorization", "tokens"}, "CAN_USE")) return std::nullopt;
    return "'" + caller.name + "' may not use personal access tokens in this workspace. A workspace admin grants CAN_USE on tokens.";
  }
  /// The longest life of a new token, in seconds; nothing without a limit of the workspace's own.
  std::optional<std::int64_t> longest(std::int64_t workspace) const {
    const auto days = settings_.conf_number(workspace, "maxTokenLifetimeDays");
    return days ? std::optional(*days * 24 * 3600) : std::nullopt;
  }
  /// Whether administrators need roles/servicePrincipal.user to make tokens for a service principal (or to let a job run as one).
  bool restricts_admins(std::int64_t workspace) const {
    const auto setting = settings_.setting(workspace, "restrict_workspace_admins");
    return setting.is_object() && setting.at("restrict_workspace_admins").at("status") == "RESTRICT_TOKENS_AND_JOB_RUN_AS";
  }

 private:
  access::ObjectPermissions& permissions_;
  access::WorkspaceSettings& settings_;
};

}  // namespace tarn::identity
