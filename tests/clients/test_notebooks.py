"""Code on a cluster as people write it: magic commands, dbutils, spark over the catalog; jobs of notebooks with what they leave behind."""
import base64
import http.server
import json
import os
import pathlib
import subprocess
import threading
import time

import pytest

from harness import Refused, platform, wait

LANDING = "landing"


class Hook:
    """A webhook's receiver."""

    def __init__(self):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture(scope="module")
def hook():
    h = Hook()
    yield h
    h.server.shutdown()


@pytest.fixture(scope="module")
def server(hook):
    with platform("--allow-webhook", hook.host) as s:
        yield s


@pytest.fixture(scope="module")
def admin(server):
    return server.admin()


@pytest.fixture(scope="module")
def cluster(admin):
    made = admin.workspace(LANDING, "POST", "/api/2.1/clusters/create",
                           {"cluster_name": "c", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0, "data_security_mode": "NONE"})
    state = wait(90, lambda: (c := admin.workspace(LANDING, "GET", f"/api/2.1/clusters/get?cluster_id={made['cluster_id']}"))["state"] != "PENDING" and c)
    assert state["state"] == "RUNNING", state
    admin.workspace(LANDING, "PATCH", f"/api/2.0/permissions/clusters/{made['cluster_id']}",
                    {"access_control_list": [{"group_name": "users", "permission_level": "CAN_ATTACH_TO"}]})
    yield made["cluster_id"]
    admin.workspace(LANDING, "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": made["cluster_id"]})


class Context:
    def __init__(self, who, cluster, language="python"):
        self.who, self.cluster, self.language = who, cluster, language
        self.id = self.call("POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": language})["id"]
        wait(60, lambda: self.call("GET", f"/api/1.2/contexts/status?clusterId={cluster}&contextId={self.id}")["status"] == "Running")

    def call(self, *arguments):
        return self.who.workspace(LANDING, *arguments)

    def start(self, code):
        return self.call("POST", "/api/1.2/commands/execute", {"clusterId": self.cluster, "contextId": self.id, "language": self.language, "command": code})["id"]

    def end_of(self, command):
        where = f"/api/1.2/commands/status?clusterId={self.cluster}&contextId={self.id}&commandId={command}"
        return wait(90, lambda: (c := self.call("GET", where))["status"] in ("Finished", "Error", "Cancelled") and c)

    def __call__(self, code):
        results = self.end_of(self.start(code))["results"]
        assert results["resultType"] != "error", results["summary"] + results["cause"]
        return results

    def text(self, code):
        return self(code)["data"].strip()

    def refused(self, code):
        results = self.end_of(self.start(code))["results"]
        assert results["resultType"] == "error", results
        return results["summary"]

    def close(self):
        self.call("POST", "/api/1.2/contexts/destroy", {"clusterId": self.cluster, "contextId": self.id})


@pytest.fixture(scope="module")
def context(admin, cluster):
    c = Context(admin, cluster)
    yield c
    c.close()


def sql(server, admin, statement):
    return admin.sql(LANDING, server.warehouses[LANDING], statement)


@pytest.fixture(scope="module")
def tables(server, admin):
    for statement in ("CREATE SCHEMA landing_raw.nb", "CREATE TABLE landing_raw.nb.t (id bigint, name string)", "INSERT INTO landing_raw.nb.t VALUES (1,'a'),(2,'b'),(3,'c')",
                      "CREATE TABLE landing_raw.nb.hidden (id bigint, name string)", "INSERT INTO landing_raw.nb.hidden VALUES (1,'x')"):
        sql(server, admin, statement)
    for privilege in ("USE CATALOG", "USE SCHEMA"):
        sql(server, admin, f"GRANT {privilege} ON {'CATALOG landing_raw' if 'CATALOG' in privilege else 'SCHEMA landing_raw.nb'} TO `nora@acme.example`")
    sql(server, admin, "GRANT SELECT ON TABLE landing_raw.nb.t TO `nora@acme.example`")
    return "landing_raw.nb"


