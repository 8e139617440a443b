"""Experiments, models, connections and sharing through the vendor's own Terraform provider: apply, clean plan, change, import, destroy."""
import pytest

from harness import platform
from terraform import Terraform


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


@pytest.fixture
def tf(server):
    with Terraform(server, default="pipeline") as t:
        yield t


def test_an_experiment_and_who_may_see_it(tf, server):
    config = """
resource "databricks_mlflow_experiment" "x" {
  name = "/Shared/%s"
  tags {
    key   = "team"
    value = "flights"
  }
}
resource "databricks_permissions" "x" {
  experiment_id = databricks_mlflow_experiment.x.id
  access_control {
    group_name       = "ai_engineer"
    permission_level = "%s"
  }
}
"""
    tf.apply(config % ("tf", "CAN_READ"))
    emil = server.person("emil@acme.example", "pipeline")
    one = tf.state()["databricks_mlflow_experiment.x"]
    assert emil.workspace("pipeline", "GET", f"/api/2.0/mlflow/experiments/get?experiment_id={one['experiment_id']}")["experiment"]["name"] == "/Shared/tf"
    tf.prove(config % ("tf", "CAN_READ"), config % ("tf2", "CAN_EDIT"), imports=["databricks_mlflow_experiment.x", "databricks_permissions.x"])


def test_a_model_of_the_workspace(tf):
    config = """
resource "databricks_mlflow_model" "m" {
  name        = "delay"
  description = "%s"
}
resource "databricks_permissions" "m" {
  registered_model_id = databricks_mlflow_model.m.registered_model_id
  access_control {
    group_name       = "ai_engineer"
    permission_level = "CAN_MANAGE_STAGING_VERSIONS"
  }
}
"""
    tf.prove(config % "first", config % "second", imports=["databricks_mlflow_model.m"])


def test_a_model_in_unity_catalog_and_its_grants(tf):
    config = """
resource "databricks_registered_model" "m" {
  catalog_name = "pipeline_gold"
  schema_name  = "flights"
  name         = "tf_delay"
  comment      = "%s"
}
resource "databricks_grants" "m" {
  model = databricks_registered_model.m.id
  grant {
    principal  = "ai_engineer"
    privileges = ["%s"]
  }
}
"""
    tf.prove(config % ("first", "EXECUTE"), config % ("second", "APPLY_TAG"), imports=["databricks_registered_model.m"])


def test_a_connection_and_its_grants(tf):
    config = """
resource "databricks_connection" "c" {
  name            = "tf_erp"
  connection_type = "MYSQL"
  comment         = "the old one"
  options = {
    host     = "%s"
    port     = "3306"
    user     = "reader"
    password = "not-shown"
  }
}
resource "databricks_grants" "c" {
  foreign_connection = databricks_connection.c.name
  grant {
    principal  = "ai_engineer"
    privileges = ["USE_CONNECTION"]
  }
}
"""
    tf.prove(config % "erp.acme.example", config % "erp2.acme.example")


def test_a_share_for_a_recipient(tf, server):
    sql = server.admin()
    sql.sql("pipeline", server.warehouses["pipeline"], "CREATE TABLE IF NOT EXISTS pipeline_gold.flights.tf_shared AS SELECT 1 AS a")
    config = """
resource "databricks_recipient" "r" {
  name                = "tf_partner"
  comment             = "%s"
  authentication_type = "TOKEN"
}
resource "databricks_share" "s" {
  name = "tf_share"
  object {
    name             = "pipeline_gold.flights.tf_shared"
    data_object_type = "TABLE"
    %s
  }
}
resource "databricks_grants" "s" {
  share = databricks_share.s.name
  grant {
    principal  = databricks_recipient.r.name
    privileges = ["SELECT"]
  }
}
"""
    tf.prove(config % ("first", ""), config % ("second", 'comment = "daily"'), imports=["databricks_recipient.r", "databricks_share.s"])


def test_what_may_run_on_shared_compute(tf):
    config = """
resource "databricks_artifact_allowlist" "scripts" {
  artifact_type = "INIT_SCRIPT"
  artifact_matcher {
    artifact   = "/Volumes/pipeline_gold/%s"
    match_type = "PREFIX_MATCH"
  }
}
"""
    tf.prove(config % "a/", config % "b/", imports=["databricks_artifact_allowlist.scripts"])
