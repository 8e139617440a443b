#pragma once
// Instance pools (/api/2.0/instance-pools): a node type, a cap and how long an idle instance stays. Who uses how much of a pool is the
// clusters' to say (PoolUsage). Stored, so they survive; thread-safe.
// Source: REST API reference "Instance Pools", databricks-sdk-go service/compute, terraform-provider-databricks pools/.
#include "access/caller.h"
#include "access/object_permissions.h"
#include "compute/errors.h"
#include "compute/instance_profiles.h"
#include "compute/spec.h"

namespace tarn::compute {

struct PoolAwsAttributes {
  std::optional<AwsAvailability> availability;
  std::optional<std::string> instance_profile_arn;
  std::optional<int> spot_bid_price_percent;
  std::optional<std::string> zone_id;
};
BOOST_DESCRIBE_STRUCT(PoolAwsAttributes, (), (availability, instance_profile_arn, spot_bid_price_percent, zone_id))
struct DiskType {
  std::optional<EbsVolumeType> ebs_volume_type;
  std::optional<std::string> azure_disk_volume_type;
};
BOOST_DESCRIBE_STRUCT(DiskType, (), (ebs_volume_type, azure_disk_volume_type))
struct DiskSpec {
  std::optional<int> disk_count, disk_iops, disk_size, disk_throughput;
  std::optional<DiskType> disk_type;
};
BOOST_DESCRIBE_STRUCT(DiskSpec, (), (disk_count, disk_iops, disk_size, disk_throughput, disk_type))

/// A create or edit request; edit keeps what cannot change (aws_attributes, disk_spec, preloaded versions, node type).
struct PoolRequest {
  std::optional<std::string> instance_pool_id, instance_pool_name, node_type_id;
  std::optional<int> min_idle_instances, max_capacity, idle_instance_autotermination_minutes, remote_disk_throughput, total_initial_remote_disk_size;
  std::optional<PoolAwsAttributes> aws_attributes;
  json::value azure_attributes, gcp_attributes, preloaded_docker_images;
  std::map<std::string, std::string> custom_tags;
  std::optional<bool> enable_elastic_disk;
  std::optional<DiskSpec> disk_spec;
  std::vector<std::string> preloaded_spark_versions;
  std::optional<NodeTypeFlexibility> node_type_flexibility;
};
BOOST_DESCRIBE_STRUCT(PoolRequest, (),
                      (instance_pool_id, instance_pool_name, node_type_id, min_idle_instances, max_capacity, idle_instance_autotermination_minutes,
                       remote_disk_throughput, total_initial_remote_disk_size, aws_attributes, azure_attributes, gcp_attributes,
                       preloaded_docker_images, custom_tags, enable_elastic_disk, disk_spec, preloaded_spark_versions, node_type_flexibility))

struct Pool {
  std::string instance_pool_id, instance_pool_name, node_type_id;
  std::int64_t workspace_id = 0, creator_id = 0;
  int min_idle_instances = 0;
  std::optional<int> max_capacity;
  int idle_instance_autotermination_minutes = 60;
  PoolAwsAttributes aws_attributes;
  std::map<std::string, std::string> custom_tags;
  bool enable_elastic_disk = false;
  std::optional<DiskSpec> disk_spec;
  std::vector<std::string> preloaded_spark_versions;
  std::optional<NodeTypeFlexibility> node_type_flexibility;
  std::optional<int> remote_disk_throughput, total_initial_remote_disk_size;
  Millis created_at = 0;

  std::string store_key() const { return store::key({store::sortable(workspace_id), instance_pool_id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"name", store::key({store::sortable(workspace_id), instance_pool_name}), true}}; }
};
BOOST_DESCRIBE_STRUCT(Pool, (),
                      (instance_pool_id, instance_pool_name, node_type_id, workspace_id, creator_id, min_idle_instances, max_capacity,
                       idle_instance_autotermination_minutes, aws_attributes, custom_tags, enable_elastic_disk, disk_spec, preloaded_spark_versions,
                       node_type_flexibility, remote_disk_throughput, total_initial_remote_disk_size, created_at))

struct PoolStats {
  int used_count = 0, idle_count = 0, pending_used_count = 0, pending_idle_count = 0;
};
BOOST_DESCRIBE_STRUCT(PoolStats, (), (used_count, idle_count, pending_used_count, pending_idle_count))

/// Who counts a pool's instances. Called outside transactions; thread-safe.
class PoolUsage {
 public:
  virtual ~PoolUsage() = default;
  virtual PoolStats stats(std::int64_t workspace_id, const std::string& instance_pool_id) = 0;
};

class Pools {
 public:
  Pools(store::Store& store, access::ObjectPermissions& permissions, InstanceProfiles& profiles, const Clock& clock);

  /// Needs allow-instance-pool-create or workspace admin. invalid, already_exists, permission_denied.
  Result<Pool> create(const access::Context& ctx, const PoolRequest& request);
  Result<Pool> edit(const access::Context& ctx, const PoolRequest& request);  // CAN_MANAGE; not_found, invalid
  Result<Pool> get(const access::Context& ctx, const std::string& id);        // CAN_ATTACH_TO
  std::vector<Pool> list(const access::Context& ctx);                         // those that the caller may attach to
  Result<void> remove(const access::Context& ctx, const std::string& id);     // CAN_MANAGE; what clusters have of it they keep

  /// For clusters: the pool if the caller may attach to it.
  Result<Pool> attach(const access::Context& ctx, const std::string& id);
  std::optional<Pool> find(std::int64_t workspace_id, const std::string& id);
  std::optional<Pool> find(store::ReadTxn& t, std::int64_t workspace_id, const std::string& id);
  /// Pools of all workspaces that keep idle instances.
  std::vector<Pool> with_minimum();
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);
  /// Set once at start-up, before the first request.
  void count_with(PoolUsage* usage) { usage_ = usage; }
  PoolStats stats(const Pool& pool);

 private:
  store::Store& store_;
  access::ObjectPermissions& permissions_;
  InstanceProfiles& profiles_;
  const Clock& clock_;
  PoolUsage* usage_ = nullptr;
};

json::value pool_json(const Pool& pool, const PoolStats& stats);

}  // namespace tarn::compute
