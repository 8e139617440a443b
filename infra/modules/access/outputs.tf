output "assigned" {
  description = "Names of who may enter."
  value       = sort(keys(databricks_mws_permission_assignment.this))
}
