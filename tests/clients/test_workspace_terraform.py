"""What lives in a workspace, through the vendor's Terraform provider, unmodified: each resource's whole life, and rights that hold."""
import base64
import os
import pathlib
import subprocess

import pytest

from git_server import GitServer
from harness import Refused, platform
from terraform import Terraform


def b64(text):
    return base64.b64encode(text.encode()).decode()


def git(folder, *arguments):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    subprocess.run(["git", *arguments], cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """A Git server with one repository: main, and a branch `next`."""
    folder = tmp_path_factory.mktemp("git")
    git(folder, "init", "-q", "--bare", "-b", "main", "etl.git")
    git(folder, "init", "-q", "-b", "main", "work")
    work = pathlib.Path(folder, "work")
    (work / "load.py").write_text("# Databricks notebook source\nprint(1)\n")
    (work / "README.md").write_text("main")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "one")
    git(work, "push", "-q", "../etl.git", "main")
    git(work, "checkout", "-qb", "next")
    (work / "README.md").write_text("next")
    git(work, "commit", "-qam", "two")
    git(work, "push", "-q", "../etl.git", "next")
    with GitServer(folder) as server:
        yield server


@pytest.fixture(scope="module")
def server(remote):
    with platform("--allow-git", f"127.0.0.1:{remote.server_address[1]}") as s:
        yield s


@pytest.fixture
def tf(server):
    with Terraform(server) as t:
        yield t


TREE = """
resource "databricks_directory" "team" {
  path = "/Shared/tf"
}
resource "databricks_notebook" "etl" {
  path           = "${databricks_directory.team.path}/etl"
  language       = "PYTHON"
  content_base64 = "%s"
}
resource "databricks_workspace_file" "settings" {
  path           = "${databricks_directory.team.path}/settings.json"
  content_base64 = "%s"
}
data "databricks_notebook" "etl" {
  path   = databricks_notebook.etl.path
  format = "SOURCE"
}
output "source" {
  value = data.databricks_notebook.etl.content
}
"""


def test_folders_notebooks_and_files(tf, server):
    outputs = tf.apply(TREE % (b64("print(1)"), b64("{}")))
    assert base64.b64decode(outputs["source"]).decode() == "# Databricks notebook source\nprint(1)"
    state = tf.prove(TREE % (b64("print(1)"), b64("{}")), TREE % (b64("print(2)"), b64('{"a": 1}')), imports=["databricks_directory.team"])
    assert state["databricks_notebook.etl"]["object_type"] == "NOTEBOOK"
    with pytest.raises(Refused) as e:
        server.admin().workspace("landing", "GET", "/api/2.0/workspace/get-status?path=/Shared/tf")
    assert e.value.code == "RESOURCE_DOES_NOT_EXIST"


def test_a_notebook_makes_its_folder(tf):
    tf.prove('resource "databricks_notebook" "deep" {\n  path = "/Shared/tf_deep/a/b"\n  language = "SQL"\n  content_base64 = "%s"\n}' % b64("SELECT 1"))


RIGHTS = """
resource "databricks_directory" "lab" {
  path             = "/lab"
  delete_recursive = true
}
resource "databricks_notebook" "n" {
  path           = "${databricks_directory.lab.path}/n"
  language       = "PYTHON"
  content_base64 = "%s"
}
resource "databricks_permissions" "lab" {
  directory_path = databricks_directory.lab.path
  access_control {
    group_name       = "ai_analyst"
    permission_level = "%s"
  }
}
"""


def test_permissions_on_a_folder_reach_what_is_in_it(tf, server):
    nora = server.person("nora@acme.example", "landing")
    tf.apply(RIGHTS % (b64("print(1)"), "CAN_READ"))
    tf.assert_no_changes()
    assert nora.workspace("landing", "GET", "/api/2.0/workspace/export?path=/lab/n")["file_type"] == "py"
    overwrite = {"path": "/lab/n", "language": "PYTHON", "overwrite": True, "content": b64("print(3)")}
    with pytest.raises(Refused) as e:
        nora.workspace("landing", "POST", "/api/2.0/workspace/import", overwrite)
    assert e.value.status == 403 and "does not have Edit permissions" in e.value.message
    tf.apply(RIGHTS % (b64("print(1)"), "CAN_EDIT"))
    tf.assert_no_changes()
    nora.workspace("landing", "POST", "/api/2.0/workspace/import", overwrite)
    tf.destroy()
    with pytest.raises(Refused) as e:
        nora.workspace("landing", "GET", "/api/2.0/workspace/export?path=/lab/n")
    assert e.value.status == 404


SECRETS = """
resource "databricks_secret_scope" "app" {
  name = "tf-app"
}
resource "databricks_secret" "password" {
  scope        = databricks_secret_scope.app.name
  key          = "password"
  string_value = "%s"
}
resource "databricks_secret_acl" "engineers" {
  scope      = databricks_secret_scope.app.name
  principal  = "ai_engineer"
  permission = "%s"
}
"""


def test_secrets(tf, server):
    tf.apply(SECRETS % ("hunter2", "READ"))
    emil, nora = (server.person(f"{n}@acme.example", "landing") for n in ("emil", "nora"))
    value = "/api/2.0/secrets/get?scope=tf-app&key=password"
    assert base64.b64decode(emil.workspace("landing", "GET", value)["value"]) == b"hunter2"
    with pytest.raises(Refused) as e:
        nora.workspace("landing", "GET", value)
    assert e.value.status == 403
    put = {"scope": "tf-app", "key": "other", "string_value": "x"}
    with pytest.raises(Refused):
        emil.workspace("landing", "POST", "/api/2.0/secrets/put", put)
    tf.prove(SECRETS % ("hunter2", "READ"), SECRETS % ("hunter3", "WRITE"),
             imports={"databricks_secret_scope.app": "tf-app", "databricks_secret_acl.engineers": "tf-app|||ai_engineer"})


