variable "account_id" {
  description = "The account that the network is registered with."
  type        = string
}

variable "name" {
  description = "Name of the registration, 4 to 256 characters."
  type        = string
}

variable "vpc_id" {
  description = "The VPC, owned by the infrastructure team."
  type        = string
}

variable "subnet_ids" {
  description = "At least two subnets, in different zones, used by no other registration."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A network needs at least two subnets."
  }
}

variable "security_group_ids" {
  description = "One to five security groups that let 443 out."
  type        = list(string)
  validation {
    condition     = length(var.security_group_ids) >= 1 && length(var.security_group_ids) <= 5
    error_message = "A network needs one to five security groups."
  }
}

variable "rest_endpoint_ids" {
  description = "Registered VPC endpoints for the REST API (PrivateLink); empty: public."
  type        = list(string)
  default     = []
}

variable "relay_endpoint_ids" {
  description = "Registered VPC endpoints for the secure cluster connectivity relay (PrivateLink); empty: public."
  type        = list(string)
  default     = []
  validation {
    condition     = (length(var.relay_endpoint_ids) == 0) == (length(var.rest_endpoint_ids) == 0)
    error_message = "Back-end PrivateLink needs both endpoints, the REST API's and the relay's."
  }
}
