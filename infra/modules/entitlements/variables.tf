variable "group_ids" {
  description = "Groups of the account that are assigned to the workspace: name to id."
  type        = map(string)
}

variable "entitlements" {
  description = "Group name to what its members may do."
  type        = map(list(string))
  validation {
    condition = alltrue(flatten([for list in values(var.entitlements) : [
      for e in list : contains(["workspace-access", "databricks-sql-access", "allow-cluster-create", "allow-instance-pool-create"], e)
    ]]))
    error_message = "An entitlement is workspace-access, databricks-sql-access, allow-cluster-create or allow-instance-pool-create."
  }
}
