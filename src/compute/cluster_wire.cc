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
  if (c.spec.cluster_log_conf && c.logs_attempted) {
    out["cluster_log_status"] = {{"last_attempted", c.logs_attempted}};
    if (!c.logs_exception.empty()) out["cluster_log_status"].as_object()["last_exception"] = c.logs_exception;
  }
  json::object tags{{"Vendor", "Databricks"}, {"Creator", c.creator_user_name}, {"ClusterId", c.cluster_id}};
  if (c.spec.cluster_name) tags["ClusterName"] = *c.spec.cluster_name;
  out["default_tags"] = std::move(tags);
  out["spec"] = json::encode(c.requested);
  out["jdbc_port"] = 10'000;
  if (c.spark_context_id) out["spark_context_id"] = c.spark_context_id;
  const auto node = [](const Instance& i) {
    const std::string address = i.address.empty() ? "127.0.0.1" : i.address;
    return json::object{{"instance_id", i.instance_id}, {"node_id", i.instance_id},
                        {"start_timestamp", i.up_at},   {"node_aws_attributes", {{"is_spot", false}}},
                        {"private_ip", address},        {"host_private_ip", address}};
  };
  json::array executors, instances;
  double cores = 0;
  std::int64_t memory = 0;
  for (const auto* i : c.instances()) {
    const auto* type = find_node_type(i->node_type_id);
    if (type && i->up_at) cores += type->num_cores, memory += type->memory_mb;
    if (i->up_at && !c.is_driver(i->instance_id)) executors.push_back(node(*i));
    // Its process runs (it is reported when that ends); whether it reached us is another matter, which a network decides.
    instances.push_back({{"instance_id", i->instance_id},
                         {"role", c.is_driver(i->instance_id) ? "driver" : "worker"},
                         {"node_type_id", i->node_type_id},
                         {"launched_at", i->ordered_at},
                         {"private_ip", i->address.empty() ? "127.0.0.1" : i->address},
                         {"instance_status", "ok"},
                         {"relay", i->lost_at ? "lost"
                                   : i->up_at ? "connected"
                                              : "not reached yet"}});
  }
  if (!instances.empty()) out["instances"] = std::move(instances);
  if (c.instance && c.instance->up_at) {
    out["driver"] = node(*c.instance);
    out["isolation"] = c.instance->isolation;
    if (!executors.empty()) out["executors"] = std::move(executors);
    out["cluster_cores"] = cores;
    out["cluster_memory_mb"] = memory;
  }
  return out;
}

}  // namespace tarn::compute
