"""A cluster whose runtime is Apache Spark: the pinned files, Spark's own functions, and every byte through the catalog."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from harness import ROOT, platform, wait

sys.path.insert(0, str(ROOT / "src" / "compute" / "node"))

from tarn_runtime import apache, door, standalone  # noqa: E402

LANDING = "landing"
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
# The largest type is the whole host: a JVM wants room.
SPEC = {"cluster_name": "apache", "spark_version": "apache-spark-4.2.x-scala2.13", "node_type_id": "r6i.4xlarge", "num_workers": 0, "data_security_mode": "NONE"}


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

    def begin(self, code):
        return self.who.workspace(LANDING, "POST", "/api/1.2/commands/execute", {"clusterId": self.cluster, "contextId": self.id, "language": "python", "command": code})["id"]

    def status(self, command):
        return self.who.workspace(LANDING, "GET", f"/api/1.2/commands/status?clusterId={self.cluster}&contextId={self.id}&commandId={command}")

    def end(self, command, seconds=400):
        return wait(seconds, lambda: (s := self.status(command))["status"] in ("Finished", "Error", "Cancelled") and s["results"])

    def run(self, code):
        return self.end(self.begin(code))

    def text(self, code):
        results = self.run(code)
        assert results["resultType"] == "text", results
        return results["data"]


@pytest.fixture(scope="module")
def cluster(server, admin):
    made = admin.workspace(LANDING, "POST", "/api/2.1/clusters/create", SPEC)["cluster_id"]
    state = wait(120, lambda: (c := admin.workspace(LANDING, "GET", f"/api/2.1/clusters/get?cluster_id={made}"))["state"] != "PENDING" and c)
    assert state["state"] == "RUNNING", state
    admin.workspace(LANDING, "PATCH", f"/api/2.0/permissions/clusters/{made}", {"access_control_list": [{"group_name": "users", "permission_level": "CAN_ATTACH_TO"}]})
    yield made
    server.admin().workspace(LANDING, "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": made})


def test_it_is_offered(admin):
    versions = {v["key"]: v["name"] for v in admin.workspace(LANDING, "GET", "/api/2.1/clusters/spark-versions")["versions"]}
    assert "Apache Spark 4.2.0" in versions[SPEC["spark_version"]]


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


# Over workers ------------------------------------------------------------------------------------------------------------------------------

# Where tasks ran: each worker's address in the context's network, its host name and its control groups.
WHERE = """
from pyspark.sql.functions import udf
import json
def where(_):
    import os, socket, time
    time.sleep(0.1)
    return os.environ['SPARK_LOCAL_IP'] + ' ' + socket.gethostname() + ' ' + open('/proc/self/cgroup').read().replace('\\n', ';')
