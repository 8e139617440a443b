"""A warehouse whose engine is Sail, through the whole server: chosen by its tag, governed like the other, its rows in every format."""
import io
import json

import pyarrow.ipc
import pytest

from harness import Refused, platform


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


@pytest.fixture(scope="module")
def sailing(server):
    made = server.admin().workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "sailing", "cluster_size": "2X-Small", "tags": {"custom_tags": [{"key": "tarn-engine", "value": "sail"}]}})
    return made["id"]


def run(server, warehouse, statement, **more):
    body = {"statement": statement, "warehouse_id": warehouse, "catalog": "landing_raw", "schema": "sails", "wait_timeout": "50s", **more}
    return server.admin().workspace("landing", "POST", "/api/2.0/sql/statements", body)


def rows(server, warehouse, statement, **more):
    answer = run(server, warehouse, statement, **more)
    assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
    return answer["result"].get("data_array", [])


def test_an_unknown_engine_is_refused(server):
    with pytest.raises(Refused) as refused:
        server.admin().workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "odd", "cluster_size": "2X-Small", "tags": {"custom_tags": [{"key": "tarn-engine", "value": "spark"}]}})
    assert "must be duckdb or sail, got 'spark'" in str(refused.value)


def test_rows_are_the_same_on_both_engines(server, sailing):
    default = server.warehouses["landing"]
    rows(server, default, "CREATE SCHEMA sails", schema="default")
    rows(server, default, "CREATE TABLE t AS SELECT id, CAST(id AS DECIMAL(10,2)) / 4 AS q, concat('n', id) AS name, DATE'2024-01-01' + CAST(id AS INT) AS day FROM range(1000)")
    for statement in ("SELECT * FROM t ORDER BY id LIMIT 20", "SELECT count(*), max(day), min(name) FROM t", "SELECT id % 7 AS k, count(*) FROM t GROUP BY 1 ORDER BY 1"):
        assert rows(server, sailing, statement) == rows(server, default, statement)
    rows(server, sailing, "CREATE TABLE made AS SELECT id * 2 AS twice FROM t WHERE id < 5")
    assert rows(server, default, "SELECT sum(twice) FROM made") == [["20"]]
    status = run(server, sailing, "DELETE FROM made")["status"]
    assert status["state"] == "FAILED" and "[UNSUPPORTED_FEATURE] DELETE is not supported by a warehouse whose engine is Sail" in status["error"]["message"]


def test_arrow_through_links(server, sailing):
    answer = run(server, sailing, "SELECT id, named_struct('n', name) AS s FROM t ORDER BY id", disposition="EXTERNAL_LINKS", format="ARROW_STREAM")
    assert answer["status"]["state"] == "SUCCEEDED", answer["status"]
    seen = []
    for link in answer["result"]["external_links"]:
        content = server.admin().http.get(link["external_link"], timeout=30).content
        seen += pyarrow.ipc.open_stream(io.BytesIO(content)).read_all().to_pylist()
    assert len(seen) == 1000 and seen[7] == {"id": 7, "s": {"n": "n7"}}


def test_the_history_knows_its_statements(server, sailing):
    found = server.admin().workspace("landing", "GET", "/api/2.0/sql/history/queries?" + "include_metrics=true&max_results=100")
    mine = [q for q in found["res"] if q["warehouse_id"] == sailing]
    assert mine and json.dumps(mine).find("/objects/") == -1
