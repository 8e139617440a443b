output "external_locations" {
  description = "Names of the locations."
  value       = sort(keys(databricks_external_location.this))
}
