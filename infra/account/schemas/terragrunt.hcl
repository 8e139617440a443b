include "root" {
  path = find_in_parent_folders()
}

include "scope" {
  path = "${dirname(find_in_parent_folders())}/scopes/workspace.hcl"
}

terraform {
  source = "${dirname(find_in_parent_folders())}/modules//schemas"
}

locals {
  platform = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
}

dependency "landing" {
  config_path  = "../../ws-landing/workspace"
  mock_outputs = { workspace_id = "1", workspace_url = "https://landing.invalid" }

  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan", "destroy"]
}

dependencies {
  paths = ["../catalogs"]
}

inputs = {
  workspace_url = dependency.landing.outputs.workspace_url
  catalogs      = [for c in local.platform.catalogs : { name = c.name, schemas = try(c.schemas, []) }]
}
