"""Resources that a platform team declares, with the vendor's own provider: each applied, found unchanged, changed, imported and destroyed."""
import pytest

from harness import platform
from terraform import Terraform


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


@pytest.fixture
def tf(server):
    with Terraform(server) as t:
        yield t


NAMESPACE = """
resource "databricks_storage_credential" "lab" {
  name    = "tf-lab"
  comment = "%(comment)s"
  aws_iam_role {
    role_arn = "arn:aws:iam::111122223333:role/tf-lab"
  }
}
resource "databricks_external_location" "lab" {
  name            = "tf-lab"
  url             = "s3://acme-tf-lab/files"
  credential_name = databricks_storage_credential.lab.id
  comment         = "%(comment)s"
}
resource "databricks_catalog" "lab" {
  name         = "tf_catalog"
  comment      = "%(comment)s"
  storage_root = "${databricks_external_location.lab.url}/catalog"
  properties = {
    purpose = "%(comment)s"
  }
  force_destroy = true
}
resource "databricks_schema" "lab" {
  catalog_name = databricks_catalog.lab.id
  name         = "things"
  properties = {
    kind = "various"
  }
}
resource "databricks_volume" "managed" {
  catalog_name = databricks_catalog.lab.name
  schema_name  = databricks_schema.lab.name
  name         = "drop"
  volume_type  = "MANAGED"
  comment      = "%(comment)s"
}
resource "databricks_volume" "external" {
  catalog_name     = databricks_catalog.lab.name
  schema_name      = databricks_schema.lab.name
  name             = "arriving"
  volume_type      = "EXTERNAL"
  storage_location = "${databricks_external_location.lab.url}/arriving"
}
resource "databricks_grant" "schema" {
  schema     = databricks_schema.lab.id
  principal  = "ai_engineer"
  privileges = [%(privileges)s]
}
"""


def test_a_namespace(tf):
    tf.prove(NAMESPACE % {"comment": "first", "privileges": '"USE_SCHEMA"'}, NAMESPACE % {"comment": "second", "privileges": '"USE_SCHEMA", "SELECT"'},
             imports=["databricks_storage_credential.lab", "databricks_external_location.lab", "databricks_schema.lab",
                      "databricks_volume.managed", "databricks_volume.external"])


TABLE = """
resource "databricks_sql_table" "thing" {
  catalog_name = "landing_raw"
  schema_name  = "flights"
  name         = "tf_thing"
  table_type   = "MANAGED"
  warehouse_id = "%(warehouse)s"
  comment      = "%(comment)s"
  column {
    name = "id"
    type = "int"
  }
  column {
    name    = "name"
    type    = "string"
    comment = "its name"
  }
}
"""


def test_a_table(tf, server):
    tf.prove(TABLE % {"warehouse": server.warehouses["landing"], "comment": "managed by Terraform"})


IDENTITY = """
resource "databricks_service_principal" "robot" {
  provider                 = databricks.account
  display_name             = "%(name)s"
  disable_as_user_deletion = false
}
resource "databricks_service_principal_secret" "robot" {
  provider             = databricks.account
  service_principal_id = databricks_service_principal.robot.id
}
resource "databricks_group" "outer" {
  provider     = databricks.account
  display_name = "tf_outer"
}
resource "databricks_group" "inner" {
  provider     = databricks.account
  display_name = "tf_inner"
}
resource "databricks_group_member" "nested" {
  provider  = databricks.account
  group_id  = databricks_group.outer.id
  member_id = databricks_group.inner.id
}
resource "databricks_group_member" "robot" {
  provider  = databricks.account
  group_id  = databricks_group.inner.id
  member_id = databricks_service_principal.robot.id
}
resource "databricks_access_control_rule_set" "robot" {
  provider = databricks.account
  name     = "accounts/${var.account_id}/servicePrincipals/${databricks_service_principal.robot.application_id}/ruleSets/default"
  grant_rules {
    principals = [databricks_group.outer.acl_principal_id]
    role       = "roles/servicePrincipal.user"
  }
}
"""


def test_identities(tf):
    state = tf.prove(IDENTITY % {"name": "robot"}, IDENTITY % {"name": "renamed robot"},
                     imports=["databricks_service_principal.robot", "databricks_group.outer", "databricks_group_member.nested",
                              "databricks_access_control_rule_set.robot"])
    assert state["databricks_service_principal_secret.robot"]["secret"].startswith("dose")


