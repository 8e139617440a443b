include "root" {
  path = find_in_parent_folders()
}

include "scope" {
  path = "${dirname(find_in_parent_folders())}/scopes/account.hcl"
}

terraform {
  source = "${dirname(find_in_parent_folders())}/modules//storage"
}

locals {
  platform = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
}

inputs = {
  account_id  = local.platform.account_id
  credentials = local.platform.credentials
  storage     = local.platform.storage
}
