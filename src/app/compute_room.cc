#include "app/compute_room.h"

#include "compute/routes.h"

namespace tarn::app {

ComputeRoom::ComputeRoom(const Ground& g)
    : instance_profiles(g.store),
      pools(g.store, g.permissions, instance_profiles, g.clock),
      policies(g.store, g.permissions, g.clock),
      fleet(g.fleet),
      clusters(g.store, g.permissions, pools, policies, instance_profiles, fleet, g.clock, g.clusters),
      code_door(g.door),
      contexts(clusters, g.store, g.clock),
      scripts(g.workspace_rooms.init_scripts, g.files, g.directory),
      library_files(g.workspace_rooms.tree, g.workspace_rooms.volume_files, g.directory, g.allow_library),
      libraries(g.store, clusters, library_files, g.clock, {.index = g.pypi_index}),
      log_files(g.workspace_rooms.dbfs, g.workspace_rooms.volume_files, g.catalog, g.objects, g.directory),
      logs(clusters, log_files, g.clock, {.folder = g.logs}),
      workspaces_(g.workspaces) {
  clusters.scripts_from(&scripts);
  clusters.runtimes_from(&spark_files);
  clusters.logs_are(&logs);
  contexts.door(&code_door);
}

std::vector<api::Route> ComputeRoom::routes() {
  auto out = compute::catalogue_routes(pools, policies, instance_profiles, workspaces_);
  for (auto more : {compute::cluster_routes(clusters, contexts), compute::library_routes(libraries)})
    std::ranges::move(more, std::back_inserter(out));
  return out;
}

void ComputeRoom::on_workspace_deleted(store::WriteTxn& t, std::int64_t id) {
  clusters.on_workspace_deleted(t, id);
  pools.on_workspace_deleted(t, id);
  instance_profiles.on_workspace_deleted(t, id);
  policies.on_workspace_deleted(t, id);
}

void ComputeRoom::start(const std::function<void()>& placed, const std::function<void()>& standing) {
  libraries.start();
  logs.start();
  placed();
  clusters.recover();
  fleet.start();
  standing();
  clusters.start_driving();
}

void ComputeRoom::stop() {
  fleet.stop();
  clusters.stop();
  contexts.stop();
  libraries.stop();
  logs.stop();
  spark_files.stop();
}

}  // namespace tarn::app
