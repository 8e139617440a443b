"""Malformed and hostile requests cost a clear 4xx that names the field, write nothing, and leave the server up."""
import http.client
import json

import pytest
import requests

from harness import Refused, platform


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


@pytest.fixture(scope="module")
def admin(server):
    return server.admin()


def refused(call, *arguments, **kwargs):
    with pytest.raises(Refused) as e:
        call(*arguments, **kwargs)
    return e.value


def raw(server, admin, body, path="/api/2.1/unity-catalog/catalogs", content_type="application/json"):
    url = server.status()["workspaces"]["landing"] + path
    return server.session().post(url, data=body, headers={"Authorization": f"Bearer {admin.token}", "Content-Type": content_type}, timeout=60)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b'{"name":', b"null", b"[" * 10000, b'{"name": "a", "name": }'])
def test_malformed_json_is_400(server, admin, body):
    answer = raw(server, admin, body)
    assert answer.status_code == 400 and answer.json()["error_code"] in ("MALFORMED_REQUEST", "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("body,field", [({"name": 7}, "name"), ({}, "name"), ({"name": "a", "comment": []}, "comment"), ({"name": None}, "name"), ({"name": "a", "properties": {"k": 1}}, "properties.k")])
def test_wrong_types_name_the_field(server, admin, body, field):
    e = refused(admin.workspace, "landing", "POST", "/api/2.1/unity-catalog/catalogs", body)
    assert e.status == 400 and field in e.message


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "..", "a b", "x" * 300, "a\u0000b", "a\nb"])
def test_bad_catalog_names_are_refused_and_nothing_is_written(server, admin, name):
    before = admin.workspace("landing", "GET", "/api/2.1/unity-catalog/catalogs")
    e = refused(admin.workspace, "landing", "POST", "/api/2.1/unity-catalog/catalogs", {"name": name, "storage_root": "s3://acme-lake/landing/bad"})
    assert e.status == 400 and e.code == "INVALID_PARAMETER_VALUE"
    assert admin.workspace("landing", "GET", "/api/2.1/unity-catalog/catalogs") == before


def test_unknown_fields_are_ignored_in_rest(server, admin):
    made = admin.account("POST", "/scim/v2/Groups", {"displayName": "newer", "fieldOfTomorrow": {"x": 1}})
    admin.account("DELETE", f"/scim/v2/Groups/{made['id']}")


def test_cyclic_groups_are_refused(server, admin):
    a = admin.account("POST", "/scim/v2/Groups", {"displayName": "cycle_a"})
    b = admin.account("POST", "/scim/v2/Groups", {"displayName": "cycle_b", "members": [{"value": a["id"]}]})
    patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "path": "members", "value": [{"value": b["id"]}]}]}
    e = refused(admin.account, "PATCH", f"/scim/v2/Groups/{a['id']}", patch)
    assert e.status == 400
    assert "members" not in admin.account("GET", f"/scim/v2/Groups/{a['id']}")


def test_overlapping_locations_are_refused(server, admin):
    e = refused(admin.workspace, "landing", "POST", "/api/2.1/unity-catalog/external-locations",
                {"name": "inside", "url": "s3://acme-landing-files/deeper/", "credential_name": "acme-lake"})
    assert e.status in (400, 409) and "overlap" in e.message.lower()


def test_an_oversized_body_is_413(server, admin):
    # Announced and refused before a byte of it was sent.
    host = server.status()["plain_http"]["landing"].split("//")[1]
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.putrequest("POST", "/api/2.1/unity-catalog/catalogs")
    connection.putheader("Authorization", f"Bearer {admin.token}")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(12 << 20))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and json.loads(answer.read())["error_code"]
    connection.close()


