"""docs/compatibility.md says what the server offers now, and the SDK's operations are read as the SDK makes them."""
import os
import pathlib
import subprocess
import sys

from harness import ROOT
from sdk_operations import Operation, operations, serves


def test_the_page_is_what_the_server_offers():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "compatibility", "--check", "--build", pathlib.Path(os.environ["TARN"]).parent],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def test_operations_are_read_from_the_sdk():
    found = set(operations())
    assert len(found) > 1000
    assert Operation("account", "credentials", "create", "POST", "/api/2.0/accounts/{account_id}/credentials") in found
    assert Operation("workspace", "files", "upload", "PUT", "/api/2.0/fs/files/{file_path*}") in found
    assert Operation("workspace", "permissions", "get", "GET", "/api/2.0/permissions/{request_object_type}/{request_object_id}") in found


def route(method, pattern, surface="workspace"):
    return {"method": method, "pattern": pattern, "surface": surface}


def test_a_route_serves_what_it_matches_and_nothing_else():
    get = Operation("workspace", "tables", "get", "GET", "/api/2.1/unity-catalog/tables/{full_name}")
    assert serves(route("GET", "/api/2.1/unity-catalog/tables/{name}"), get)
    assert not serves(route("DELETE", "/api/2.1/unity-catalog/tables/{name}"), get)
    assert not serves(route("GET", "/api/2.1/unity-catalog/tables/{name}", "account"), get)
    assert not serves(route("GET", "/api/2.1/unity-catalog/tables/exists"), get)
    assert not serves(route("GET", "/api/2.1/unity-catalog/tables"), get)
    upload = Operation("workspace", "files", "upload", "PUT", "/api/2.0/fs/files/{file_path*}")
    assert serves(route("PUT", "/api/2.0/fs/files/{path*}"), upload)
    kinds = Operation("workspace", "permissions", "get", "GET", "/api/2.0/permissions/{request_object_type}/{request_object_id}")
    assert serves(route("GET", "/api/2.0/permissions/warehouses/{id}"), kinds)
