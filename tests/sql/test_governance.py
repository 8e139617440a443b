"""Row filters, masks, tags, formats and limits of warehouses over the wire, as the vendor's clients call them."""
import csv
import io
import time

import pytest

from harness import Refused, StatementFailed, platform

UC = "/api/2.1/unity-catalog"
TABLE = "landing_raw.governed.people"


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        admin = s.admin()

        def run(statement):
            return admin.sql("landing", s.warehouses["landing"], statement)

        run("CREATE SCHEMA landing_raw.governed")
        run("GRANT USE CATALOG, USE SCHEMA ON CATALOG landing_raw TO `account users`")
        run(f"CREATE TABLE {TABLE} (id BIGINT, region STRING, ssn STRING)")
        run(f"INSERT INTO {TABLE} VALUES (1, 'EU', '111'), (2, 'US', '222')")
        run("CREATE FUNCTION landing_raw.governed.eu(r STRING) RETURNS BOOLEAN RETURN r = 'EU' OR current_user() <> 'nora@acme.example'")
        run("CREATE FUNCTION landing_raw.governed.stars(v STRING) RETURNS STRING RETURN CASE WHEN current_user() = 'nora@acme.example' THEN '***' ELSE v END")
        run(f"ALTER TABLE {TABLE} SET ROW FILTER landing_raw.governed.eu ON (region)")
        run(f"ALTER TABLE {TABLE} ALTER COLUMN ssn SET MASK landing_raw.governed.stars")
        run(f"GRANT SELECT ON TABLE {TABLE} TO `account users`")
        s.run, s.nora = run, s.person("nora@acme.example", "landing")
        yield s


def test_each_reader_gets_what_the_policies_leave(server):
    assert server.nora.sql("landing", server.warehouses["landing"], f"SELECT * FROM {TABLE}") == [["1", "EU", "***"]]
    assert server.run(f"SELECT * FROM {TABLE} ORDER BY id") == [["1", "EU", "111"], ["2", "US", "222"]]
    shown = server.nora.workspace("landing", "GET", f"{UC}/tables/{TABLE}")
    assert shown["row_filter"] == {"function_name": "landing_raw.governed.eu", "input_column_names": ["region"]}
    assert [c.get("mask") for c in shown["columns"]] == [None, None, {"function_name": "landing_raw.governed.stars"}]
    plan = server.nora.sql("landing", server.warehouses["landing"], f"EXPLAIN SELECT * FROM {TABLE}")[0][0]
    assert "parquet" not in plan.lower() and "EU" not in plan
    with pytest.raises(Refused) as refused:
        server.admin().workspace("landing", "POST", f"{UC}/temporary-table-credentials", {"table_id": shown["table_id"], "operation": "READ"})
    assert refused.value.status == 403


def test_an_external_table_is_registered_with_its_mask(server):
    admin = server.admin()
    location = admin.workspace("landing", "GET", f"{UC}/external-locations")["external_locations"][0]["url"].rstrip("/")

    def register(function):
        return admin.workspace("landing", "POST", f"{UC}/tables", {
            "name": "outside", "catalog_name": "landing_raw", "schema_name": "governed", "table_type": "EXTERNAL", "data_source_format": "DELTA",
            "storage_location": f"{location}/governed_outside", "columns": [{"name": "a", "type_text": "string", "type_name": "STRING", "mask": {"function_name": function}}]})

    with pytest.raises(Refused) as refused:
        register("landing_raw.governed.none")
    assert refused.value.status == 404 and "landing_raw.governed.none" in refused.value.message
    assert register("landing_raw.governed.stars")["columns"][0]["mask"]["function_name"] == "landing_raw.governed.stars"


def test_tags_come_and_go(server):
    admin, base = server.admin(), f"{UC}/entity-tag-assignments"
    made = admin.workspace("landing", "POST", base, {"entity_type": "tables", "entity_name": TABLE, "tag_key": "cost", "tag_value": "a"})
    assert made["tag_value"] == "a" and made["entity_name"] == TABLE
    one = f"{base}/tables/{TABLE}/tags/cost"
    assert admin.workspace("landing", "PATCH", one + "?update_mask=tag_value", {"tag_value": "b"})["tag_value"] == "b"
    assert [t["tag_key"] for t in server.nora.workspace("landing", "GET", f"{base}/tables/{TABLE}/tags")["tag_assignments"]] == ["cost"]
    with pytest.raises(Refused):
        server.nora.workspace("landing", "DELETE", one)
    admin.workspace("landing", "DELETE", one)
    with pytest.raises(Refused):
        admin.workspace("landing", "GET", one)


