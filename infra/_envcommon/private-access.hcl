# VPC endpoints and the private access setting of a workspace, for the unit ws-*/private-access that includes this file: it differs by its folder alone.
terraform {
  source = "${dirname(find_in_parent_folders())}/modules//private-access"
}

locals {
  platform  = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
  name      = read_terragrunt_config(find_in_parent_folders("workspace.hcl")).locals.name
  workspace = one([for w in local.platform.workspaces : w if w.name == local.name])
  network   = one([for n in local.platform.networks : n if n.name == try(local.workspace.network, null)])
  setting   = one([for s in local.platform.private_access : s if s.name == try(local.workspace.private_access, null)])
  endpoints = concat(try(local.network.rest_endpoints, []), try(local.network.relay_endpoints, []), try(local.setting.allowed_endpoints, []))
}

inputs = {
  account_id    = local.platform.account_id
  region        = try(local.workspace.region, local.platform.region)
  vpc_endpoints = [for e in local.platform.vpc_endpoints : e if contains(local.endpoints, e.name)]
  settings      = local.setting
}
