#include "compute/clusters.h"
#include "compute/spec_check.h"

namespace tarn::compute {

json::value cluster_json(const ClusterRecord& c) {
  json::object out = json::encode(c.spec).as_object();
  out.erase("apply_policy_default_values");  // the vendor returns it in `spec` only
  out["cluster_id"] = c.cluster_id;
  out["creator_user_name"] = c.creator_user_name;
  out["cluster_source"] = c.cluster_source;
  out["state"] = json::name_of(c.state);
  out["state_message"] = c.state_message;
  out["start_time"] = c.start_time;
  if (c.terminated_time) out["terminated_time"] = c.terminated_time;
  if (c.last_state_loss_time) out["last_state_loss_time"] = c.last_state_loss_time;
  if (c.last_restarted_time) out["last_restarted_time"] = c.last_restarted_time;
  out["last_activity_time"] = c.last_activity;
  if (c.termination_reason) out["termination_reason"] = json::encode(*c.termination_reason);
  json::object tags{{"Vendor", "Databricks"}, {"Creator", c.creator_user_name}, {"ClusterId", c.cluster_id}};
  if (c.spec.cluster_name) tags["ClusterName"] = *c.spec.cluster_name;
  out["default_tags"] = std::move(tags);
  out["spec"] = json::encode(c.requested);
  out["jdbc_port"] = 10'000;
  if (c.spark_context_id) out["spark_context_id"] = c.spark_context_id;
  if (c.instance && c.instance->up_at) {
    const std::string address = c.instance->address.empty() ? "127.0.0.1" : c.instance->address;
    const auto* type = find_node_type(c.instance->node_type_id);
    out["driver"] = json::object{{"instance_id", c.instance->instance_id},
                                 {"node_id", c.instance->instance_id},
                                 {"start_timestamp", c.instance->up_at},
                                 {"node_aws_attributes", {{"is_spot", false}}},
                                 {"private_ip", address},
                                 {"host_private_ip", address}};
    if (type) out["cluster_cores"] = type->num_cores, out["cluster_memory_mb"] = type->memory_mb;
    out["isolation"] = c.instance->isolation;
  }
  return out;
}

}  // namespace tarn::compute
