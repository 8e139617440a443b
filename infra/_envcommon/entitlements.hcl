# What groups may do in a workspace beside entering, for the unit ws-*/entitlements that includes this file: it differs by its folder alone.
terraform {
  source = "${dirname(find_in_parent_folders())}/modules//entitlements"
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

dependency "groups" {
  config_path  = "${get_terragrunt_dir()}/../../account/groups"
  mock_outputs = { group_ids = { for g in local.platform.groups : g.name => "1" }, user_ids = {} }

  # A plan of everything may name what only its apply will make.
  mock_outputs_merge_strategy_with_state  = "deep_map_only"
  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

# Only a group that is assigned to the workspace can have entitlements there.
dependencies {
  paths = ["${get_terragrunt_dir()}/../access"]
}

inputs = {
  workspace_url = dependency.workspace.outputs.workspace_url
  group_ids     = dependency.groups.outputs.group_ids
  entitlements  = { for e in local.platform.entitlements : e.group => e.allow if e.workspace == local.name }
}
