#pragma once
// The Settings API: single settings with an etag each, of a workspace or of the account. A write carries the etag of what it read; a setting
// that nobody wrote answers "not found" with the etag to write it with. For administrators (routes see to that).
// Thread-safe; a change is one transaction with its audit event. Source: REST API reference "Settings", databricks-sdk-go service/settings.
#include "access/caller.h"
#include "settings/errors.h"
#include "settings/snapshots.h"

namespace tarn::settings {

class TypedSettings {
 public:
  TypedSettings(store::Store& store, Snapshots& snapshots) : store_(store), snapshots_(snapshots) {}  // must outlive this

  /// The types that are served, and those that the vendor has beside them.
  static std::vector<std::string> types(bool account);
  static std::vector<std::string> not_enabled(bool account);

  // Of the context's workspace, or of the account on its host. not_enabled for types that the vendor has and this platform does not,
  // not_found for others, setting_unset, conflict, invalid, locked_out.
  /// The setting with `etag` and `setting_name`.
  Result<json::value> get(const access::Context& ctx, const std::string& type, const std::string& name);
  /// `setting` is the whole setting with the etag that was read.
  Result<json::value> set(const access::Context& ctx, const std::string& type, const std::string& name, const json::value& setting);
  /// Back to unset; answers the new etag.
  Result<std::string> remove(const access::Context& ctx, const std::string& type, const std::string& name, const std::string& etag);

  /// What the account's settings say of workspaces that are made from now on, within the transaction that makes one.
  void on_workspace_created(store::WriteTxn& t, std::int64_t workspace_id) const;

 private:
  store::Store& store_;
  Snapshots& snapshots_;
};

}  // namespace tarn::settings
