output "vpc_endpoint_ids" {
  description = "Registered endpoints: name to id."
  value       = { for name, e in databricks_mws_vpc_endpoint.this : name => e.vpc_endpoint_id }
}

output "private_access_settings_id" {
  description = "For the workspace; null if there is none."
  value       = one(databricks_mws_private_access_settings.this[*].private_access_settings_id)
}
