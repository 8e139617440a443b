// The families that the vendor ships, as its documentation describes them (default policies and policy families), in this project's words.
#include "compute/policies.h"

namespace tarn::compute {

const std::vector<PolicyFamily>& policy_families() {
  static const std::vector<PolicyFamily> all{
      {"personal-vm", "Personal Compute", "Use with small-to-medium data or libraries like pandas and scikit-learn. Spark runs in local mode.",
       R"({"node_type_id":{"type":"allowlist","values":["m6g.large","m6g.xlarge","m5.large","m5.xlarge","m5d.large","m5d.xlarge","i3.xlarge","r6i.large","r6i.xlarge","g4dn.xlarge"],"defaultValue":"m5d.large"},"spark_version":{"type":"unlimited","defaultValue":"auto:latest-ml"},"runtime_engine":{"type":"fixed","value":"STANDARD","hidden":true},"num_workers":{"type":"fixed","value":0,"hidden":true},"data_security_mode":{"type":"allowlist","values":["SINGLE_USER","LEGACY_SINGLE_USER","LEGACY_SINGLE_USER_STANDARD"],"defaultValue":"SINGLE_USER","hidden":true},"driver_instance_pool_id":{"type":"forbidden","hidden":true},"cluster_type":{"type":"fixed","value":"all-purpose"},"instance_pool_id":{"type":"forbidden","hidden":true},"aws_attributes.availability":{"type":"fixed","value":"ON_DEMAND","hidden":true},"spark_conf.spark.databricks.cluster.profile":{"type":"fixed","value":"singleNode","hidden":true},"spark_conf.spark.master":{"type":"fixed","value":"local[*]","hidden":true},"autotermination_minutes":{"type":"unlimited","defaultValue":4320,"isOptional":true}})"},
      {"power-user", "Power User Compute",
       "Use for working with larger data with increased resources for a single user.", R"({"cluster_type":{"type":"fixed","value":"all-purpose"},"autotermination_minutes":{"type":"unlimited","defaultValue":4320,"isOptional":true},"node_type_id":{"type":"unlimited","defaultValue":"i3.xlarge","isOptional":true},"driver_node_type_id":{"type":"unlimited","defaultValue":"i3.xlarge","isOptional":true},"spark_version":{"type":"unlimited","defaultValue":"auto:latest-ml"},"autoscale.max_workers":{"type":"unlimited","defaultValue":10,"isOptional":true},"autoscale.min_workers":{"type":"unlimited","defaultValue":2,"isOptional":true},"data_security_mode":{"type":"fixed","value":"SINGLE_USER"}})"},
      {"shared-compute", "Shared Compute", "Share a cluster between the users of a group for interactive exploration and analysis.",
       R"({"cluster_type":{"type":"fixed","value":"all-purpose"},"autotermination_minutes":{"type":"unlimited","defaultValue":4320,"isOptional":true},"node_type_id":{"type":"unlimited","defaultValue":"i3.xlarge","isOptional":true},"driver_node_type_id":{"type":"unlimited","defaultValue":"i3.xlarge","isOptional":true},"spark_version":{"type":"unlimited","defaultValue":"auto:latest-lts"},"autoscale.max_workers":{"type":"unlimited","defaultValue":10,"isOptional":true},"autoscale.min_workers":{"type":"unlimited","defaultValue":2,"isOptional":true},"data_security_mode":{"type":"fixed","value":"USER_ISOLATION","hidden":true}})"},
      {"job-cluster", "Job Compute", "Use for production workloads of the jobs scheduler.",
       R"({"cluster_type":{"type":"fixed","value":"job"},"num_workers":{"type":"unlimited","defaultValue":4,"isOptional":true},"node_type_id":{"type":"unlimited","defaultValue":"i3.xlarge","isOptional":true},"spark_version":{"type":"unlimited","defaultValue":"auto:latest-lts"},"data_security_mode":{"type":"allowlist","values":["SINGLE_USER","LEGACY_SINGLE_USER","LEGACY_SINGLE_USER_STANDARD"],"defaultValue":"SINGLE_USER","hidden":true}})"},
  };
  return all;
}

const PolicyFamily* find_policy_family(std::string_view id) {
  for (const auto& f : policy_families())
    if (f.policy_family_id == id) return &f;
  return nullptr;
}

}  // namespace tarn::compute
