output "schemas" {
  description = "Full names of the schemas."
  value       = sort(keys(databricks_schema.this))
}