def put_notebook(admin, path, source, language="PYTHON"):
    admin.workspace(LANDING, "POST", "/api/2.0/workspace/mkdirs", {"path": path.rsplit("/", 1)[0]})
    admin.workspace(LANDING, "POST", "/api/2.0/workspace/import",
                    {"path": path, "format": "SOURCE", "language": language, "overwrite": True, "content": base64.b64encode(source.encode()).decode()})


def test_magic_commands_and_files(admin, context):
    assert context.text("%sh echo one; echo two") == "one\ntwo"
    assert "exit code 7" in context.refused("%sh -e exit 7")
    assert context("%sql\nselect 6 * 7 as a; select 'x' as b, cast(null as int) as c")["data"] == [["x", None]]
    assert context.text("dbutils.fs.put('/nb/a.txt', 'hello', True)\nprint(dbutils.fs.head('dbfs:/nb/a.txt'), [f.name for f in dbutils.fs.ls('/nb')])").endswith("hello ['a.txt']")
    assert context("%fs ls /nb")["data"][0][1] == "a.txt"
    assert context.text("dbutils.fs.cp('/nb', '/nb2', True); dbutils.fs.rm('/nb', True); [f.path for f in dbutils.fs.ls('/nb2')]") == "['dbfs:/nb2/a.txt']"
    assert "does not reach" in context.refused("dbutils.fs.ls('s3://acme-landing-files/')")
    assert "language scala are not available" in context.refused("%scala\n1")
    assert context.text("%md # words") == "# words"
    put_notebook(admin, "/Shared/nb/lib", "# Databricks notebook source\ndef twice(x): return 2 * x\n# COMMAND ----------\n# MAGIC %md words\n# COMMAND ----------\nfrom_lib = dbutils.widgets.getArgument('k')")
    assert context.text("%run /Shared/nb/lib $k=v") == ""
    assert context.text("twice(21), from_lib") == "(42, 'v')"
    assert "RecursionError" in context.refused("%run /Shared/nb/self") if put_notebook(admin, "/Shared/nb/self", "%run ./self") is None else False
    picture = context("from IPython.display import Image, display as show\nshow(Image(data=bytes.fromhex('89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
                      "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082'), format='png'))")
    assert picture["resultType"] == "image" and picture["fileName"].startswith("data:image/png;base64,iVBOR")
    assert Context(context.who, context.cluster, "sql")("select 41 + 1 as n")["data"] == [[42]]


def test_a_wheel_is_installed_into_its_context_alone(admin, cluster, context, tmp_path):
    package = tmp_path / "w"
    (package / "demo_wheel-1.0.dist-info").mkdir(parents=True)
    (package / "demo_wheel.py").write_text("answer = 42\n")
    info = package / "demo_wheel-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo-wheel\nVersion: 1.0\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (info / "RECORD").write_text("")
    subprocess.run(["python3", "-m", "zipfile", "-c", tmp_path / "demo_wheel-1.0-py3-none-any.whl", "demo_wheel.py", "demo_wheel-1.0.dist-info"], cwd=package, check=True)
    content = base64.b64encode((tmp_path / "demo_wheel-1.0-py3-none-any.whl").read_bytes()).decode()
    for name, data in (("demo_wheel-1.0-py3-none-any.whl", content), ("broken-1.0-py3-none-any.whl", base64.b64encode(b"PK\x03\x04 no zip at all").decode())):
        admin.workspace(LANDING, "POST", "/api/2.0/workspace/import", {"path": f"/Shared/nb/{name}", "format": "RAW", "overwrite": True, "content": data})
    other = Context(admin, cluster)
    other("%pip install --no-index /Workspace/Shared/nb/demo_wheel-1.0-py3-none-any.whl")
    assert other.text("import demo_wheel; demo_wheel.answer") == "42"
    assert "No module named 'demo_wheel'" in context.refused("import demo_wheel")
    other.close()
    # A job's library that is not a wheel ends the task with its name.
    run = submit(admin, {"existing_cluster_id": cluster, "python_wheel_task": {"package_name": "broken", "entry_point": "main"},
                         "libraries": [{"whl": "/Shared/nb/broken-1.0-py3-none-any.whl"}]})
    ended = end_of_run(admin, run)
    assert ended["state"]["result_state"] == "FAILED"
    assert "broken-1.0-py3-none-any.whl is not a wheel" in output_of(admin, ended)["error"]