print(json.dumps(sorted({r[0] for r in spark.range(0, 32, 1, 16).select(udf(where, 'string')('id')).collect()})))
"""


def get(admin, cluster):
    return admin.workspace(LANDING, "GET", f"/api/2.1/clusters/get?cluster_id={cluster}")


def agent_of(server, instance):
    """The process of an instance that dialled in."""
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "fd" / "2") == str(server.data / "nodes" / instance / "node.log"):
                return int(entry.name)
        except OSError:
            pass
    raise AssertionError(f"no process of {instance}")


def left_of(server, instances):
    """What is left of instances: processes that see their folders, control groups, folders."""
    out = [str(server.data / "nodes" / i) for i in instances if (server.data / "nodes" / i).exists()]
    roots = [pathlib.Path("/sys/fs/cgroup"), *pathlib.Path("/sys/fs/cgroup").glob("*")]
    out += [str(root / f"tarn-{i}") for root in roots for i in instances if (root / f"tarn-{i}").is_dir()]
    marks = [str(server.data / "nodes" / i).encode() for i in instances]
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and any(m in (entry / "mountinfo").read_bytes() or m in (entry / "cmdline").read_bytes() for m in marks):
                out.append(entry.name)
        except OSError:
            pass
    return out


@pytest.fixture(scope="module")
def spread(server, admin):
    """A cluster with two workers, nora's context on it, and every instance that it had. She may read and write one table of a schema that has two."""
    warehouse = server.warehouses[LANDING]
    admin.sql(LANDING, warehouse, "CREATE SCHEMA IF NOT EXISTS landing_raw.spread")
    for table in ("hers", "others"):
        admin.sql(LANDING, warehouse, f"CREATE OR REPLACE TABLE landing_raw.spread.{table} (k BIGINT, v BIGINT)")
    for kind, name, privileges in (("catalog", "landing_raw", ["USE_CATALOG"]), ("schema", "landing_raw.spread", ["USE_SCHEMA"]), ("table", "landing_raw.spread.hers", ["SELECT", "MODIFY"])):
        admin.workspace(LANDING, "PATCH", f"/api/2.1/unity-catalog/permissions/{kind}/{name}", {"changes": [{"principal": "nora@acme.example", "add": privileges}]})
    made = admin.workspace(LANDING, "POST", "/api/2.1/clusters/create", {
        **SPEC, "cluster_name": "spread", "num_workers": 2, "cluster_log_conf": {"dbfs": {"destination": "dbfs:/spread-logs"}}})["cluster_id"]
    state = wait(180, lambda: (c := get(admin, made))["state"] != "PENDING" and c)
    assert state["state"] == "RUNNING", state
    admin.workspace(LANDING, "PATCH", f"/api/2.0/permissions/clusters/{made}", {"access_control_list": [{"group_name": "users", "permission_level": "CAN_ATTACH_TO"}]})
    began = time.monotonic()
    context = Context(server.person("nora@acme.example", LANDING), made)
    assert context.text("print(spark.range(10).count())") == "10"
    print(f"the first use of a context over 2 workers: {time.monotonic() - began:.1f} s")
    yield made, context, {i["instance_id"] for i in get(admin, made)["instances"]}
    server.admin().workspace(LANDING, "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": made})  # the server was started again


def ran_on(context):
    return [place.split(" ", 2) for place in json.loads(context.text(WHERE))]


def test_tasks_run_on_the_workers_over_governed_tables(server, admin, spread):
    cluster, context, _ = spread
    places = wait(120, lambda: (p := ran_on(context)) and len(p) == 2 and p)
    workers = {i["instance_id"] for i in get(admin, cluster)["executors"]}
    assert len({p[0] for p in places}) == 2, places
    if os.geteuid() == 0:
        assert {p[1] for p in places} == workers
        assert all("tarn-" + p[1] in p[2] for p in places), places
    context.text("spark.range(0, 200000, 1, 4).selectExpr('id % 1000 k', 'id v').write.mode('append').insertInto('landing_raw.spread.hers')")
    assert admin.sql(LANDING, server.warehouses[LANDING], "SELECT count(*), sum(v) FROM landing_raw.spread.hers") == [["200000", str(sum(range(200000)))]]
    code = ("t = spark.table('landing_raw.spread.hers')\n"
            "j = t.join(spark.range(0, 1000, 1, 4).withColumnRenamed('id', 'k').hint('shuffle_hash'), 'k').groupBy('k').sum('v')\n"
            "r = {x[0]: x[1] for x in j.collect()}\n"
            "print(len(r), r[7] == sum(range(7, 200000, 1000)), sum(r.values()))")
    assert context.text(code) == f"1000 True {sum(range(200000))}"
    # What is not granted is refused, by its name and by its path, which executors would read.
    refused = context.run("spark.table('landing_raw.spread.others').collect()")
    assert refused["resultType"] == "error", refused
    url = admin.workspace(LANDING, "GET", "/api/2.1/unity-catalog/tables/landing_raw.spread.others")["storage_location"]
    by_path = context.run(f"spark.read.schema('k bigint').parquet({url!r}).collect()")
    assert by_path["resultType"] == "error" and ("403" in json.dumps(by_path) or "AccessDenied" in json.dumps(by_path)), by_path
    # Storage's end answers the context's engine, and nothing else that runs beside an executor.
    stolen = ("def steal(_):\n"
              "    import urllib.request, urllib.error\n"
              "    try: return urllib.request.urlopen('http://127.0.0.2:7080/', timeout=60).status\n"
              "    except urllib.error.HTTPError as e: return e.code\n"
              "print(spark.range(1).select(udf(steal, 'int')('id')).collect()[0][0])")
    assert context.text(stolen) == "403"


