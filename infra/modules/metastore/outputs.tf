output "metastore_id" {
  description = "Id of the metastore."
  value       = databricks_metastore.this.id
}
