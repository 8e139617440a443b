# One metastore governs every workspace of a region: a region has room for one. So the one that appears by itself with a region's first
# workspace is evicted first.
data "databricks_metastores" "all" {
  count = var.evict_default ? 1 : 0
}

data "databricks_metastore" "each" {
  for_each     = local.metastore_ids
  metastore_id = each.value
}

locals {
  # No map at all where the account has none.
  metastore_ids = merge(one(data.databricks_metastores.all[*].ids))

  # The automatic one: in this region, without a storage root, and owned by the service itself. A metastore that a person made is never
  # among them.
  squatters = {
    for name, m in data.databricks_metastore.each : name => m.metastore_id
    if m.region == var.region && name != var.name && try(m.metastore_info[0].storage_root, "") == "" &&
    can(regex("^(?i)system[ -]user$", try(m.metastore_info[0].owner, "")))
  }
}

# The provider has no resource for "a metastore that must not be there": to delete one it would have to be imported first, then removed
# by a second apply. So its detaching and deleting are two calls of the account API, made once, before ours is made. The plan shows
# exactly what will go (input), and the apply evicts exactly that. What happens to be in the region later is nobody's to delete
# (ignore_changes).
resource "terraform_data" "evict_default" {
  count = var.evict_default ? 1 : 0
  input = local.squatters

  provisioner "local-exec" {
    command = "${path.module}/scripts/evict_metastores.sh"
    environment = {
      DATABRICKS_ACCOUNTS_URL = var.accounts_url
      DATABRICKS_ACCOUNT_ID   = var.account_id
      METASTORE_IDS           = join(" ", values(self.input))
    }
  }

  lifecycle {
    ignore_changes = [input]
  }
}

resource "databricks_metastore" "this" {
  name         = var.name
  region       = var.region
  storage_root = var.storage_root
  depends_on   = [terraform_data.evict_default]

  # Off: a metastore that holds anything is not deleted. Deleting it takes this turned on and applied first.
  force_destroy = var.force_destroy
}

# Its own role, for its own root. The service uses no other for managed data that has no location of its own, refuses to delete it while
# the metastore is there, and deletes it with the metastore: a destroy forgets it first (the unit's before_hook).
resource "databricks_metastore_data_access" "this" {
  count        = var.data_access_role == null ? 0 : 1
  metastore_id = databricks_metastore.this.id
  name         = "${var.name}-metastore-data-access"
  is_default   = true
  aws_iam_role {
    role_arn = var.data_access_role
  }
}

resource "databricks_metastore_assignment" "this" {
  for_each     = var.workspaces
  metastore_id = databricks_metastore.this.id
  workspace_id = each.value
}

# Version 1.80.0 of the provider cannot say external_access_enabled (later ones can): a call of the account API whenever the wish or
# the metastore changes. The check below sees when somebody else turned it.
resource "terraform_data" "external_access" {
  count            = var.external_access == null ? 0 : 1
  triggers_replace = [databricks_metastore.this.id, var.external_access]

  provisioner "local-exec" {
    command = "${path.module}/scripts/account_api.sh PUT /metastores/$METASTORE_ID \"$BODY\" >/dev/null"
    environment = {
      DATABRICKS_ACCOUNTS_URL = var.accounts_url
      DATABRICKS_ACCOUNT_ID   = var.account_id
      METASTORE_ID            = databricks_metastore.this.id
      BODY                    = jsonencode({ metastore_info = { external_access_enabled = var.external_access } })
    }
  }

  depends_on = [databricks_metastore_data_access.this]
}

data "databricks_metastore" "now" {
  metastore_id = databricks_metastore.this.id
  depends_on   = [terraform_data.external_access]
}

check "external_access" {
  assert {
    # No answer yet: the metastore is made by this very apply.
    condition = (
      var.external_access == null || length(data.databricks_metastore.now.metastore_info) == 0 ||
      try(data.databricks_metastore.now.metastore_info[0].external_access_enabled, false) == var.external_access
    )
    error_message = "External access of metastore ${var.name} was turned elsewhere. Apply with -replace='terraform_data.external_access[0]' to turn it back."
  }
}
