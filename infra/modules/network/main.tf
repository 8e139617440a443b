# Registers a network that another team owns. Nothing in AWS is made or changed. One registration serves one workspace; two
# registrations may name the same VPC with subnets of their own. The service answers VALID, WARNED or BROKEN once a workspace uses it.
resource "databricks_mws_networks" "this" {
  account_id         = var.account_id
  network_name       = var.name
  vpc_id             = var.vpc_id
  subnet_ids         = var.subnet_ids
  security_group_ids = var.security_group_ids

  dynamic "vpc_endpoints" {
    for_each = length(var.rest_endpoint_ids) + length(var.relay_endpoint_ids) > 0 ? [1] : []
    content {
      rest_api        = var.rest_endpoint_ids
      dataplane_relay = var.relay_endpoint_ids
    }
  }

  # A registration cannot be changed, and a workspace that uses it keeps it: the new one is made first, the workspace moves, the old one goes.
  lifecycle {
    create_before_destroy = true
  }
}
