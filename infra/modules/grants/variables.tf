variable "metastore_id" {
  description = "The metastore, for grants on it."
  type        = string
}

variable "grants" {
  description = "Lines: `on` is a type and a name (`catalog gold`, `schema gold.flights`, `metastore`), `to` a principal, `allow` privileges."
  type        = list(object({ on = string, to = string, allow = list(string) }))
  validation {
    condition = alltrue([for g in var.grants : contains(
      ["metastore", "storage_credential", "external_location", "catalog", "schema", "table", "volume"], split(" ", g.on)[0]
    )])
    error_message = "`on` begins with metastore, storage_credential, external_location, catalog, schema, table or volume."
  }
}
