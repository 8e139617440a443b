#pragma once
// Instance profiles that workspace admins registered (/api/2.0/instance-profiles). A cluster may name a registered one only.
// Thread-safe. Source: REST API reference "Instance Profiles".
#include "access/caller.h"
#include "base/json.h"
#include "compute/errors.h"
#include "store/store.h"

namespace tarn::compute {

struct InstanceProfile {
  std::string instance_profile_arn;
  std::optional<std::string> iam_role_arn;
  std::optional<bool> is_meta_instance_profile;
};
BOOST_DESCRIBE_STRUCT(InstanceProfile, (), (instance_profile_arn, iam_role_arn, is_meta_instance_profile))

struct AddInstanceProfile {
  std::string instance_profile_arn;
  std::optional<std::string> iam_role_arn;
  std::optional<bool> is_meta_instance_profile, skip_validation;
};
BOOST_DESCRIBE_STRUCT(AddInstanceProfile, (), (instance_profile_arn, iam_role_arn, is_meta_instance_profile, skip_validation))

class InstanceProfiles {
 public:
  explicit InstanceProfiles(store::Store& store) : store_(store) {}
  // Workspace admins only (the routes say so). invalid, already_exists, not_found.
  Result<void> add(const access::Context& ctx, const AddInstanceProfile& request);
  Result<void> edit(const access::Context& ctx, const AddInstanceProfile& request);
  Result<void> remove(const access::Context& ctx, const std::string& arn);
  /// All of the workspace: any user may see which there are.
  std::vector<InstanceProfile> list(const access::Context& ctx);
  /// Whether a cluster of the context's workspace may name it.
  bool registered(store::ReadTxn& t, std::int64_t workspace_id, const std::string& arn);
  /// Within the transaction that deletes a workspace.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);

 private:
  store::Store& store_;
};

}  // namespace tarn::compute
