# Who may do what to which data. Authoritative for each securable that is named: what somebody granted by hand goes with the next apply.
# Groups come before grants: a name that is no account-level principal is refused ("Could not find principal with name NAME").
locals {
  lines = [
    for g in var.grants : {
      type      = split(" ", g.on)[0]
      name      = try(split(" ", g.on)[1], "")
      principal = g.to
      allow     = [for p in g.allow : upper(replace(p, " ", "_"))]
    }
  ]
  securables = { for l in local.lines : (l.type == "metastore" ? "metastore" : "${l.type} ${l.name}") => l... }
}

resource "databricks_grants" "this" {
  for_each = local.securables

  metastore          = each.value[0].type == "metastore" ? var.metastore_id : null
  storage_credential = each.value[0].type == "storage_credential" ? each.value[0].name : null
  external_location  = each.value[0].type == "external_location" ? each.value[0].name : null
  catalog            = each.value[0].type == "catalog" ? each.value[0].name : null
  schema             = each.value[0].type == "schema" ? each.value[0].name : null
  table              = each.value[0].type == "table" ? each.value[0].name : null
  volume             = each.value[0].type == "volume" ? each.value[0].name : null

  dynamic "grant" {
    for_each = { for l in each.value : l.principal => l.allow... }
    content {
      principal  = grant.key
      privileges = distinct(flatten(grant.value))
    }
  }
}
