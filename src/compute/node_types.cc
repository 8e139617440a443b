#include "compute/node_types.h"

#include <fmt/format.h>

#include <algorithm>

namespace tarn::compute {
namespace {

constexpr const char* kGeneral = "General Purpose";
constexpr const char* kMemory = "Memory Optimized";
constexpr const char* kCompute = "Compute Optimized";
constexpr const char* kStorage = "Storage Optimized";
constexpr const char* kGpu = "GPU Accelerated";
constexpr const char* kFleet = "General Purpose (Fleet)";

std::string describe(const Runtime& r, std::string_view number, std::string_view spark, std::string_view scala) {
  return fmt::format("{}{}{} (includes Apache Spark {},{} Scala {})", number, r.lts ? " LTS" : "", r.ml ? " ML" : "", spark, r.gpu ? " GPU," : "",
                     scala);
}

std::vector<Runtime> build_runtimes() {
  struct Line {
    const char *number, *spark, *scala;
    bool lts;
  };
  std::vector<Runtime> out;
  for (const auto& [number, spark, scala, lts] :
       {Line{"17.3", "4.0.0", "2.13", true}, Line{"16.4", "3.5.2", "2.12", true}, Line{"15.4", "3.5.0", "2.12", true},
        Line{"14.3", "3.5.0", "2.12", true}, Line{"13.3", "3.4.1", "2.12", true}, Line{"17.2", "4.0.0", "2.13", false}}) {
    for (const std::string_view kind : {"", "cpu-ml-", "gpu-ml-"}) {
      Runtime r{.lts = lts, .ml = !kind.empty(), .gpu = kind.starts_with("gpu")};
      r.key = fmt::format("{}.x-{}scala{}", number, kind, scala);
      r.name = describe(r, number, spark, scala);
      out.push_back(std::move(r));
    }
  }
  // As the vendor names its runtimes of plain Apache Spark; its SDKs leave them out where they choose one.
  out.push_back({.key = "apache-spark-4.2.x-scala2.13", .name = "Apache Spark 4.2.0, Delta Lake 4.4.0 (Scala 2.13)", .apache = true});
  return out;
}

}  // namespace

const std::vector<NodeType>& node_types() {
  static const std::vector<NodeType> all{
      {"m6g.large", 8192, 2, 0, 0.36, kGeneral, true},
      {"m6g.xlarge", 16384, 4, 0, 0.71, kGeneral, true},
      {"m6g.2xlarge", 32768, 8, 0, 1.43, kGeneral, true},
      {"m6gd.large", 8192, 2, 0, 0.46, kGeneral, true, 1, 118},
      {"m6gd.xlarge", 16384, 4, 0, 0.92, kGeneral, true, 1, 237},
      {"m5.large", 8192, 2, 0, 0.34, kGeneral},
      {"m5.xlarge", 16384, 4, 0, 0.69, kGeneral},
      {"m5d.large", 8192, 2, 0, 0.34, kGeneral, false, 1, 75},
      {"m5d.xlarge", 16384, 4, 0, 0.69, kGeneral, false, 1, 150},
      {"m6i.large", 8192, 2, 0, 0.51, kGeneral},
      {"m6i.xlarge", 16384, 4, 0, 1.02, kGeneral},
      {"m-fleet.xlarge", 16384, 4, 0, 0.75, kFleet, false, 0, 0, true},
      {"rd-fleet.xlarge", 31232, 4, 0, 1.0, "Memory Optimized (Fleet)", false, 1, 150, true},
      {"r5.large", 16384, 2, 0, 0.45, kMemory},
      {"r5.xlarge", 32768, 4, 0, 0.9, kMemory},
      {"r6i.large", 16384, 2, 0, 0.66, kMemory},
      {"r6i.xlarge", 32768, 4, 0, 1.32, kMemory},
      {"r6i.2xlarge", 65536, 8, 0, 2.64, kMemory},
      {"r6i.4xlarge", 131072, 16, 0, 5.29, kMemory},
      {"c5.xlarge", 8192, 4, 0, 0.61, kCompute},
      {"c5.2xlarge", 16384, 8, 0, 1.21, kCompute},
      {"i3.xlarge", 31232, 4, 0, 1.0, kStorage, false, 1, 950},
      {"i3.2xlarge", 62464, 8, 0, 2.0, kStorage, false, 1, 1900},
      {"g4dn.xlarge", 16384, 4, 1, 0.71, kGpu, false, 1, 125},
      {"g5.xlarge", 16384, 4, 1, 1.48, kGpu, false, 1, 250},
      {"g5.2xlarge", 32768, 8, 1, 1.78, kGpu, false, 1, 450},
  };
  return all;
}

const NodeType* find_node_type(std::string_view id) {
  const auto& all = node_types();
  const auto i = std::ranges::find(all, id, &NodeType::node_type_id);
  return i == all.end() ? nullptr : &*i;
}

json::value node_types_json() {
  json::array out;
  int order = 0;
  for (const auto& n : node_types()) {
    json::object o{{"node_type_id", n.node_type_id},
                   {"memory_mb", n.memory_mb},
                   {"num_cores", n.num_cores},
                   {"description", n.node_type_id},
                   {"instance_type_id", n.node_type_id},
                   {"is_deprecated", false},
                   {"category", n.category},
                   {"support_ebs_volumes", n.num_gpus == 0 || n.node_type_id.starts_with("g5")},
                   {"support_cluster_tags", true},
                   {"num_gpus", n.num_gpus},
                   {"support_port_forwarding", true},
                   {"display_order", order++},
                   {"is_io_cache_enabled", n.local_nvme_disks > 0},
                   {"is_graviton", n.is_graviton},
                   {"is_hidden", false},
                   {"is_encrypted_in_transit", !n.is_graviton},
                   {"photon_worker_capable", n.num_gpus == 0},
                   {"photon_driver_capable", n.num_gpus == 0},
                   {"node_instance_type",
                    {{"instance_type_id", n.node_type_id},
                     {"local_disks", 0},
                     {"local_disk_size_gb", 0},
                     {"local_nvme_disks", n.local_nvme_disks},
                     {"local_nvme_disk_size_gb", n.local_nvme_disk_size_gb},
                     {"swap_size", "10g"}}}};
    out.push_back(std::move(o));
  }
  return json::object{{"node_types", std::move(out)}};
}

const std::vector<Runtime>& runtimes() {
  static const std::vector<Runtime> all = build_runtimes();
  return all;
}

const Runtime* find_runtime(std::string_view key) {
  const auto& all = runtimes();
  const auto i = std::ranges::find(all, key, &Runtime::key);
  return i == all.end() ? nullptr : &*i;
}

std::string resolve_runtime(std::string_view key) {
  if (!key.starts_with("auto:")) return std::string(key);
  auto wish = key.substr(5);
  const bool ml = wish.ends_with("-ml");
  if (ml) wish.remove_suffix(3);
  const bool lts = wish.ends_with("-lts"), previous = wish.starts_with("prev");
  if (wish != "latest" && wish != "latest-lts" && wish != "prev-lts" && wish != "prev-major" && wish != "prev-minor") return std::string(key);
  int skip = previous ? 1 : 0;
  for (const auto& r : runtimes())
    if (r.ml == ml && !r.gpu && !r.apache && (!lts || r.lts) && skip-- == 0) return r.key;
  return std::string(key);
}

std::vector<std::string> zones(std::string_view region) {
  return {fmt::format("{}a", region), fmt::format("{}b", region), fmt::format("{}c", region)};
}

}  // namespace tarn::compute
