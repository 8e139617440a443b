"""Sessions over the wire, as the vendor's SQL connectors open them, and `tarn sql`, whose statements are one."""
import json

import pytest

from harness import Refused, platform


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


def test_a_session_over_the_wire(server):
    admin, warehouse = server.admin(), server.warehouses["landing"]
    opened = admin.workspace("landing", "POST", "/api/2.0/sql/sessions", {"warehouse_id": warehouse, "catalog": "landing_raw", "session_confs": {"timezone": "Europe/Berlin"}})
    assert list(opened) == ["session_id"]

    def run(statement):
        answer = admin.workspace("landing", "POST", "/api/2.0/sql/statements", {"statement": statement, "warehouse_id": warehouse, "session_id": opened["session_id"], "wait_timeout": "50s"})
        assert answer["status"]["state"] == "SUCCEEDED", answer
        return answer["result"].get("data_array")

    run("DECLARE seen STRING DEFAULT current_timezone()")
    run("CREATE SCHEMA made_in_session")
    run("USE made_in_session")
    assert run("SELECT seen, current_catalog(), current_schema()") == [["Europe/Berlin", "landing_raw", "made_in_session"]]
    assert admin.workspace("landing", "DELETE", "/api/2.0/sql/sessions/" + opened["session_id"], {"warehouse_id": warehouse, "session_id": opened["session_id"]}) == {}
    for method, path, body in (("DELETE", "/api/2.0/sql/sessions/" + opened["session_id"], None), ("POST", "/api/2.0/sql/statements", {"statement": "SELECT 1", "warehouse_id": warehouse, "session_id": opened["session_id"]})):
        with pytest.raises(Refused) as refused:
            admin.workspace("landing", method, path, body)
        assert "was not found" in str(refused.value)
    with pytest.raises(Refused) as refused:
        admin.workspace("landing", "POST", "/api/2.0/sql/sessions", {"warehouse_id": warehouse, "session_confs": {"ansi_mode": "false"}})
    assert "ansi_mode" in str(refused.value)


def test_the_statements_of_the_command_line_are_one_session(server):
    arguments = ("sql", "--data", str(server.data), "--workspace", "landing", "--warehouse", server.warehouses["landing"], "--catalog", "landing_raw", "--format", "json")
    said = server.tarn(*arguments, "CREATE SCHEMA IF NOT EXISTS typed; USE typed; DECLARE n INT = 20; SET VAR n = n + 22", "SELECT n, current_schema() AS s").stdout
    assert json.loads(said.strip().splitlines()[-1]) == {"n": "42", "s": "typed"}
    again = server.tarn(*arguments, "SELECT n", check=False)
    assert again.returncode != 0 and "UNRESOLVED_COLUMN" in again.stderr
    piped = server.tarn(*arguments, text="SET TIME ZONE 'Asia/Tokyo';\nSELECT current_timezone() AS z;\n").stdout
    assert json.loads(piped.strip().splitlines()[-1]) == {"z": "Asia/Tokyo"}
