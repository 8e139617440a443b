#pragma once
// What a cluster is asked to be, as clients send it and as policies judge it. All fields are optional on the wire; Absent means "the
// policy or the default says". Source: databricks-sdk-go service/compute ClusterSpec.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace tarn::compute {

struct AutoScale {
  std::optional<int> min_workers, max_workers;
};
BOOST_DESCRIBE_STRUCT(AutoScale, (), (min_workers, max_workers))

enum class AwsAvailability { ON_DEMAND, SPOT, SPOT_WITH_FALLBACK };
BOOST_DESCRIBE_ENUM(AwsAvailability, ON_DEMAND, SPOT, SPOT_WITH_FALLBACK)
enum class EbsVolumeType { GENERAL_PURPOSE_SSD, THROUGHPUT_OPTIMIZED_HDD };
BOOST_DESCRIBE_ENUM(EbsVolumeType, GENERAL_PURPOSE_SSD, THROUGHPUT_OPTIMIZED_HDD)
enum class DataSecurityMode {
  NONE,
  SINGLE_USER,
  USER_ISOLATION,
  LEGACY_TABLE_ACL,
  LEGACY_PASSTHROUGH,
  LEGACY_SINGLE_USER,
  LEGACY_SINGLE_USER_STANDARD,
  DATA_SECURITY_MODE_AUTO,
  DATA_SECURITY_MODE_STANDARD,
  DATA_SECURITY_MODE_DEDICATED
};
BOOST_DESCRIBE_ENUM(DataSecurityMode, NONE, SINGLE_USER, USER_ISOLATION, LEGACY_TABLE_ACL, LEGACY_PASSTHROUGH, LEGACY_SINGLE_USER,
                    LEGACY_SINGLE_USER_STANDARD, DATA_SECURITY_MODE_AUTO, DATA_SECURITY_MODE_STANDARD, DATA_SECURITY_MODE_DEDICATED)
enum class RuntimeEngine { NULL_, STANDARD, PHOTON };
BOOST_DESCRIBE_ENUM(RuntimeEngine, NULL_, STANDARD, PHOTON)

struct AwsAttributes {
  std::optional<AwsAvailability> availability;
  std::optional<int> ebs_volume_count, ebs_volume_iops, ebs_volume_size, ebs_volume_throughput;
  std::optional<EbsVolumeType> ebs_volume_type;
  std::optional<int> first_on_demand;
  std::optional<std::string> instance_profile_arn;
  std::optional<int> spot_bid_price_percent;
  std::optional<std::string> zone_id;
};
BOOST_DESCRIBE_STRUCT(AwsAttributes, (),
                      (availability, ebs_volume_count, ebs_volume_iops, ebs_volume_size, ebs_volume_throughput, ebs_volume_type, first_on_demand,
                       instance_profile_arn, spot_bid_price_percent, zone_id))

struct Destination {
  std::optional<std::string> destination, region, endpoint, canned_acl, encryption_type, kms_key;
  std::optional<bool> enable_encryption;
};
BOOST_DESCRIBE_STRUCT(Destination, (), (destination, region, endpoint, canned_acl, encryption_type, kms_key, enable_encryption))
struct ClusterLogConf {
  std::optional<Destination> dbfs, s3, volumes;
};
BOOST_DESCRIBE_STRUCT(ClusterLogConf, (), (dbfs, s3, volumes))
struct InitScript {
  std::optional<Destination> workspace, volumes, s3, dbfs, file;
};
BOOST_DESCRIBE_STRUCT(InitScript, (), (workspace, volumes, s3, dbfs, file))
struct ClientsTypes {
  std::optional<bool> jobs, notebooks;
};
BOOST_DESCRIBE_STRUCT(ClientsTypes, (), (jobs, notebooks))
struct WorkloadType {
  std::optional<ClientsTypes> clients;
};
BOOST_DESCRIBE_STRUCT(WorkloadType, (), (clients))
struct NodeTypeFlexibility {
  std::vector<std::string> alternate_node_type_ids;
};
BOOST_DESCRIBE_STRUCT(NodeTypeFlexibility, (), (alternate_node_type_ids))

struct ClusterSpec {
  std::optional<bool> apply_policy_default_values;
  std::optional<AutoScale> autoscale;
  std::optional<int> autotermination_minutes;
  std::optional<AwsAttributes> aws_attributes;
  json::value azure_attributes, gcp_attributes;
  std::optional<ClusterLogConf> cluster_log_conf;
  std::optional<std::string> cluster_name;
  std::map<std::string, std::string> custom_tags;
  std::optional<DataSecurityMode> data_security_mode;
  json::value docker_image;
  std::optional<std::string> driver_instance_pool_id, driver_node_type_id;
  std::optional<bool> enable_elastic_disk, enable_local_disk_encryption;
  std::vector<InitScript> init_scripts;
  std::optional<std::string> instance_pool_id;
  std::optional<bool> is_single_node;
  std::optional<std::string> kind, node_type_id;
  std::optional<int> num_workers;
  std::optional<std::string> policy_id;
  std::optional<int> remote_disk_throughput, total_initial_remote_disk_size;
  std::optional<RuntimeEngine> runtime_engine;
  std::optional<std::string> single_user_name;
  std::map<std::string, std::string> spark_conf, spark_env_vars;
  std::optional<std::string> spark_version;
  std::vector<std::string> ssh_public_keys;
  std::optional<bool> use_ml_runtime;
  std::optional<WorkloadType> workload_type;
  std::optional<NodeTypeFlexibility> driver_node_type_flexibility, worker_node_type_flexibility;
};
BOOST_DESCRIBE_STRUCT(ClusterSpec, (),
                      (apply_policy_default_values, autoscale, autotermination_minutes, aws_attributes, azure_attributes, gcp_attributes,
                       cluster_log_conf, cluster_name, custom_tags, data_security_mode, docker_image, driver_instance_pool_id, driver_node_type_id,
                       enable_elastic_disk, enable_local_disk_encryption, init_scripts, instance_pool_id, is_single_node, kind, node_type_id,
                       num_workers, policy_id, remote_disk_throughput, total_initial_remote_disk_size, runtime_engine, single_user_name, spark_conf,
                       spark_env_vars, spark_version, ssh_public_keys, use_ml_runtime, workload_type, driver_node_type_flexibility,
                       worker_node_type_flexibility))

}  // namespace tarn::compute
