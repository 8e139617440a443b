# A workspace, for the unit ws-*/workspace that includes this file: it differs by its folder alone.
terraform {
  source = "${dirname(find_in_parent_folders())}/modules//workspace"
}

locals {
  platform  = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
  name      = read_terragrunt_config(find_in_parent_folders("workspace.hcl")).locals.name
  workspace = one([for w in local.platform.workspaces : w if w.name == local.name])
}

dependency "storage" {
  config_path = "${get_terragrunt_dir()}/../../account/storage"
  mock_outputs = {
    credentials_ids           = { (local.workspace.credentials) = "pending" }
    storage_configuration_ids = { (local.workspace.storage) = "pending" }
  }

  # A plan of everything may name what only its apply will make.
  mock_outputs_merge_strategy_with_state  = "deep_map_only"
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

dependency "network" {
  config_path  = "${get_terragrunt_dir()}/../network"
  mock_outputs = { network_id = "pending" }

  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

dependency "private_access" {
  config_path  = "${get_terragrunt_dir()}/../private-access"
  mock_outputs = { vpc_endpoint_ids = { for e in local.platform.vpc_endpoints : e.name => "pending" }, private_access_settings_id = "pending" }

  # A plan of everything may name what only its apply will make.
  mock_outputs_merge_strategy_with_state  = "deep_map_only"
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

inputs = {
  account_id                 = local.platform.account_id
  name                       = local.name
  deployment_name            = try(local.workspace.deployment_name, null)
  region                     = try(local.workspace.region, local.platform.region)
  credentials_id             = dependency.storage.outputs.credentials_ids[local.workspace.credentials]
  storage_configuration_id   = dependency.storage.outputs.storage_configuration_ids[local.workspace.storage]
  network_id                 = dependency.network.outputs.network_id
  private_access_settings_id = try(local.workspace.private_access, null) == null ? null : dependency.private_access.outputs.private_access_settings_id
  pricing_tier               = try(local.workspace.pricing_tier, null)
}
