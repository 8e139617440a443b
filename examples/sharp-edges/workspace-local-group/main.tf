# The group exists, the grant comes after it, and it still fails: made with a workspace's provider the group is local to that workspace,
# and the catalog knows account-level principals only.
variable "workspace_url" {
  description = "Any workspace that the metastore is assigned to."
  type        = string
}

# Credentials come from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.
provider "databricks" {
  host = var.workspace_url
}

resource "databricks_group" "ml_team" {
  display_name = "ml_team"
}

resource "databricks_grants" "gold" {
  catalog = "pipeline_gold"
  grant {
    principal  = databricks_group.ml_team.display_name
    privileges = ["USE_CATALOG", "USE_SCHEMA", "SELECT"]
  }
}
