"""infra/ with the real Terragrunt, OpenTofu and provider: the article's platform, from nothing and back to nothing."""
import shutil
import subprocess
import sys

import pytest

from harness import ROOT, running
from terraform import client
from terragrunt import BUCKET, Infra, environment


@pytest.fixture(scope="module")
def server():
    with running() as s:
        s.tarn("vendor", "register-prefix", "--data", str(s.data), "acme")
        yield s


@pytest.fixture(scope="module")
def infra(server, tmp_path_factory):
    """The platform applied once, by Terragrunt alone; the pipeline workspace with private connectivity, so that every module has work."""
    with Infra(server, tmp_path_factory.mktemp("infra")) as i:
        (i.folder / "platform" / "network.yaml").unlink()  # the endpoints below are another VPC's
        (i.folder / "platform" / "private.yaml").write_text(
            "vpc_endpoints:\n"
            "  - {name: acme-rest, aws_vpc_endpoint_id: vpce-0aaaaaaaaaaaaaaa1}\n"
            "  - {name: acme-relay, aws_vpc_endpoint_id: vpce-0aaaaaaaaaaaaaaa2}\n"
            "private_access:\n"
            "  - {name: acme-private, level: ENDPOINT, public_access: true, allowed_endpoints: [acme-rest]}\n")
        i.yaml("account.yaml", "    subnet_ids: [subnet-0aa22222222222222, subnet-0bb22222222222222]",
               "    subnet_ids: [subnet-0aa22222222222222, subnet-0bb22222222222222]\n    rest_endpoints: [acme-rest]\n    relay_endpoints: [acme-relay]")
        i.yaml("account.yaml", "network: acme-pipeline}", "network: acme-pipeline, private_access: acme-private}")
        i.output = i.apply()
        yield i


