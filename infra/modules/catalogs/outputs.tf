output "catalogs" {
  description = "Names of the catalogs."
  value       = sort(keys(databricks_catalog.this))
}
