"""What a statement did, over the wire and from the command line: files pruned, rows counted, a sort that spills; and what a warehouse's size is worth."""
import json
import subprocess
import time

import pytest

from harness import TARN, Refused, StatementFailed, platform

HISTORY = "/api/2.0/sql/history/queries"
TABLE = "landing_raw.profiles.events"
NUMBERS = "landing_raw.profiles.numbers"


@pytest.fixture(scope="module")
def server():
    # A process of the smallest warehouse is really small here, so that a sort of some megabytes does not fit.
    with platform("--warehouse-memory", "256") as s:
        s.boss = s.admin()
        s.small = s.warehouses["landing"]
        s.large = s.boss.workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "large", "cluster_size": "Large"})["id"]
        run(s, "CREATE SCHEMA landing_raw.profiles", s.large)
        run(s, "GRANT USE CATALOG, USE SCHEMA ON CATALOG landing_raw TO `account users`", s.large)
        run(s, f"CREATE TABLE {TABLE} (id BIGINT, day INT, note STRING) PARTITIONED BY (day)", s.large)
        run(s, f"INSERT INTO {TABLE} SELECT id, CAST(id % 5 AS INT), concat('note number ', sha2(CAST(id AS STRING), 256)) FROM range(600000)", s.large)
        run(s, f"CREATE TABLE {NUMBERS} AS SELECT id, id * 7919 % 600011 AS k FROM range(600000)", s.large)
        run(s, f"GRANT SELECT ON TABLE {TABLE} TO `account users`", s.large)
        yield s


def run(server, statement, warehouse, caller=None, meanwhile=None):
    """The statement's answer, ended. `meanwhile` is called once it was submitted."""
    caller = caller or server.boss
    url = server.status()["workspaces"]["landing"] + "/api/2.0/sql/statements"
    answer = caller.call("POST", url, {"statement": statement, "warehouse_id": warehouse, "wait_timeout": "0s" if meanwhile else "50s"})
    if meanwhile:
        meanwhile()
    deadline = time.monotonic() + 240
    while answer["status"]["state"] in ("PENDING", "RUNNING") and time.monotonic() < deadline:
        answer = caller.call("GET", f"{url}/{answer['statement_id']}")
    if answer["status"]["state"] != "SUCCEEDED":
        raise StatementFailed(answer["status"])
    return answer


def metrics(server, statement_id):
    found = server.boss.workspace("landing", "GET", f"{HISTORY}?include_metrics=true&filter_by.statement_ids={statement_id}")["res"]
    assert len(found) == 1
    return found[0]["metrics"]


def operators(profile):
    def walk(list_):
        for one in list_:
            yield one
            yield from walk(one.get("children", []))
    return [o for r in profile["requests"] for o in walk(r["operators"])]


def test_files_are_pruned_and_rows_counted(server):
    answer = run(server, f"SELECT id, note FROM {TABLE} WHERE day = 3 AND id < 5000 ORDER BY id", server.large)
    m = metrics(server, answer["statement_id"])
    assert m["rows_produced_count"] == m["rows_read_count"] == 1000
    assert m["read_files_count"] >= 1 and m["pruned_files_count"] >= 4 and m["pruned_bytes"] > m["read_files_bytes"] > 0
    assert m["spill_to_disk_bytes"] == 0 and m["result_from_cache"] is False
    profile = server.boss.workspace("landing", "GET", f"{HISTORY}/{answer['statement_id']}/profile")
    assert profile["metrics"] == m
    scans = [o for o in operators(profile) if o.get("table") == TABLE]
    assert len(scans) == 1 and scans[0]["rows"] == 1000 and scans[0]["files"] == m["read_files_count"]
    assert "id<5000" in json.dumps(scans[0]["details"])
    assert str(server.data) not in json.dumps(profile)


def test_a_sort_that_does_not_fit_spills_and_says_so(server):
    sort = f"SELECT count(*), max(b) FROM (SELECT e.id, e.id + 1 AS b FROM {NUMBERS} e CROSS JOIN range(16) r WHERE e.id > 0 ORDER BY e.k, r.id OFFSET 1)"
    answer = run(server, sort, server.small)
    assert answer["result"]["data_array"] == [["9599983", "600000"]]
    first = answer["statement_id"]
    spilled = metrics(server, first)["spill_to_disk_bytes"]
    assert spilled > 1 << 20
    # On the larger one the same rows fit. (Another text, for the result is known.)
    answer = run(server, sort.replace("e.id > 0", "e.id > 1"), server.large)
    assert metrics(server, answer["statement_id"])["spill_to_disk_bytes"] == 0
    row, deadline = None, time.monotonic() + 30  # ended statements are recorded in groups
    while not row and time.monotonic() < deadline:
        row = run(server, "SELECT read_rows, produced_rows, spilled_local_bytes, pruned_files, total_task_duration_ms > 0 FROM system.query.history "
                          f"WHERE statement_id = '{first}'", server.large)["result"].get("data_array")
    assert row == [["599999", "1", str(spilled), "0", "true"]]


