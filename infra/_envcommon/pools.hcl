# A workspace's instance pools, for the unit ws-*/pools that includes this file: it differs by its folder alone.
terraform {
  source = "${dirname(find_in_parent_folders())}/modules//pools"
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

inputs = {
  workspace_url = dependency.workspace.outputs.workspace_url
  pools         = [for p in local.platform.pools : { for key, value in p : key => value if key != "workspace" } if p.workspace == local.name]
}
