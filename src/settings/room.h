#pragma once
// Settings of workspaces and the account, whole: workspace-conf, the Settings API and IP access lists on one store, and their rows of the
// route table. What app/ wires. Thread-safe.
#include "access/workspace_settings.h"
#include "api/api.h"
#include "settings/ip_access_lists.h"
#include "settings/typed_settings.h"
#include "settings/workspace_conf.h"

namespace tarn::settings {

/// What a request from an address that the lists refuse is answered (403), and how the audit knows it.
inline constexpr const char* kIpDenied = "403";

class Room final : public access::WorkspaceSettings {
 public:
  /// Both must outlive this; this must outlive the router that takes its routes.
  Room(store::Store& store, const Clock& clock)
      : snapshots_(store), conf_(store, snapshots_), ip_lists_(store, snapshots_, clock), settings_(store, snapshots_) {}

  std::string conf(std::int64_t workspace_id, std::string_view key) override {
    const auto now = snapshots_.of(workspace_id);
    const auto i = now->conf.find(key);
    return i == now->conf.end() ? default_conf(key) : i->second;
  }
  json::value setting(std::int64_t workspace_id, std::string_view type) override {
    const auto now = snapshots_.of(workspace_id);
    const auto i = now->settings.find(type);
    return i == now->settings.end() ? json::value(nullptr) : i->second;
  }

  /// Whether the workspace's administrators, or the account's for workspaces made since, shut a legacy door.
  bool legacy_access_off(std::int64_t workspace_id) { return flag(workspace_id, "disable_legacy_access"); }
  bool legacy_dbfs_off(std::int64_t workspace_id) { return flag(workspace_id, "disable_legacy_dbfs"); }
  bool clusters_must_isolate(std::int64_t workspace_id) { return flag(workspace_id, kLegacyFeatures); }

  std::vector<api::Route> routes();
  /// A workspace that is made while the account's legacy features are off begins with them off.
  void on_workspace_created(store::WriteTxn& txn, std::int64_t workspace_id) { settings_.on_workspace_created(txn, workspace_id); }
  /// With the workspace goes what was set in it.
  void on_workspace_deleted(store::WriteTxn& txn, std::int64_t workspace_id) { forget(txn, workspace_id); }
  /// For the gateway, before anything else of a request to a workspace or the account: its refusal by IP access lists.
  std::optional<api::WireError> refusal(std::optional<std::int64_t> workspace_id, std::string_view source_ip) {
    const auto text = ip_lists_.refusal(workspace_id, source_ip);
    if (!text) return std::nullopt;
    return api::WireError{.status = 403, .error_code = kIpDenied, .message = *text};
  }

 private:
  bool flag(std::int64_t workspace_id, std::string_view type) { return is_on(setting(workspace_id, type), type); }
  Snapshots snapshots_;
  WorkspaceConf conf_;
  IpAccessLists ip_lists_;
  TypedSettings settings_;
};

}  // namespace tarn::settings
