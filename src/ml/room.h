#pragma once
// Experiments, runs, logged models, artifacts and the workspace's model registry, wired. Lives as long as the server.
#include "ml/routes.h"

namespace tarn::ml {

struct Room {
  /// `url`: of the tracking database (database.h). `folders`: the workspace's tree, if there is one.
  Room(const std::string& url, store::Store& store, access::ObjectPermissions& permissions, account::WorkspaceDirectory& workspaces,
       objects::ObjectStore& objects, objects::CredentialVendor& vendor, const Clock& clock, Folders* folders = nullptr)
      : database(url),
        tracking(database, clock),
        experiments(store, permissions, clock, folders),
        runs(experiments, tracking, store, clock),
        models(experiments, tracking),
        artifacts(runs, models, workspaces, objects, vendor),
        registry(store, permissions, runs, clock) {}
  std::vector<api::Route> routes() { return ml::routes(experiments, runs, models, artifacts, registry); }

  Database database;
  TrackingStore tracking;
  Experiments experiments;
  Runs runs;
  LoggedModels models;
  Artifacts artifacts;
  Registry registry;
};

}  // namespace tarn::ml
