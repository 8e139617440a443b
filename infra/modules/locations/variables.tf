variable "storage_credentials" {
  description = "Roles that reach the buckets, by name."
  type = list(object({
    name     = string
    role_arn = string
    comment  = optional(string)
  }))
}

variable "external_locations" {
  description = "Paths that a credential opens, by name; no two may overlap."
  type = list(object({
    name       = string
    url        = string
    credential = string
    comment    = optional(string)
    read_only  = optional(bool, false)
  }))
}
