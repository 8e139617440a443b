# The registration of a workspace's network, for the unit ws-*/network that includes this file: it differs by its folder alone.
terraform {
  source = "${dirname(find_in_parent_folders())}/modules//network"
}

locals {
  platform  = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
  name      = read_terragrunt_config(find_in_parent_folders("workspace.hcl")).locals.name
  workspace = one([for w in local.platform.workspaces : w if w.name == local.name])
  network   = one([for n in local.platform.networks : n if n.name == local.workspace.network])
}

dependency "private_access" {
  config_path  = "${get_terragrunt_dir()}/../private-access"
  mock_outputs = { vpc_endpoint_ids = { for e in local.platform.vpc_endpoints : e.name => "pending" }, private_access_settings_id = "pending" }

  # A plan of everything may name what only its apply will make.
  mock_outputs_merge_strategy_with_state  = "deep_map_only"
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

inputs = {
  account_id         = local.platform.account_id
  name               = local.network.name
  vpc_id             = local.network.vpc_id
  subnet_ids         = local.network.subnet_ids
  security_group_ids = local.network.security_group_ids
  rest_endpoint_ids  = [for name in try(local.network.rest_endpoints, []) : dependency.private_access.outputs.vpc_endpoint_ids[name]]
  relay_endpoint_ids = [for name in try(local.network.relay_endpoints, []) : dependency.private_access.outputs.vpc_endpoint_ids[name]]
}
