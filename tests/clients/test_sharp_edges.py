"""The examples of examples/sharp-edges with the real provider: each fails as the vendor fails, `tarn doctor` names it, and its cure cures it."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

from harness import ROOT, TARN, platform, running
from terraform import client
from terragrunt import environment


class Edge:
    """One example in a folder of its own."""

    def __init__(self, server, name, folder, principal=None, **variables):
        self.server, self.folder = server, folder / name
        shutil.copytree(ROOT / "examples/sharp-edges" / name, self.folder, ignore=shutil.ignore_patterns(".terraform*"))
        (folder / "home").mkdir()
        self.env = environment(server, folder / "home", principal)
        self.env.update({f"TF_VAR_{k}": v for k, v in variables.items()})
        self.tofu("init", "-no-color")

    def tofu(self, *arguments, check=True):
        done = subprocess.run([TARN, "rehearse", "--data", str(self.server.data), "--", str(client("opentofu")), *arguments], cwd=self.folder, env=self.env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def refused(self):
        """The provider's words, which must be a refusal."""
        done = self.tofu("apply", "-auto-approve", "-json", "-input=false", check=False)
        assert done.returncode == 1, done.stdout
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        texts = [line["diagnostic"]["summary"] for line in lines if line.get("diagnostic", {}).get("severity") == "error"]
        assert len(texts) == 1, texts
        return texts[0]

    def applied(self):
        self.tofu("apply", "-auto-approve", "-no-color", "-input=false")
        assert "No changes." in self.tofu("plan", "-no-color", "-input=false").stdout


def doctor(server, *arguments, env=None):
    """What is not well: check -> finding; and the exit code."""
    command = [TARN, "doctor", "--json", *arguments, *([] if env else ["--data", str(server.data)])]
    if env:
        command = [TARN, "rehearse", "--data", str(server.data), "--", *command]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    findings = json.loads(done.stdout)
    return done.returncode, {f["check"]: f for f in findings if f["level"] in ("problem", "warning")}


@pytest.fixture(scope="module")
def article():
    with platform() as s:
        yield s


def landing(server):
    name = server.status()["workspaces"]["landing"].split("//")[1].split(".")[0]
    return f"https://{name}.cloud.databricks.com"


def test_prefix_not_registered(tmp_path):
    with running() as server:
        edge = Edge(server, "prefix-not-registered", tmp_path, account_id=server.ready["account_id"])
        assert edge.refused() == ("cannot create mws workspaces: Failed parameter validation checks: Deployment name cannot be used until a deployment name "
                                  "prefix is defined. Please contact your Databricks representative")
        code, bad = doctor(server)
        assert code == 1 and bad["deployment-prefix"]["edge"] == "deployment_prefix_missing"
        assert "register a prefix" in bad["deployment-prefix"]["cure"]
        server.tarn("vendor", "register-prefix", "--data", str(server.data), "acme")
        edge.applied()
        assert "deployment-prefix" not in doctor(server)[1]


def test_workspace_admin_only(article, tmp_path):
    admin = article.admin()
    sp = admin.account("POST", "/scim/v2/ServicePrincipals", {"displayName": "only-workspace-admin"})
    secret = admin.account("POST", f"/servicePrincipals/{sp['id']}/credentials/secrets", {})["secret"]
    workspace = next(w for w in admin.account("GET", "/workspaces") if w["workspace_name"] == "landing")["workspace_id"]
    admin.account("PUT", f"/workspaces/{workspace}/permissionassignments/principals/{sp['id']}", {"permissions": ["ADMIN"]})
    edge = Edge(article, "workspace-admin", tmp_path, principal=(sp["applicationId"], secret), account_id=article.ready["account_id"])
    assert edge.refused() == "cannot create mws networks: This API is disabled for users without account admin status."
    env = {**edge.env, "DATABRICKS_HOST": "https://accounts.cloud.databricks.com"}
    code, bad = doctor(article, env=env)
    assert code == 1 and bad["account-admin"]["edge"] == "not_account_admin" and sp["applicationId"] in bad["account-admin"]["summary"]
    assert "account admin role" in bad["account-admin"]["cure"]
    admin.account("PATCH", f"/scim/v2/ServicePrincipals/{sp['id']}",
                  {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "path": "roles", "value": [{"value": "account_admin"}]}]})
    edge.applied()
    edge.tofu("destroy", "-auto-approve", "-no-color")


def test_default_metastore_in_the_region(tmp_path):
    with running() as server:
        admin = server.admin()
        c = admin.account("POST", "/credentials", {"credentials_name": "c", "aws_credentials": {"sts_role": {"role_arn": "arn:aws:iam::123456789012:role/cross"}}})
        s = admin.account("POST", "/storage-configurations", {"storage_configuration_name": "s", "root_bucket_info": {"bucket_name": "acme-root"}})
        made = admin.account("POST", "/workspaces", {"workspace_name": "first", "aws_region": "eu-central-1", "credentials_id": c["credentials_id"],
                                                     "storage_configuration_id": s["storage_configuration_id"]})
        deadline = time.monotonic() + 30
        while admin.account("GET", f"/workspaces/{made['workspace_id']}")["workspace_status"] != "RUNNING":
            assert time.monotonic() < deadline
        edge = Edge(server, "default-metastore", tmp_path, account_id=server.ready["account_id"])
        assert edge.refused() == (f"cannot create metastore: This account with id {server.ready['account_id']} has reached the limit for metastores in region "
                                  "eu-central-1")
        code, bad = doctor(server)
        assert code == 1 and bad["metastore"]["edge"] == "default_metastore" and "force=true" in bad["metastore"]["cure"]
        # The cure as infra/modules/metastore has it.
        squatter = admin.account("GET", "/metastores")["metastores"][0]["metastore_id"]
        subprocess.run([TARN, "rehearse", "--data", str(server.data), "--", str(ROOT / "infra/modules/metastore/scripts/evict_metastores.sh")], check=True,
                       env={**edge.env, "DATABRICKS_ACCOUNTS_URL": "https://accounts.cloud.databricks.com", "METASTORE_IDS": squatter})
        edge.applied()
        assert "metastore" not in doctor(server)[1]


