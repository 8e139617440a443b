# What a cluster of the workspace may look like. `pool:NAME` in a definition stands for the id of that pool.
locals {
  definitions = {
    for p in var.policies : p.name => jsonencode({
      for attribute, rule in p.definition : attribute => merge(
        rule,
        { for field, value in rule : field => var.pool_ids[trimprefix(value, "pool:")] if can(regex("^pool:", value)) },
        {
          for field, values in rule : field => [for v in values : startswith(v, "pool:") ? var.pool_ids[trimprefix(v, "pool:")] : v]
          if try(anytrue([for v in values : startswith(v, "pool:")]), false)
        },
      )
    })
  }
}

resource "databricks_cluster_policy" "this" {
  for_each              = { for p in var.policies : p.name => p }
  name                  = each.key
  definition            = local.definitions[each.key]
  max_clusters_per_user = try(each.value.max_clusters_per_user, null)
}
