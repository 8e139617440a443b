variable "account_id" {
  description = "The account that the workspace belongs to."
  type        = string
}

variable "name" {
  description = "Name shown to people."
  type        = string
}

variable "deployment_name" {
  description = "The URL's part after the account's prefix; null: the service invents one."
  type        = string
  default     = null
}

variable "region" {
  description = "Region of its VPC and root bucket."
  type        = string
}

variable "credentials_id" {
  description = "Registered cross-account role."
  type        = string
}

variable "storage_configuration_id" {
  description = "Registered root bucket."
  type        = string
}

variable "network_id" {
  description = "Registered network, of this workspace alone; null: the service's own VPC."
  type        = string
  default     = null
}

variable "private_access_settings_id" {
  description = "Private access setting; null: none."
  type        = string
  default     = null
}

variable "pricing_tier" {
  description = "Pricing tier; null: the account's."
  type        = string
  default     = null
}
