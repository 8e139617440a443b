#include "app/entitlement_gate.h"

#include <algorithm>
#include <array>

namespace tarn::app {
namespace {

constexpr std::string_view kSqlAccess = "databricks-sql-access", kWorkspaceAccess = "workspace-access", kConsume = "workspace-consume";

bool listed(const auto& groups, std::string_view group) { return std::ranges::find(groups, group) != groups.end(); }

}  // namespace

std::optional<api::WireError> entitlement_refusal(const api::Route& route, const access::Caller& caller) {
  // Who somebody is, and what grants decide: for everybody who may do anything here.
  constexpr auto kCommon = std::to_array<std::string_view>({"access-control",
                                                            "assignable-roles",
                                                            "catalogs",
                                                            "connections",
                                                            "current-user",
                                                            "external-locations",
                                                            "files",
                                                            "functions",
                                                            "grants",
                                                            "groups",
                                                            "iceberg",
                                                            "lineage",
                                                            "metastores",
                                                            "model-versions",
                                                            "oauth",
                                                            "permission-assignments",
                                                            "permissions",
                                                            "providers",
                                                            "recipients",
                                                            "registered-models",
                                                            "rule-sets",
                                                            "schemas",
                                                            "service-principal-secrets",
                                                            "service-principals",
                                                            "shares",
                                                            "storage-credentials",
                                                            "system-schemas",
                                                            "tables",
                                                            "temporary-credentials",
                                                            "tokens",
                                                            "users",
                                                            "volumes",
                                                            "workspace-bindings"});
  constexpr auto kSql = std::to_array<std::string_view>(
      {"alerts", "alerts-v2", "dashboards", "lakeview", "queries", "sql-history", "sql-statements", "sql-warehouses"});
  if (route.surface == api::Surface::account || route.auth == api::Auth::open || caller.workspace_admin) return std::nullopt;
  const auto has = [&](std::string_view e) { return caller.entitlements.contains(std::string(e)); };
  const bool sql = has(kSqlAccess) || has(kConsume);
  if (listed(kCommon, route.group)) {
    if (sql || has(kWorkspaceAccess)) return std::nullopt;
    return api::forbidden("This API is disabled for users without the databricks-sql-access or workspace-access or workspace-consume entitlements.");
  }
  if (listed(kSql, route.group)) {
    if (sql) return std::nullopt;
    return api::forbidden("This API is disabled for users without the databricks-sql-access or workspace-consume entitlements.");
  }
  if (has(kWorkspaceAccess)) return std::nullopt;
  return api::forbidden("This API is disabled for users without the workspace-access entitlement.");
}

}  // namespace tarn::app
