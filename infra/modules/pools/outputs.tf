output "pool_ids" {
  description = "Pools: name to id."
  value       = { for name, p in databricks_instance_pool.this : name => p.id }
}
