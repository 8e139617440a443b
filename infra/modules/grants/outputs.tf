output "securables" {
  description = "What the grants are on."
  value       = sort(keys(databricks_grants.this))
}
