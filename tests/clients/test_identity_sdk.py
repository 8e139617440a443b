"""Users, groups, service principals, assignments, rule sets and tokens through the vendor's Python SDK, unmodified."""
import json
import os
import pathlib
import subprocess
import sys

from harness import TARN, running


def test_identity_is_what_the_sdk_expects():
    with running() as server:
        done = subprocess.run([TARN, "rehearse", "--data", str(server.data), "--", sys.executable, str(pathlib.Path(__file__).with_name("identity_script.py"))],
                              capture_output=True, text=True, timeout=240,
                              env={**os.environ, "DATABRICKS_ACCOUNT_ID": server.ready["account_id"], "CLIENT_ID": server.ready["admin"]["client_id"],
                                   "CLIENT_SECRET": server.client_secret, "REGION": server.ready["region"]})
        assert done.returncode == 0, done.stderr[-4000:]
        seen = json.loads(done.stdout)
        assert seen["members"] == ["Ann", "inner"]
        assert "cyclic membership" in seen["ring"]
        assert seen["taken"] == "Group with name outer already exists."
        assert "42" in seen["missing"]
        assert seen["pages"] == [f"page {i}" for i in range(5)]
        assert seen["not_admin"].startswith("This API is disabled for users without account admin status.")
        assert seen["stale"] and seen["managed"] == "inner" and seen["roles"] == ["roles/group.manager"]
        assert "not assigned" in seen["stranger"]
        assert seen["assigned"] == ["USER"] and seen["me"] and seen["workspace_id"]
        assert {"inner", "outer"} <= set(seen["groups"])
        assert seen["by_token"] and seen["managed_tokens"] == ["mine"] and seen["local"] == "WorkspaceGroup"
        assert seen["revoked"] and seen["secret_gone"]
