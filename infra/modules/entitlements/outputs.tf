output "groups" {
  description = "Names of the groups."
  value       = sort(keys(databricks_entitlements.this))
}
