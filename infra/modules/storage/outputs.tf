output "credentials_ids" {
  description = "Registered credentials: name to id."
  value       = { for name, c in databricks_mws_credentials.this : name => c.credentials_id }
}

output "storage_configuration_ids" {
  description = "Registered root storage: name to id."
  value       = { for name, s in databricks_mws_storage_configurations.this : name => s.storage_configuration_id }
}
