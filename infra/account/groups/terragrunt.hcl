include "root" {
  path = find_in_parent_folders()
}

include "scope" {
  path = "${dirname(find_in_parent_folders())}/scopes/account.hcl"
}

terraform {
  source = "${dirname(find_in_parent_folders())}/modules//groups"
}

locals {
  platform = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
}

# The fixed order: metastore, locations, catalogs, schemas, groups, grants.
dependencies {
  paths = ["../schemas"]
}

inputs = {
  users  = local.platform.users
  groups = [for g in local.platform.groups : { name = g.name, members = try(g.members, []) }]
}
