# A grant to a group that a later step makes. The order is metastore, locations, catalogs, schemas, groups, grants; here the last came
# first.
variable "workspace_url" {
  description = "Any workspace that the metastore is assigned to."
  type        = string
}

# Credentials come from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.
provider "databricks" {
  host = var.workspace_url
}

resource "databricks_grants" "gold" {
  catalog = "pipeline_gold"
  grant {
    principal  = "ml_team"
    privileges = ["USE_CATALOG", "USE_SCHEMA", "SELECT"]
  }
}