REGISTRATIONS = """
resource "databricks_mws_credentials" "cross" {
  provider         = databricks.account
  credentials_name = "tf-cross-account"
  role_arn         = "arn:aws:iam::111122223333:role/tf-cross-account"
}
resource "databricks_mws_storage_configurations" "root" {
  provider                   = databricks.account
  account_id                 = var.account_id
  storage_configuration_name = "tf-root"
  bucket_name                = "acme-tf-root"
}
resource "databricks_mws_networks" "this" {
  provider           = databricks.account
  account_id         = var.account_id
  network_name       = "tf-network"
  vpc_id             = "vpc-0123456789abcdef0"
  subnet_ids         = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  security_group_ids = ["sg-0123456789abcdef0"]
}
resource "databricks_mws_vpc_endpoint" "rest" {
  provider            = databricks.account
  account_id          = var.account_id
  vpc_endpoint_name   = "tf-rest"
  aws_vpc_endpoint_id = "vpce-0123456789abcdef0"
  region              = "eu-central-1"
}
resource "databricks_mws_private_access_settings" "this" {
  provider                     = databricks.account
  private_access_settings_name = "tf-%(name)s"
  region                       = "eu-central-1"
  public_access_enabled        = true
}
resource "databricks_mws_customer_managed_keys" "key" {
  provider   = databricks.account
  account_id = var.account_id
  aws_key_info {
    key_arn   = "arn:aws:kms:eu-central-1:111122223333:key/0d3b5f4c-1111-2222-3333-444455556666"
    key_alias = "alias/tf"
  }
  use_cases = ["STORAGE"]
}
"""


def test_what_a_workspace_is_made_of(tf):
    tf.prove(REGISTRATIONS % {"name": "one"}, REGISTRATIONS % {"name": "two"}, imports=["databricks_mws_private_access_settings.this"])


WAREHOUSE = """
resource "databricks_sql_endpoint" "small" {
  name             = "tf-warehouse"
  cluster_size     = "2X-Small"
  max_num_clusters = 1
  auto_stop_mins   = %(minutes)d
  tags {
    custom_tags {
      key   = "team"
      value = "lab"
    }
  }
}
resource "databricks_permissions" "small" {
  sql_endpoint_id = databricks_sql_endpoint.small.id
  access_control {
    group_name       = "ai_engineer"
    permission_level = "CAN_USE"
  }
}
"""


def test_a_warehouse_and_who_may_use_it(tf):
    tf.prove(WAREHOUSE % {"minutes": 10}, WAREHOUSE % {"minutes": 20}, imports=["databricks_sql_endpoint.small"])


LOOKUPS = """
data "databricks_current_user" "me" {
}
data "databricks_group" "engineers" {
  provider     = databricks.account
  display_name = "ai_engineer"
}
data "databricks_mws_workspaces" "all" {
  provider = databricks.account
}
data "databricks_catalogs" "all" {
}
data "databricks_schemas" "raw" {
  catalog_name = "landing_raw"
}
data "databricks_catalog" "raw" {
  name = "landing_raw"
}
data "databricks_metastore" "this" {
  provider = databricks.account
  name     = "acme-metastore"
}
data "databricks_current_metastore" "this" {
}
data "databricks_sql_warehouses" "all" {
}
data "databricks_sql_warehouse" "shared" {
  name = "shared"
}
output "seen" {
  value = {
    me         = data.databricks_current_user.me.user_name
    group      = data.databricks_group.engineers.display_name
    workspaces = sort(keys(data.databricks_mws_workspaces.all.ids))
    catalogs   = sort(data.databricks_catalogs.all.ids)
    schemas    = sort(data.databricks_schemas.raw.ids)
    raw        = data.databricks_catalog.raw.catalog_info[0].name
    metastore  = data.databricks_metastore.this.metastore_id == data.databricks_current_metastore.this.metastore_info[0].metastore_id
    warehouses = length(data.databricks_sql_warehouses.all.ids)
    shared     = data.databricks_sql_warehouse.shared.cluster_size
  }
}
"""


def test_data_sources(tf, server):
    seen = tf.apply(LOOKUPS)["seen"]
    tf.assert_no_changes()
    assert seen["me"] == server.ready["admin"]["client_id"] and seen["group"] == "ai_engineer"
    assert seen["workspaces"] == ["landing", "pipeline"] and seen["metastore"] is True and seen["raw"] == "landing_raw"
    assert {"landing_raw", "pipeline_gold"} <= set(seen["catalogs"]) and "landing_raw.flights" in seen["schemas"]
    assert seen["warehouses"] == 1 and seen["shared"] == "2X-Small"
