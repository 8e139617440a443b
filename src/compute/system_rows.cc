// Rows of the system catalog's tables about clusters. Source: docs.databricks.com "Compute system tables reference".
#include "compute/clusters.h"

namespace tarn::compute {
namespace {

json::value text_or_nothing(const std::optional<std::string>& s) { return s && !s->empty() ? json::value(*s) : json::value(nullptr); }
json::value time_or_nothing(Millis at) { return at ? json::value(to_rfc3339(at)) : json::value(nullptr); }

}  // namespace

std::vector<ClusterRecord> Clusters::active_here() {
  return store_.read_as([&](store::ReadTxn& t) { return clusters_table.scan_index(t, "active", options_.server_id); });
}

json::array Clusters::clusters_table_rows() {
  json::array out;
  for (const auto& c : store_.read_as([&](store::ReadTxn& t) { return clusters_table.scan(t); })) {
    const auto& s = c.spec;
    out.push_back({{"workspace_id", std::to_string(c.workspace_id)},
                   {"cluster_id", c.cluster_id},
                   {"cluster_name", text_or_nothing(s.cluster_name)},
                   {"owned_by", c.creator_user_name},
                   {"create_time", time_or_nothing(c.start_time)},
                   {"delete_time", c.active() ? json::value(nullptr) : time_or_nothing(c.terminated_time)},
                   {"driver_node_type", text_or_nothing(s.driver_node_type_id)},
                   {"worker_node_type", text_or_nothing(s.node_type_id)},
                   {"worker_count", s.autoscale ? json::value(nullptr) : json::value(s.num_workers.value_or(0))},
                   {"min_autoscale_workers", s.autoscale ? json::value(s.autoscale->min_workers.value_or(0)) : json::value(nullptr)},
                   {"max_autoscale_workers", s.autoscale ? json::value(s.autoscale->max_workers.value_or(0)) : json::value(nullptr)},
                   {"auto_termination_minutes", s.autotermination_minutes.value_or(0)},
                   {"enable_elastic_disk", s.enable_elastic_disk.value_or(false)},
                   {"tags", json::encode(s.custom_tags)},
                   {"cluster_source", c.cluster_source},
                   {"dbr_version", text_or_nothing(s.spark_version)},
                   {"change_time", time_or_nothing(std::max({c.start_time, c.terminated_time, c.last_restarted_time}))},
                   {"data_security_mode", s.data_security_mode ? json::value(json::name_of(*s.data_security_mode)) : json::value(nullptr)},
                   {"policy_id", text_or_nothing(s.policy_id)},
                   {"worker_instance_pool_id", text_or_nothing(s.instance_pool_id)},
                   {"driver_instance_pool_id", text_or_nothing(s.driver_instance_pool_id)}});
  }
  return out;
}

json::array Clusters::node_timeline_rows() {
  json::array out;
  for (const auto& m : store_.read_as([&](store::ReadTxn& t) { return minutes_table.scan(t); }))
    out.push_back({{"workspace_id", std::to_string(m.workspace_id)},
                   {"cluster_id", m.cluster_id},
                   {"instance_id", m.instance_id},
                   {"start_time", to_rfc3339(m.minute)},
                   {"end_time", to_rfc3339(m.minute + 60'000)},
                   {"driver", m.driver},
                   {"cpu_user_percent", m.cpu_percent},
                   {"mem_used_percent", m.memory_percent},
                   {"mem_peak_percent", m.memory_peak_percent},
                   {"node_type", m.node_type}});
  return out;
}

}  // namespace tarn::compute
