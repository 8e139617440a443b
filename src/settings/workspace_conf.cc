#include "settings/workspace_conf.h"

#include <algorithm>

#include "settings/ip_access_lists.h"

namespace tarn::settings {
namespace {

enum class Takes { flag, days, text };

struct Key {
  std::string_view name;
  Takes takes = Takes::flag;
  std::string_view unset{};  // its value when nobody set it
};

/// What the vendor's workspace-conf knows. Those that switch something of this platform name it; the others belong to parts of the vendor's
/// user interface and runtime that have no counterpart here, and are kept as they are.
constexpr Key kKeys[]{
    {kEnableIpLists, Takes::flag, "false"},       // IP access lists (gateway)
    {"enableTokensConfig", Takes::flag, "true"},  // personal access tokens (identity)
    {"maxTokenLifetimeDays", Takes::days},        // of new personal access tokens (identity)
    {"customerApprovedWSLoginExpirationTime", Takes::text},
    {"enable-X-Content-Type-Options"},
    {"enable-X-Frame-Options"},
    {"enable-X-XSS-Protection"},
    {"enableDatabricksAutologgingAdminConf"},
    {"enableDbfsFileBrowser"},
    {"enableDcs"},
    {"enableDeprecatedClusterNamedInitScripts"},
    {"enableDeprecatedGlobalInitScripts"},
    {"enableEnforceImdsV2"},
    {"enableExportNotebook"},
    {"enableFileStoreEndpoint"},
    {"enableGp3"},
    {"enableHlsRuntime"},
    {"enableJobViewAcls"},
    {"enableJobsEmailsV2"},
    {"enableLibraryAndInitScriptOnSharedCluster"},
    {"enableNotebookGitVersioning"},
    {"enableNotebookTableClipboard"},
    {"enableProjectTypeInWorkspace"},
    {"enableProjectsAllowList"},
    {"enableResultsDownloading"},
    {"enableUploadDataUis"},
    {"enableVerboseAuditLogs"},
    {"enableWebTerminal"},
    {"enableWorkspaceFilesystem"},
    {"enforceClusterViewAcls"},
    {"enforceUserIsolation"},
    {"enforceWorkspaceViewAcls"},
    {"heapAnalyticsAdminConsent"},
    {"intercomAdminConsent"},
    {"jobsListBackendPaginationEnabled"},
    {"mlflowModelRegistryEmailNotificationsEnabled"},
    {"mlflowModelServingEndpointCreationEnabled"},
    {"mlflowRunArtifactDownloadEnabled"},
    {"projectsAllowList", Takes::text},
    {"projectsAllowListPermissions", Takes::text},
    {"rStudioUserDefaultHomeBase", Takes::text},
    {"storeInteractiveNotebookResultsInCustomerAccount"},
};

const Key* key_of(std::string_view name) {
  const auto* i = std::ranges::find(kKeys, name, &Key::name);
  return i == std::end(kKeys) ? nullptr : i;
}

bool takes(const Key& key, const std::string& value) {
  switch (key.takes) {
    case Takes::flag:
      return value == "true" || value == "false";
    case Takes::days:  // empty: no limit of the workspace's own
      return value.empty() || (value.size() <= 4 && value.find_first_not_of("0123456789") == value.npos && value != "0");
    case Takes::text:
      return value.size() <= 4096;
  }
  return false;
}

Error unknown_keys(const std::vector<std::string>& keys) { return {Errc::bad_request, "Invalid keys: " + json::encode_text(keys)}; }

}  // namespace

std::string default_conf(std::string_view key) {
  const auto* k = key_of(key);
  return k ? std::string(k->unset) : std::string();
}

Result<WorkspaceConf::Values> WorkspaceConf::get(const access::Context& ctx, const std::vector<std::string>& keys) {
  std::vector<std::string> unknown;
  std::ranges::copy_if(keys, std::back_inserter(unknown), [](const auto& k) { return !key_of(k); });
  if (!unknown.empty()) return fail(unknown_keys(unknown));
  const auto now = snapshots_.of(*ctx.workspace_id);
  Values out;
  for (const auto& k : keys) {
    const auto set = now->conf.find(k);
    auto value = set != now->conf.end() ? set->second : default_conf(k);
    out[k] = value.empty() ? std::nullopt : std::optional(std::move(value));
  }
  return out;
}

Result<void> WorkspaceConf::set(const access::Context& ctx, const std::map<std::string, std::string>& values) {
  std::string keys, said;
  for (const auto& [k, v] : values) keys += (keys.empty() ? "" : ",") + k, said += (said.empty() ? "" : ",") + v;
  auto event = ctx.event("workspace", "workspaceConfEdit", {{"workspaceConfKeys", keys}, {"workspaceConfValues", said}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    const auto scope = *ctx.workspace_id;
    std::vector<std::string> unknown;
    std::map<std::string, std::string> refused;
    for (const auto& [k, v] : values) {
      const auto* key = key_of(k);
      if (!key)
        unknown.push_back(k);
      else if (!takes(*key, v))
        refused[k] = v;
    }
    if (!unknown.empty()) return fail(unknown_keys(unknown));
    if (!refused.empty()) return fail(Error{Errc::bad_request, "Some values are not allowed: " + json::encode_text(refused)});
    for (const auto& [k, v] : values) {
      const ConfRecord record{scope, k, v};
      if (v.empty())
        kConf.erase(t, record.store_key());
      else if (!kConf.put(t, record))
        throw std::logic_error("a key of workspace-conf has no unique values");
    }
    TARN_CHECK(still_admitted(t, ctx, scope));
    changed(t);
    return {};
  });
}

}  // namespace tarn::settings
