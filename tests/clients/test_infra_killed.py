"""A server that is killed in the middle of an apply: started again, the next apply goes on from there, to a clean plan."""
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

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


def test_an_object_whose_answer_was_lost_is_adopted(tmp_path):
    """The create was carried out and nobody heard of it: the object is there, no state knows it, and making it again is refused."""
    with running() as server, Infra(server, tmp_path, state="local") as infra:
        server.tarn("vendor", "register-prefix", "--data", str(server.data), "acme")
        infra.apply_units("account/storage", "ws-landing/private-access", "ws-landing/network")
        admin = server.admin()
        parts = {id_field: admin.account("GET", path)[0][id_field] for path, id_field in
                 (("/credentials", "credentials_id"), ("/storage-configurations", "storage_configuration_id"), ("/networks", "network_id"))}
        admin.account("POST", "/workspaces", {"workspace_name": "landing", "deployment_name": "landing", "aws_region": "eu-central-1", **parts})
        with pytest.raises(InfraError) as refused:
            infra.apply_units("ws-landing/workspace")
        assert "Deployment name acme-landing is already in use" in str(refused.value)
        adopt = str(tmp_path / "adopt")
        subprocess.run(infra.command(sys.executable, str(ROOT / "infra/scripts/adopt.py"), str(tmp_path / "platform"), adopt), env=infra.env, check=True)
        done = infra.run("apply", "-auto-approve", "-no-color", unit="ws-landing/workspace", ADOPT_DIR=adopt)
        assert "Resources: 1 imported, 0 added, 0 changed, 0 destroyed" in done.stdout
        assert infra.changes("ws-landing/workspace") == {}
