"""The vendor's Python SDK, unmodified, under the vendor's host names, through `tarn rehearse`."""
import json
import os
import pathlib
import subprocess
import sys
from importlib import metadata

import pytest

from harness import TARN, platform
from records import record


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


def rehearse(server, *command, **env):
    return subprocess.run([TARN, "rehearse", "--data", str(server.data), "--", *command], capture_output=True, text=True, timeout=300, env={**os.environ, **env})


def test_the_sdk_sees_and_changes_the_platform(server):
    done = rehearse(server, sys.executable, str(pathlib.Path(__file__).with_name("sdk_script.py")), DATABRICKS_ACCOUNT_ID=server.ready["account_id"],
                    CLIENT_ID=server.ready["admin"]["client_id"], CLIENT_SECRET=server.client_secret, NORA=server.person("nora@acme.example", "landing").token)
    assert done.returncode == 0, done.stderr[-4000:]
    seen = json.loads(done.stdout)
    checks = [
        ("workspaces", "list", seen["workspaces"] == ["acme-landing", "acme-pipeline"] and seen["statuses"] == ["RUNNING"]),
        ("networks", "list", seen["networks"] == ["acme-landing", "acme-pipeline"]),
        ("metastores", "list", seen["metastores"] == ["acme-metastore"]),
        ("groups", "list by a filter, create, members, delete", seen["groups"] == ["ai_admin", "ai_analyst", "ai_engineer"] and seen["members"] == [True]),
        ("current_user", "me", seen["me"]),
        ("tokens", "create and use", seen["by_token"]),
        ("catalogs", "list", {"landing_raw", "pipeline_silver", "pipeline_gold"} <= set(seen["catalogs"])),
        ("catalogs", "create is refused without the privilege", "CREATE CATALOG" in seen["denied"]),
        ("schemas", "list", "flights" in seen["schemas"]),
        ("grants", "update and get", seen["grants"]["sdk_made"] == ["USE_CATALOG"]),
        ("tables", "a missing one is the SDK's NotFound", "does not exist" in seen["missing"]),
        ("statement_execution", "columns and rows", seen["state"] == "SUCCEEDED" and seen["columns"] == [["two", "INT"], ["x", "STRING"]]
         and seen["rows"] == [["2", "x"]]),
        ("files", "create a directory, upload, list, download, delete", seen["files"] == [["hello.txt", 6000], True, True]),
    ]
    for group, check, passed in checks:
        record("Python SDK " + metadata.version("databricks-sdk"), group, check, passed)
    assert not [c[:2] for c in checks if not c[2]], seen


def test_curl_reaches_the_account_host_and_nothing_else(server):
    good = rehearse(server, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "https://accounts.cloud.databricks.com/healthz")
    assert good.stdout == "200", good.stderr
    other = rehearse(server, "curl", "-s", "-o", "/dev/null", "-w", "%{http_connect}", "https://example.com/")
    assert other.returncode != 0 and other.stdout == "403"


def test_the_exit_code_is_the_commands(server):
    assert rehearse(server, "sh", "-c", "exit 7").returncode == 7
    assert rehearse(server, "no-such-command-anywhere").returncode == 1
