"""The vendor's Terraform provider, unmodified, through `tarn rehearse`."""
import pytest

from harness import platform
from terraform import Terraform, TerraformError


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


@pytest.fixture
def tf(server):
    with Terraform(server) as t:
        yield t


ACCOUNT = """
resource "databricks_group" "team" {
  provider     = databricks.account
  display_name = "tf_%s"
}
resource "databricks_user" "una" {
  provider  = databricks.account
  user_name = "una@acme.example"
}
resource "databricks_group_member" "una" {
  provider  = databricks.account
  group_id  = databricks_group.team.id
  member_id = databricks_user.una.id
}
"""

WORKSPACE = """
resource "databricks_schema" "lab" {
  catalog_name = "landing_raw"
  name         = "tf_lab"
  comment      = "%s"
}
resource "databricks_grants" "lab" {
  schema = databricks_schema.lab.id
  grant {
    principal  = "ai_engineer"
    privileges = ["USE_SCHEMA"]
  }
}
"""


def test_account_resources_live_their_whole_life(tf):
    state = tf.prove(ACCOUNT % "team", ACCOUNT % "crew", imports=["databricks_group.team", "databricks_user.una"])
    assert state["databricks_group.team"]["display_name"] == "tf_crew"


def test_workspace_resources_live_their_whole_life(tf, server):
    tf.apply(WORKSPACE % "first")
    assert server.admin().workspace("landing", "GET", "/api/2.1/unity-catalog/schemas/landing_raw.tf_lab")["comment"] == "first"
    state = tf.prove(WORKSPACE % "first", WORKSPACE % "second", imports=["databricks_schema.lab"])
    assert state["databricks_schema.lab"]["id"] == "landing_raw.tf_lab"


def test_drift_is_seen_and_undone(tf, server):
    tf.apply(WORKSPACE % "as code")
    server.admin().workspace("landing", "PATCH", "/api/2.1/unity-catalog/schemas/landing_raw.tf_lab", {"comment": "by hand"})
    assert tf.changes() == {"databricks_schema.lab": ["update"]}
    tf.apply()
    tf.assert_no_changes()
    tf.destroy()


def test_a_refusal_is_the_vendors_text(tf):
    text = tf.refused('resource "databricks_grants" "lab" {\n  catalog = "landing_raw"\n  grant {\n    principal  = "nobody_of_that_name"\n'
                      '    privileges = ["USE_CATALOG"]\n  }\n}')
    assert "Could not find principal with name nobody_of_that_name" in text


def test_a_wrong_secret_is_refused(server):
    with Terraform(server, principal=(server.ready["admin"]["client_id"], "wrong")) as tf, pytest.raises(TerraformError) as e:
        tf.apply(ACCOUNT % "team")
    assert "invalid_client" in str(e.value)
