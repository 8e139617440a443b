# What the lake's buckets are reached with, and where. A location validates its credential against the bucket when it is made.
resource "databricks_storage_credential" "this" {
  for_each = { for c in var.storage_credentials : c.name => c }
  name     = each.key
  comment  = each.value.comment
  aws_iam_role {
    role_arn = each.value.role_arn
  }
}

resource "databricks_external_location" "this" {
  for_each        = { for l in var.external_locations : l.name => l }
  name            = each.key
  url             = each.value.url
  credential_name = databricks_storage_credential.this[each.value.credential].name
  comment         = each.value.comment
  read_only       = each.value.read_only
}
