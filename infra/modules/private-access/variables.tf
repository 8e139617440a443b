variable "account_id" {
  description = "The account that the endpoints are registered with."
  type        = string
}

variable "region" {
  description = "Region of the VPC."
  type        = string
}

variable "vpc_endpoints" {
  description = "VPC endpoints that the workspace's network uses, by name."
  type        = list(object({ name = string, aws_vpc_endpoint_id = string }))
  default     = []
}

variable "settings" {
  description = "The private access setting of the workspace; null: none."
  type = object({
    name              = string
    public_access     = optional(bool, false)
    level             = optional(string, "ACCOUNT")
    allowed_endpoints = optional(list(string), [])
  })
  default = null
}
