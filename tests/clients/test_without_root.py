"""A server without root: everything but isolation is there, and whoever asks is told so. As root the server runs as an unprivileged user of this test."""
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

import harness
from harness import wait

LANDING, NOBODY = "landing", 65534


@pytest.fixture(scope="module")
def server():
    if os.geteuid() != 0:
        with harness.platform() as s:
            yield s
        return
    if not shutil.which("setpriv") or subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0:
        pytest.skip("this machine's root may not mount: nothing can be shown to another user")
    # Tree, build and cache may lie in a home that nobody else may enter. In a mount namespace of the server's own the home is another, with only these in it.
    with tempfile.TemporaryDirectory(prefix="tarn-test-") as folder:
        here, home = pathlib.Path(folder), pathlib.Path.home()
        here.chmod(0o755)
        cache = pathlib.Path(os.environ.get("TARN_CACHE") or home / ".cache" / "tarn")
        inside = [str(p) for p in (harness.ROOT, pathlib.Path(harness.TARN).parent, cache) if p.is_relative_to(home)]
        for n, _ in enumerate(inside):
            (here / str(n)).mkdir()
        for name in ("home", "run"):
            (here / name).mkdir(mode=0o700)
            os.chown(here / name, NOBODY, NOBODY)
        script = here / "tarn"
        script.write_text("\n".join([
            "#!/bin/sh", "set -e", '[ -n "$TARN_SHOWN" ] || TARN_SHOWN=1 exec unshare -m "$0" "$@"',
            *(f"mount --bind '{path}' '{here}/{n}'" for n, path in enumerate(inside)),
            *([f"mount -t tmpfs -o mode=755 none '{home}'"] if inside else []),
            *(f"mkdir -p '{path}' && mount --bind '{here}/{n}' '{path}'" for n, path in enumerate(inside)),
            f"exec env -i PATH=\"$PATH\" HOME='{here}/home' TMPDIR='{here}/run' TARN_CACHE='{cache}' \\",
            f"  setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs '{harness.TARN}' \"$@\"", ""]))
        script.chmod(0o755)
        own, harness.TARN = harness.TARN, str(script)
        try:
            with harness.platform(data=here / "run" / "data") as s:
                yield s
        finally:
            harness.TARN = own


@pytest.fixture(scope="module")
def admin(server):
    return server.admin()


def call(admin, method, path, body=None):
    return admin.workspace(LANDING, method, path, body)


def processes_of(server):
    mark, out = str(server.data / "nodes").encode(), []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != server.process.pid and (mark in (entry / "cmdline").read_bytes() or mark in (entry / "environ").read_bytes()):
                out.append(int(entry.name))
        except OSError:
            pass
    return out


def test_statements_and_clusters_run_and_say_what_is_missing(server, admin):
    assert stat.S_ISREG((server.data / "store.db").stat().st_mode) and (server.data / "store.db").stat().st_uid != 0
    sql = lambda text: admin.sql(LANDING, server.warehouses[LANDING], text)
    sql("CREATE SCHEMA landing_raw.plain")
    sql("CREATE TABLE landing_raw.plain.t AS SELECT * FROM VALUES (1, 'a'), (2, 'b') AS v(i, s)")
    assert sql("SELECT sum(i), max(s) FROM landing_raw.plain.t") == [["3", "b"]]

    cluster = call(admin, "POST", "/api/2.1/clusters/create", {"cluster_name": "plain", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0})["cluster_id"]
    get = lambda: call(admin, "GET", f"/api/2.1/clusters/get?cluster_id={cluster}")
    state = wait(90, lambda: (c := get())["state"] != "PENDING" and c)
    assert state["state"] == "RUNNING", state
    assert state["isolation"]["summary"] == "not isolated", state["isolation"]
    context = call(admin, "POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": "python"})["id"]

    def run(code):
        command = call(admin, "POST", "/api/1.2/commands/execute", {"clusterId": cluster, "contextId": context, "language": "python", "command": code})["id"]
        where = f"clusterId={cluster}&contextId={context}&commandId={command}"
        return wait(90, lambda: (c := call(admin, "GET", f"/api/1.2/commands/status?{where}"))["status"] in ("Finished", "Error") and c)["results"]

    assert run("spark.sql('SELECT sum(i) FROM landing_raw.plain.t').collect()[0][0]")["data"] == "3"
    assert run("import os; print(os.getuid() != 0, os.getpriority(os.PRIO_PROCESS, 0) > 0)")["data"] == "True True"
    # Its memory has a bound all the same: a limit of each process.
    assert "MemoryError" in run(f"x = bytearray({64 << 30})")["summary"]
    call(admin, "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": cluster})
    wait(60, lambda: not processes_of(server) and not list((server.data / "nodes").iterdir()))
