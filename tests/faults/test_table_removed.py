"""A table whose files go while a query reads them: the query ends with the whole answer or a clear error, and nothing else notices."""
import shutil
import time

import pytest

from harness import StatementFailed, platform

SLOW = "SELECT count(*), sum(t.id % 7 + r.id % 3) FROM landing_raw.gone.{} t CROSS JOIN range(150) r"


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


def ended(admin, url, statement):
    until = time.monotonic() + 120
    while (answer := admin.call("GET", f"{url}/{statement}"))["status"]["state"] in ("PENDING", "RUNNING"):
        assert time.monotonic() < until, "it neither ends nor fails"
        time.sleep(0.05)
    return answer


@pytest.mark.parametrize("how", ["dropped", "files removed"])
def test_a_query_outlives_its_table_or_says_why_not(server, how):
    admin, warehouse = server.admin(), server.warehouses["landing"]
    name = how.split()[0]

    def sql(text):
        return admin.sql("landing", warehouse, text)

    sql("CREATE SCHEMA IF NOT EXISTS landing_raw.gone")
    sql(f"CREATE TABLE landing_raw.gone.{name} AS SELECT id FROM range(1000000)")
    sql("CREATE OR REPLACE TABLE landing_raw.gone.stays AS SELECT 1 AS a")
    expected = sql(SLOW.format(name).replace("range(150)", "range(3)"))
    url = server.status()["workspaces"]["landing"] + "/api/2.0/sql/statements"
    running = admin.call("POST", url, {"statement": SLOW.format(name), "warehouse_id": warehouse, "wait_timeout": "0s"})["statement_id"]
    while admin.call("GET", f"{url}/{running}")["status"]["state"] == "PENDING":
        time.sleep(0.01)
    if how == "dropped":
        sql(f"DROP TABLE landing_raw.gone.{name}")
    else:
        place = admin.workspace("landing", "GET", f"/api/2.1/unity-catalog/tables/landing_raw.gone.{name}")["storage_location"].removeprefix("s3://")
        shutil.rmtree(server.data / "objects" / place)
    answer = ended(admin, url, running)
    if answer["status"]["state"] == "SUCCEEDED":
        assert answer["result"]["data_array"] == [[str(50 * int(expected[0][0])), str(50 * int(expected[0][1]))]]
    else:
        message = answer["status"]["error"]["message"]
        assert message.startswith("[") and str(server.data) not in message, message
    with pytest.raises(StatementFailed) as after:
        sql(f"SELECT count(*) FROM landing_raw.gone.{name} WHERE id > 5")
    assert str(after.value).startswith("[") and str(server.data) not in str(after.value)
    assert sql("SELECT a FROM landing_raw.gone.stays") == [["1"]]
