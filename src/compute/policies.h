#pragma once
// Cluster policies (/api/2.0/policies/clusters) and the families that they may inherit from (/api/2.0/policy-families). Each workspace has
// the vendor's built-in policies, one a family, until an admin edits one: it is then stored. Thread-safe.
// Source: REST API reference "Cluster Policies", "Policy Families", databricks-sdk-go service/compute, terraform-provider-databricks policies/.
#include "access/caller.h"
#include "access/object_permissions.h"
#include "compute/errors.h"
#include "compute/policy_definition.h"
#include "store/store.h"

namespace tarn::compute {

struct PolicyFamily {
  std::string policy_family_id, name, description, definition;
};
BOOST_DESCRIBE_STRUCT(PolicyFamily, (), (policy_family_id, name, description, definition))
const std::vector<PolicyFamily>& policy_families();
const PolicyFamily* find_policy_family(std::string_view id);

struct PolicyRequest {
  std::optional<std::string> policy_id, name, definition, description, policy_family_id, policy_family_definition_overrides;
  std::optional<std::int64_t> max_clusters_per_user;
  json::value libraries;
};
BOOST_DESCRIBE_STRUCT(PolicyRequest, (),
                      (policy_id, name, definition, description, policy_family_id, policy_family_definition_overrides, max_clusters_per_user,
                       libraries))

struct Policy {
  std::string policy_id, name, definition;
  std::int64_t workspace_id = 0;
  std::optional<std::string> description, creator_user_name, policy_family_id, policy_family_definition_overrides;
  std::optional<std::int64_t> max_clusters_per_user;
  json::value libraries;
  Millis created_at_timestamp = 0;
  bool is_default = false;

  std::string store_key() const { return store::key({store::sortable(workspace_id), policy_id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"name", store::key({store::sortable(workspace_id), name}), true}}; }
};
BOOST_DESCRIBE_STRUCT(Policy, (),
                      (policy_id, name, definition, workspace_id, description, creator_user_name, policy_family_id,
                       policy_family_definition_overrides, max_clusters_per_user, libraries, created_at_timestamp, is_default))

class Policies {
 public:
  Policies(store::Store& store, access::ObjectPermissions& permissions, const Clock& clock);

  // Workspace admins only (the routes say so). invalid (a definition names each problem), already_exists, not_found.
  Result<Policy> create(const access::Context& ctx, const PolicyRequest& request);
  Result<void> edit(const access::Context& ctx, const PolicyRequest& request);
  Result<void> remove(const access::Context& ctx, const std::string& id);

  Result<Policy> get(const access::Context& ctx, const std::string& id);  // CAN_USE
  /// Those that the caller may use, newest first (by name if `by_name`).
  std::vector<Policy> list(const access::Context& ctx, bool by_name, bool ascending);

  /// For clusters and jobs: the policy if the caller may use it.
  Result<Policy> use(const access::Context& ctx, const std::string& id) { return get(ctx, id); }
  /// Without a right: for compliance and re-checks of what was once allowed.
  std::optional<Policy> find(std::int64_t workspace_id, const std::string& id);
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);

 private:
  store::Store& store_;
  access::ObjectPermissions& permissions_;
  const Clock& clock_;
};

json::value policy_json(const Policy& p);

}  // namespace tarn::compute
