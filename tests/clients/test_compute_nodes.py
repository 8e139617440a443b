"""Workers, pools that keep nodes ready, cluster libraries, budgets that stop, a node that lies, and what is left when all has ended."""
import base64
import hashlib
import http.server
import io
import json
import os
import pathlib
import socket
import ssl
import threading
import time
import zipfile

import pytest
import requests

from harness import Refused, platform, wait


def wheel(name, version, body):
    """A wheel of one module."""
    out = io.BytesIO()
    files = {f"{name}.py": body,
             f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
             f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join(f"{path},,\n" for path in files) + f"{name}-{version}.dist-info/RECORD,,\n"
    with zipfile.ZipFile(out, "w") as z:
        for path, text in files.items():
            z.writestr(path, text)
        z.writestr(f"{name}-{version}.dist-info/RECORD", record)
    return f"{name}-{version}-py3-none-any.whl", out.getvalue()


class Index(http.server.ThreadingHTTPServer):
    """A package index of one package (PEP 503)."""

    def __init__(self, package):
        file, data = package

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/simple/indexed/":
                    body = f'<a href="/files/{file}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a>'.encode()
                elif self.path == f"/files/{file}":
                    body = data
                else:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/zip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def end(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.fixture(scope="module")
def server():
    index = Index(wheel("indexed", "1.0", "VALUE = 'from the index'\n"))
    try:
        with platform("--pypi-index", f"http://127.0.0.1:{index.server_port}/simple") as s:
            yield s
    finally:
        index.end()


@pytest.fixture(scope="module")
def admin(server):
    return server.admin()


def call(admin, method, path, body=None):
    return admin.workspace("landing", method, path, body)


def get(admin, cluster):
    return call(admin, "GET", f"/api/2.1/clusters/get?cluster_id={cluster}")


def make(admin, **more):
    made = call(admin, "POST", "/api/2.1/clusters/create", {"cluster_name": "nodes", "spark_version": "15.4.x-scala2.12", "num_workers": 0, **more})
    state = wait(90, lambda: (c := get(admin, made["cluster_id"]))["state"] != "PENDING" and c)
    assert state["state"] == "RUNNING", state
    return state


def run(admin, cluster, code):
    context = call(admin, "POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": "python"})["id"]
    command = call(admin, "POST", "/api/1.2/commands/execute", {"clusterId": cluster, "contextId": context, "language": "python", "command": code})["id"]
    where = f"clusterId={cluster}&contextId={context}&commandId={command}"
    done = wait(60, lambda: (c := call(admin, "GET", f"/api/1.2/commands/status?{where}"))["status"] in ("Finished", "Error") and c)
    call(admin, "POST", "/api/1.2/contexts/destroy", {"clusterId": cluster, "contextId": context})
    return done["results"]


def nodes_of(server):
    """Processes of this server's instances: those that have its folder or one of its instances' names about them."""
    mark, out = str(server.data / "nodes").encode(), []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark in (entry / "mountinfo").read_bytes() or mark in (entry / "cmdline").read_bytes() or mark in (entry / "environ").read_bytes():
                if int(entry.name) != server.process.pid:
                    out.append(int(entry.name))
        except (OSError, ValueError):
            pass
    return out


def groups(instances):
    """Control groups of these instances, in any hierarchy."""
    roots = [pathlib.Path("/sys/fs/cgroup"), *pathlib.Path("/sys/fs/cgroup").glob("*")]
    return [str(root / f"tarn-{i}") for root in roots for i in instances if (root / f"tarn-{i}").is_dir()]


def test_workers_libraries_and_a_killed_control_plane(server, admin):
    pool = call(admin, "POST", "/api/2.0/instance-pools/create",
                {"instance_pool_name": "warm", "node_type_id": "m6g.large", "min_idle_instances": 1, "idle_instance_autotermination_minutes": 1})["instance_pool_id"]
    idle = lambda: call(admin, "GET", f"/api/2.0/instance-pools/get?instance_pool_id={pool}")["stats"]
    wait(60, lambda: idle()["idle_count"] == 1)
    began = time.monotonic()
    state = make(admin, instance_pool_id=pool, num_workers=1)
    print(f"a cluster of a waiting and a fresh node: {time.monotonic() - began:.2f} s")
    cluster = state["cluster_id"]
    assert len(state["executors"]) == 1 and state["driver"]["instance_id"] != state["executors"][0]["instance_id"]

    file, data = wheel("shelved", "2.0", "VALUE = 'from a workspace file'\n")
    call(admin, "POST", "/api/2.0/workspace/mkdirs", {"path": "/Shared/wheels"})
    call(admin, "POST", "/api/2.0/workspace/import", {"path": f"/Shared/wheels/{file}", "format": "AUTO", "content": base64.b64encode(data).decode(), "overwrite": True})
    me = server.ready["admin"]["client_id"]
    call(admin, "PATCH", "/api/2.1/unity-catalog/permissions/catalog/landing_raw",
         {"changes": [{"principal": me, "add": ["USE_CATALOG", "USE_SCHEMA", "CREATE_VOLUME", "READ_VOLUME", "WRITE_VOLUME"]}]})
    call(admin, "POST", "/api/2.1/unity-catalog/volumes", {"catalog_name": "landing_raw", "schema_name": "flights", "name": "wheels", "volume_type": "MANAGED"})
    kept, data = wheel("kept", "3.0", "VALUE = 'from a volume'\n")
    put = admin.http.put(server.status()["workspaces"]["landing"] + f"/api/2.0/fs/files/Volumes/landing_raw/flights/wheels/{kept}", data=data,
                         headers={"Authorization": f"Bearer {admin.token}"}, timeout=30)
    assert put.status_code == 204, put.text
    libraries = [{"pypi": {"package": "indexed==1.0"}}, {"whl": f"/Workspace/Shared/wheels/{file}"}, {"whl": f"/Volumes/landing_raw/flights/wheels/{kept}"},
                 {"pypi": {"package": "not-there"}}]
    call(admin, "POST", "/api/2.0/libraries/install", {"cluster_id": cluster, "libraries": libraries})
    status = lambda: {json.dumps(s["library"], sort_keys=True): s for s in call(admin, "GET", f"/api/2.0/libraries/cluster-status?cluster_id={cluster}")["library_statuses"]}
    wait(90, lambda: all(s["status"] in ("INSTALLED", "FAILED") for s in status().values()))
    told = [status()[json.dumps(l, sort_keys=True)] for l in libraries]
    assert [s["status"] for s in told] == ["INSTALLED", "INSTALLED", "INSTALLED", "FAILED"], told
    assert "not-there" in told[3]["messages"][0]
    code = "import indexed, kept, shelved\nprint(indexed.VALUE, '|', shelved.VALUE, '|', kept.VALUE)"
    assert run(admin, cluster, code) == {"resultType": "text", "data": "from the index | from a workspace file | from a volume"}

    with pytest.raises(Refused, match="loopback"):
        call(admin, "POST", "/api/2.0/libraries/install", {"cluster_id": cluster, "libraries": [{"pypi": {"package": "x", "repo": "https://127.0.0.1/simple"}}]})

    server.kill()
    server.start()
    again = server.admin()
    wait(40, lambda: (c := get(again, cluster))["state"] == "RUNNING" and all(i["relay"] == "connected" for i in c["instances"]))
    assert run(again, cluster, code)["data"] == "from the index | from a workspace file | from a volume"
    now = get(again, cluster)
    assert now["driver"]["instance_id"] == state["driver"]["instance_id"] and now["executors"][0]["instance_id"] == state["executors"][0]["instance_id"]

    # What runs is in the system catalog, and counted.
    sql = lambda text: again.sql("landing", server.warehouses["landing"], text)
    rows = sql(f"SELECT sku_name, usage_unit, sum(usage_quantity) > 0 FROM system.billing.usage WHERE usage_metadata.cluster_id = '{cluster}' GROUP BY ALL")
    assert rows == [["PREMIUM_ALL_PURPOSE_COMPUTE", "DBU", "true"]], rows
    assert sql(f"SELECT worker_count, driver_node_type, cluster_source FROM system.compute.clusters WHERE cluster_id = '{cluster}'") == [["1", "m6g.large", "API"]]
    assert sql("SELECT core_count, memory_mb FROM system.compute.node_types WHERE node_type = 'm6g.large'") == [["2.0", "8192"]]
    assert sql("SELECT count(*) FROM system.compute.node_timeline WHERE cpu_user_percent > 100") == [["0"]]
    assert sql("SELECT pricing.default FROM system.billing.list_prices WHERE sku_name = 'PREMIUM_JOBS_COMPUTE'") == [["0.15"]]

    instances = {p.name for p in (server.data / "nodes").iterdir()}
    assert len(instances) >= 3 and (os.geteuid() != 0 or groups(instances))
    call(again, "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": cluster})
    call(again, "POST", "/api/2.0/instance-pools/delete", {"instance_pool_id": pool})
    # Nothing is left: no process, no control group, no folder.
    left = lambda: [*nodes_of(server), *groups(instances), *(server.data / "nodes").iterdir()]
    until = time.monotonic() + 40
    while left() and time.monotonic() < until:
        time.sleep(0.2)
    assert left() == []
    assert metrics(server)["tarn_relay_connections"] == 0


