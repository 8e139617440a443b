"""The vendor's provider on who may do what: permissions, tokens, IP access lists, workspace-conf, entitlements, settings, budgets, log delivery.
Each resource is applied, seen unchanged, changed, seen unchanged, imported where the provider can, and destroyed."""
import http.client
import json
import time

import pytest

from harness import Refused, platform
from terraform import Terraform, TerraformError


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


@pytest.fixture
def tf(server):
    with Terraform(server) as t:
        yield t


def acl(server, path, workspace="landing"):
    """Who holds what directly on an object."""
    answer = server.admin().workspace(workspace, "GET", "/api/2.0/permissions/" + path)
    out = {}
    for line in answer["access_control_list"]:
        name = line.get("group_name") or line.get("user_name") or line["service_principal_name"]
        out.update({name: p["permission_level"] for p in line["all_permissions"] if not p["inherited"]})
    return out


def permissions(*lines, target, more=""):
    blocks = "\n".join(f'  access_control {{\n    {kind} = "{name}"\n    permission_level = "{level}"\n  }}' for kind, name, level in lines)
    return f'{more}\nresource "databricks_permissions" "this" {{\n  {target}\n{blocks}\n}}\n'


WAREHOUSE = 'resource "databricks_sql_endpoint" "this" {\n  name = "governed"\n  cluster_size = "2X-Small"\n}\n'


def test_warehouse_permissions(server, tf):
    on = "sql_endpoint_id = databricks_sql_endpoint.this.id"
    first = permissions(("group_name", "users", "CAN_USE"), target=on, more=WAREHOUSE)
    tf.apply(first)
    tf.assert_no_changes()
    warehouse = next(w["id"] for w in server.admin().workspace("landing", "GET", "/api/2.0/sql/warehouses")["warehouses"] if w["name"] == "governed")
    assert acl(server, f"warehouses/{warehouse}")["users"] == "CAN_USE"
    tf.apply(permissions(("group_name", "users", "CAN_MONITOR"), ("user_name", "nora@acme.example", "CAN_MANAGE"), target=on, more=WAREHOUSE))
    tf.assert_no_changes()
    held = acl(server, f"sql/warehouses/{warehouse}")
    assert held["users"] == "CAN_MONITOR" and held["nora@acme.example"] == "CAN_MANAGE"
    # Enforced: Nora stops it, Ada's colleague may not.
    server.person("nora@acme.example", "landing").workspace("landing", "POST", f"/api/2.0/sql/warehouses/{warehouse}/stop")
    with pytest.raises(TerraformError, match="does not exist"):
        tf.apply(permissions(("group_name", "no-such-group", "CAN_USE"), target=on, more=WAREHOUSE))
    tf.apply(WAREHOUSE)
    assert "users" not in acl(server, f"warehouses/{warehouse}")
    tf.destroy()


def test_token_permissions_and_tokens(server, tf):
    robot = 'resource "databricks_service_principal" "robot" {\n  display_name = "robot"\n}\n'
    on = 'authorization = "tokens"'
    config = robot + permissions(("group_name", "users", "CAN_USE"), target=on) + '''
resource "databricks_token" "mine" {
  comment = "by terraform"
  lifetime_seconds = 3600
}
resource "databricks_obo_token" "robots" {
  depends_on = [databricks_permissions.this]
  application_id = databricks_service_principal.robot.application_id
  comment = "for the robot"
  lifetime_seconds = 3600
}
'''
    tf.apply(config)
    tf.assert_no_changes()
    infos = server.admin().workspace("landing", "GET", "/api/2.0/token-management/tokens")["token_infos"]
    assert {"by terraform", "for the robot"} <= {t["comment"] for t in infos}
    tf.apply(config.replace("for the robot", "for the robot still"))
    tf.assert_no_changes()
    tf.destroy()
    assert acl(server, "authorization/tokens") == {"admins": "CAN_MANAGE"}
    with pytest.raises(Refused) as e:
        server.person("nora@acme.example", "landing").workspace("landing", "POST", "/api/2.0/token/create", {})
    assert e.value.status == 403
    server.admin().workspace("landing", "PATCH", "/api/2.0/permissions/authorization/tokens",
                             {"access_control_list": [{"group_name": "users", "permission_level": "CAN_USE"}]})


