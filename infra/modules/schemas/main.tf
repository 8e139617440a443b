# The second level of the namespace. A schema that still holds tables is not destroyed: force_destroy stays off.
locals {
  schemas = merge([
    for c in var.catalogs : { for s in c.schemas : "${c.name}.${s.name}" => merge(s, { catalog = c.name }) }
  ]...)
}

resource "databricks_schema" "this" {
  for_each     = local.schemas
  catalog_name = each.value.catalog
  name         = each.value.name
  comment      = each.value.comment
  storage_root = each.value.storage_root
}
