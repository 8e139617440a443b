# A workspace's cluster policies, for the unit ws-*/policies that includes this file: it differs by its folder alone.
terraform {
  source = "${dirname(find_in_parent_folders())}/modules//policies"
}

locals {
  platform  = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
  name      = read_terragrunt_config(find_in_parent_folders("workspace.hcl")).locals.name
  workspace = one([for w in local.platform.workspaces : w if w.name == local.name])
}

dependency "workspace" {
  config_path  = "${get_terragrunt_dir()}/../workspace"
  mock_outputs = { workspace_id = "1", workspace_url = "https://workspace.invalid" }

  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

dependency "pools" {
  config_path  = "${get_terragrunt_dir()}/../pools"
  mock_outputs = { pool_ids = { for p in local.platform.pools : p.name => "pending" if p.workspace == local.name } }

  # A plan of everything may name what only its apply will make.
  mock_outputs_merge_strategy_with_state  = "deep_map_only"
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

inputs = {
  workspace_url = dependency.workspace.outputs.workspace_url
  pool_ids      = dependency.pools.outputs.pool_ids
  policies      = [for p in local.platform.policies : { for key, value in p : key => value if key != "workspace" } if p.workspace == local.name]
}
