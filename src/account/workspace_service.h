#pragma once
// Workspaces of the account: created, changed and deleted here, brought up and down by the Provisioner. Workspace names are for people and
// need not be unique; deployment names are. Thread-safe; callers are account admins (the routes say so).
// Source: REST reference "Account API 2.0": workspaces; docs "Create a workspace using the Account API".
#include "access/caller.h"
#include "account/provisioner.h"
#include "account/settings.h"
#include "store/store.h"

namespace tarn::account {

struct WorkspaceRecord;

class WorkspaceService {
 public:
  /// All must outlive this.
  WorkspaceService(store::Store& store, const Clock& clock, Settings settings, Provisioner& provisioner);

  /// Answers PROVISIONING at once; poll get. Errors: invalid; prefix_missing (sharp edge 1); not_found (an object it refers to); malformed (an
  /// object of another region or use, a network that serves another workspace); already_exists (deployment name); not_enabled (serverless, NCC).
  Result<Workspace> create(const access::Context& ctx, const CreateWorkspace& request);
  Result<Workspace> get(const access::Context& ctx, std::int64_t id);  // not_found
  std::vector<Workspace> list(const access::Context& ctx);
  /// `update_mask`: comma-separated members, nothing or `*` for all that the request has. A RUNNING workspace may change its credentials, keys,
  /// private access settings, tags, and its network for another if it had one; a FAILED one also its storage, its first network and its region.
  /// A change of anything but tags provisions anew; so does naming a part of a FAILED workspace, changed or not. Errors: as create, and
  /// invalid_state.
  Result<Workspace> update(const access::Context& ctx, std::int64_t id, const UpdateWorkspace& request,
                           const std::optional<std::string>& update_mask);
  /// Answers CANCELLING; get says not_found when it is gone. Allowed in every status but CANCELLING (invalid_state).
  Result<Workspace> remove(const access::Context& ctx, std::int64_t id);

 private:
  Result<std::string> deployment_name(store::ReadTxn& t, const std::optional<std::string>& requested);
  Result<void> check_parts(store::ReadTxn& t, const WorkspaceRecord& w);

  store::Store& store_;
  const Clock& clock_;
  const Settings settings_;
  Provisioner& provisioner_;
};

}  // namespace tarn::account
