# The smallest question to the account host, from a machine whose packets to it are dropped. Nothing is refused, so nothing is said.
variable "account_id" {
  description = "The account."
  type        = string
}

# Credentials come from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.
provider "databricks" {
  host       = "https://accounts.cloud.databricks.com"
  account_id = var.account_id
}

data "databricks_mws_workspaces" "all" {}

output "workspaces" {
  description = "Names and ids."
  value       = data.databricks_mws_workspaces.all.ids
}
