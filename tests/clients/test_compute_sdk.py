"""Clusters, execution contexts and jobs with the vendor's Python SDK; what runs, really runs, and survives a killed control plane."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from harness import Refused, platform, wait


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


@pytest.fixture(scope="module")
def admin(server):
    return server.admin()


def call(admin, method, path, body=None):
    return admin.workspace("landing", method, path, body)


@pytest.fixture(scope="module")
def cluster(server, admin):
    made = call(admin, "POST", "/api/2.1/clusters/create", {"cluster_name": "c", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0})
    state = wait(90, lambda: (c := call(admin, "GET", f"/api/2.1/clusters/get?cluster_id={made['cluster_id']}"))["state"] != "PENDING" and c)
    assert state["state"] == "RUNNING", state
    yield made["cluster_id"]
    call(server.admin(), "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": made["cluster_id"]})


def run_python(admin, cluster, context, code):
    command = call(admin, "POST", "/api/1.2/commands/execute", {"clusterId": cluster, "contextId": context, "language": "python", "command": code})["id"]
    where = f"clusterId={cluster}&contextId={context}&commandId={command}"
    return wait(60, lambda: (c := call(admin, "GET", f"/api/1.2/commands/status?{where}"))["status"] in ("Finished", "Error", "Cancelled") and c)


def test_python_runs_and_survives_a_killed_control_plane(server, admin, cluster):
    context = call(admin, "POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": "python"})["id"]
    assert run_python(admin, cluster, context, "x = 6 * 7\nprint(x)")["results"] == {"resultType": "text", "data": "42"}
    before = call(admin, "GET", f"/api/2.1/clusters/get?cluster_id={cluster}")
    server.kill()
    server.start()
    again = server.admin()
    after = wait(40, lambda: (c := call(again, "GET", f"/api/2.1/clusters/get?cluster_id={cluster}"))["state"] == "RUNNING" and c)
    assert after["driver"]["instance_id"] == before["driver"]["instance_id"]
    wait(40, lambda: _reachable(again, cluster, context))
    assert run_python(again, cluster, context, "print(x + 1)")["results"]["data"] == "43"
    events = call(again, "POST", "/api/2.1/clusters/events", {"cluster_id": cluster, "order": "ASC"})["events"]
    assert [e["type"] for e in events][:2] == ["CREATING", "RUNNING"]


def _reachable(admin, cluster, context):
    try:
        return call(admin, "GET", f"/api/1.2/contexts/status?clusterId={cluster}&contextId={context}")["status"] == "Running"
    except Refused:
        return False


def test_the_vendors_sdk_runs_a_command(server, cluster):
    script = pathlib.Path(__file__).with_name("compute_script.py")
    env = {**os.environ, "HTTPS_PROXY": server.ready["proxy_url"], "REQUESTS_CA_BUNDLE": server.ready["ca_cert"], "CLUSTER": cluster,
           "DATABRICKS_HOST": server.status()["workspaces"]["landing"],
           "DATABRICKS_CLIENT_ID": server.ready["admin"]["client_id"], "DATABRICKS_CLIENT_SECRET": server.client_secret}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"answer": "42", "jobs": 1, "condition": "SUCCESS"}


NOTEBOOK = """# Databricks notebook source
dbutils.widgets.text("day", "none")
rows = [n * n for n in range(4)]
print("squares", rows)

# COMMAND ----------

# MAGIC %md
# MAGIC Not code.

# COMMAND ----------

