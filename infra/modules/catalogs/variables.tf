variable "catalogs" {
  description = "Catalogs by name; `workspaces`: the only ones that see it."
  type = list(object({
    name         = string
    comment      = optional(string)
    storage_root = optional(string)
    workspaces   = optional(list(string), [])
  }))
}

variable "workspace_ids" {
  description = "Workspaces: name to id."
  type        = map(number)
}
