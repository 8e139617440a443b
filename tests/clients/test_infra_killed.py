"""A server that is killed in the middle of an apply: started again, the next apply goes on from there, to a clean plan."""
import os
import re
import signal
import subprocess
import sys
import threading

from harness import ROOT, running
from terraform import client
from terragrunt import Infra, InfraError


def test_apply_again_after_a_kill(tmp_path):
    moment = r'databricks_catalog.this\["pipeline_gold"\]: Creating'
    with running() as server, Infra(server, tmp_path, state="local") as infra:
        server.tarn("vendor", "register-prefix", "--data", str(server.data), "acme")
        command = infra.command(str(client("terragrunt")), "run-all", "apply", "-auto-approve", "-no-color", "--terragrunt-include-module-prefix",
                                "--terragrunt-parallelism", "3")
        process = subprocess.Popen(command, cwd=infra.units, env=infra.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        seen = []
        for line in process.stdout:
            seen.append(line)
            if server.process.poll() is None and re.search(moment, line):
                server.kill()
                # A provider that waits for an object retries for as long as that object's timeout is: nobody waits for that.
                interrupt = threading.Timer(20, os.killpg, (process.pid, signal.SIGKILL))
                interrupt.start()
        assert process.wait() != 0 and server.process.poll() is not None, "".join(seen)[-4000:]
        interrupt.cancel()
        server.start()
        try:
            infra.apply()
        except InfraError:
            # The answer to a create was lost with the server: the object is there and no state knows it. It is adopted.
            adopt = str(tmp_path / "adopt")
            subprocess.run(infra.command(sys.executable, str(ROOT / "infra/scripts/adopt.py"), str(tmp_path / "platform"), adopt), env=infra.env, check=True)
            infra.apply(ADOPT_DIR=adopt)
        assert infra.changes() == {}
        assert infra.tarn("plan") == (0, [])
