variable "account_id" {
  description = "The account that credentials and storage are registered with."
  type        = string
}

variable "credentials" {
  description = "Cross-account roles by name."
  type        = list(object({ name = string, role_arn = string }))
}

variable "storage" {
  description = "Root buckets by name."
  type        = list(object({ name = string, bucket = string }))
}
