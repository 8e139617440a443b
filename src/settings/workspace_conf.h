#pragma once
// workspace-conf: a workspace's keys and values, for its administrators (routes see to that). Values are text; switches are "true" or "false".
// Thread-safe; a change is one transaction with its audit event. Source: REST API reference "Workspace Conf", terraform-provider-databricks
// workspace/resource_workspace_conf.go (whose error texts clients parse).
#include <optional>

#include "access/caller.h"
#include "settings/errors.h"
#include "settings/snapshots.h"

namespace tarn::settings {

/// The value of a key that nobody set; empty where there is none.
std::string default_conf(std::string_view key);

class WorkspaceConf {
 public:
  WorkspaceConf(store::Store& store, Snapshots& snapshots) : store_(store), snapshots_(snapshots) {}  // must outlive this

  using Values = std::map<std::string, std::optional<std::string>>;
  /// bad_request for a key that does not exist. A key without a value comes as nothing.
  Result<Values> get(const access::Context& ctx, const std::vector<std::string>& keys);
  /// All or nothing. bad_request for unknown keys and values; locked_out if the caller's address could not come back.
  Result<void> set(const access::Context& ctx, const std::map<std::string, std::string>& values);

 private:
  store::Store& store_;
  Snapshots& snapshots_;
};

}  // namespace tarn::settings
