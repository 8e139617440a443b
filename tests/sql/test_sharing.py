"""Connections made in SQL, their secrets, and dropped tables that come back, on a whole server."""
import json

import pytest

from harness import StatementFailed, platform


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


def test_a_connection_takes_secrets_of_a_scope(server):
    admin, warehouse = server.admin(), server.warehouses["landing"]
    admin.workspace("landing", "POST", "/api/2.0/secrets/scopes/create", {"scope": "erp"})
    admin.workspace("landing", "POST", "/api/2.0/secrets/put", {"scope": "erp", "key": "pw", "string_value": "hunter2"})
    make = "CREATE CONNECTION {} TYPE MYSQL OPTIONS (host 'db.acme.example', port '3306', user 'plain-user', password secret('erp', '{}'))"
    admin.sql("landing", warehouse, make.format("erp", "pw"))
    told = admin.sql("landing", warehouse, "DESCRIBE CONNECTION erp")
    assert ["Options", "((host, 'db.acme.example'), (port, '3306'), (user, 'plain-user'))"] in told
    assert "hunter2" not in json.dumps(told) + json.dumps(admin.workspace("landing", "GET", "/api/2.1/unity-catalog/connections/erp"))
    texts = [q["query_text"] for q in admin.workspace("landing", "GET", "/api/2.0/sql/history/queries")["res"]]
    assert any("CREATE CONNECTION erp" in t for t in texts) and not any("plain-user" in t for t in texts)
    with pytest.raises(StatementFailed) as failed:
        admin.sql("landing", warehouse, make.format("other", "none"))
    assert "INVALID_SECRET_LOOKUP" in str(failed.value)
    admin.sql("landing", warehouse, "GRANT CREATE CONNECTION ON METASTORE TO `nora@acme.example`")
    with pytest.raises(StatementFailed) as failed:
        server.person("nora@acme.example", "landing").sql("landing", warehouse, make.format("hers", "pw"))
    assert "INVALID_SECRET_LOOKUP" in str(failed.value) and "hunter2" not in str(failed.value)


def test_a_dropped_table_comes_back(server):
    admin, warehouse = server.admin(), server.warehouses["landing"]

    def run(statement):
        return admin.sql("landing", warehouse, statement)

    run("CREATE SCHEMA landing_raw.undone")
    run("CREATE TABLE landing_raw.undone.t AS SELECT * FROM VALUES (1, 'a'), (2, 'b') AS v(id, name)")
    run("DROP TABLE landing_raw.undone.t")
    ((*names, table_id, kind, _, _, _, _, _, _),) = run("SHOW TABLES DROPPED IN landing_raw.undone")
    assert names == ["landing_raw", "undone", "t"] and kind == "MANAGED"
    run(f"UNDROP TABLE WITH ID '{table_id}'")
    assert run("SELECT id, name FROM landing_raw.undone.t ORDER BY id") == [["1", "a"], ["2", "b"]]
    assert admin.workspace("landing", "GET", "/api/2.1/unity-catalog/tables/landing_raw.undone.t")["table_id"] == table_id
    run("INSERT INTO landing_raw.undone.t VALUES (3, 'c')")
    assert run("SELECT count(*) FROM landing_raw.undone.t") == [["3"]]
