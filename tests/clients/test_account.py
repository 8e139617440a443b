"""The account API's life of a workspace and the article's first three sharp edges, over the wire; tarn doctor beside each."""
import json
import os
import subprocess
import time

import pytest

from harness import TARN, Caller, Refused, running

REGION = "us-east-1"
PREFIX_TEXT = ("Failed parameter validation checks: Deployment name cannot be used until a deployment name prefix is defined. "
               "Please contact your Databricks representative")


def refused(call, *arguments, **kwargs):
    with pytest.raises(Refused) as e:
        call(*arguments, **kwargs)
    return e.value


def parts(admin, name):
    """What a workspace is made of, fresh."""
    c = admin.account("POST", "/credentials", {"credentials_name": name, "aws_credentials": {"sts_role": {"role_arn": "arn:aws:iam::123456789012:role/cross"}}})
    s = admin.account("POST", "/storage-configurations", {"storage_configuration_name": name, "root_bucket_info": {"bucket_name": f"acme-{name}"}})
    n = admin.account("POST", "/networks", {"network_name": f"{name}-net", "vpc_id": "vpc-0a1b2c", "subnet_ids": [f"subnet-{name}1", f"subnet-{name}2"],
                                            "security_group_ids": [f"sg-{name}"]})
    return {"workspace_name": name, "aws_region": REGION, "credentials_id": c["credentials_id"], "storage_configuration_id": s["storage_configuration_id"],
            "network_id": n["network_id"]}


def until(admin, workspace_id, status, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        w = admin.account("GET", f"/workspaces/{workspace_id}")
        if w["workspace_status"] == status:
            return w
        assert w["workspace_status"] in ("PROVISIONING", "CANCELLING") and time.monotonic() < deadline, w


def doctor(server, env=None, *arguments):
    """Exit code and findings by check."""
    where = [] if env else ["--data", str(server.data)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DATABRICKS_") and k.lower() not in ("https_proxy", "http_proxy", "no_proxy")}
    done = subprocess.run([TARN, "doctor", *arguments, *where, "--json"], capture_output=True, text=True, timeout=60, env={**clean, **(env or {})})
    findings = json.loads(done.stdout)
    return done.returncode, {f["check"]: f for f in findings if f["level"] != "ok"}, [f["check"] for f in findings]


def test_a_workspace_lives_through_the_edges():
    with running() as server:
        admin = server.admin()
        request = parts(admin, "landing")

        # Edge 1: the prefix.
        e = refused(admin.account, "POST", "/workspaces", {**request, "deployment_name": "landing"})
        assert (e.status, e.code, e.message) == (400, "MALFORMED_REQUEST", PREFIX_TEXT)
        assert admin.account("GET", "/workspaces") == []
        code, bad, _ = doctor(server)
        assert code == 1 and bad["deployment-prefix"]["edge"] == "deployment_prefix_missing" and "register-prefix" in bad["deployment-prefix"]["cure"]
        server.tarn("vendor", "register-prefix", "--data", str(server.data), "acme")
        made = admin.account("POST", "/workspaces", {**request, "deployment_name": "landing"})
        assert made["deployment_name"] == "acme-landing"
        landing = until(admin, made["workspace_id"], "RUNNING")
        assert admin.account("GET", f"/networks/{request['network_id']}")["vpc_status"] == "VALID"
        assert doctor(server)[1].get("deployment-prefix") is None

        # Edge 3: the metastore that appeared took the region's only place.
        appeared = admin.account("GET", "/metastores")["metastores"]
        assert len(appeared) == 1 and appeared[0]["owner"] == "System-User" and not appeared[0].get("storage_root")
        code, bad, _ = doctor(server)
        assert code == 1 and bad["metastore"]["edge"] == "default_metastore" and "force" in bad["metastore"]["cure"]

        # Edge 2: a workspace admin is nobody at the account.
        user = admin.account("POST", "/scim/v2/Users", {"userName": "wanda@acme.example"})
        admin.account("PUT", f"/workspaces/{landing['workspace_id']}/permissionassignments/principals/{user['id']}", {"permissions": ["ADMIN"]})
        token = server.tarn("token", "--data", str(server.data), "--user", "wanda@acme.example").stdout.strip()
        for path in ("/workspaces", "/credentials", "/networks", "/storage-configurations"):
            e = refused(Caller(server, token).account, "GET", path)
            assert (e.status, e.message) == (403, "This API is disabled for users without account admin status.")
        code, bad, _ = doctor(server, {"DATABRICKS_HOST": server.ready["accounts_url"], "DATABRICKS_ACCOUNT_ID": server.ready["account_id"], "DATABRICKS_TOKEN": token,
                                       "HTTPS_PROXY": server.ready["proxy_url"], "SSL_CERT_FILE": server.ready["ca_cert"]})
        assert code == 1 and bad["account-admin"]["edge"] == "not_account_admin"

        # In use: refused with the vendor's sentence, and the workspace goes before its parts.
        e = refused(admin.account, "DELETE", f"/networks/{request['network_id']}")
        assert (e.status, e.code) == (409, "INVALID_STATE") and e.message == f"Unable to delete, Network is being used by active workspace {landing['workspace_id']}"
        e = refused(admin.account, "POST", "/workspaces", {**request, "workspace_name": "second"})
        assert e.status == 400 and request["network_id"] in e.message
        admin.account("DELETE", f"/workspaces/{landing['workspace_id']}")
        deadline = time.monotonic() + 30
        while admin.account("GET", "/workspaces"):
            assert time.monotonic() < deadline
        assert admin.account("GET", f"/networks/{request['network_id']}")["vpc_status"] == "UNATTACHED"
        admin.account("DELETE", f"/networks/{request['network_id']}")


def test_a_killed_server_finishes_what_it_began():
    with running() as server:
        admin = server.admin()
        made = [admin.account("POST", "/workspaces", parts(admin, f"w{i}"))["workspace_id"] for i in range(3)]
        server.kill()
        server.start()
        again = server.admin()
        for workspace_id in made:
            until(again, workspace_id, "RUNNING")
        assert len(again.account("GET", "/metastores")["metastores"]) == 1


def test_doctor_says_what_does_not_answer(tmp_path):
    class Nobody:
        data = tmp_path

    code, bad, checks = doctor(Nobody)
    assert code == 1 and "server" in bad and str(tmp_path) in bad["server"]["summary"]
    assert {"data-folder", "disk", "clock"} <= set(checks)
    code, bad, checks = doctor(Nobody, {"DATABRICKS_HOST": "https://127.0.0.1:1"}, "egress")
    assert code == 1 and checks == ["egress"] and "127.0.0.1:1" in bad["egress"]["summary"]
