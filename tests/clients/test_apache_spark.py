"""A cluster whose runtime is Apache Spark: the pinned files, Spark's own functions, and every byte through the catalog."""
import os
import pathlib
import subprocess
import time

import pytest

from harness import ROOT, Refused, platform

LANDING = "landing"
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
# The largest type is the whole host: a JVM wants room.
SPEC = {"cluster_name": "apache", "spark_version": "apache-spark-4.2.x-scala2.13", "node_type_id": "r6i.4xlarge", "num_workers": 0, "data_security_mode": "NONE"}


def wait(holds, seconds):
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def server():
    # What the first such cluster would fetch by itself; here, so that no test waits for a download with a deadline.
    subprocess.run(["/usr/bin/python3", ROOT / "deps" / "fetch.py", "--cache", CACHE, "spark"], check=True, timeout=1500)
    with platform() as s:
        yield s


@pytest.fixture(scope="module")
def admin(server):
    return server.admin()


class Context:
    def __init__(self, who, cluster):
        self.who, self.cluster = who, cluster
        self.id = who.workspace(LANDING, "POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": "python"})["id"]

    def run(self, code, seconds=400):
        command = self.who.workspace(LANDING, "POST", "/api/1.2/commands/execute", {"clusterId": self.cluster, "contextId": self.id, "language": "python", "command": code})["id"]
        where = f"/api/1.2/commands/status?clusterId={self.cluster}&contextId={self.id}&commandId={command}"
        return wait(lambda: (s := self.who.workspace(LANDING, "GET", where))["status"] in ("Finished", "Error", "Cancelled") and s["results"], seconds)

    def text(self, code):
        results = self.run(code)
        assert results["resultType"] == "text", results
        return results["data"]


@pytest.fixture(scope="module")
def cluster(admin):
    made = admin.workspace(LANDING, "POST", "/api/2.1/clusters/create", SPEC)["cluster_id"]
    state = wait(lambda: (c := admin.workspace(LANDING, "GET", f"/api/2.1/clusters/get?cluster_id={made}"))["state"] != "PENDING" and c, 120)
    assert state["state"] == "RUNNING", state
    admin.workspace(LANDING, "PATCH", f"/api/2.0/permissions/clusters/{made}", {"access_control_list": [{"group_name": "users", "permission_level": "CAN_ATTACH_TO"}]})
    yield made
    admin.workspace(LANDING, "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": made})


def test_it_is_offered_and_wants_no_workers(admin):
    versions = {v["key"]: v["name"] for v in admin.workspace(LANDING, "GET", "/api/2.1/clusters/spark-versions")["versions"]}
    assert "Apache Spark 4.2.0" in versions[SPEC["spark_version"]]
    for more in ({"num_workers": 2}, {"autoscale": {"min_workers": 0, "max_workers": 2}}):
        with pytest.raises(Refused, match="Apache Spark over several nodes is not available"):
            admin.workspace(LANDING, "POST", "/api/2.1/clusters/create", {**SPEC, **more})


def test_sparks_own_words_through_the_catalog(server, admin, cluster):
    warehouse = server.warehouses[LANDING]
    admin.sql(LANDING, warehouse, "CREATE SCHEMA IF NOT EXISTS landing_raw.apache")
    admin.sql(LANDING, warehouse, "CREATE OR REPLACE TABLE landing_raw.apache.t (a INT, b STRING)")
    admin.sql(LANDING, warehouse, "INSERT INTO landing_raw.apache.t VALUES (1, 'x'), (2, 'y')")
    context = Context(admin, cluster)
    assert context.text("print(spark.sql('select version()').collect()[0][0].split()[0])") == "4.2.0"
    assert context.text("print(sorted(r.a for r in spark.table('landing_raw.apache.t').collect()))") == "[1, 2]"
    # What it writes anybody reads, and the log is one.
    context.text("spark.range(3, 6).selectExpr('cast(id as int) a', \"'z' b\").write.mode('append').saveAsTable('landing_raw.apache.t')")
    assert admin.sql(LANDING, warehouse, "SELECT count(*), max(a) FROM landing_raw.apache.t") == [["5", "5"]]
    context.text("spark.table('landing_raw.apache.t').groupBy('b').count().write.saveAsTable('landing_raw.apache.counts')")
    assert admin.sql(LANDING, warehouse, "SELECT b, count FROM landing_raw.apache.counts ORDER BY b") == [["x", "1"], ["y", "1"], ["z", "3"]]
    context.text("spark.createDataFrame([(2, 'merged'), (9, 'new')], 'a int, b string').createOrReplaceTempView('s')\n"
                 "spark.sql('MERGE INTO landing_raw.apache.t t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *').collect()")
    assert admin.sql(LANDING, warehouse, "SELECT b FROM landing_raw.apache.t WHERE a IN (2, 9) ORDER BY a") == [["merged"], ["new"]]
    # Functions in Python, which run in workers of the engine.
    assert context.text("from pyspark.sql.functions import udf\nprint([r[0] for r in spark.range(3).select(udf(lambda x: x * 2, 'bigint')('id')).collect()])") == "[0, 2, 4]"


def test_storage_refuses_what_is_not_granted(server, admin, cluster):
    nora = Context(server.person("nora@acme.example", LANDING), cluster)
    refused = nora.run("spark.table('landing_raw.apache.t').collect()")
    assert refused["resultType"] == "error", refused
    url = admin.workspace(LANDING, "GET", "/api/2.1/unity-catalog/tables/landing_raw.apache.t")["storage_location"]
    by_path = nora.run(f"spark.read.format('delta').load({url!r}).collect()")
    assert by_path["resultType"] == "error", by_path
