#include "compute/spec_check.h"

#include "compute/common.h"

namespace tarn::compute {
namespace {

Result<void> within(const char* field, std::optional<int> value, int low, int high) {
  if (value && (*value < low || *value > high))
    return refuse(Errc::invalid, fmt::format("Field '{}' must be between {} and {}, got {}", field, low, high, *value));
  return {};
}

Result<const NodeType*> node_type(const std::string& id) {
  const auto* n = find_node_type(id);
  if (!n) return refuse(Errc::invalid, "Node type " + id + " is not supported. Supported node types: see clusters/list-node-types");
  return n;
}

Result<void> sizes(const ClusterSpec& s) {
  if (s.autoscale) {
    if (s.num_workers && *s.num_workers != 0) return refuse(Errc::invalid, "Only one of 'autoscale' and 'num_workers' can be set");
    if (!s.autoscale->min_workers || !s.autoscale->max_workers)
      return refuse(Errc::invalid, "Fields 'autoscale.min_workers' and 'autoscale.max_workers' are required");
    TARN_CHECK(within("autoscale.min_workers", s.autoscale->min_workers, 0, 100'000));
    TARN_CHECK(within("autoscale.max_workers", s.autoscale->max_workers, 1, 100'000));
    if (*s.autoscale->min_workers > *s.autoscale->max_workers)
      return refuse(Errc::invalid, fmt::format("Field 'autoscale.min_workers' must not be above 'autoscale.max_workers', got {} and {}",
                                               *s.autoscale->min_workers, *s.autoscale->max_workers));
  }
  return within("num_workers", s.num_workers, 0, 100'000);
}

Result<void> texts(const ClusterSpec& s) {
  if (s.cluster_name && s.cluster_name->size() > 100) return refuse(Errc::invalid, "Field 'cluster_name' must have at most 100 characters");
  if (s.custom_tags.size() > 45)
    return refuse(Errc::invalid, fmt::format("Field 'custom_tags' must have at most 45 tags, got {}", s.custom_tags.size()));
  for (const auto& [name, value] : s.custom_tags)
    if (name.empty() || name.size() > 127 || value.size() > 255)
      return refuse(Errc::invalid, "Field 'custom_tags' has a tag that is empty or too long: '" + name.substr(0, 127) + "'");
  for (const auto* map : {&s.spark_conf, &s.spark_env_vars})
    for (const auto& [name, value] : *map)
      if (name.empty() || name.find_first_of("=\n\0") != name.npos || value.find('\0') != value.npos || name.size() + value.size() > 65'536)
        return refuse(Errc::invalid, fmt::format("Field '{}' has an entry that is not one: '{}'",
                                                 map == &s.spark_conf ? "spark_conf" : "spark_env_vars", name.substr(0, 100)));
  if (s.init_scripts.size() > 10)
    return refuse(Errc::invalid, fmt::format("Field 'init_scripts' must have at most 10 scripts, got {}", s.init_scripts.size()));
  if (s.cluster_log_conf) {
    const auto& conf = *s.cluster_log_conf;
    if (int(conf.dbfs.has_value()) + int(conf.s3.has_value()) + int(conf.volumes.has_value()) != 1)
      return refuse(Errc::invalid, "Field 'cluster_log_conf' must have exactly one of 'dbfs', 's3' and 'volumes'");
    const auto [name, start] = conf.dbfs ? std::pair("dbfs", "dbfs:/") : conf.s3 ? std::pair("s3", "s3://") : std::pair("volumes", "/Volumes/");
    const auto to = (conf.dbfs ? conf.dbfs : conf.s3 ? conf.s3 : conf.volumes)->destination.value_or("");
    if (!to.starts_with(start) || to.size() > 1000)
      return refuse(Errc::invalid,
                    fmt::format("Field 'cluster_log_conf.{}.destination' must begin with {}, got '{}'", name, start, to.substr(0, 300)));
  }
  if (s.ssh_public_keys.size() > 10) return refuse(Errc::invalid, "Field 'ssh_public_keys' must have at most 10 keys");
  if (s.kind && *s.kind != "CLASSIC_PREVIEW") return refuse(Errc::invalid, "Field 'kind' must be CLASSIC_PREVIEW, got '" + *s.kind + "'");
  return {};
}

}  // namespace

Result<ClusterNodes> check_spec(const ClusterSpec& s, const Pool* pool, const Pool* driver_pool) {
  if (!s.azure_attributes.is_null() || !s.gcp_attributes.is_null())
    return refuse(Errc::invalid, "Fields 'azure_attributes' and 'gcp_attributes' do not belong to a workspace on AWS");
  if (!s.docker_image.is_null() && !(s.docker_image.is_object() && s.docker_image.as_object().empty()))
    return refuse(Errc::not_enabled, "Databricks Container Services is not enabled in this workspace: 'docker_image' cannot be used");
  if (!s.spark_version || s.spark_version->empty()) return refuse(Errc::invalid, "Missing required field: spark_version");
  if (!find_runtime(*s.spark_version))
    return refuse(Errc::invalid, "Spark version " + *s.spark_version + " is not supported: see clusters/spark-versions");
  TARN_CHECK(sizes(s));
  if (s.autotermination_minutes && *s.autotermination_minutes != 0 && (*s.autotermination_minutes < 10 || *s.autotermination_minutes > 10'000))
    return refuse(Errc::invalid,
                  fmt::format("Field 'autotermination_minutes' must be 0 or between 10 and 10000, got {}", *s.autotermination_minutes));
  TARN_CHECK(texts(s));
  ClusterNodes out;
  if (pool) {
    if (s.node_type_id && !s.node_type_id->empty() && *s.node_type_id != pool->node_type_id)
      return refuse(Errc::invalid, "The field 'node_type_id' cannot be supplied when an instance pool ID is provided.");
    TARN_TRY(n, node_type(pool->node_type_id));
    out.worker = n;
  } else {
    if (!s.node_type_id || s.node_type_id->empty()) return refuse(Errc::invalid, "Missing required field: node_type_id");
    TARN_TRY(n, node_type(*s.node_type_id));
    out.worker = n;
  }
  out.driver = out.worker;
  if (driver_pool) {
    TARN_TRY(n, node_type(driver_pool->node_type_id));
    out.driver = n;
  } else if (s.driver_node_type_id && !s.driver_node_type_id->empty()) {
    if (pool && *s.driver_node_type_id != pool->node_type_id)
      return refuse(Errc::invalid, "The field 'driver_node_type_id' cannot be supplied when an instance pool ID is provided.");
    TARN_TRY(n, node_type(*s.driver_node_type_id));
    out.driver = n;
  }
  return out;
}

double dbus_per_hour(const ClusterSpec& s, const ClusterNodes& nodes) {
  if (!nodes.driver || !nodes.worker) return 0;
  const int workers = s.autoscale ? s.autoscale->max_workers.value_or(0) : s.num_workers.value_or(0);
  const double plain = nodes.driver->dbus_per_hour + workers * nodes.worker->dbus_per_hour;
  return s.runtime_engine == RuntimeEngine::PHOTON ? 2 * plain : plain;
}

ClusterSpec with_defaults(ClusterSpec s, const ClusterNodes& nodes, const std::string& region) {
  if (s.instance_pool_id && !s.driver_instance_pool_id) s.driver_instance_pool_id = s.instance_pool_id;
  s.node_type_id = nodes.worker->node_type_id;
  s.driver_node_type_id = nodes.driver->node_type_id;
  if (!s.autoscale && !s.num_workers) s.num_workers = 0;
  if (s.autoscale) s.num_workers.reset();
  if (!s.enable_elastic_disk) s.enable_elastic_disk = false;
  if (!s.autotermination_minutes) s.autotermination_minutes = 0;
  if (!s.aws_attributes) s.aws_attributes.emplace();
  auto& aws = *s.aws_attributes;
  if (!aws.availability) aws.availability = AwsAvailability::SPOT_WITH_FALLBACK;
  if (!aws.zone_id || *aws.zone_id == "auto") aws.zone_id = zones(region).front();
  if (!aws.first_on_demand) aws.first_on_demand = 1;
  if (!aws.spot_bid_price_percent) aws.spot_bid_price_percent = 100;
  if (!aws.ebs_volume_count) aws.ebs_volume_count = 0;
  return s;
}

json::object every_field() {
  json::object out;
  boost::mp11::mp_for_each<json::detail::Members<ClusterSpec>>([&](auto d) { out[json::detail::wire_name(d.name)] = true; });
  return out;
}

}  // namespace tarn::compute
