# Registering a network, as a principal that is admin of a workspace and nothing more. Every mws resource is the account's: being admin
# of a workspace does not count.
variable "account_id" {
  description = "The account."
  type        = string
}

# Credentials come from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.
provider "databricks" {
  host       = "https://accounts.cloud.databricks.com"
  account_id = var.account_id
}

resource "databricks_mws_networks" "this" {
  account_id         = var.account_id
  network_name       = "edge-network"
  vpc_id             = "vpc-0e0e0e0e0e0e0e0e0"
  subnet_ids         = ["subnet-0e000000000000001", "subnet-0e000000000000002"]
  security_group_ids = ["sg-0e0e0e0e0e0e0e0e0"]
}