def finished(caller, statement, **request):
    answer = caller.workspace("landing", "POST", "/api/2.0/sql/statements", {"statement": statement, "wait_timeout": "30s", **request})
    deadline = time.monotonic() + 60
    while answer["status"]["state"] in ("PENDING", "RUNNING") and time.monotonic() < deadline:
        answer = caller.workspace("landing", "GET", f"/api/2.0/sql/statements/{answer['statement_id']}")
    return answer


def test_a_policy_over_tags_over_the_wire(server):
    admin, base, table = server.admin(), f"{UC}/policies", "landing_raw.governed.tagged"
    server.run(f"CREATE TABLE {table} (id BIGINT, ssn STRING)")
    server.run(f"INSERT INTO {table} VALUES (1, '111')")
    server.run(f"GRANT SELECT ON TABLE {table} TO `account users`")
    nora = lambda: server.nora.sql("landing", server.warehouses["landing"], f"SELECT ssn FROM {table}")
    body = {"name": "hide", "on_securable_type": "SCHEMA", "on_securable_fullname": "landing_raw.governed", "for_securable_type": "TABLE", "policy_type": "POLICY_TYPE_COLUMN_MASK",
            "to_principals": ["account users"], "match_columns": [{"condition": "has_tag('pii')", "alias": "c"}], "column_mask": {"function_name": "landing_raw.governed.stars", "on_column": "c"}}
    assert admin.workspace("landing", "POST", base, body)["name"] == "hide"
    one = f"{base}/SCHEMA/landing_raw.governed/hide"
    assert nora() == [["111"]]  # no column has the tag
    server.run(f"ALTER TABLE {table} ALTER COLUMN ssn SET TAGS ('pii' = 'yes')")
    assert nora() == [["***"]] and server.run(f"SELECT ssn FROM {table}") == [["111"]]
    table_id = admin.workspace("landing", "GET", f"{UC}/tables/{table}")["table_id"]
    for person in (admin, server.nora):
        with pytest.raises(Refused) as refused:
            person.workspace("landing", "POST", f"{UC}/temporary-table-credentials", {"table_id": table_id, "operation": "READ"})
        assert refused.value.status == 403
    assert admin.workspace("landing", "PATCH", one + "?update_mask=comment,except_principals", {"comment": "for all but her", "except_principals": ["nora@acme.example"]})["comment"] == "for all but her"
    assert nora() == [["111"]]
    assert [p["name"] for p in admin.workspace("landing", "GET", f"{base}/TABLE/{table}?include_inherited=true")["policies"]] == ["hide"]
    assert not admin.workspace("landing", "GET", f"{base}/TABLE/{table}").get("policies")
    for method, path, sent in (("GET", one, None), ("DELETE", one, None), ("POST", base, {**body, "name": "other"})):
        with pytest.raises(Refused) as refused:
            server.nora.workspace("landing", method, path, sent)
        assert refused.value.status in (403, 404)
    admin.workspace("landing", "DELETE", one)
    with pytest.raises(Refused) as refused:
        admin.workspace("landing", "GET", one)
    assert refused.value.status == 404


