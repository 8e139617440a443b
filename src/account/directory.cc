#include "account/directory.h"

#include "account/records.h"

namespace tarn::account {

std::shared_ptr<const CachedWorkspaceDirectory::Snapshot> CachedWorkspaceDirectory::snapshot() {
  // Read before the records: a write in between makes the snapshot look older than it is, never newer.
  const auto generation = store_.generation();
  {
    std::lock_guard lock(mutex_);
    if (cached_ && cached_->generation == generation) return cached_;
  }
  auto fresh = std::make_shared<Snapshot>();
  fresh->generation = generation;
  const auto [all, roots] = store_.read_as([](store::ReadTxn& t) { return std::pair(workspaces_table.scan(t), storage_table.scan(t)); });
  std::map<std::string, std::string, std::less<>> bucket_of;
  for (const auto& s : roots) bucket_of.emplace(s.storage_configuration_id, s.root_bucket_info.bucket_name);
  for (const auto& w : all) {
    const bool answers = w.came_up && w.workspace_status != WorkspaceStatus::CANCELLING && w.workspace_status != WorkspaceStatus::BANNED;
    fresh->by_id.emplace(w.workspace_id, WorkspaceRef{w.workspace_id, w.workspace_name, w.deployment_name, w.aws_region,
                                                      bucket_of[w.storage_configuration_id], answers});
    fresh->by_deployment.emplace(w.deployment_name, w.workspace_id);
  }
  std::lock_guard lock(mutex_);
  if (!cached_ || cached_->generation < generation) cached_ = fresh;
  return fresh;
}

std::optional<WorkspaceRef> CachedWorkspaceDirectory::by_deployment(std::string_view deployment_name) {
  const auto s = snapshot();
  const auto found = s->by_deployment.find(deployment_name);
  return found == s->by_deployment.end() ? std::nullopt : std::optional(s->by_id.at(found->second));
}

std::optional<WorkspaceRef> CachedWorkspaceDirectory::by_id(std::int64_t id) {
  const auto s = snapshot();
  const auto found = s->by_id.find(id);
  return found == s->by_id.end() ? std::nullopt : std::optional(found->second);
}

std::vector<WorkspaceRef> CachedWorkspaceDirectory::all() {
  std::vector<WorkspaceRef> out;
  const auto s = snapshot();  // held: another thread may put a newer one in its place while this one is read
  for (const auto& [id, ref] : s->by_id) out.push_back(ref);
  return out;
}

}  // namespace tarn::account
