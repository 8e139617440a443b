include "root" {
  path = find_in_parent_folders()
}

include "scope" {
  path = "${dirname(find_in_parent_folders())}/scopes/workspace.hcl"
}

terraform {
  source = "${dirname(find_in_parent_folders())}/modules//locations"
}

locals {
  platform = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
}

# Objects of the metastore are reached through any workspace that it is assigned to.
dependency "landing" {
  config_path  = "../../ws-landing/workspace"
  mock_outputs = { workspace_id = "1", workspace_url = "https://landing.invalid" }

  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

dependencies {
  paths = ["../metastore"]
}

inputs = {
  workspace_url       = dependency.landing.outputs.workspace_url
  storage_credentials = local.platform.storage_credentials
  external_locations  = local.platform.external_locations
}
