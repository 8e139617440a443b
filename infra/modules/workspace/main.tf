# One workspace. Its URL begins with the account's deployment name prefix, which only the vendor can register: until that is done,
# `deployment_name` is refused ("Deployment name cannot be used until a deployment name prefix is defined").
resource "databricks_mws_workspaces" "this" {
  account_id                 = var.account_id
  workspace_name             = var.name
  deployment_name            = var.deployment_name
  aws_region                 = var.region
  credentials_id             = var.credentials_id
  storage_configuration_id   = var.storage_configuration_id
  network_id                 = var.network_id
  private_access_settings_id = var.private_access_settings_id
  pricing_tier               = var.pricing_tier
}
