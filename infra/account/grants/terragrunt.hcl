include "root" {
  path = find_in_parent_folders()
}

include "scope" {
  path = "${dirname(find_in_parent_folders())}/scopes/workspace.hcl"
}

terraform {
  source = "${dirname(find_in_parent_folders())}/modules//grants"
}

locals {
  platform = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
}

dependency "landing" {
  config_path  = "../../ws-landing/workspace"
  mock_outputs = { workspace_id = "1", workspace_url = "https://landing.invalid" }

  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

dependency "metastore" {
  config_path  = "../metastore"
  mock_outputs = { metastore_id = "00000000-0000-0000-0000-000000000000" }

  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

# A grant to a group that is not there yet is refused.
dependencies {
  paths = ["../groups", "../schemas"]
}

inputs = {
  workspace_url = dependency.landing.outputs.workspace_url
  metastore_id  = dependency.metastore.outputs.metastore_id
  grants        = local.platform.grants
}
