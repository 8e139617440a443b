#pragma once
// Experiments, runs, logged models, artifacts and the workspace's model registry, wired. Lives as long as the server.
#include "ml/routes.h"

namespace tarn::ml {

struct Room {
  /// `url`: of the tracking database (database.h).
  Room(const std::string& url, store::Store& store, access::ObjectPermissions& permissions, account::WorkspaceDirectory& workspaces,
       objects::ObjectStore& objects, objects::CredentialVendor& vendor, const Clock& clock)
      : database(url),
        tracking(database, clock),
        experiments(store, permissions, clock),
        runs(experiments, tracking, store, clock),
        models(experiments, tracking),
        artifacts(runs, models, workspaces, objects, vendor),
        registry(store, permissions, runs, clock) {}
  std::vector<api::Route> routes() { return ml::routes(experiments, runs, models, artifacts, registry); }

  /// Within the transaction that deletes a workspace. What its runs logged is out of reach then.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) {
    experiments.on_workspace_deleted(t, workspace_id);
    registry.on_workspace_deleted(t, workspace_id);
  }

  Database database;
  TrackingStore tracking;
  Experiments experiments;
  Runs runs;
  LoggedModels models;
  Artifacts artifacts;
  Registry registry;
};

}  // namespace tarn::ml