def test_a_killed_worker_costs_time_and_no_row(server, admin, spread):
    cluster, context, instances = spread
    victim = get(admin, cluster)["executors"][0]["instance_id"]
    began = server.data / "nodes" / victim / "began"
    code = ("def slow(x):\n    import os, time\n    open(os.environ['HOME'] + '/began', 'w').close()\n    time.sleep(1)\n    return x\n"
            "t = spark.range(0, 16, 1, 16).select(udf(slow, 'bigint')('id').alias('k')).repartition(4, 'k').groupBy('k').count()\n"
            "r = t.collect()\nprint(len(r), sum(x[0] for x in r), sum(x[1] for x in r))")
    command = context.begin(code)
    wait(120, began.exists)
    os.kill(agent_of(server, victim), signal.SIGKILL)
    assert context.end(command)["data"] == f"16 {sum(range(16))} 16"
    # Another worker took its place, and joined the context that runs.
    now = wait(120, lambda: (c := get(admin, cluster))["state"] == "RUNNING" and len(c["executors"]) == 2 and c)
    fresh = {i["instance_id"] for i in now["executors"]}
    assert victim not in fresh
    instances |= fresh
    wait(180, lambda: len({p[0] for p in ran_on(context)}) == 2)


def test_what_cannot_begin_says_why(server, monkeypatch):
    monkeypatch.setenv("TARN_PACKAGES", str(CACHE))
    monkeypatch.setenv("TARN_MEMORY_BYTES", str(4 << 30))
    assert apache.unavailable() is None and apache.unavailable({"memory_bytes": 2 << 30}) is None
    assert apache.unavailable({"memory_bytes": 1 << 30}).endswith("a worker of this cluster has 1024: choose a larger node_type_id")
    monkeypatch.setenv("TARN_MEMORY_BYTES", str(1 << 30))
    assert apache.unavailable({"memory_bytes": 4 << 30}).endswith("this one has 1024: choose a larger driver_node_type_id")
    monkeypatch.setattr(standalone, "PATIENCE", 0.5)
    monkeypatch.setattr(standalone, "_master", lambda: {"aliveworkers": 0, "activeapps": []})
    monkeypatch.setattr(door, "of_node", lambda *_: {"workers": ["i-1"], "trouble": {}})
    with pytest.raises(RuntimeError, match="no worker joined within 0.5 seconds .1 of the cluster's 2 workers are up"):
        standalone._await_workers({"target": 2}, "", [])
    monkeypatch.setattr(door, "of_node", lambda *_: {"workers": ["i-1"], "trouble": {"i-1": "no memory"}})
    with pytest.raises(RuntimeError, match="i-1: no memory"):
        standalone._await_workers({"target": 2}, "", [])


def test_a_killed_control_plane_and_what_is_left_at_the_end(server, spread):
    cluster, context, instances = spread
    server.kill()
    server.start()
    again = server.admin()
    wait(60, lambda: (c := get(again, cluster))["state"] == "RUNNING" and all(i["relay"] == "connected" for i in c["instances"]))
    context.who = server.person("nora@acme.example", LANDING)
    # All streams were cut: the executors end with them, and others take their places.
    wait(240, lambda: len({p[0] for p in ran_on(context)}) == 2)
    assert {i["instance_id"] for i in get(again, cluster)["instances"]} <= instances
    again.workspace(LANDING, "POST", "/api/2.1/clusters/delete", {"cluster_id": cluster})
    until = time.monotonic() + 60
    while (left := left_of(server, instances)) and time.monotonic() < until:
        time.sleep(0.2)
    assert left == []
    # What its servers and executors wrote is kept where cluster_log_conf says.
    wait(60, lambda: get(again, cluster).get("cluster_log_status"))
    files = lambda path: [f["path"] for f in again.workspace(LANDING, "GET", f"/api/2.0/dbfs/list?path={path}")["files"]]
    wait(60, lambda: not (server.data / "logs" / cluster).exists())
    assert any("log4j-active.log" in path for path in files(f"/spread-logs/{cluster}/driver"))
    executors = files(f"/spread-logs/{cluster}/executor")
    assert len(executors) >= 2, executors
    assert all(any("/stderr" in file for file in files(path)) for path in executors)
