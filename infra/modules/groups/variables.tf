variable "users" {
  description = "Users by e-mail address."
  type = list(object({
    name         = string
    display_name = optional(string)
  }))
  default = []
}

variable "groups" {
  description = "Groups by name; members are users and groups of this list."
  type = list(object({
    name    = string
    members = optional(list(string), [])
  }))
}
