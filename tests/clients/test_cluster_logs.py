"""What clusters print arrives where cluster_log_conf says: in a volume, in DBFS, in S3, under the rights of who made the cluster."""
import base64

import pytest

import harness
from harness import wait

LANDING = "landing"


@pytest.fixture(scope="module")
def server():
    with harness.platform() as s:
        yield s


@pytest.fixture(scope="module")
def admin(server):
    return server.admin()


def call(admin, method, path, body=None):
    return admin.workspace(LANDING, method, path, body)


def get(admin, cluster):
    return call(admin, "GET", f"/api/2.1/clusters/get?cluster_id={cluster}")


def start(admin, conf, **more):
    return call(admin, "POST", "/api/2.1/clusters/create",
                {"cluster_name": "logs", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0, "cluster_log_conf": conf, **more})["cluster_id"]


def running(admin, cluster):
    state = wait(90, lambda: (c := get(admin, cluster))["state"] != "PENDING" and c)
    assert state["state"] == "RUNNING", state


def run(admin, cluster, code):
    context = call(admin, "POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": "python"})["id"]
    command = call(admin, "POST", "/api/1.2/commands/execute", {"clusterId": cluster, "contextId": context, "language": "python", "command": code})["id"]
    where = f"clusterId={cluster}&contextId={context}&commandId={command}"
    return wait(60, lambda: (c := call(admin, "GET", f"/api/1.2/commands/status?{where}"))["status"] in ("Finished", "Error") and c)["results"]


def ended(admin, cluster):
    """Terminates it; what became of its logs."""
    call(admin, "POST", "/api/2.1/clusters/delete", {"cluster_id": cluster})
    wait(60, lambda: get(admin, cluster)["state"] == "TERMINATED")
    return wait(60, lambda: get(admin, cluster).get("cluster_log_status"))


def in_volume(admin, path):
    answer = admin.http.get(admin.server.status()["workspaces"][LANDING] + "/api/2.0/fs/files" + path, headers={"Authorization": f"Bearer {admin.token}"}, timeout=30)
    return answer.text if answer.status_code == 200 else None


def test_a_volume_gets_what_was_printed_and_no_secret(server, admin):
    me = server.ready["admin"]["client_id"]
    call(admin, "PATCH", "/api/2.1/unity-catalog/permissions/catalog/landing_raw",
         {"changes": [{"principal": me, "add": ["USE_CATALOG", "USE_SCHEMA", "CREATE_VOLUME", "READ_VOLUME", "WRITE_VOLUME"]}]})
    call(admin, "POST", "/api/2.1/unity-catalog/volumes", {"catalog_name": "landing_raw", "schema_name": "flights", "name": "logs", "volume_type": "MANAGED"})
    call(admin, "POST", "/api/2.0/secrets/scopes/create", {"scope": "logs"})
    call(admin, "POST", "/api/2.0/secrets/put", {"scope": "logs", "key": "k", "string_value": "v3ry-secret-value"})
    cluster = start(admin, {"volumes": {"destination": "/Volumes/landing_raw/flights/logs/here"}})
    running(admin, cluster)
    run(admin, cluster, "import sys\nprint('first line')\nprint('aside', file=sys.stderr)\nprint(dbutils.secrets.get('logs', 'k'))")
    assert run(admin, cluster, "1 / 0")["resultType"] == "error"
    assert "last_exception" not in ended(admin, cluster)
    place = f"/Volumes/landing_raw/flights/logs/here/{cluster}/driver"
    out = in_volume(admin, f"{place}/stdout")
    assert out.startswith("first line\n[REDACTED]") and "v3ry" not in out
    err = in_volume(admin, f"{place}/stderr")
    assert err.startswith("aside\n") and "ZeroDivisionError" in err
    did = in_volume(admin, f"{place}/log4j-active.log")
    assert f"of {me}: Running" in did and ": Finished" in did
    assert not list((server.data / "logs").iterdir())  # nothing stays beside the server once it is delivered


def test_dbfs_gets_the_words_of_an_init_script_that_failed(admin):
    script = "echo about to look\necho 'libmagic: no such package' >&2\nexit 7\n"
    call(admin, "POST", "/api/2.0/workspace/import", {"path": "/Shared/broken.sh", "format": "AUTO", "content": base64.b64encode(script.encode()).decode(), "overwrite": True})
    cluster = start(admin, {"dbfs": {"destination": "dbfs:/cluster-logs"}}, init_scripts=[{"workspace": {"destination": "/Shared/broken.sh"}}])
    assert wait(90, lambda: (c := get(admin, cluster))["state"] == "TERMINATED" and c)["termination_reason"]["code"] == "INIT_SCRIPT_FAILURE"
    assert "last_exception" not in wait(60, lambda: get(admin, cluster).get("cluster_log_status"))
    folder = call(admin, "GET", f"/api/2.0/dbfs/list?path=/cluster-logs/{cluster}/init_scripts")["files"][0]["path"]
    file = call(admin, "GET", f"/api/2.0/dbfs/list?path={folder}")["files"][0]["path"]
    assert file.endswith("_00_broken.sh.log")
    text = base64.b64decode(call(admin, "GET", f"/api/2.0/dbfs/read?path={file}")["data"]).decode()
    assert text == "about to look\nlibmagic: no such package\n"


def test_where_the_maker_may_not_write_nothing_is_written_and_it_is_said(server, admin):
    ada = server.person("ada@acme.example", LANDING)
    who = next(u for u in call(admin, "GET", "/api/2.0/preview/scim/v2/Users")["Resources"] if u["userName"] == "ada@acme.example")
    call(admin, "PATCH", f"/api/2.0/preview/scim/v2/Users/{who['id']}",
         {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "value": {"entitlements": [{"value": "allow-cluster-create"}]}}]})
    confs = [{"s3": {"destination": "s3://acme-landing-files/logs", "region": "eu-central-1"}}, {"volumes": {"destination": "/Volumes/landing_raw/flights/logs/not-hers"}},
             {"s3": {"destination": "s3://acme-lake/landing/raw/__unitystorage/logs", "region": "eu-central-1"}}]
    clusters = [start(ada, conf) for conf in confs]
    for cluster in clusters:
        running(ada, cluster)
        run(ada, cluster, "print('hers')")
    said = [ended(ada, cluster).get("last_exception", "") for cluster in clusters]
    assert "needs WRITE FILES on an external location that holds s3://acme-landing-files/logs" in said[0], said
    assert "WRITE VOLUME" in said[1] or "does not exist" in said[1] or "USE" in said[1], said
    assert "WRITE FILES" in said[2], said
    assert in_volume(admin, f"/Volumes/landing_raw/flights/logs/not-hers/{clusters[1]}/driver/stdout") is None

    call(admin, "PATCH", "/api/2.1/unity-catalog/permissions/external_location/landing-files", {"changes": [{"principal": "ada@acme.example", "add": ["WRITE_FILES"]}]})
    cluster = start(ada, confs[0])
    running(ada, cluster)
    run(ada, cluster, "print('now she may')")
    assert "last_exception" not in ended(ada, cluster)
    written = server.data / "objects" / "acme-landing-files" / "logs" / cluster / "driver" / "stdout"
    assert written.read_text() == "now she may\n"
