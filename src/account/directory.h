#pragma once
// The workspaces that others look up, cached until the store's generation moves.
#include <map>
#include <memory>
#include <mutex>

#include "account/workspaces.h"
#include "store/store.h"

namespace tarn::account {

class CachedWorkspaceDirectory final : public WorkspaceDirectory {
 public:
  explicit CachedWorkspaceDirectory(store::Store& store) : store_(store) {}
  std::optional<WorkspaceRef> by_deployment(std::string_view deployment_name) override;
  std::optional<WorkspaceRef> by_id(std::int64_t id) override;
  std::vector<WorkspaceRef> all() override;

 private:
  struct Snapshot {
    std::int64_t generation = -1;
    std::map<std::int64_t, WorkspaceRef> by_id;
    std::map<std::string, std::int64_t, std::less<>> by_deployment;
  };
  std::shared_ptr<const Snapshot> snapshot();

  store::Store& store_;
  std::mutex mutex_;
  std::shared_ptr<const Snapshot> cached_;  // guarded by mutex_; the snapshot itself never changes
};

}  // namespace tarn::account
