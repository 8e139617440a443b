# Back-end private connectivity: the infrastructure team's VPC endpoints, registered, and the setting that says who may come in.
resource "databricks_mws_vpc_endpoint" "this" {
  for_each            = { for e in var.vpc_endpoints : e.name => e }
  account_id          = var.account_id
  vpc_endpoint_name   = each.key
  aws_vpc_endpoint_id = each.value.aws_vpc_endpoint_id
  region              = var.region
}

resource "databricks_mws_private_access_settings" "this" {
  count                        = var.settings == null ? 0 : 1
  private_access_settings_name = var.settings.name
  region                       = var.region
  public_access_enabled        = var.settings.public_access
  private_access_level         = var.settings.level
  allowed_vpc_endpoint_ids = var.settings.level == "ENDPOINT" ? [
    for name in var.settings.allowed_endpoints : databricks_mws_vpc_endpoint.this[name].vpc_endpoint_id
  ] : null
}
