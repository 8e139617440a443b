# Units that speak to one workspace, as the same principal: the unit passes its URL as `workspace_url`.
generate "provider" {
  path      = "provider.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOT
    variable "workspace_url" {
      description = "Host of the workspace's API."
      type        = string
    }

    provider "databricks" {
      host = var.workspace_url
    }
  EOT
}