def test_grants_before_groups(article, tmp_path):
    edge = Edge(article, "grants-before-groups", tmp_path, workspace_url=landing(article))
    assert edge.refused() == "cannot create grants: Could not find principal with name ml_team"
    code, bad = doctor(article)
    assert code == 1 and bad["grants"]["edge"] == "grant_before_group"
    assert bad["grants"]["summary"] == "a grant on catalog pipeline_gold to 'ml_team' was refused: the account has no principal of that name"
    admin = article.admin()
    group = admin.account("POST", "/scim/v2/Groups", {"displayName": "ml_team"})
    assert "grants" not in doctor(article)[1]
    before = admin.workspace("landing", "GET", "/api/2.1/unity-catalog/permissions/catalog/pipeline_gold")
    edge.applied()
    edge.tofu("destroy", "-auto-approve", "-no-color")
    admin.account("DELETE", f"/scim/v2/Groups/{group['id']}")
    for grant in before["privilege_assignments"]:  # the example owned all grants of the catalog
        admin.workspace("landing", "PATCH", "/api/2.1/unity-catalog/permissions/catalog/pipeline_gold",
                        {"changes": [{"principal": grant["principal"], "add": grant["privileges"]}]})


def test_workspace_local_group(article, tmp_path):
    edge = Edge(article, "workspace-local-group", tmp_path, workspace_url=landing(article))
    assert edge.refused() == "cannot create grants: Could not find principal with name ml_team"
    code, bad = doctor(article)
    assert code == 1 and bad["grants"]["edge"] == "workspace_local_group"
    assert bad["grants"]["summary"] == "a grant on catalog pipeline_gold to 'ml_team' was refused: that group is local to workspace landing"
    assert "account-level" in bad["grants"]["cure"]
    edge.tofu("destroy", "-auto-approve", "-no-color")
    assert "groups" not in doctor(article)[1]


@contextlib.contextmanager
def behind_a_dropping_firewall():
    """A network namespace whose way to the account host leads through a router into a box that passes nothing on and says nothing; yields a
    command's prefix. Client 10.213.7.2 -> router 10.213.7.1 -> 10.213.8.2, which drops. The host's name is in a hosts file of the namespace's own.
    """
    name = f"tarn-{os.getpid()}"
    client_side, router, wall = spaces = [f"{name}-{role}" for role in ("client", "router", "wall")]
    etc = pathlib.Path("/etc/netns") / client_side

    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def cable(left, left_address, right, right_address, link):
        ip("link", "add", f"{link}0", "netns", left, "type", "veth", "peer", "name", f"{link}1", "netns", right)
        for space, end, address in ((left, f"{link}0", left_address), (right, f"{link}1", right_address)):
            ip("-n", space, "address", "add", address, "dev", end)
            ip("-n", space, "link", "set", end, "up")

    try:
        for space in spaces:
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
        cable(client_side, "10.213.7.2/24", router, "10.213.7.1/24", "in")
        cable(router, "10.213.8.1/24", wall, "10.213.8.2/24", "out")
        ip("-n", client_side, "route", "add", "default", "via", "10.213.7.1")
        ip("-n", router, "route", "add", "203.0.113.0/24", "via", "10.213.8.2")
        ip("netns", "exec", router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        ip("netns", "exec", wall, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "hosts").write_text("127.0.0.1 localhost\n203.0.113.10 accounts.cloud.databricks.com\n")
        yield ["ip", "netns", "exec", client_side]
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "delete", space], capture_output=True)
        shutil.rmtree(etc, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_no_egress(tmp_path):
    with running() as server, behind_a_dropping_firewall() as inside:
        edge = Edge(server, "no-egress", tmp_path, account_id=server.ready["account_id"])
        hanging = subprocess.Popen([*inside, str(client("opentofu")), "plan", "-no-color", "-input=false"], cwd=edge.folder, env=edge.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            begin = time.monotonic()
            done = subprocess.run([*inside, TARN, "doctor", "egress", "--json"], env=edge.env, capture_output=True, text=True, timeout=30)
            took = time.monotonic() - begin
            finding, = json.loads(done.stdout)
            assert done.returncode == 1 and finding["edge"] == "no_egress"
            assert took < 5, took
            assert re.fullmatch(r"no answer from accounts\.cloud\.databricks\.com:443 \(203\.0\.113\.10\) within 3\.0 s: packets to TCP port 443 are dropped "
                                r"after hop 1 \(10\.213\.7\.1\), the last one that answers", finding["summary"]), finding["summary"]
            assert "TCP 443" in finding["cure"]
            # Terraform has said nothing of it, and would not for a long while.
            with pytest.raises(subprocess.TimeoutExpired):
                hanging.communicate(timeout=max(0.1, 20 - (time.monotonic() - begin)))
        finally:
            os.killpg(hanging.pid, 9)
            said, _ = hanging.communicate()
        assert "rror" not in said, said
        # The same question through a proxy that may reach the host is answered.
        edge.tofu("plan", "-no-color", "-input=false")