def test_what_is_written_is_formatted_and_valid(server, tmp_path):
    tofu, terragrunt = str(client("opentofu")), str(client("terragrunt"))
    for folder in ("infra", "examples"):
        done = subprocess.run([tofu, "fmt", "-check", "-recursive", "-diff"], cwd=ROOT / folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    done = subprocess.run([terragrunt, "hclfmt", "--terragrunt-check"], cwd=ROOT / "infra", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    env = environment(server, tmp_path)
    roots = sorted({f.parent for f in [*(ROOT / "infra/modules").rglob("*.tf"), *(ROOT / "examples/sharp-edges").rglob("*.tf")]})
    assert len(roots) >= 20
    for root in roots:
        copy = tmp_path / "copies" / root.name  # what init leaves behind is not for the tree
        shutil.copytree(root, copy)
        for command in (["init", "-backend=false"], ["validate"]):
            done = subprocess.run([tofu, f"-chdir={copy}", *command, "-no-color"], env=env, capture_output=True, text=True)
            assert done.returncode == 0, f"{root}: {done.stdout}{done.stderr}"


def test_both_sides_agree_after_an_apply(infra):
    assert "deleted the default metastore" in infra.output
    assert infra.changes() == {}
    assert infra.tarn("plan") == (0, [])
    assert infra.tarn("drift") == (0, [])


def test_a_bucket_is_lent_by_a_name_that_is_one(server):
    for name in ("../objects", "UPPER", "a"):
        refused = server.tarn("rehearse", "--data", str(server.data), "--bucket", name, "--", "true", check=False)
        assert refused.returncode == 1 and f"The specified bucket is not valid: '{name}'." in refused.stderr


def test_states_are_in_the_bucket_and_locked(infra):
    """A second apply of the same unit, while somebody holds its lock, is refused and says who; what is lent opens that bucket alone."""
    lock = "databricks/account/groups/terraform.tfstate.tflock"
    script = (
        "import boto3, botocore.exceptions, sys\n"
        "s3 = boto3.client('s3', region_name='eu-central-1')\n"
        "try:\n"
        "    s3.list_objects_v2(Bucket='acme-databricks-root')\n"
        "    sys.exit('another bucket was opened')\n"
        "except botocore.exceptions.ClientError as e:\n"
        "    assert e.response['Error']['Code'] == 'AccessDenied', e\n"
        f"have = [o['Key'] for o in s3.list_objects_v2(Bucket='{BUCKET}')['Contents']]\n"
        "assert 'databricks/ws-landing/workspace/terraform.tfstate' in have, have\n"
        "assert not [k for k in have if k.endswith('.tflock')], have\n"
        "body = b'{\"ID\":\"11111111-2222-3333-4444-555555555555\",\"Operation\":\"OperationTypeApply\",\"Who\":\"somebody@else\",\"Version\":\"1.10.6\",\"Created\":\"2026-01-01T00:00:00Z\",\"Path\":\"x\"}'\n"
        f"(s3.put_object if sys.argv[1] == 'hold' else s3.delete_object)(Bucket='{BUCKET}', Key='{lock}', **({{'Body': body}} if sys.argv[1] == 'hold' else {{}}))\n")
    for step in ("hold", "release"):
        subprocess.run(infra.command(sys.executable, "-c", script.replace("assert not", "assert not" if step == "hold" else "assert"), step), env=infra.env, check=True)
        if step == "hold":
            refused = infra.run("plan", "-no-color", unit="account/groups", check=False)
            assert refused.returncode != 0 and "Error acquiring the state lock" in refused.stdout and "somebody@else" in refused.stdout
    infra.run("plan", "-no-color", unit="account/groups")


def test_one_line_of_yaml_is_one_change_for_both(infra):
    infra.yaml("grants.yaml", "to: gold_read, allow: [USE CATALOG, USE SCHEMA, SELECT]", "to: gold_read, allow: [USE CATALOG, USE SCHEMA, SELECT, BROWSE]")
    assert infra.changes() == {'account/grants databricks_grants.this["catalog pipeline_gold"]': "updated in-place"}
    assert infra.tarn("plan") == (2, ["update grants.catalog pipeline_gold"])
    infra.apply_units("account/grants")
    assert infra.changes("account/grants") == {}
    assert infra.tarn("plan") == (0, [])


def test_a_group_its_place_and_its_way_in_are_one_line(infra):
    line = "  - {name: gold_read, members: [ai_analyst]}"
    infra.yaml("people.yaml", line, line + "\n  - {name: auditors, members: [nora@acme.example], workspaces: {pipeline: USER}}")
    infra.yaml("compute.yaml", "node_type: m6g.large, max_capacity: 10", "node_type: m6g.large, max_capacity: 12")
    units = ("account/groups", "ws-pipeline/access", "ws-landing/pools")
    assert infra.changes(*units) == {'account/groups databricks_group.this["auditors"]': "created",
                                     'account/groups databricks_group_member.this["auditors/nora@acme.example"]': "created",
                                     "account/groups outputs": "changed",
                                     'ws-pipeline/access databricks_mws_permission_assignment.this["auditors"]': "created",
                                     "ws-pipeline/access outputs": "changed",
                                     'ws-landing/pools databricks_instance_pool.this["ip_cpu_small"]': "updated in-place"}
    code, seen = infra.tarn("plan")
    assert code == 2 and sorted(seen) == ["create group.auditors", "create workspace_assignment.pipeline/auditors", "update pool.landing/ip_cpu_small"]
    infra.apply_units(*units)
    assert infra.changes(*units) == {}
    assert infra.tarn("plan") == (0, [])


def test_drift_is_seen_by_both_and_mended(infra, server):
    admin = server.admin()
    admin.workspace("landing", "PATCH", "/api/2.1/unity-catalog/permissions/catalog/landing_raw", {"changes": [{"principal": "ai_analyst", "add": ["SELECT"]}]})
    admin.workspace("landing", "PATCH", "/api/2.1/unity-catalog/schemas/landing_raw.flights", {"comment": "clicked"})
    pipeline = next(w for w in admin.account("GET", "/workspaces") if w["workspace_name"] == "pipeline")["workspace_id"]
    group = next(g for g in admin.account("GET", "/scim/v2/Groups")["Resources"] if g["displayName"] == "ai_analyst")["id"]
    admin.account("PUT", f"/workspaces/{pipeline}/permissionassignments/principals/{group}", {"permissions": ["ADMIN"]})
    assert infra.changes() == {'account/grants databricks_grants.this["catalog landing_raw"]': "updated in-place",
                               'account/schemas databricks_schema.this["landing_raw.flights"]': "updated in-place",
                               'ws-pipeline/access databricks_mws_permission_assignment.this["ai_analyst"]': "replaced"}
    code, seen = infra.tarn("drift")
    assert code == 2 and sorted(seen) == ["update grants.catalog landing_raw", "update schema.landing_raw.flights", "update workspace_assignment.pipeline/ai_analyst"]
    units = ("account/grants", "account/schemas", "ws-pipeline/access")
    infra.apply_units(*units)
    assert infra.changes(*units) == {} and infra.tarn("drift") == (0, [])


def test_destroy_leaves_nothing(infra, server):
    infra.run("apply", "-auto-approve", "-no-color", unit="account/metastore", METASTORE_FORCE_DESTROY="true")
    infra.destroy(METASTORE_FORCE_DESTROY="true")
    admin = server.admin()
    for path in ("/workspaces", "/networks", "/credentials", "/storage-configurations", "/private-access-settings", "/vpc-endpoints"):
        assert admin.account("GET", path) == [], path
    assert admin.account("GET", "/metastores").get("metastores", []) == []
    assert [u["userName"] for u in admin.account("GET", "/scim/v2/Users").get("Resources", [])] == []
    assert [g["displayName"] for g in admin.account("GET", "/scim/v2/Groups").get("Resources", []) if g["displayName"] != "account users"] == []