def test_csv_through_links_that_end(server):
    admin = server.admin()
    answer = finished(admin, "SELECT id, concat('a,\"', id) AS text FROM range(3)", warehouse_id=server.warehouses["landing"], disposition="EXTERNAL_LINKS", format="CSV")
    link = answer["result"]["external_links"][0]
    text = admin.http.get(link["external_link"], timeout=30).text
    assert list(csv.reader(io.StringIO(text))) == [["id", "text"], ["0", 'a,"0'], ["1", 'a,"1'], ["2", 'a,"2']]
    assert link["expiration"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    forged = link["external_link"].replace("X-Amz-Expires=", "X-Amz-Expires=9")
    assert forged != link["external_link"] and admin.http.get(forged, timeout=30).status_code == 403


def test_the_manifest_spells_types_as_the_vendor(server):
    answer = finished(server.admin(), "SELECT CAST(1 AS DECIMAL(20,4)) AS d, TIMESTAMP'2024-01-02 03:04:05' AS t, array(1, 2) AS a, named_struct('x', 1L, 'y', 'z') AS s, "
                      "CAST(1 AS TINYINT) AS b, DATE'2024-01-01' AS e", warehouse_id=server.warehouses["landing"])
    columns = answer["manifest"]["schema"]["columns"]
    assert [(c["type_text"], c["type_name"]) for c in columns] == [
        ("DECIMAL(20,4)", "DECIMAL"), ("TIMESTAMP", "TIMESTAMP"), ("ARRAY<INT>", "ARRAY"), ("STRUCT<x: BIGINT, y: STRING>", "STRUCT"), ("TINYINT", "BYTE"), ("DATE", "DATE")]


def test_a_workspaces_limits_and_its_history(server):
    admin = server.admin()
    config = "/api/2.0/sql/config/warehouses"
    with pytest.raises(Refused):
        server.nora.workspace("landing", "GET", config)
    pairs = {"sql_configuration_parameters": {"configuration_pairs": [{"key": "STATEMENT_TIMEOUT", "value": "1"}]}, "security_policy": "DATA_ACCESS_CONTROL"}
    admin.workspace("landing", "PUT", config, pairs)
    try:
        assert admin.workspace("landing", "GET", config)["sql_configuration_parameters"] == pairs["sql_configuration_parameters"]
        with pytest.raises(StatementFailed) as late:
            server.run("SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000) b")
        assert late.value.status["error"]["error_code"] == "DEADLINE_EXCEEDED"
    finally:
        admin.workspace("landing", "PUT", config, {"sql_configuration_parameters": {"configuration_pairs": []}})
    failed = admin.workspace("landing", "GET", "/api/2.0/sql/history/queries?filter_by.statuses=FAILED&include_metrics=true&max_results=1")["res"]
    assert len(failed) == 1 and failed[0]["metrics"]["total_time_ms"] >= 1000
    with pytest.raises(Refused):
        admin.workspace("landing", "GET", "/api/2.0/sql/history/queries?filter_by.statuses=LATE")


def test_files_of_a_volume_are_the_volumes_in_sql(server):
    admin, volume, folder = server.admin(), "landing_raw.governed.drop", "/Volumes/landing_raw/governed/drop/in/"
    path = folder + "a b.csv"
    admin.workspace("landing", "POST", f"{UC}/volumes", {"catalog_name": "landing_raw", "schema_name": "governed", "name": "drop", "volume_type": "MANAGED"})
    put = admin.http.put(admin.server.status()["workspaces"]["landing"] + "/api/2.0/fs/files" + path.replace(" ", "%20"), data=b"id,name\n1,one\n", headers={"Authorization": f"Bearer {admin.token}"}, timeout=30)
    assert put.status_code < 300, put.text
    nora = lambda statement: server.nora.sql("landing", server.warehouses["landing"], statement)
    read = f"SELECT id, name, _metadata.file_path FROM read_files('dbfs:{folder}*.csv', format => 'csv', header => true)"
    rows = [["1", "one", "dbfs:" + path.replace(" ", "%20")]]
    assert server.run(read) == rows
    for statement in (read, "LIST '/Volumes/landing_raw/governed/drop'"):
        with pytest.raises(StatementFailed) as refused:
            nora(statement)
        assert "READ VOLUME" in str(refused.value)
    server.run(f"GRANT READ VOLUME ON VOLUME {volume} TO `nora@acme.example`")
    assert nora(read) == rows
    assert [r[:3] for r in nora("LIST '/Volumes/landing_raw/governed/drop/in'")] == [["dbfs:" + path, "a b.csv", "14"]]
    server.run(f"REVOKE READ VOLUME ON VOLUME {volume} FROM `nora@acme.example`")
    with pytest.raises(StatementFailed):
        nora(read)
