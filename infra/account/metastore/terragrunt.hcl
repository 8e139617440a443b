include "root" {
  path = find_in_parent_folders()
}

include "scope" {
  path = "${dirname(find_in_parent_folders())}/scopes/account.hcl"
}

terraform {
  source = "${dirname(find_in_parent_folders())}/modules//metastore"

  # The root credential cannot be deleted before its metastore, and goes with it: the state forgets it, the metastore's deletion takes it.
  before_hook "forget_data_access" {
    commands = ["destroy"]
    execute  = ["sh", "scripts/forget_data_access.sh"]
  }
}

locals {
  platform = read_terragrunt_config(find_in_parent_folders("platform.hcl")).locals
}

# The region's automatic metastore appears with the first workspace: workspaces first, then the eviction, then ours.
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

inputs = {
  account_id       = local.platform.account_id
  accounts_url     = local.platform.accounts_url
  name             = local.platform.metastore.name
  region           = try(local.platform.metastore.region, local.platform.region)
  storage_root     = try(local.platform.metastore.storage_root, null)
  data_access_role = try(local.platform.metastore.data_access_role, null)
  evict_default    = try(local.platform.metastore.evict_default, false)
  force_destroy    = get_env("METASTORE_FORCE_DESTROY", "") == "true" ? true : null
  external_access  = try(local.platform.metastore.external_access, null)
  workspaces = {
    for name, id in {
      landing  = dependency.landing.outputs.workspace_id
      pipeline = dependency.pipeline.outputs.workspace_id
    } : name => id if contains(local.platform.metastore.workspaces, name)
  }
}
