"""Notebooks, files, secrets, DBFS, volumes, Git folders and init scripts through the vendor's Python SDK, unmodified."""
import json
import os
import pathlib
import subprocess
import sys
import urllib.parse

from harness import TARN, platform
from test_workspace_terraform import remote  # noqa: F401 (a fixture)


def test_a_workspace_is_what_the_sdk_expects(remote):  # noqa: F811
    with platform("--allow-git", f"127.0.0.1:{remote.server_address[1]}") as server:
        host = urllib.parse.urlsplit(server.status()["workspaces"]["landing"]).hostname.split(".")[0]
        done = subprocess.run([TARN, "rehearse", "--data", str(server.data), "--", sys.executable, str(pathlib.Path(__file__).with_name("workspace_script.py"))],
                              capture_output=True, text=True, timeout=300,
                              env={**os.environ, "HOST": f"https://{host}.cloud.databricks.com", "CLIENT_ID": server.ready["admin"]["client_id"],
                                   "CLIENT_SECRET": server.client_secret, "NORA": server.person("nora@acme.example", "landing").token, "REPO": f"{remote.url}/etl.git"})
        assert done.returncode == 0, done.stderr[-4000:]
        seen = json.loads(done.stdout)
        me = server.ready["admin"]["client_id"]
        assert seen["listed"] == [["/sdk/data.bin", "FILE"], ["/sdk/n.py", "NOTEBOOK"]]
        assert seen["source"] == "# Databricks notebook source\nprint(1)" and seen["bytes"]
        assert seen["taken"].endswith(f"Path (/Users/{me}/sdk/n.py) already exists.")
        assert seen["hidden"].startswith(f"Path (/Users/{me}/sdk) doesn't exist.") and seen["shared"]
        assert "is not empty" in seen["full"]
        assert seen["secret"] == "v" and "sdk" in seen["scopes"] and seen["allowed"] == ["k"]
        assert seen["denied"].startswith("User nora@acme.example does not have READ permission on scope sdk.")
        assert seen["dbfs"] == 2 * 1024 * 1024 + 5 and seen["dbfs_gone"]
        assert seen["dbfs_listed"] == ["/sdk/big.bin", "/sdk/c/b.txt"]
        assert seen["file"] == "0123456789" and seen["size"] == 10 and seen["large"]
        assert seen["exists"].startswith("The file being created already exists.")
        assert seen["entries"] == ["/d", "/large.bin", "/stream.bin"]
        assert seen["no_volume"] and seen["not_empty"] == ["FILES_API_DIRECTORY_IS_NOT_EMPTY"]
        assert seen["repo"] == [f"/Repos/{me}/etl", "main"] and seen["next"] == "next" and seen["repos"] == [f"/Repos/{me}/etl"]
        assert seen["scripts"] == ["sdk"] and seen["scripts_denied"]
