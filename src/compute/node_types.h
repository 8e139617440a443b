#pragma once
// The catalogue of node types, runtimes and zones: what clusters and pools can be made of. Data only; thread-safe.
// A node type's cores and memory are the vendor's figures; what an instance gets of this machine is nodes.h's to say.
// Source: REST API reference "Clusters" (list-node-types, spark-versions, list-zones), the vendor's price list for DBUs.
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tarn::compute {

struct NodeType {
  std::string node_type_id;
  std::int64_t memory_mb = 0;
  double num_cores = 0;
  int num_gpus = 0;
  double dbus_per_hour = 0;
  std::string category;  // General Purpose, Memory Optimized, …
  bool is_graviton = false;
  int local_nvme_disks = 0, local_nvme_disk_size_gb = 0;
  bool is_fleet = false;
};
const std::vector<NodeType>& node_types();
/// Null for a type that this catalogue does not have.
const NodeType* find_node_type(std::string_view id);
json::value node_types_json();

struct Runtime {
  std::string key;   // 15.4.x-scala2.12
  std::string name;  // 15.4 LTS (includes Apache Spark 3.5.0, Scala 2.12)
  bool lts = false, ml = false, gpu = false;
  bool apache = false;  // `spark` is Apache Spark, on the workers or else the driver; otherwise the embedded engine
};
/// Newest first.
const std::vector<Runtime>& runtimes();
const Runtime* find_runtime(std::string_view key);
/// `auto:latest`, `auto:latest-lts`, `auto:prev-lts` (each also -ml): what a policy may write for a version. The key itself otherwise.
std::string resolve_runtime(std::string_view key);

/// Availability zones of a region, first one the default.
std::vector<std::string> zones(std::string_view region);

}  // namespace tarn::compute
