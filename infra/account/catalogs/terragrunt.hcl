include "root" {
  path = find_in_parent_folders()
}

include "scope" {
  path = "${dirname(find_in_parent_folders())}/scopes/workspace.hcl"
}

terraform {
  source = "${dirname(find_in_parent_folders())}/modules//catalogs"
}

locals {
  platform = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
}

dependency "landing" {
  config_path  = "../../ws-landing/workspace"
  mock_outputs = { workspace_id = "1", workspace_url = "https://landing.invalid" }

  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

dependency "pipeline" {
  config_path  = "../../ws-pipeline/workspace"
  mock_outputs = { workspace_id = "2", workspace_url = "https://pipeline.invalid" }

  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

dependencies {
  paths = ["../locations"]
}

inputs = {
  workspace_url = dependency.landing.outputs.workspace_url
  catalogs      = [for c in local.platform.catalogs : { for key, value in c : key => value if key != "schemas" }]
  workspace_ids = {
    landing  = dependency.landing.outputs.workspace_id
    pipeline = dependency.pipeline.outputs.workspace_id
  }
}