def test_workspace_conf_limits_tokens(server, tf):
    conf = 'resource "databricks_workspace_conf" "this" {\n  custom_config = {\n    maxTokenLifetimeDays = "%s"\n    enableWebTerminal = "false"\n  }\n}\n'
    tf.apply(conf % 30)
    tf.assert_no_changes()
    admin = server.admin()
    with pytest.raises(Refused, match="lifetime_seconds"):
        admin.workspace("landing", "POST", "/api/2.0/token/create", {"lifetime_seconds": 31 * 86400})
    tf.apply(conf % 90)
    tf.assert_no_changes()
    admin.workspace("landing", "POST", "/api/2.0/token/create", {"lifetime_seconds": 31 * 86400})
    tf.destroy()
    admin.workspace("landing", "POST", "/api/2.0/token/create", {"lifetime_seconds": 365 * 86400})


def test_ip_access_lists(server, tf):
    lists = '''resource "databricks_ip_access_list" "allow" {
  label = "here"
  list_type = "ALLOW"
  ip_addresses = ["127.0.0.0/8", "%s"]
}
resource "databricks_workspace_conf" "this" {
  depends_on = [databricks_ip_access_list.allow]
  custom_config = {
    enableIpAccessLists = "true"
  }
}
'''
    tf.apply(lists % "10.0.0.0/24")
    tf.assert_no_changes()
    tf.apply(lists % "10.0.1.0/24")
    tf.assert_no_changes()
    with pytest.raises(TerraformError, match="will not be allowed to access the workspace under current configuration"):
        tf.apply(lists % "10.0.1.0/24" + 'resource "databricks_ip_access_list" "block" {\n  label = "me"\n  list_type = "BLOCK"\n  ip_addresses = ["127.0.0.1"]\n}\n')
    tf.apply(lists % "10.0.1.0/24")
    tf.destroy()
    assert server.admin().workspace("landing", "GET", "/api/2.0/ip-access-lists") == {}


def test_ip_access_lists_hold_from_the_next_request(server):
    admin = server.admin()
    port = int(server.status()["plain_http"]["landing"].rsplit(":", 1)[1])

    def from_address(source):
        connection = http.client.HTTPConnection("127.0.0.1", port, source_address=(source, 0), timeout=30)
        try:
            connection.request("GET", "/api/2.0/preview/scim/v2/Me", headers={"Authorization": f"Bearer {admin.token}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    lists = "/api/2.0/ip-access-lists"
    away = admin.workspace("landing", "POST", lists, {"label": "away", "list_type": "ALLOW", "ip_addresses": ["10.9.9.9"]})["ip_access_list"]
    with pytest.raises(Refused) as e:
        admin.workspace("landing", "PATCH", "/api/2.0/workspace-conf", {"enableIpAccessLists": "true"})
    assert (e.value.status, e.value.code) == (400, "INVALID_STATE")
    admin.workspace("landing", "PATCH", f"{lists}/{away['list_id']}", {"ip_addresses": ["127.0.0.1"]})
    admin.workspace("landing", "PATCH", "/api/2.0/workspace-conf", {"enableIpAccessLists": "true"})
    status, body = from_address("127.0.0.2")
    workspace = next(w["workspace_id"] for w in admin.account("GET", "/workspaces") if w["workspace_name"] == "landing")
    assert status == 403 and body["message"] == f"Source IP address: 127.0.0.2 is blocked by Databricks IP ACL for workspace: {workspace}"
    assert from_address("127.0.0.1")[0] == 200
    admin.workspace("landing", "PATCH", f"{lists}/{away['list_id']}", {"enabled": False})
    assert from_address("127.0.0.2")[0] == 200
    admin.workspace("landing", "PATCH", "/api/2.0/workspace-conf", {"enableIpAccessLists": "false"})
    admin.workspace("landing", "DELETE", f"{lists}/{away['list_id']}")


def test_entitlements_are_enforced(server, tf):
    # The group is not the provider's: its resource would claim the same entitlements.
    admin = server.admin()
    member = admin.account("GET", "/scim/v2/Users?filter=userName eq \"nora@acme.example\"")["Resources"][0]["id"]
    group = admin.account("POST", "/scim/v2/Groups", {"displayName": "makers", "members": [{"value": member}]})["id"]
    workspace = next(w["workspace_id"] for w in admin.account("GET", "/workspaces") if w["workspace_name"] == "landing")
    admin.account("PUT", f"/workspaces/{workspace}/permissionassignments/principals/{group}", {"permissions": ["USER"]})
    config = '''data "databricks_group" "makers" { display_name = "makers" }
resource "databricks_entitlements" "makers" {
  group_id = data.databricks_group.makers.id
  allow_cluster_create = %s
  databricks_sql_access = true
}
'''
    nora = lambda: server.person("nora@acme.example", "landing")
    make = lambda: nora().workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "noras", "cluster_size": "2X-Small"})
    with pytest.raises(Refused, match="allow-cluster-create"):
        make()
    tf.apply(config % "true")
    tf.assert_no_changes()
    made = make()
    tf.apply(config % "false")
    tf.assert_no_changes()
    with pytest.raises(Refused, match="allow-cluster-create"):
        nora().workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "another", "cluster_size": "2X-Small"})
    nora().workspace("landing", "DELETE", f"/api/2.0/sql/warehouses/{made['id']}")
    tf.destroy()
    admin.account("DELETE", f"/scim/v2/Groups/{group}")