FILES = """
resource "databricks_dbfs_file" "lib" {
  path           = "/FileStore/tf/lib.txt"
  content_base64 = "%s"
}
resource "databricks_volume" "inbox" {
  catalog_name = "landing_raw"
  schema_name  = databricks_schema.files.name
  name         = "inbox"
  volume_type  = "MANAGED"
}
resource "databricks_schema" "files" {
  catalog_name  = "landing_raw"
  name          = "tf_files"
  force_destroy = true
}
resource "databricks_file" "first" {
  path           = "${databricks_volume.inbox.volume_path}/in/first.csv"
  content_base64 = "%s"
}
"""


def test_files(tf, server):
    tf.apply(FILES % (b64("one"), b64("a,b\n")))
    admin = server.admin()
    assert base64.b64decode(admin.workspace("landing", "GET", "/api/2.0/dbfs/read?path=/FileStore/tf/lib.txt")["data"]) == b"one"
    listed = admin.workspace("landing", "GET", "/api/2.0/fs/directories/Volumes/landing_raw/tf_files/inbox/in")
    assert [c["path"] for c in listed["contents"]] == ["/Volumes/landing_raw/tf_files/inbox/in/first.csv"]
    with pytest.raises(Refused) as e:
        server.person("nora@acme.example", "landing").workspace("landing", "GET", "/api/2.0/fs/directories/Volumes/landing_raw/tf_files/inbox")
    assert e.value.status == 403
    tf.prove(FILES % (b64("one"), b64("a,b\n")), FILES % (b64("two"), b64("a,b\n1,2\n")))


GIT = """
resource "databricks_git_credential" "mine" {
  git_provider          = "gitHub"
  git_username          = "%s"
  personal_access_token = "token"
}
resource "databricks_repo" "etl" {
  url          = "%s/etl.git"
  git_provider = "gitHub"
  path         = "/Repos/tf/etl"
  branch       = "%s"
  depends_on   = [databricks_git_credential.mine]
}
"""


def test_repos_and_git_credentials(tf, server, remote):
    admin = server.admin()
    tf.apply(GIT % ("bot", remote.url, "main"))
    tf.assert_no_changes()
    readme = "/api/2.0/workspace/export?format=AUTO&path=/Repos/tf/etl/README.md"
    assert base64.b64decode(admin.workspace("landing", "GET", readme)["content"]) == b"main"
    state = tf.prove(GIT % ("bot", remote.url, "main"), GIT % ("robot", remote.url, "next"), imports=["databricks_repo.etl"])
    assert state["databricks_repo.etl"]["branch"] == "next" and len(state["databricks_repo.etl"]["commit_hash"]) == 40
    refused = tf.refused('resource "databricks_repo" "bad" {\n  url = "https://127.0.0.1/x.git"\n  git_provider = "gitHub"\n  path = "/Repos/tf/bad"\n}')
    assert "disallowed" in refused


SCRIPT = """
resource "databricks_global_init_script" "first" {
  name           = "%s"
  content_base64 = "%s"
  enabled        = true
}
"""


def test_global_init_scripts(tf):
    tf.prove(SCRIPT % ("first", b64("echo 1")), SCRIPT % ("renamed", b64("echo 2")))  # an import does not bring the content: the provider never reads it


SQL = """
resource "databricks_query" "flights" {
  display_name = "tf flights"
  query_text   = "%s"
  warehouse_id = "%s"
  parent_path  = "/Shared"
  tags         = ["tf"]
  parameter {
    name  = "origin"
    title = "Origin"
    text_value {
      value = "JFK"
    }
  }
}
resource "databricks_alert" "late" {
  display_name = "tf late"
  query_id     = databricks_query.flights.id
  parent_path  = "/Shared"
  condition {
    op = "GREATER_THAN"
    operand {
      column {
        name = "delay"
      }
    }
    threshold {
      value {
        double_value = %d
      }
    }
  }
}
"""


def test_queries_and_alerts(tf, server):
    warehouse = server.warehouses["landing"]
    tf.prove(SQL % ("SELECT 1 AS delay", warehouse, 60), SQL % ("SELECT 2 AS delay", warehouse, 90), imports=["databricks_query.flights", "databricks_alert.late"])


ALERT = """
resource "databricks_alert_v2" "late" {
  display_name = "tf scheduled"
  query_text   = "SELECT %d AS delay"
  warehouse_id = "%s"
  parent_path  = "/Shared"
  evaluation = {
    source              = { name = "delay", aggregation = "MAX" }
    comparison_operator = "GREATER_THAN"
    threshold           = { value = { double_value = 60 } }
    notification        = { notify_on_ok = true, retrigger_seconds = 600 }
  }
  schedule = {
    quartz_cron_schedule = "0 0 6 * * ?"
    timezone_id          = "Europe/Berlin"
    pause_status         = "UNPAUSED"
  }
}
"""


def test_alerts_with_a_schedule(tf, server):
    warehouse = server.warehouses["landing"]
    tf.prove(ALERT % (1, warehouse), ALERT % (2, warehouse), imports=["databricks_alert_v2.late"])


DASHBOARD = """
resource "databricks_dashboard" "d" {
  display_name         = "%s"
  warehouse_id         = "%s"
  serialized_dashboard = "{\\"pages\\":[{\\"name\\":\\"p\\",\\"displayName\\":\\"P\\"}]}"
  parent_path          = "/Shared"
}
"""


def test_dashboards(tf, server):
    warehouse = server.warehouses["landing"]
    tf.prove(DASHBOARD % ("tf board", warehouse), DASHBOARD % ("tf board 2", warehouse))
