variable "pools" {
  description = "Pools of the workspace by name."
  type = list(object({
    name         = string
    node_type    = string
    min_idle     = optional(number, 0)
    max_capacity = optional(number)
    idle_minutes = optional(number, 10)
    tags         = optional(map(string), {})
  }))
}
