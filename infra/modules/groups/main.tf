# People and groups of the account, in three tiers: users in function roles, function roles in access roles; only access roles hold
# grants. They are account-level on purpose: a group made in a workspace is local to it and can hold no grant of the catalog.
resource "databricks_user" "this" {
  for_each     = { for u in var.users : u.name => u }
  user_name    = each.key
  display_name = coalesce(each.value.display_name, each.key)
  # The provider's default at account level is to deactivate; a user that this repository made, it also removes.
  disable_as_user_deletion = false
}

resource "databricks_group" "this" {
  for_each     = { for g in var.groups : g.name => g }
  display_name = each.key
}

locals {
  users  = { for u in var.users : u.name => true }
  groups = { for g in var.groups : g.name => true }
  members = merge([
    for g in var.groups : { for m in g.members : "${g.name}/${m}" => { group = g.name, member = m } }
  ]...)
}

resource "databricks_group_member" "this" {
  for_each = local.members
  group_id = databricks_group.this[each.value.group].id
  member_id = (
    contains(keys(local.users), each.value.member) ? databricks_user.this[each.value.member].id : databricks_group.this[each.value.member].id
  )
}
