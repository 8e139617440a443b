variable "catalogs" {
  description = "Catalogs with the schemas in them."
  type = list(object({
    name = string
    schemas = optional(list(object({
      name         = string
      comment      = optional(string)
      storage_root = optional(string)
    })), [])
  }))
}
