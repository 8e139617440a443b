output "workspace_id" {
  description = "Id of the workspace."
  value       = databricks_mws_workspaces.this.workspace_id
}

output "workspace_url" {
  description = "Host of its API, for the providers of what lives in it."
  value       = databricks_mws_workspaces.this.workspace_url
}
