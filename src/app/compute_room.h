#pragma once
// The rooms of compute, wired: what clusters may be, the nodes that they run on, the code that runs there, libraries and logs.
#include "app/compute_ports.h"
#include "app/context_door.h"
#include "app/job_ports.h"
#include "app/workspace_rooms.h"
#include "compute/cluster_logs.h"
#include "compute/instance_profiles.h"
#include "compute/local_fleet.h"
#include "compute/policies.h"
#include "compute/pools.h"

namespace tarn::app {

struct ComputeRoom {
  /// What they stand on; all of it must outlive them.
  struct Ground {
    store::Store& store;
    access::ObjectPermissions& permissions;
    identity::Directory& directory;
    account::WorkspaceDirectory& workspaces;
    catalog::UnityCatalog& catalog;
    objects::ObjectStore& objects;
    WorkspaceRooms& workspace_rooms;
    JobFiles& files;
    const Clock& clock;
    CodeDoor::Parts door;
    compute::LocalFleetOptions fleet;
    compute::ClusterOptions clusters;
    std::string logs;                        // a folder for the spools of clusters' logs
    std::vector<std::string> allow_library;  // package indexes inside the network
    std::string pypi_index;
  };
  explicit ComputeRoom(const Ground& ground);
  std::vector<api::Route> routes();
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);
  /// From its libraries and logs to its clusters. `placed` is called before the first node starts, `standing` when the relay listens.
  void start(const std::function<void()>& placed, const std::function<void()>& standing);
  void stop();

  compute::InstanceProfiles instance_profiles;
  compute::Pools pools;
  compute::Policies policies;
  compute::LocalFleet fleet;
  compute::Clusters clusters;
  CodeDoor code_door;
  compute::Contexts contexts;
  ClusterScripts scripts;
  LibraryFiles library_files;
  SparkFiles spark_files;
  compute::Libraries libraries;
  LogFiles log_files;
  compute::ClusterLogs logs;

 private:
  account::WorkspaceDirectory& workspaces_;
};

}  // namespace tarn::app
