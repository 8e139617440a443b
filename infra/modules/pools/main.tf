# Instances that a workspace keeps for its clusters, capped: the compute boundary between the workspaces.
resource "databricks_instance_pool" "this" {
  for_each                              = { for p in var.pools : p.name => p }
  instance_pool_name                    = each.key
  node_type_id                          = each.value.node_type
  min_idle_instances                    = each.value.min_idle
  max_capacity                          = each.value.max_capacity
  idle_instance_autotermination_minutes = each.value.idle_minutes
  custom_tags                           = each.value.tags
  enable_elastic_disk                   = true
  aws_attributes {
    availability = "ON_DEMAND"
    zone_id      = "auto"
  }
}