def test_secrets_do_not_show(admin, context):
    admin.workspace(LANDING, "POST", "/api/2.0/secrets/scopes/create", {"scope": "nb"})
    admin.workspace(LANDING, "POST", "/api/2.0/secrets/put", {"scope": "nb", "key": "k", "string_value": "tops3cretvalue"})
    assert context.text("s = dbutils.secrets.get('nb', 'k'); print(s); len(s)") == "[REDACTED]\n14"
    assert context.text("import sys\nfor c in s: sys.stdout.write(c); sys.stdout.flush()\nprint()") == "[REDACTED]"
    assert context("display([{'v': s}])")["data"] == [["[REDACTED]"]]
    assert "tops3cret" not in context.refused("raise ValueError(s)")
    assert "does not exist" in context.refused("dbutils.secrets.get('nb', 'none')").lower()


def test_spark_reads_writes_and_merges_under_the_users_grants(server, admin, context, tables):
    assert context.text("spark.table('landing_raw.nb.t').filter('id > 1').count()") == "2"
    context("spark.table('landing_raw.nb.t').selectExpr('id', 'id * 10 as ten').write.saveAsTable('landing_raw.nb.made')")
    assert sql(server, admin, "SELECT sum(ten) FROM landing_raw.nb.made") == [["60"]]
    assert "already exists" in context.refused("spark.range(1).write.saveAsTable('landing_raw.nb.made')")
    context("spark.createDataFrame([(9, 90)], 'id bigint, ten bigint').write.mode('append').saveAsTable('landing_raw.nb.made')")
    context("spark.createDataFrame([(1, 11), (7, 70)], 'id bigint, ten bigint').createOrReplaceTempView('news')")
    context("spark.sql('MERGE INTO landing_raw.nb.made m USING news n ON m.id = n.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *').collect()")
    assert sql(server, admin, "SELECT id, ten FROM landing_raw.nb.made ORDER BY id") == [["1", "11"], ["2", "20"], ["3", "30"], ["7", "70"], ["9", "90"]]
    # The catalog's names run on a warehouse; the session's views beside them in the engine.
    assert context("display(spark.sql('SELECT count(*) AS n FROM landing_raw.nb.made'))")["data"] == [[5]]
    assert context("display(spark.sql('SELECT n.ten, t.name FROM news n JOIN landing_raw.nb.t t ON t.id = n.id'))")["data"] == [[11, "a"]]
    context("spark.sql(\"MERGE INTO landing_raw.nb.made m USING landing_raw.nb.t t ON m.id = t.id WHEN MATCHED AND t.id = 3 THEN DELETE\")")
    assert sql(server, admin, "SELECT count(*) FROM landing_raw.nb.made") == [["4"]]
    context("spark.sql('INSERT INTO landing_raw.nb.made SELECT id + 100, ten FROM news'); spark.table('landing_raw.nb.t').limit(1).selectExpr('id', 'id as ten').write.mode('overwrite').saveAsTable('landing_raw.nb.made')")
    assert sql(server, admin, "SELECT count(*) FROM landing_raw.nb.made") == [["1"]]
    assert context.text("from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate().sql('select 5 as n').collect()[0].n") == "5"
    assert "readStream is not available" in context.refused("spark.readStream")
    # Lineage and audit know the reader and what came from where.
    edges = sql(server, admin, "SELECT DISTINCT source_table_full_name, target_table_full_name FROM system.access.table_lineage WHERE entity_type = 'NOTEBOOK' AND target_table_full_name IS NOT NULL")
    assert ["landing_raw.nb.t", "landing_raw.nb.made"] in edges
    assert int(sql(server, admin, "SELECT count(*) FROM system.access.audit WHERE action_name = 'generateTemporaryTableCredential' AND response.status_code = 200")[0][0]) > 3


