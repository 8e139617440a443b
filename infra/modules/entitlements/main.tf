# What the members of a group may do in one workspace beside entering it. Authoritative for each group that is named.
resource "databricks_entitlements" "this" {
  for_each                   = var.entitlements
  group_id                   = var.group_ids[each.key]
  workspace_access           = contains(each.value, "workspace-access") ? true : null
  databricks_sql_access      = contains(each.value, "databricks-sql-access") ? true : null
  allow_cluster_create       = contains(each.value, "allow-cluster-create") ? true : null
  allow_instance_pool_create = contains(each.value, "allow-instance-pool-create") ? true : null
}