def test_a_node_that_lies_is_refused_and_counted(server):
    admin = server.admin()
    host, port = server.status()["relay"].rsplit(":", 1)
    trust = ssl.create_default_context(cafile=server.ready["ca_cert"])
    name = "relay." + server.ready["accounts_url"].split("//accounts.")[1].split(":")[0]

    def hello(**said):
        with trust.wrap_socket(socket.create_connection((host, int(port)), timeout=10), server_hostname=name) as s:
            s.sendall(json.dumps({"type": "hello", **said}).encode() + b"\n")
            return s.recv(100)

    cluster = make(admin, node_type_id="m6g.large", num_workers=None, autoscale={"min_workers": 0, "max_workers": 1})
    real = cluster["driver"]["instance_id"]
    assert b"refused" in hello(instance_id="i-0000000000000000", token="x" * 64, lease="y" * 64)
    assert b"refused" in hello(instance_id=real, token="x" * 64, lease="y" * 64)
    assert b"refused" in hello(instance_id=real, token="", lease="")
    assert get(admin, cluster["cluster_id"])["state"] == "RUNNING"
    assert metrics(server)["tarn_relay_refused_total"] >= 3
    # A node reports at intervals: its first figures may still be under way.
    wait(30, lambda: any(v > 0 for k, v in metrics(server).items() if k.startswith("tarn_node_memory_bytes") and real in k))

    # Two commands that run are two nodes' load.
    contexts = [call(admin, "POST", "/api/1.2/contexts/create", {"clusterId": cluster["cluster_id"], "language": "python"})["id"] for _ in range(2)]
    for context in contexts:
        call(admin, "POST", "/api/1.2/commands/execute", {"clusterId": cluster["cluster_id"], "contextId": context, "language": "python", "command": "import time; time.sleep(60)"})
    wait(40, lambda: (c := get(admin, cluster["cluster_id"]))["state"] == "RUNNING" and len(c.get("executors", [])) == 1)
    seen = call(admin, "POST", "/api/2.1/clusters/events", {"cluster_id": cluster["cluster_id"], "event_types": ["RESIZING"]})["events"]
    assert seen[0]["details"]["cause"] == "AUTOSCALE"

    # A budget that is spent stops what it covers: a cluster that ran for a second has cost more than nothing.
    landing = admin.account("GET", "/workspaces")
    workspace = next(w["workspace_id"] for w in landing if w["workspace_name"] == "landing")
    alert = {"time_period": "MONTH", "trigger_type": "CUMULATIVE_SPENDING_EXCEEDED", "quantity_type": "LIST_PRICE_DOLLARS_USD", "quantity_threshold": "0.00001",
             "action_configurations": [{"action_type": "BLOCK_USAGE"}]}
    url = f"{server.ready['accounts_url']}/api/2.1/accounts/{server.ready['account_id']}/budgets"
    made = admin.call("POST", url, {"budget": {"display_name": "tiny", "alert_configurations": [alert], "filter": {"workspace_id": {"operator": "IN", "values": [workspace]}}}})
    ended = wait(40, lambda: (c := get(admin, cluster["cluster_id"]))["state"] == "TERMINATED" and c)
    assert ended["termination_reason"]["code"] == "BUDGET_POLICY_LIMIT_ENFORCEMENT_ACTIVATED", ended
    assert "tiny" in ended["state_message"]
    with pytest.raises(Refused, match="tiny"):
        call(admin, "POST", "/api/2.1/clusters/start", {"cluster_id": cluster["cluster_id"]})
    admin.call("DELETE", url + "/" + made["budget"]["budget_configuration_id"])
    wait(30, lambda: started(admin, cluster["cluster_id"]))
    call(admin, "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": cluster["cluster_id"]})


def metrics(server):
    text = requests.get(server.status()["metrics_url"], timeout=10).text
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))}


def started(admin, cluster):
    try:
        call(admin, "POST", "/api/2.1/clusters/start", {"cluster_id": cluster})
        return True
    except Refused as e:
        assert "tiny" in e.message
        return False
