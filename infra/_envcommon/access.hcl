# Which groups enter a workspace, for the unit ws-*/access that includes this file: it differs by its folder alone.
terraform {
  source = "${dirname(find_in_parent_folders())}/modules//access"
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

# Groups of the account enter a workspace only once a metastore is assigned to it (identity federation).
dependencies {
  paths = ["${get_terragrunt_dir()}/../../account/metastore"]
}

inputs = {
  workspace_id  = dependency.workspace.outputs.workspace_id
  principal_ids = dependency.groups.outputs.group_ids
  assignments   = { for g in local.platform.groups : g.name => g.workspaces[local.name] if can(g.workspaces[local.name]) }
}
