output "policy_ids" {
  description = "Policies: name to id."
  value       = { for name, p in databricks_cluster_policy.this : name => p.id }
}
