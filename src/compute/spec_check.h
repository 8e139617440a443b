#pragma once
// Private to compute/: whether a cluster request can be a cluster, and what it is where it says nothing.
#include "compute/node_types.h"
#include "compute/pools.h"

namespace tarn::compute {

struct ClusterNodes {
  const NodeType* driver = nullptr;
  const NodeType* worker = nullptr;
};

/// invalid naming the field, not_enabled for what this platform does not have. The node types that it will use.
Result<ClusterNodes> check_spec(const ClusterSpec& spec, const Pool* pool, const Pool* driver_pool);
/// The most that it costs: all workers that it may scale to; Photon doubles.
double dbus_per_hour(const ClusterSpec& spec, const ClusterNodes& nodes);
/// The fields that the vendor fills in where the request says nothing.
ClusterSpec with_defaults(ClusterSpec spec, const ClusterNodes& nodes, const std::string& region);
/// An object with all field names of a spec.
json::object every_field();

}  // namespace tarn::compute
