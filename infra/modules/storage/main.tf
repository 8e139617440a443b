# What both workspaces share: the cross-account role and the root bucket, registered with the account. The role and the bucket themselves
# are the infrastructure team's.
resource "databricks_mws_credentials" "this" {
  for_each         = { for c in var.credentials : c.name => c }
  credentials_name = each.key
  role_arn         = each.value.role_arn
}

resource "databricks_mws_storage_configurations" "this" {
  for_each                   = { for s in var.storage : s.name => s }
  account_id                 = var.account_id
  storage_configuration_name = each.key
  bucket_name                = each.value.bucket
}