dbutils.jobs.taskValues.set("total", sum(rows))
dbutils.notebook.exit(dbutils.widgets.get("day"))
"""
PROGRAM = "import sys\nprint('got', sys.argv[1:])\nassert sys.argv[1] == '14', sys.argv\n"


def test_a_notebook_and_a_program_run_as_tasks(server, cluster):
    admin = server.admin()
    for path, content, extra in (("/Shared/n", NOTEBOOK, {"format": "SOURCE", "language": "PYTHON"}), ("/Shared/p.py", PROGRAM, {"format": "AUTO"})):
        call(admin, "POST", "/api/2.0/workspace/import", {"path": path, "content": base64.b64encode(content.encode()).decode(), "overwrite": True, **extra})
    job = call(admin, "POST", "/api/2.2/jobs/create", {
        "name": "code", "parameters": [{"name": "day", "default": "monday"}],
        "tasks": [
            {"task_key": "n", "existing_cluster_id": cluster, "notebook_task": {"notebook_path": "/Shared/n"}},
            {"task_key": "p", "existing_cluster_id": cluster, "depends_on": [{"task_key": "n"}],
             "spark_python_task": {"python_file": "/Shared/p.py", "parameters": ["{{tasks.n.values.total}}"]}},
            {"task_key": "f", "existing_cluster_id": cluster, "depends_on": [{"task_key": "p"}],
             "spark_python_task": {"python_file": "/Shared/p.py", "parameters": ["13"]}}]})["job_id"]
    run = call(admin, "POST", "/api/2.2/jobs/run-now", {"job_id": job})["run_id"]
    ended = wait(120, lambda: (r := call(admin, "GET", f"/api/2.2/jobs/runs/get?run_id={run}"))["state"]["life_cycle_state"] in ("TERMINATED", "INTERNAL_ERROR") and r)
    tasks = {t["task_key"]: t for t in ended["tasks"]}
    outputs = {k: call(admin, "GET", f"/api/2.2/jobs/runs/get-output?run_id={t['run_id']}") for k, t in tasks.items()}
    assert outputs["n"]["notebook_output"]["result"] == "monday" and "squares [0, 1, 4, 9]" in outputs["n"]["logs"], outputs["n"]
    assert tasks["p"]["state"]["result_state"] == "SUCCESS" and "got ['14']" in outputs["p"]["logs"], outputs["p"]
    assert tasks["f"]["state"]["result_state"] == "FAILED" and "AssertionError" in outputs["f"]["error"], outputs["f"]
    assert ended["state"]["result_state"] == "FAILED"
    call(admin, "POST", "/api/2.2/jobs/delete", {"job_id": job})


def test_a_sql_file_runs_on_its_warehouse(server):
    admin = server.admin()
    call(admin, "POST", "/api/2.0/workspace/import", {"path": "/Shared/q.sql", "content": base64.b64encode(b"SELECT :day AS d").decode(), "format": "AUTO", "overwrite": True})
    task = {"task_key": "q", "sql_task": {"warehouse_id": server.warehouses["landing"], "file": {"path": "/Shared/q.sql"}, "parameters": {"day": "friday"}}}
    run = call(admin, "POST", "/api/2.2/jobs/runs/submit", {"run_name": "one", "tasks": [task]})["run_id"]
    ended = wait(60, lambda: (r := call(admin, "GET", f"/api/2.2/jobs/runs/get?run_id={run}"))["state"]["life_cycle_state"] in ("TERMINATED", "INTERNAL_ERROR") and r)
    assert ended["state"]["result_state"] == "SUCCESS", ended
    output = call(admin, "GET", f"/api/2.2/jobs/runs/get-output?run_id={ended['tasks'][0]['run_id']}")
    statement = output["sql_output"]["query_output"]["sql_statements"][0]["lookup_key"]
    assert call(admin, "GET", f"/api/2.0/sql/statements/{statement}")["result"]["data_array"] == [["friday"]]


def test_a_schedule_fires_exactly_once_through_a_kill(server):
    admin = server.admin()
    job = call(admin, "POST", "/api/2.2/jobs/create", {
        "name": "each second", "max_concurrent_runs": 1000,
        "schedule": {"quartz_cron_expression": "* * * * * ?", "timezone_id": "UTC"},
        "tasks": [{"task_key": "c", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}]})["job_id"]
    for _ in range(3):
        time.sleep(1.3)  # what is tested is time itself: triggers of several seconds, and a kill between them
        server.kill()
        server.start()
        admin = server.admin()
    call(admin, "POST", "/api/2.2/jobs/update", {"job_id": job, "new_settings": {"schedule": {"quartz_cron_expression": "* * * * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"}}})
    runs, token = [], ""
    while True:
        page = call(admin, "GET", f"/api/2.2/jobs/runs/list?job_id={job}&limit=26" + (f"&page_token={token}" if token else ""))
        runs += page.get("runs", [])
        if not page["has_more"]:
            break
        token = page["next_page_token"]
    assert len(runs) >= 3
    seconds = [r["start_time"] // 1000 for r in runs]
    assert len(seconds) == len(set(seconds)), "a second fired twice"
    assert [r["number_in_job"] for r in reversed(runs)] == list(range(1, len(runs) + 1))
    wait(20, lambda: not call(admin, "GET", f"/api/2.2/jobs/runs/list?job_id={job}&active_only=true").get("runs"))
    call(admin, "POST", "/api/2.2/jobs/delete", {"job_id": job})
