# A workspace that chooses its name, in an account whose deployment name prefix nobody registered. No console setting and no API call
# helps: only the vendor registers a prefix. Everything here is right, and it fails.
variable "account_id" {
  description = "The account."
  type        = string
}

# Credentials come from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.
provider "databricks" {
  host       = "https://accounts.cloud.databricks.com"
  account_id = var.account_id
}

resource "databricks_mws_credentials" "this" {
  credentials_name = "edge-cross-account"
  role_arn         = "arn:aws:iam::111122223333:role/edge-cross-account"
}

resource "databricks_mws_storage_configurations" "this" {
  account_id                 = var.account_id
  storage_configuration_name = "edge-root"
  bucket_name                = "edge-databricks-root"
}

resource "databricks_mws_workspaces" "this" {
  account_id               = var.account_id
  workspace_name           = "edge"
  deployment_name          = "edge"
  aws_region               = "eu-central-1"
  credentials_id           = databricks_mws_credentials.this.credentials_id
  storage_configuration_id = databricks_mws_storage_configurations.this.storage_configuration_id
}
