output "network_id" {
  description = "For the workspace."
  value       = databricks_mws_networks.this.network_id
}