def test_the_command_line_draws_the_tree(server):
    answer = run(server, f"SELECT day, count(*) AS n FROM {TABLE} WHERE id > 12 GROUP BY day ORDER BY day", server.large)
    where = ["--data", str(server.data), "-w", "landing", answer["statement_id"]]
    drawn = server.tarn("query", "profile", *where).stdout
    assert "FINISHED" in drawn and "HASH_GROUP_BY" in drawn and f"{TABLE}  " in drawn and "rows read" in drawn and "id>12" in drawn
    assert json.loads(server.tarn("query", "profile", "--json", *where).stdout)["query_id"] == answer["statement_id"]
    missing = server.tarn("query", "profile", "--data", str(server.data), "-w", "landing", "01ef0000-0000-1000-8000-000000000000", check=False)
    assert missing.returncode == 1 and "was not found" in missing.stderr
    assert subprocess.run([TARN, "query", "profile", "--data", str(server.data), "-w", "landing", "a/b"], capture_output=True).returncode == 1


def test_it_is_told_to_the_user_and_to_who_monitors_the_warehouse(server):
    nora = server.person("nora@acme.example", "landing")
    answer = run(server, f"SELECT max(note) FROM {TABLE} WHERE id < 31", server.large, server.boss)
    path = f"{HISTORY}/{answer['statement_id']}/profile"
    with pytest.raises(Refused) as refused:
        nora.workspace("landing", "GET", path)
    assert refused.value.status == 404
    server.boss.workspace("landing", "PATCH", f"/api/2.0/permissions/warehouses/{server.large}",
                          {"access_control_list": [{"user_name": "nora@acme.example", "permission_level": "CAN_MONITOR"}]})
    seen = nora.workspace("landing", "GET", path)
    assert any(o["name"] == "READ_PARQUET" for o in operators(seen)) and "id<31" not in json.dumps(seen) and TABLE not in json.dumps(seen)
    # And of rows behind a filter nobody hears: neither its condition nor how many there are.
    run(server, "CREATE FUNCTION landing_raw.profiles.few(v BIGINT) RETURNS BOOLEAN RETURN v % 1000 = 77", server.large)
    run(server, "CREATE TABLE landing_raw.profiles.closed AS SELECT id FROM range(54321)", server.large)
    run(server, "ALTER TABLE landing_raw.profiles.closed SET ROW FILTER landing_raw.profiles.few ON (id)", server.large)
    run(server, "GRANT SELECT ON TABLE landing_raw.profiles.closed TO `account users`", server.large)
    answer = run(server, "SELECT count(*) FROM landing_raw.profiles.closed", server.large, nora)
    hidden = nora.workspace("landing", "GET", f"{HISTORY}/{answer['statement_id']}/profile")
    assert hidden["withheld"] is True and "requests" not in hidden
    assert not {"rows_read_count", "read_bytes", "pruned_files_count", "pruned_bytes", "spill_to_disk_bytes"} & set(hidden["metrics"])


def test_a_size_says_what_it_is_worth_and_counts_from_the_next_statement(server):
    of = lambda: server.boss.workspace("landing", "GET", f"/api/2.0/sql/warehouses/{server.small}")
    assert of()["health"]["status"] == "HEALTHY" and "256 MiB of memory" in of()["health"]["details"]
    big = "SELECT length(array_join(collect_list(repeat('x', 1000)), '')) FROM range(300000)"
    with pytest.raises(StatementFailed, match="Out of Memory"):
        run(server, big, server.small)
    edit = lambda size: server.boss.workspace("landing", "POST", f"/api/2.0/sql/warehouses/{server.small}/edit",
                                              {"name": "shared", "cluster_size": size, "max_num_clusters": 1, "auto_stop_mins": 10})
    edit("Large")
    try:
        assert "4.0 GiB of memory" in of()["health"]["details"]
        assert run(server, big, server.small)["result"]["data_array"] == [["300000000"]]
        # What runs keeps the size that it began with.
        again = big.replace("'x'", "'y'")
        assert run(server, again, server.small, meanwhile=lambda: edit("2X-Small"))["result"]["data_array"] == [["300000000"]]
        with pytest.raises(StatementFailed, match="Out of Memory"):
            run(server, big.replace("'x'", "'z'"), server.small)
        edit("5X-Large")
        assert "no more to give" in of()["health"]["details"] and "gets as much" in of()["health"]["details"]
    finally:
        edit("2X-Small")
