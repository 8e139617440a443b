# Catalogs, and which workspaces see them: bound to none they are open to every workspace of the metastore.
resource "databricks_catalog" "this" {
  for_each       = { for c in var.catalogs : c.name => c }
  name           = each.key
  comment        = each.value.comment
  storage_root   = each.value.storage_root
  isolation_mode = length(each.value.workspaces) > 0 ? "ISOLATED" : "OPEN"
}

locals {
  bindings = merge([
    for c in var.catalogs : { for w in c.workspaces : "${c.name}/${w}" => { catalog = c.name, workspace = w } }
  ]...)
}

resource "databricks_workspace_binding" "this" {
  for_each       = local.bindings
  securable_name = databricks_catalog.this[each.value.catalog].name
  securable_type = "catalog"
  workspace_id   = var.workspace_ids[each.value.workspace]
}