def test_sql_with_quotes_unicode_and_depth(server, admin):
    warehouse = server.warehouses["landing"]
    assert admin.sql("landing", warehouse, "SELECT 'it''s', 'snow \u2603', \"d\"") [0][1] == "snow \u2603"
    for statement in ("SELECT " + "(" * 10000 + "1" + ")" * 10000, "SELEC 1", "", "SELECT 1; SELECT 2", "SELECT * FROM `a`.`b`.`../../c`", "CACHE TABLE x"):
        with pytest.raises((Refused, Exception)) as e:
            admin.sql("landing", warehouse, statement)
        assert not isinstance(e.value, (requests.ConnectionError, requests.Timeout)), statement[:40]
    assert admin.sql("landing", warehouse, "SELECT 1") == [["1"]]


def test_no_token_a_wrong_token_and_a_revoked_token_are_401(server, admin):
    url = server.status()["workspaces"]["landing"] + "/api/2.1/unity-catalog/catalogs"
    http = server.session()
    assert http.get(url).status_code == 401
    assert http.get(url, headers={"Authorization": "Bearer dapi0123456789abcdef"}).status_code == 401
    made = admin.workspace("landing", "POST", "/api/2.0/token/create", {"comment": "short", "lifetime_seconds": 600})
    mine = {"Authorization": f"Bearer {made['token_value']}"}
    assert http.get(url, headers=mine).status_code == 200
    admin.workspace("landing", "POST", "/api/2.0/token/delete", {"token_id": made["token_info"]["token_id"]})
    assert http.get(url, headers=mine).status_code == 401