def test_spark_is_refused_what_its_user_may_not_do(server, admin, cluster, tables):
    nora = Context(server.person("nora@acme.example", LANDING), cluster)
    assert nora.text("spark.table('landing_raw.nb.t').count()") == "3"
    assert "does not have" in nora.refused("spark.table('landing_raw.nb.hidden').count()") or "cannot be found" in nora.refused("spark.table('landing_raw.nb.hidden').count()")
    assert "MODIFY" in nora.refused("spark.range(1).selectExpr('id', 'cast(id as string) name').write.mode('append').saveAsTable('landing_raw.nb.t')")
    place = admin.workspace(LANDING, "GET", "/api/2.1/unity-catalog/tables/landing_raw.nb.hidden")["storage_location"]
    # By path: no grant on the place, so storage says no.
    assert "403" in nora.refused(f"spark.read.format('delta').load('{place}').count()")
    assert "403" in nora.refused("spark.read.csv('s3://acme-landing-files/nb/').count()")
    assert "403" in nora.refused(f"spark.range(1).write.mode('append').parquet('{place}/x')")
    # A grant that goes is gone with the next opening.
    sql(server, admin, "REVOKE SELECT ON TABLE landing_raw.nb.t FROM `nora@acme.example`")
    assert "SELECT" in nora.refused("spark.table('landing_raw.nb.t').count()")
    sql(server, admin, "GRANT SELECT ON TABLE landing_raw.nb.t TO `nora@acme.example`")
    # The engine is nobody else's: as root, its process has a network of its own, in which nobody else can connect.
    if os.geteuid() == 0:
        here = os.readlink("/proc/self/ns/net")
        engines = [os.readlink(f"/proc/{pid}/ns/net") for pid, args in descendants(server) if "tarn_runtime.sail" in args]
        assert engines and sum(ns != here for ns in engines) == len(engines) // 2
    nora.close()


def test_views_and_filtered_tables_are_read_by_a_warehouse(server, admin, cluster, tables):
    sql(server, admin, "CREATE VIEW landing_raw.nb.v AS SELECT id, upper(name) AS loud FROM landing_raw.nb.t WHERE id < 3")
    sql(server, admin, "GRANT SELECT ON VIEW landing_raw.nb.v TO `nora@acme.example`")
    nora = Context(server.person("nora@acme.example", LANDING), cluster)
    assert nora.text("[tuple(r) for r in spark.table('landing_raw.nb.v').orderBy('id').collect()]") == "[(1, 'A'), (2, 'B')]"
    nora.close()


def submit(who, task, **more):
    return who.workspace(LANDING, "POST", "/api/2.2/jobs/runs/submit", {"run_name": "r", "tasks": [{"task_key": "t", **task}], **more})["run_id"]


