variable "workspace_id" {
  description = "The workspace."
  type        = number
}

variable "principal_ids" {
  description = "Users and groups of the account: name to id."
  type        = map(string)
}

variable "assignments" {
  description = "Name to role, USER or ADMIN."
  type        = map(string)
  validation {
    condition     = alltrue([for role in values(var.assignments) : contains(["USER", "ADMIN"], role)])
    error_message = "A role is USER or ADMIN."
  }
}