@pytest.mark.parametrize("method,path,body,code", [
    ("POST", "/api/2.0/mlflow/experiments/create", {"name": "flat"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/experiments/create", {"name": "/Shared/../x"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/experiments/create", {"name": "/No/Such/Folder/x"}, "RESOURCE_DOES_NOT_EXIST"),
    ("POST", "/api/2.0/mlflow/runs/create", {}, "RESOURCE_DOES_NOT_EXIST"),
    ("POST", "/api/2.0/mlflow/runs/log-metric", {"run_id": "x", "key": "m", "value": "much", "timestamp": 1}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/runs/log-metric", {"run_id": "x", "key": "m", "value": 1}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": [], "max_results": 0}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["1"], "filter": "metrics.m > 'a"}, "INVALID_PARAMETER_VALUE"),
    ("GET", "/api/2.0/mlflow/artifacts/list?run_id=" + "f" * 32 + "&path=../..", None, "RESOURCE_DOES_NOT_EXIST"),
    ("POST", "/api/2.0/mlflow/registered-models/create", {"name": "a/b"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/mlflow/unity-catalog/registered-models/create", {"name": "one.two"}, "INVALID_PARAMETER_VALUE"),
    ("GET", "/api/2.1/unity-catalog/models/a.b.c/versions/last", None, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.1/unity-catalog/policies", {"name": "p", "on_securable_type": "VOLUME", "on_securable_fullname": "a.b.c", "to_principals": ["account users"],
                                                 "for_securable_type": "TABLE", "policy_type": "POLICY_TYPE_ROW_FILTER"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.1/unity-catalog/policies", {"name": "p", "on_securable_type": "CATALOG", "on_securable_fullname": "landing_raw", "to_principals": ["account users"],
                                                 "for_securable_type": "TABLE", "policy_type": "POLICY_TYPE_ROW_FILTER", "when_condition": "1 = 1",
                                                 "row_filter": {"function_name": "a.b.c"}}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.1/unity-catalog/policies", {"name": "p", "policy_type": "ANYTHING"}, "INVALID_PARAMETER_VALUE"),
    ("GET", "/api/2.1/unity-catalog/policies/catalog/none", None, "CATALOG_DOES_NOT_EXIST"),
    ("GET", "/api/2.1/unity-catalog/policies/catalog/landing_raw/none", None, "RESOURCE_DOES_NOT_EXIST"),
    ("POST", "/api/2.1/unity-catalog/connections", {"name": "c", "connection_type": "FAX", "options": {}}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/workspace/import", {"path": "/Shared/x", "content": "%%%"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/workspace/import", {"path": "/Shared/../etc/x", "format": "RAW", "content": ""}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/workspace/import", {"path": "/Shared/x", "format": "DBC", "content": ""}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/workspace/mkdirs", {"path": "/Shared/" + "x" * 300}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/workspace/delete", {"path": "/", "recursive": True}, "DIRECTORY_PROTECTED"),
    ("GET", "/api/2.0/workspace/get-status?path=/Shared/%00", None, "INVALID_PARAMETER_VALUE"),
    ("GET", "/api/2.0/workspace/export?path=/Shared&format=EXE", None, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/secrets/scopes/create", {"scope": "a b"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/secrets/put", {"scope": "none", "key": "k", "string_value": "v"}, "RESOURCE_DOES_NOT_EXIST"),
    ("POST", "/api/2.0/secrets/put", {"scope": "none", "key": "k"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/dbfs/put", {"path": "/a/../../b", "contents": ""}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/dbfs/put", {"path": "/.tarn.object", "contents": ""}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/dbfs/delete", {"path": "/", "recursive": True}, "INVALID_PARAMETER_VALUE"),
    ("GET", "/api/2.0/dbfs/read?path=/x&length=99999999", None, "MAX_READ_SIZE_EXCEEDED"),
    ("PUT", "/api/2.0/fs/files/etc/passwd", None, "INVALID_PARAMETER_VALUE"),
    ("GET", "/api/2.0/fs/directories/Volumes/landing_raw/none/none", None, "NOT_FOUND"),
    ("POST", "/api/2.0/repos", {"url": "https://169.254.169.254/latest.git", "provider": "gitHub"}, "PERMISSION_DENIED"),
    ("POST", "/api/2.0/repos", {"url": "file:///etc/passwd", "provider": "gitHub"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/repos", {"url": "ext::sh -c id", "provider": "gitHub"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/git-credentials", {"git_provider": "none", "personal_access_token": "x"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/global-init-scripts", {"name": "a/b", "script": "ZQ=="}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/sql/alerts", {"alert": {"display_name": "a"}}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/alerts", {"display_name": "a"}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/alerts", {"display_name": "a", "query_text": "SELECT 1", "warehouse_id": "w", "schedule": {"quartz_cron_schedule": "often", "timezone_id": "UTC"},
                                 "evaluation": {"source": {"name": "n"}, "comparison_operator": "IS_NULL"}}, "INVALID_PARAMETER_VALUE"),
    ("POST", "/api/2.0/alerts", {"display_name": "a", "query_text": "SELECT 1", "warehouse_id": "w", "schedule": {"quartz_cron_schedule": "0 0 * * * ?", "timezone_id": "UTC"},
                                 "evaluation": {"source": {"name": "n"}, "comparison_operator": "EQUAL", "threshold": {"value": {}}}}, "INVALID_PARAMETER_VALUE"),
    ("PATCH", "/api/2.0/alerts/none?update_mask=display_name", {"display_name": "a"}, "RESOURCE_DOES_NOT_EXIST"),
    ("PATCH", "/api/2.0/sql/queries/none", {"query": {}, "update_mask": "x"}, "RESOURCE_DOES_NOT_EXIST"),
    ("POST", "/api/2.0/lakeview/dashboards", {"display_name": "a/b"}, "INVALID_PARAMETER_VALUE")])
def test_what_lives_in_a_workspace_refuses_what_is_none(server, admin, method, path, body, code):
    e = refused(admin.workspace, "landing", method, path, body)
    assert 400 <= e.status < 500 and e.code == code, e


@pytest.mark.parametrize("path,body,named", [
    ("/api/2.0/instance-pools/create", {"instance_pool_name": "p", "node_type_id": "z9.huge"}, "z9.huge"),
    ("/api/2.0/instance-pools/create", {"instance_pool_name": "p", "node_type_id": "m6g.large", "max_capacity": 1.5}, "max_capacity"),
    ("/api/2.0/policies/clusters/create", {"name": "p", "definition": "{"}, "not JSON"),
    ("/api/2.0/policies/clusters/create", {"name": "p", "definition": '{"num_workers":{"type":"range","minValue":9,"maxValue":3}}'}, "'minValue' 9 is above 'maxValue' 3"),
    ("/api/2.0/policies/clusters/create", {"name": "p", "definition": '{"spark_version":{"type":"regex","pattern":"(("}}'}, "not a regular expression"),
    ("/api/2.1/clusters/create", {"spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": -1}, "num_workers"),
    ("/api/2.1/clusters/create", {"spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "spark_env_vars": {"A=B": "c"}}, "spark_env_vars"),
    ("/api/2.2/jobs/create", {"name": "j", "tasks": [{"task_key": "a", "depends_on": [{"task_key": "a"}], "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}]}, "a -> a"),
    ("/api/2.2/jobs/create", {"name": "j", "schedule": {"quartz_cron_expression": "0 0 12 31 2 ?", "timezone_id": "UTC"}}, "never fires"),
    ("/api/2.2/jobs/create", {"name": "j", "schedule": {"quartz_cron_expression": "0 0 12 * * ?", "timezone_id": "../../etc/passwd"}}, "timezone_id"),
    ("/api/1.2/contexts/create", {"clusterId": "none", "language": "python"}, "Cluster none does not exist"),
])
def test_bad_compute_is_refused_by_name(server, admin, path, body, named):
    error = refused(admin.workspace, "landing", "POST", path, body)
    assert 400 <= error.status < 500 and named in error.message, error




@pytest.mark.parametrize("method,path,body,says", [
    ("PUT", "/api/2.0/permissions/warehouses/WAREHOUSE", {"access_control_list": "all"}, "access_control_list"),
    ("PUT", "/api/2.0/permissions/warehouses/WAREHOUSE", {"access_control_list": [{"group_name": "users"}]}, "permission_level"),
    ("PUT", "/api/2.0/permissions/warehouses/WAREHOUSE", {"access_control_list": [{"permission_level": "CAN_USE"}]}, "exactly one of"),
    ("PATCH", "/api/2.0/permissions/warehouses/WAREHOUSE", {"access_control_list": [{"group_name": "users", "permission_level": "CAN_FLY"}]}, "CAN_FLY"),
    ("PUT", "/api/2.0/permissions/dreams/7", {}, "dreams"),
    ("PATCH", "/api/2.0/workspace-conf", {"enableTokensConfig": "perhaps"}, "enableTokensConfig"),
    ("PATCH", "/api/2.0/workspace-conf", {"enableTokensConfig": {"a": 1}}, "enableTokensConfig"),
    ("POST", "/api/2.0/ip-access-lists", {"label": "a", "list_type": "ALLOW", "ip_addresses": ["10.0.0.0/99"]}, "ip_addresses"),
    ("POST", "/api/2.0/ip-access-lists", {"label": "a", "list_type": "ALLOW", "ip_addresses": ["10.0.0.1; DROP"]}, "ip_addresses"),
    ("PATCH", "/api/2.0/settings/types/default_namespace_ws/names/default", {"setting": {"namespace": {"value": 7}}}, "setting.namespace.value"),
    ("POST", "/api/2.0/token/create", {"lifetime_seconds": -1}, "lifetime_seconds"),
])
def test_bad_values_of_administration_name_the_field(server, admin, method, path, body, says):
    e = refused(admin.workspace, "landing", method, path.replace("WAREHOUSE", server.warehouses["landing"]), body)
    assert e.status == 400 and says in e.message


@pytest.mark.parametrize("path,body,says", [
    ("/log-delivery", {"log_delivery_configuration": {"log_type": "AUDIT_LOGS", "output_format": "XML"}}, "output_format"),
    ("/log-delivery", {"log_delivery_configuration": 7}, "log_delivery_configuration"),
    ("/ip-access-lists", {"label": 7}, "label"),
])
def test_bad_values_of_the_account_name_the_field(admin, path, body, says):
    e = refused(admin.account, "POST", path, body)
    assert e.status == 400 and says in e.message