def end_of_run(who, run, seconds=90):
    return wait(seconds, lambda: (r := who.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/get?run_id={run}"))["state"]["life_cycle_state"] in ("TERMINATED", "INTERNAL_ERROR", "SKIPPED") and r)


def output_of(who, run):
    return who.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/get-output?run_id={run['tasks'][-1]['run_id']}")


def test_a_job_of_notebooks_keeps_what_it_shows(server, admin, cluster, hook, tables):
    put_notebook(admin, "/Shared/nb/child", "# Databricks notebook source\ndbutils.notebook.exit('child of ' + dbutils.widgets.get('who'))")
    put_notebook(admin, "/Shared/nb/first", "# Databricks notebook source\n# MAGIC %sql select 1 as shown\n# COMMAND ----------\nprint('to the log')\ndbutils.jobs.taskValues.set('n', 5)\n"
                 "# COMMAND ----------\nprint(dbutils.notebook.run('./child', 60, {'who': 'first'}))")
    put_notebook(admin, "/Shared/nb/second", "-- Databricks notebook source\nSELECT count(*) AS n FROM landing_raw.nb.t\n-- COMMAND ----------\n-- MAGIC %python\n"
                 "-- MAGIC dbutils.notebook.exit(str(dbutils.jobs.taskValues.get('a', 'n') + _sqldf.collect()[0].n))", "SQL")
    destination = admin.workspace(LANDING, "POST", "/api/2.0/notification-destinations", {"display_name": "h", "config": {"generic_webhook": {"url": f"http://{hook.host}/x"}}})["id"]
    job = admin.workspace(LANDING, "POST", "/api/2.2/jobs/create", {
        "name": "nb", "webhook_notifications": {"on_success": [{"id": destination}]}, "email_notifications": {"on_success": ["a@b.example"]},
        "tasks": [{"task_key": "a", "existing_cluster_id": cluster, "notebook_task": {"notebook_path": "/Shared/nb/first"}},
                  {"task_key": "b", "existing_cluster_id": cluster, "depends_on": [{"task_key": "a"}], "notebook_task": {"notebook_path": "/Shared/nb/second"}}]})["job_id"]
    run = admin.workspace(LANDING, "POST", "/api/2.2/jobs/run-now", {"job_id": job})["run_id"]
    follow = subprocess.Popen([os.environ["TARN"], "run", "logs", "-f", "--data", str(server.data), "-w", LANDING, str(run)], stdout=subprocess.PIPE, text=True)
    ended = end_of_run(admin, run)
    assert ended["state"]["result_state"] == "SUCCESS", ended
    followed, _ = follow.communicate(timeout=30)
    assert "to the log\n" in followed and "child of first" in followed and follow.returncode == 0
    tasks = {t["task_key"]: t for t in ended["tasks"]}
    first = admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/get-output?run_id={tasks['a']['run_id']}")
    assert "to the log\nchild of first" in first["logs"]
    assert admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/get-output?run_id={tasks['b']['run_id']}")["notebook_output"]["result"] == "8"
    page = admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/export?run_id={tasks['a']['run_id']}")["views"][0]
    assert "<th>shown</th>" in page["content"] and "to the log" in page["content"]
    wait(20, lambda: any(n["event_type"] == "jobs.on_success" and n["run"]["run_id"] == str(run) for n in hook.seen))
    told = wait(20, lambda: (n := admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/notifications?run_id={run}")["notifications"]) and all(x["state"] != "PENDING" for x in n) and n)
    assert sorted(n["state"] for n in told) == ["REFUSED", "SENT"]
    with pytest.raises(Refused, match="private, loopback or link-local"):
        admin.workspace(LANDING, "POST", "/api/2.0/notification-destinations", {"display_name": "h", "config": {"generic_webhook": {"url": "https://127.0.0.1:1/x"}}})
    # Over time, as a chart and as data; and as tables.
    chart = server.tarn("run", "show", "--data", str(server.data), "-w", LANDING, str(run)).stdout
    assert "SUCCESS" in chart and "#" in chart
    data = json.loads(server.tarn("run", "show", "--json", "--data", str(server.data), "-w", LANDING, str(run)).stdout)
    assert [t["task_key"] for t in data["tasks"]] == ["a", "b"] and data["tasks"][0]["end_ms"] <= data["tasks"][1]["start_ms"]
    assert sql(server, admin, f"SELECT task_key, result_state FROM system.lakeflow.job_task_run_timeline WHERE job_run_id = '{run}' ORDER BY task_key") == [["a", "SUCCEEDED"], ["b", "SUCCEEDED"]]
    assert sql(server, admin, f"SELECT r.result_state, j.name FROM system.lakeflow.job_run_timeline r JOIN system.lakeflow.jobs j ON j.job_id = r.job_id WHERE run_id = '{run}'") == [["SUCCEEDED", "nb"]]
    with pytest.raises(Exception, match="does not have"):
        server.person("nora@acme.example", LANDING).sql(LANDING, server.warehouses[LANDING], "SELECT * FROM system.lakeflow.jobs")


def test_a_file_of_statements_is_one_session_up_to_the_first_that_fails(server, admin, tables):
    script = """-- a comment; with a semicolon
USE landing_raw.nb;
DECLARE VARIABLE lowest BIGINT DEFAULT 0;
SET VAR lowest = (SELECT max(id) FROM t);
CREATE OR REPLACE TABLE scripted AS SELECT lowest AS id, ';' AS s, :word AS word;
INSERT INTO scripted VALUES (%s, 'second', 'x');
INSERT INTO scripted VALUES (99, 'third', 'x');
"""
    highest = int(sql(server, admin, "SELECT max(id) FROM landing_raw.nb.t")[0][0])

    def run(text):
        admin.workspace(LANDING, "POST", "/api/2.0/workspace/import", {"path": "/Shared/nb/s.sql", "format": "RAW", "overwrite": True, "content": base64.b64encode(text.encode()).decode()})
        run_id = admin.workspace(LANDING, "POST", "/api/2.2/jobs/runs/submit", {"run_name": "script", "tasks": [
            {"task_key": "s", "sql_task": {"warehouse_id": server.warehouses[LANDING], "file": {"path": "/Shared/nb/s.sql"}, "parameters": {"word": "told"}}}]})["run_id"]
        done = wait(60, lambda: (r := admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/get?run_id={run_id}"))["state"]["life_cycle_state"] == "TERMINATED" and r)
        return done["state"]["result_state"], admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/get-output?run_id={done['tasks'][0]['run_id']}")

    assert run(script % 5)[0] == "SUCCESS"
    assert sorted(sql(server, admin, "SELECT * FROM landing_raw.nb.scripted")) == sorted([[str(highest), ";", "told"], ["5", "second", "x"], ["99", "third", "x"]])
    state, output = run(script % "1 / 0")
    assert state == "FAILED" and "Statement 5 of 6: [DIVIDE_BY_ZERO]" in output["error"], output
    assert sql(server, admin, "SELECT count(*) FROM landing_raw.nb.scripted") == [["1"]]  # nothing after it ran
    assert "There is no statement in it" in run("-- nothing")[1]["error"]


def test_a_table_that_changes_starts_a_job(server, admin, tables):
    admin.workspace(LANDING, "POST", "/api/2.0/workspace/import", {"path": "/Shared/nb/q.sql", "format": "RAW", "overwrite": True, "content": base64.b64encode(b"SELECT 1").decode()})
    job = admin.workspace(LANDING, "POST", "/api/2.2/jobs/create", {
        "name": "watch", "trigger": {"table_update": {"table_names": ["landing_raw.nb.t"]}},
        "tasks": [{"task_key": "q", "sql_task": {"warehouse_id": server.warehouses[LANDING], "file": {"path": "/Shared/nb/q.sql"}}}]})["job_id"]
    arrival = admin.workspace(LANDING, "POST", "/api/2.2/jobs/create", {
        "name": "arrive", "trigger": {"file_arrival": {"url": "s3://acme-landing-files/nb-in/"}},
        "tasks": [{"task_key": "c", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}]})["job_id"]
    runs = lambda of: admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/list?job_id={of}").get("runs", [])  # noqa: E731
    looked = ("SELECT count(DISTINCT request_params['job_id']) FROM system.access.audit WHERE action_name = 'triggerState' "
              f"AND request_params['job_id'] IN ('{job}', '{arrival}')")
    wait(20, lambda: sql(server, admin, looked) == [["2"]])  # the first look learns what is there
    assert runs(job) == [] and runs(arrival) == []
    sql(server, admin, "INSERT INTO landing_raw.nb.t VALUES (4, 'd')")
    import boto3

    lent = server.person("emil@acme.example", LANDING).workspace(LANDING, "POST", "/api/2.1/unity-catalog/temporary-path-credentials", {"url": "s3://acme-landing-files/nb-in/", "operation": "PATH_READ_WRITE"})["aws_temp_credentials"]
    s3 = boto3.client("s3", endpoint_url=server.ready["s3_endpoint"], region_name=server.ready["region"], aws_access_key_id=lent["access_key_id"],
                      aws_secret_access_key=lent["secret_access_key"], aws_session_token=lent["session_token"])
    s3.put_object(Bucket="acme-landing-files", Key="nb-in/new.csv", Body=b"a\n")
    assert wait(20, lambda: runs(job))[0]["trigger"] == "TABLE"
    assert wait(20, lambda: runs(arrival))[0]["trigger"] == "FILE_ARRIVAL"
    for one in (job, arrival):
        admin.workspace(LANDING, "POST", "/api/2.2/jobs/delete", {"job_id": one})


def descendants(server):
    """Processes of this server's nodes."""
    out = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    rows = [line.split(None, 2) for line in out]
    below, found = {str(server.process.pid)}, []
    for _ in range(8):
        for pid, parent, args in rows:
            if parent in below and pid not in below:
                below.add(pid)
                found.append((pid, args))
    return found


def test_what_misbehaves_ends_and_leaves_nothing(server, admin, cluster):
    count = lambda what: len([p for _, p in descendants(server) if what in p])  # noqa: E731
    before = count("tarn_runtime.kernel"), count("tarn_runtime.sail")
    bad = Context(admin, cluster)
    # A gigabyte of output: bounded, said, and the context goes on.
    loud = bad.end_of(bad.start("import sys\nline = 'x' * 999_999 + '\\n'\nfor _ in range(1000): sys.stdout.write(line)"))
    assert loud["results"]["truncated"] and len(loud["results"]["data"]) < 6 << 20
    assert bad.text("1 + 1") == "2"
    hexed = bad.end_of(bad.start("print(chr(1) * 8_000_000)"))  # what grows sixfold on its way is bounded too
    assert hexed["results"]["truncated"]
    # An interpreter that ignores interrupts is ended after its patience; what it started goes with it.
    deaf = bad.start("import signal, subprocess, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nspark.range(3).count()\nopen('/tmp/deaf', 'w')\nwhile True: time.sleep(1)")
    other = Context(admin, cluster)
    wait(60, lambda: other.text("import os; os.path.exists('/tmp/deaf')") == "True")
    bad.call("POST", "/api/1.2/commands/cancel", {"clusterId": cluster, "contextId": bad.id, "commandId": deaf})
    assert bad.end_of(deaf)["status"] == "Cancelled"
    assert wait(20, lambda: bad.call("GET", f"/api/1.2/contexts/status?clusterId={cluster}&contextId={bad.id}")["status"] == "Error")
    bad.close()
    # Its token goes with a context: what was lent is not good any more.
    token = other.text("import tarn_runtime.door as d; print(d.access()['token'])")
    other.close()

    def gone():
        try:
            type(admin)(server, token).workspace(LANDING, "GET", "/api/2.0/sql/warehouses")
            return False
        except Refused as e:
            return e.status in (401, 403)

    wait(10, gone)
    # Nothing of the two is left: the interpreters of before (and the one that is kept ahead), and the engines of before.
    wait(20, lambda: count("tarn_runtime.kernel") <= before[0] + 1 and count("tarn_runtime.sail") <= before[1])
