# Units that speak to the account API. The principal's id and secret come from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.
locals {
  platform = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
}

generate "provider" {
  path      = "provider.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOT
    provider "databricks" {
      host       = "${local.platform.accounts_url}"
      account_id = "${local.platform.account_id}"
    }
  EOT
}
