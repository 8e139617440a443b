"""plan, apply, drift and destroy through the binary, as a pipeline would run them."""
import json
import shutil

import pytest

from harness import ROOT, Refused, platform, running


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


def plan(server, folder, verb="plan"):
    done = server.tarn(verb, "--data", str(server.data), "--json", str(folder), check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def addresses(answer):
    return [f"{c['action']} {c['kind']}.{c['name']}" for c in answer.get("changes", [])]


def test_a_second_plan_is_clean(server):
    assert plan(server, ROOT / "platform") == (0, plan(server, ROOT / "platform")[1])
    assert addresses(plan(server, ROOT / "platform")[1]) == []


def test_one_line_of_yaml_is_one_change_and_a_saved_plan_is_applied_exactly(server, tmp_path):
    shutil.copytree(ROOT / "platform", tmp_path / "p")
    grants = tmp_path / "p" / "grants.yaml"
    grants.write_text(grants.read_text() + "  - {on: catalog pipeline_silver, to: gold_read, allow: [USE CATALOG]}\n")
    saved = tmp_path / "plan.json"
    done = server.tarn("plan", "--data", str(server.data), "--out", str(saved), "--json", str(tmp_path / "p"), check=False)
    assert done.returncode == 2
    assert addresses(json.loads(done.stdout)) == ["update grants.catalog pipeline_silver"]
    server.tarn("apply", "--data", str(server.data), str(saved))
    assert plan(server, tmp_path / "p")[0] == 0
    server.tarn("apply", "--data", str(server.data), str(saved))  # again: everything holds already
    server.tarn("apply", "--data", str(server.data), str(ROOT / "platform"))
    assert plan(server, ROOT / "platform")[0] == 0


def test_clusters_budgets_and_access_lists_are_lines_too(server, tmp_path):
    shutil.copytree(ROOT / "platform", tmp_path / "p")
    more = tmp_path / "p" / "more.yaml"
    text = """clusters:
  - {name: shared, workspace: landing, runtime: 15.4.x-scala2.12, node_type: m6g.large, allow: {ai_engineer: CAN_RESTART}}
budgets:
  - {name: landing, workspace: landing, limit: 250, emails: [owner@acme.example]}
pools:
  - {name: extra, workspace: landing, node_type: m6g.large, allow: {ai_engineer: CAN_ATTACH_TO}}
"""
    more.write_text(text)
    assert addresses(plan(server, tmp_path / "p")[1]) == ["create pool.landing/extra", "create cluster.landing/shared", "create budget.landing"]
    server.tarn("apply", "--data", str(server.data), str(tmp_path / "p"))
    assert addresses(plan(server, tmp_path / "p")[1]) == []
    admin = server.admin()
    cluster = admin.workspace("landing", "GET", "/api/2.1/clusters/list")["clusters"][0]
    listed = admin.workspace("landing", "GET", f"/api/2.0/permissions/clusters/{cluster['cluster_id']}")["access_control_list"]
    assert [e["all_permissions"][0]["permission_level"] for e in listed if e.get("group_name") == "ai_engineer"] == ["CAN_RESTART"]
    events = admin.workspace("landing", "POST", "/api/2.1/clusters/events", {"cluster_id": cluster["cluster_id"], "event_types": ["PINNED"]})
    assert len(events["events"]) == 1

    more.write_text(text.replace("CAN_RESTART", "CAN_ATTACH_TO").replace("limit: 250", "limit: 300"))
    code, answer = plan(server, tmp_path / "p")
    assert [(c["kind"], c["fields"]) for c in answer["changes"]] == [("cluster", ["allow"]), ("budget", ["limit"])]
    server.tarn("apply", "--data", str(server.data), str(tmp_path / "p"))
    assert plan(server, tmp_path / "p")[0] == 0
    # A click shows, and a cluster that leaves the YAML leaves the workspace.
    admin.workspace("landing", "PATCH", f"/api/2.0/permissions/clusters/{cluster['cluster_id']}",
                    {"access_control_list": [{"group_name": "ai_analyst", "permission_level": "CAN_MANAGE"}]})
    assert addresses(plan(server, tmp_path / "p", "drift")[1]) == ["update cluster.landing/shared"]
    more.unlink()
    assert addresses(plan(server, tmp_path / "p")[1]) == ["delete cluster.landing/shared"]
    server.tarn("apply", "--data", str(server.data), str(tmp_path / "p"))
    for pool in admin.workspace("landing", "GET", "/api/2.0/instance-pools/list")["instance_pools"]:
        if pool["instance_pool_name"] == "extra":
            admin.workspace("landing", "POST", "/api/2.0/instance-pools/delete", {"instance_pool_id": pool["instance_pool_id"]})
    budgets = f"{server.ready['accounts_url']}/api/2.1/accounts/{server.ready['account_id']}/budgets"
    for budget in admin.call("GET", budgets)["budgets"]:
        admin.call("DELETE", f"{budgets}/{budget['budget_configuration_id']}")


def test_a_stale_plan_is_refused(server, tmp_path):
    shutil.copytree(ROOT / "platform", tmp_path / "p")
    grants = tmp_path / "p" / "grants.yaml"
    grants.write_text(grants.read_text() + "  - {on: catalog landing_raw, to: gold_read, allow: [USE CATALOG]}\n")
    saved = tmp_path / "plan.json"
    server.tarn("plan", "--data", str(server.data), "--out", str(saved), str(tmp_path / "p"), check=False)
    server.admin().workspace("landing", "PATCH", "/api/2.1/unity-catalog/permissions/catalog/landing_raw",
                             {"changes": [{"principal": "ai_admin", "add": ["USE_CATALOG"]}]})
    done = server.tarn("apply", "--data", str(server.data), str(saved), check=False)
    assert done.returncode == 1 and "changed since the plan was made" in done.stderr
    server.tarn("apply", "--data", str(server.data), str(ROOT / "platform"))


def test_drift_names_what_was_clicked(server):
    admin = server.admin()
    group = admin.account("POST", "/scim/v2/Groups", {"displayName": "shadow"})
    code, answer = plan(server, ROOT / "platform", "drift")
    assert code == 2 and addresses(answer) == ["unmanaged group.shadow"]
    admin.account("DELETE", f"/scim/v2/Groups/{group['id']}")
    assert plan(server, ROOT / "platform", "drift")[0] == 0


def test_a_typo_is_a_diagnostic_with_file_and_line(server, tmp_path):
    (tmp_path / "x.yaml").write_text("groups:\n  - {name: a}\n  - {name: b, membres: [a]}\n")
    done = server.tarn("plan", "--data", str(server.data), str(tmp_path), check=False)
    assert done.returncode == 1
    assert "x.yaml:3: 'groups[1].membres' is not a known field; did you mean 'members'?" in done.stderr


def test_destroy_leaves_nothing():
    with platform() as own:
        assert own.tarn("destroy", "--data", str(own.data), str(ROOT / "platform"), check=False).returncode == 1  # not without --yes
        own.tarn("destroy", "--data", str(own.data), "--yes", str(ROOT / "platform"))
        admin = own.admin()
        assert admin.account("GET", "/workspaces") == []
        assert admin.account("GET", "/metastores").get("metastores", []) == []
        assert admin.account("GET", "/networks") == []


def test_grants_before_groups_say_what_the_vendor_says(server):
    with pytest.raises(Refused) as e:
        server.admin().workspace("landing", "PATCH", "/api/2.1/unity-catalog/permissions/catalog/landing_raw",
                                 {"changes": [{"principal": "nobody_yet", "add": ["USE_CATALOG"]}]})
    assert e.value.code == "PRINCIPAL_DOES_NOT_EXIST"
    assert e.value.message == "Could not find principal with name nobody_yet"


def test_an_unregistered_prefix_fails_as_the_vendor_fails():
    with running() as fresh:
        done = fresh.tarn("apply", "--data", str(fresh.data), str(ROOT / "platform"), check=False)
        assert done.returncode == 1
        assert "Deployment name cannot be used until a deployment name prefix is defined. Please contact your Databricks representative" in done.stderr
        fresh.tarn("vendor", "register-prefix", "--data", str(fresh.data), "acme")
        fresh.tarn("apply", "--data", str(fresh.data), str(ROOT / "platform"))  # goes on from where it stopped
