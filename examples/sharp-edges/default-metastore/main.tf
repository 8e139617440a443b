# A metastore of one's own in a region whose only place is taken by the one that appeared by itself with the first workspace.
variable "account_id" {
  description = "The account."
  type        = string
}

# Credentials come from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.
provider "databricks" {
  host       = "https://accounts.cloud.databricks.com"
  account_id = var.account_id
}

resource "databricks_metastore" "this" {
  name         = "edge-metastore"
  region       = "eu-central-1"
  storage_root = "s3://edge-metastore-root/unity"
}
