#pragma once
// What other rooms ask account: which workspace a host or id means. Implemented by account/service. Thread-safe, cached by generation.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace tarn::account {

struct WorkspaceRef {
  std::int64_t id = 0;
  std::string name;             // as the owner calls it
  std::string deployment_name;  // first label of its host
  std::string region;
  std::string root_bucket;  // of its storage configuration
  bool running = false;  // it answers requests: it has been RUNNING and is not being deleted or banned (an update or a failed one does not stop it)
};

class WorkspaceDirectory {
 public:
  virtual ~WorkspaceDirectory() = default;
  virtual std::optional<WorkspaceRef> by_deployment(std::string_view deployment_name) = 0;
  virtual std::optional<WorkspaceRef> by_id(std::int64_t id) = 0;
  virtual std::vector<WorkspaceRef> all() = 0;
};

/// What provisioning a workspace does to the region's metastore (sharp edge 3), within account's own transaction. Implemented by catalog/.
class RegionMetastore {
 public:
  virtual ~RegionMetastore() = default;
  /// First workspace of a region without a metastore: the default one appears, without storage root, owned by System-User, attached, with
  /// a workspace catalog bound to this workspace. A region that has one of yours: the workspace is left for you to assign.
  virtual void on_workspace_running(store::WriteTxn& txn, std::int64_t workspace_id, std::string_view workspace_name, std::string_view region) = 0;
  virtual void on_workspace_deleted(store::WriteTxn& txn, std::int64_t workspace_id) = 0;
};

}  // namespace tarn::account
