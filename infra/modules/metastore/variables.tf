variable "account_id" {
  description = "The account."
  type        = string
}

variable "accounts_url" {
  description = "The account API's URL, for the two calls that the provider cannot make."
  type        = string
  default     = "https://accounts.cloud.databricks.com"
}

variable "name" {
  description = "Name of the metastore."
  type        = string
}

variable "region" {
  description = "The region that it governs."
  type        = string
}

variable "storage_root" {
  description = "Where managed data without a location of its own goes; null: nowhere, every catalog needs one."
  type        = string
  default     = null
}

variable "data_access_role" {
  description = "Role that reads and writes the storage root; null: none."
  type        = string
  default     = null
}

variable "workspaces" {
  description = "Workspaces that it is assigned to: name to id."
  type        = map(number)
}

variable "evict_default" {
  description = "Detach and delete the region's automatic metastore before ours is made."
  type        = bool
  default     = false
}

variable "force_destroy" {
  description = "Let a destroy delete the metastore although its own credential is still in it; null: no."
  type        = bool
  default     = null
}

variable "external_access" {
  description = "Temporary credentials for engines outside; null: as the service has it."
  type        = bool
  default     = null
}