def test_settings(server, tf):
    config = '''resource "databricks_default_namespace_setting" "this" {
  namespace { value = "%s" }
}
resource "databricks_restrict_workspace_admins_setting" "this" {
  restrict_workspace_admins { status = "%s" }
}
'''
    tf.apply(config % ("landing_raw", "ALLOW_ALL"))
    tf.assert_no_changes()
    admin = server.admin()
    assert admin.sql("landing", server.warehouses["landing"], "SELECT current_catalog()") == [["landing_raw"]]
    tf.apply(config % ("landing_raw", "RESTRICT_TOKENS_AND_JOB_RUN_AS"))
    tf.assert_no_changes()
    robot = admin.workspace("landing", "POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": "restricted"})
    with pytest.raises(Refused, match="roles/servicePrincipal.user"):
        admin.workspace("landing", "POST", "/api/2.0/token-management/on-behalf-of/tokens", {"application_id": robot["applicationId"]})
    tf.destroy()
    admin.workspace("landing", "POST", "/api/2.0/token-management/on-behalf-of/tokens", {"application_id": robot["applicationId"]})


def test_budget(server, tf):
    config = '''resource "databricks_budget" "this" {
  provider = databricks.account
  display_name = "landing"
  alert_configurations {
    time_period = "MONTH"
    trigger_type = "CUMULATIVE_SPENDING_EXCEEDED"
    quantity_type = "LIST_PRICE_DOLLARS_USD"
    quantity_threshold = "%s"
    action_configurations {
      action_type = "EMAIL_NOTIFICATION"
      target = "me@acme.example"
    }
  }
  filter {
    tags {
      key = "Environment"
      value {
        operator = "IN"
        values = ["Testing"]
      }
    }
  }
}
'''
    tf.apply(config % "840")
    tf.assert_no_changes()
    tf.apply(config % "940.5")
    tf.assert_no_changes()
    tf.destroy()


def test_log_delivery_delivers_the_audit_log(server, tf):
    config = f'''resource "databricks_mws_credentials" "logs" {{
  provider = databricks.account
  credentials_name = "log-writer"
  role_arn = "arn:aws:iam::123456789012:role/log-writer"
}}
resource "databricks_mws_storage_configurations" "logs" {{
  provider = databricks.account
  account_id = "{server.ready['account_id']}"
  storage_configuration_name = "log-bucket"
  bucket_name = "acme-logs"
}}
resource "databricks_mws_log_delivery" "audit" {{
  provider = databricks.account
  account_id = "{server.ready['account_id']}"
  credentials_id = databricks_mws_credentials.logs.credentials_id
  storage_configuration_id = databricks_mws_storage_configurations.logs.storage_configuration_id
  delivery_path_prefix = "audit"
  config_name = "audit"
  log_type = "AUDIT_LOGS"
  output_format = "JSON"
}}
'''
    tf.apply(config)
    tf.assert_no_changes()
    bucket = server.data / "objects" / "acme-logs"
    deadline = time.monotonic() + 60
    while not (found := [f for f in bucket.rglob("auditlogs_*.json")] if bucket.exists() else []) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert found, "no audit log was delivered"
    assert "createLogDelivery" in "".join(f.read_text() for f in found)
    tf.destroy()
