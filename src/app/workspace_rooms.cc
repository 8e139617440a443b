#include "app/workspace_rooms.h"

#include "files/routes.h"
#include "init_scripts/routes.h"
#include "queries/routes.h"
#include "repos/routes.h"
#include "secrets/routes.h"
#include "workspace/routes.h"

namespace tarn::app {
namespace {

/// Where a workspace's own files lie.
workspace::RootBuckets root_buckets(account::WorkspaceDirectory& workspaces) {
  return [&workspaces](std::int64_t id) -> std::optional<std::string> {
    const auto w = workspaces.by_id(id);
    return w && !w->root_bucket.empty() ? std::optional(w->root_bucket) : std::nullopt;
  };
}

}  // namespace

WorkspaceRooms::WorkspaceRooms(const Ground& g)
    : content(g.objects, root_buckets(g.workspaces)),
      tree(g.store, g.permissions, g.directory, content, g.clock),
      git_credentials(g.store, g.directory, g.keys),
      git_targets(g.allow_git),
      git(g.spool, ""),
      git_folders(g.store, tree, git_credentials, git_targets, git),
      saved_queries(g.store, g.permissions, g.directory, tree, g.clock),
      secret_scopes(g.store, g.directory, g.keys, g.clock),
      dbfs(g.store, g.objects, root_buckets(g.workspaces), g.clock, g.spool),
      volume_directory(g.catalog),
      volume_files(g.store, g.objects, volume_directory),
      init_scripts(g.store, g.clock) {}

void WorkspaceRooms::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) {
  tree.on_workspace_deleted(t, workspace_id);
  git_folders.on_workspace_deleted(t, workspace_id);
  git_credentials.on_workspace_deleted(t, workspace_id);
  saved_queries.on_workspace_deleted(t, workspace_id);
  secret_scopes.on_workspace_deleted(t, workspace_id);
  dbfs.on_workspace_deleted(t, workspace_id);
  init_scripts.on_workspace_deleted(t, workspace_id);
}

std::vector<api::Route> WorkspaceRooms::routes() {
  std::vector<api::Route> out;
  const auto add = [&](std::vector<api::Route> more) { std::ranges::move(more, std::back_inserter(out)); };
  add(workspace::routes(tree));
  add(repos::routes(git_folders, git_credentials));
  add(queries::routes(saved_queries));
  add(secrets::routes(secret_scopes));
  add(files::dbfs_routes(dbfs));
  add(files::volume_routes(volume_files));
  add(init_scripts::routes(init_scripts));
  return out;
}

}  // namespace tarn::app
