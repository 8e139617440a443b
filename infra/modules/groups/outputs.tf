output "group_ids" {
  description = "Groups: name to id."
  value       = { for name, g in databricks_group.this : name => g.id }
}

output "user_ids" {
  description = "Users: name to id."
  value       = { for name, u in databricks_user.this : name => u.id }
}
