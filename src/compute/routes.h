#pragma once
// Routes of compute: pools, policies, policy families, instance profiles, node types, runtimes, zones.
#include "account/workspaces.h"
#include "api/answers.h"
#include "compute/instance_profiles.h"
#include "compute/policies.h"
#include "compute/pools.h"

namespace tarn::compute {

class Clusters;
class Contexts;
class Libraries;

using api::wire;

/// All must outlive the routes. `workspaces` says the region whose zones are listed.
std::vector<api::Route> catalogue_routes(Pools& pools, Policies& policies, InstanceProfiles& profiles, account::WorkspaceDirectory& workspaces);

/// Clusters, their compliance, execution contexts and commands.
std::vector<api::Route> cluster_routes(Clusters& clusters, Contexts& contexts);
std::vector<api::Route> library_routes(Libraries& libraries);

}  // namespace tarn::compute
