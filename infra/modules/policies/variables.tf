variable "policies" {
  description = "Policies of the workspace by name; `definition` as the policy language has it: attribute to rule."
  type        = any
}

variable "pool_ids" {
  description = "Pools of the workspace: name to id."
  type        = map(string)
  default     = {}
}
