"""MLflow's real client, unmodified, against experiments, runs, artifacts and the model registry, through `tarn rehearse`."""
import json
import os
import pathlib
import subprocess

import pytest

from harness import TARN, Refused, platform

CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
SCRIPT = str(pathlib.Path(__file__).with_name("mlflow_script.py"))
NORA = "nora@acme.example"


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


def mlflow(server, mode, workspace="pipeline", user=NORA):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "MLFLOW_", "AWS_"))}
    env.update(DATABRICKS_HOST=f"https://acme-{workspace}.cloud.databricks.com", DATABRICKS_TOKEN=server.person(user, workspace).token, MODE=mode, USER_NAME=user,
               MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false", AWS_DEFAULT_REGION="eu-central-1")
    done = subprocess.run([TARN, "rehearse", "--data", str(server.data), "--", str(CACHE / "mlflow-venv/bin/python"), SCRIPT], capture_output=True, text=True,
                          timeout=400, env=env)
    assert done.returncode == 0, done.stderr[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_tracking(server):
    seen = mlflow(server, "tracking")
    assert seen["location"] and seen["again"] and seen["history"] and seen["pages"] and seen["no_artifact"]
    assert seen["taken"] == ["RESOURCE_ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS: Node named 'flights' already exists"]
    assert "An experiment name must be an absolute path within the Databricks workspace" in seen["relative"][1]
    assert seen["elsewhere"][0] == "RESOURCE_DOES_NOT_EXIST"  # a folder that one may not see is not there
    assert "Changing param values is not allowed. Param with key='depth' was already logged with value='3'" in seen["immutable"][1]
    assert "at most 1000 metrics. Got 1001 metrics" in seen["too_many"][1]
    assert seen["run"] == ["FINISHED", "first", {"depth": "3"}, 0.5, True, True, "ops", "active", ["zeros"]]
    assert seen["artifacts"] == [["conf.json", False], ["notes", True], ["notes/hello.txt", 5]]
    assert seen["downloaded"] == "hello" and seen["dict"] == {"a": 1}
    assert seen["search"] == [["child", "second"], ["first"], ["first", "second", "child"], ["second"], ["first"]]
    assert seen["frame"] == [0.3, 0.4, 0.5]
    assert seen["bad_filter"] == ["INVALID_PARAMETER_VALUE", "INVALID_PARAMETER_VALUE: Expected numeric value type for metric. Found x"]
    assert seen["deleted"] == ["deleted", ["child", "second"]] and seen["restored"] == 3
    assert seen["experiments"] == [f"/Users/{NORA}/flights"] and seen["gone"] == "deleted"
    assert seen["missing_run"][0] == "RESOURCE_DOES_NOT_EXIST"


def test_autologging(server):
    seen = mlflow(server, "autolog")
    assert seen["params"] == "True" and seen["metrics"] and seen["prediction"] == 1.0
    assert seen["models"] and seen["models"][0][1:] == ["READY", True]


def test_the_bytes_of_a_run_are_reached_with_its_rights_only(server):
    nora, emil = server.person(NORA, "pipeline"), server.person("emil@acme.example", "landing")
    made = nora.workspace("pipeline", "POST", "/api/2.0/mlflow/experiments/create", {"name": f"/Users/{NORA}/bytes"})
    run = nora.workspace("pipeline", "POST", "/api/2.0/mlflow/runs/create", {"experiment_id": made["experiment_id"]})["run"]["info"]
    signed = nora.workspace("pipeline", "POST", "/api/2.0/mlflow/artifacts/credentials-for-write", {"run_id": run["run_id"], "path": ["a.bin"]})["credential_infos"][0]
    assert signed["type"] == "AWS_PRESIGNED_URL"
    assert nora.http.put(signed["signed_uri"], data=b"abc", timeout=30).status_code == 200
    assert nora.http.put(signed["signed_uri"].replace("a.bin", "b.bin"), data=b"abc", timeout=30).status_code == 403
    read = nora.workspace("pipeline", "POST", "/api/2.0/mlflow/artifacts/credentials-for-read", {"run_id": run["run_id"], "path": ["a.bin"]})["credential_infos"][0]
    assert nora.http.get(read["signed_uri"], timeout=30).content == b"abc"
    with pytest.raises(Refused) as refused:
        nora.workspace("pipeline", "POST", "/api/2.0/mlflow/artifacts/credentials-for-read", {"run_id": run["run_id"], "path": ["../../x"]})
    assert refused.value.status == 400
    with pytest.raises(Refused) as refused:
        emil.workspace("landing", "GET", f"/api/2.0/mlflow/runs/get?run_id={run['run_id']}")
    assert refused.value.status == 404  # of the other workspace


def test_models_in_unity_catalog_from_both_workspaces(server):
    admin = server.admin()
    for type_, name, privileges in (("schema", "pipeline_gold.flights", ["USE_SCHEMA", "CREATE_MODEL"]), ("catalog", "pipeline_gold", ["USE_CATALOG"])):
        admin.workspace("pipeline", "PATCH", f"/api/2.1/unity-catalog/permissions/{type_}/{name}", {"changes": [{"principal": NORA, "add": privileges}]})
    seen = mlflow(server, "register")
    assert "signature" in seen["unsigned"][1]
    assert seen["versions"] == [["1", "READY", True]] and seen["model_id"]
    assert seen["alias"] == ["1", "the first", {"gate": "passed"}] and seen["tags"] == {"domain": "flights"}
    assert seen["prediction"] == 0.0
    assert "three levels" in seen["flat"][1]
    # Somebody else, from the other workspace: nothing without EXECUTE, the model with it, and no more than that.
    assert mlflow(server, "load", "landing", "emil@acme.example")["refused"][0] == "PERMISSION_DENIED"
    for type_, name, privileges in (("catalog", "pipeline_gold", ["USE_CATALOG"]), ("schema", "pipeline_gold.flights", ["USE_SCHEMA"]),
                                    ("function", "pipeline_gold.flights.delay", ["EXECUTE"])):
        admin.workspace("pipeline", "PATCH", f"/api/2.1/unity-catalog/permissions/{type_}/{name}", {"changes": [{"principal": "emil@acme.example", "add": privileges}]})
    seen = mlflow(server, "load", "landing", "emil@acme.example")
    assert seen["prediction"] == 4.0 and seen["write"][0] == "PERMISSION_DENIED"


def test_what_runs_logged_survives_a_kill(server):
    nora = server.person(NORA, "pipeline")
    made = nora.workspace("pipeline", "POST", "/api/2.0/mlflow/experiments/create", {"name": f"/Users/{NORA}/kill"})
    run = nora.workspace("pipeline", "POST", "/api/2.0/mlflow/runs/create", {"experiment_id": made["experiment_id"]})["run"]["info"]["run_id"]
    for step in range(20):
        nora.workspace("pipeline", "POST", "/api/2.0/mlflow/runs/log-metric", {"run_id": run, "key": "m", "value": step, "timestamp": step, "step": step})
    server.kill()
    server.start()
    nora = server.person(NORA, "pipeline")
    history = nora.workspace("pipeline", "GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=m")["metrics"]
    assert [m["step"] for m in history] == list(range(20))
