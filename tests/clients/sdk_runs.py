"""One run of a client's script under `tarn rehearse`: its checks, recorded for docs/compatibility.md, and asserted."""
import json
import os
import subprocess

from harness import TARN
from records import record


def checks(server, client, *command, env=None, seconds=300):
    """Runs the script; every line of its output is a check. Fails with the details of those that did not pass."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "AWS_", "JAVA_", "NODE_"))}
    clean.update(ACCOUNT_ID=server.ready["account_id"], CLIENT_ID=server.ready["admin"]["client_id"], CLIENT_SECRET=server.client_secret,
                 WAREHOUSE=server.warehouses["landing"], HOME=str(server.data.parent), **(env or {}))
    done = subprocess.run([TARN, "rehearse", "--data", str(server.data), "--", *map(str, command)], env=clean, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=seconds)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for c in found:
        record(client, c["group"], c["check"], c["passed"])
    wrong = [f"{c['group']}, {c['check']}: {c.get('detail')}" for c in found if not c["passed"]]
    assert not wrong and done.returncode == 0, "\n".join(wrong) + "\n" + done.stderr[-4000:]
    return found
