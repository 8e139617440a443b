#pragma once
// The network sections of a platform folder (network/model.h) together with what its other sections say about who lives there.
#include "network/topology.h"
#include "platform/config.h"

namespace tarn::platform {

/// Workspaces whose networks are registered here: their subnets, security groups and private access settings.
std::vector<network::Tenant> tenants_of(const Config& config);

/// The network as one can walk it. The error: problems of the files, with their places; one says so if they hold no network at all.
Expected<network::Topology, std::vector<Diagnostic>> network_of(const Loaded& loaded);

/// A file, or a folder as load() reads it.
Loaded load_path(const std::string& path);

/// Where an entry of the model stands: "platform/network.yaml:12"; that of the nearest entry above where the path itself has none.
std::string place_of(const Loaded& loaded, std::string path);

/// Checks that cross from registrations to the network: called by load(), for files that hold both.
std::vector<network::Problem> check_network(const Config& config);

}  // namespace tarn::platform
