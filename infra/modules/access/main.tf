# Which groups of the account may enter one workspace, and as what.
resource "databricks_mws_permission_assignment" "this" {
  for_each     = var.assignments
  workspace_id = var.workspace_id
  principal_id = var.principal_ids[each.key]
  permissions  = [each.value]
}
