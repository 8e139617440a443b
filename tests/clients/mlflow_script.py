"""Runs under `tarn rehearse` with MLflow's own client, unmodified: tracking_uri="databricks", the vendor's host names, a person's token.
Prints what it saw as JSON. MODE says which part."""
import json
import math
import os
import pathlib
import sys
import tempfile

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

mlflow.set_tracking_uri("databricks")
seen = {}


def refusal(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        return [e.error_code, e.message]
    return ["", "was allowed"]


def tracking():
    client = MlflowClient()
    user = os.environ["USER_NAME"]
    experiment = mlflow.set_experiment(f"/Users/{user}/flights")
    seen["location"] = experiment.artifact_location == f"dbfs:/databricks/mlflow-tracking/{experiment.experiment_id}"
    seen["again"] = mlflow.set_experiment(f"/Users/{user}/flights").experiment_id == experiment.experiment_id
    seen["taken"] = refusal(client.create_experiment, f"/Users/{user}/flights")
    seen["relative"] = refusal(client.create_experiment, "flights")
    seen["elsewhere"] = refusal(client.create_experiment, "/Users/somebody@else.example/x")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_param("depth", 3)
        for step in range(30):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"rmse": 0.5, "nan": math.nan, "inf": math.inf})
        mlflow.set_tag("team", "ops")
        mlflow.log_text("hello", "notes/hello.txt")
        mlflow.log_dict({"a": 1}, "conf.json")
        mlflow.log_input(mlflow.data.from_numpy(__import__("numpy").zeros((3, 2)), name="zeros"), context="training")
        seen["immutable"] = refusal(mlflow.log_param, "depth", 5)
        seen["too_many"] = refusal(client._tracking_client.store.log_batch, run.info.run_id, [Metric(f"m{i}", 1, 1, 0) for i in range(1001)], [], [])
    run_id = run.info.run_id
    with mlflow.start_run(run_name="second"):
        mlflow.log_params({"depth": "9"})
        mlflow.log_metric("rmse", 0.4)
        with mlflow.start_run(run_name="child", nested=True):
            mlflow.log_metric("rmse", 0.3)
    got = client.get_run(run_id)
    seen["run"] = [got.info.status, got.info.run_name, got.data.params, got.data.metrics["rmse"], math.isnan(got.data.metrics["nan"]), got.data.metrics["inf"] > 1e300,
                   got.data.tags["team"], got.info.lifecycle_stage, [d.dataset.name for d in got.inputs.dataset_inputs]]
    seen["history"] = [m.step for m in client.get_metric_history(run_id, "loss")] == list(range(30))
    seen["artifacts"] = sorted((f.path, f.is_dir) for f in client.list_artifacts(run_id)) + [(f.path, f.file_size) for f in client.list_artifacts(run_id, "notes")]
    with tempfile.TemporaryDirectory() as folder:
        seen["downloaded"] = pathlib.Path(client.download_artifacts(run_id, "notes/hello.txt", folder)).read_text()
        seen["dict"] = mlflow.artifacts.load_dict(f"runs:/{run_id}/conf.json")
        seen["no_artifact"] = refusal(client.download_artifacts, run_id, "missing.txt", folder)[0] != ""
    names = lambda **q: [r.info.run_name for r in client.search_runs([experiment.experiment_id], **q)]
    seen["search"] = [names(filter_string="metrics.rmse < 0.45", order_by=["metrics.rmse ASC"]), names(filter_string="params.depth = '3' and tags.team LIKE 'o%'"),
                      names(order_by=["metrics.rmse DESC"]), names(filter_string="attributes.run_name ILIKE 'S%'"),
                      names(filter_string="datasets.name = 'zeros' AND attributes.status = 'FINISHED'")]
    seen["frame"] = sorted(mlflow.search_runs(experiment_names=[f"/Users/{user}/flights"])["metrics.rmse"].tolist())
    seen["pages"] = len(client.search_runs([experiment.experiment_id], max_results=2).token or "") > 0
    seen["bad_filter"] = refusal(client.search_runs, [experiment.experiment_id], "metrics.rmse > 'x'")
    client.log_batch(run_id, metrics=[Metric("late", 1.5, 1, 0)], params=[Param("p", "q")], tags=[RunTag("t", "u")])
    client.delete_tag(run_id, "team")
    client.delete_run(run_id)
    seen["deleted"] = [client.get_run(run_id).info.lifecycle_stage, names()]
    client.restore_run(run_id)
    seen["restored"] = len(names())
    client.set_experiment_tag(experiment.experiment_id, "stage", "dev")
    seen["experiments"] = [e.name for e in client.search_experiments(filter_string="tags.stage = 'dev'")]
    client.rename_experiment(experiment.experiment_id, f"/Users/{user}/renamed")
    client.delete_experiment(experiment.experiment_id)
    seen["gone"] = client.get_experiment(experiment.experiment_id).lifecycle_stage
    client.restore_experiment(experiment.experiment_id)
    seen["missing_run"] = refusal(client.get_run, "0" * 32)


def autolog():
    import numpy
    from sklearn.linear_model import LinearRegression

    mlflow.set_experiment(f"/Users/{os.environ['USER_NAME']}/autolog")
    mlflow.sklearn.autolog()
    x = numpy.arange(40, dtype=float).reshape(20, 2)
    LinearRegression().fit(x, x[:, 0] * 2 + 1)
    run = mlflow.last_active_run()
    seen["params"] = run.data.params["fit_intercept"]
    seen["metrics"] = run.data.metrics["training_r2_score"] > 0.99
    models = mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list")
    seen["models"] = [[m.name, m.status.value, m.source_run_id == run.info.run_id] for m in models]
    loaded = mlflow.sklearn.load_model(models[0].model_uri)
    seen["prediction"] = round(float(loaded.predict(x[:1])[0]), 6)


def register():
    import numpy
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    mlflow.set_registry_uri("databricks-uc")
    client = MlflowClient()
    name = "pipeline_gold.flights.delay"
    mlflow.set_experiment(f"/Users/{os.environ['USER_NAME']}/registry")
    x = numpy.arange(40, dtype=float).reshape(20, 2)
    model = LinearRegression().fit(x, x[:, 0])
    with mlflow.start_run() as run:
        seen["unsigned"] = refusal(mlflow.sklearn.log_model, model, name="m", registered_model_name=name)
        info = mlflow.sklearn.log_model(model, name="m", signature=infer_signature(x, model.predict(x)), registered_model_name=name)
    versions = client.search_model_versions(f"name='{name}'")
    seen["versions"] = [[v.version, v.status, v.run_id == run.info.run_id] for v in versions]
    client.set_registered_model_alias(name, "champion", versions[0].version)
    client.set_model_version_tag(name, versions[0].version, "gate", "passed")
    client.set_registered_model_tag(name, "domain", "flights")
    client.update_model_version(name, versions[0].version, "the first")
    got = client.get_model_version_by_alias(name, "champion")
    seen["alias"] = [got.version, got.description, got.tags]
    seen["tags"] = client.get_registered_model(name).tags
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    seen["prediction"] = round(float(loaded.predict(x[:1])[0]), 6)
    seen["flat"] = refusal(client.create_registered_model, "flat")
    seen["model_id"] = info.model_id is not None


def load():
    """As somebody else, from the other workspace."""
    import numpy

    mlflow.set_registry_uri("databricks-uc")
    uri = "models:/pipeline_gold.flights.delay@champion"
    try:
        seen["prediction"] = round(float(mlflow.pyfunc.load_model(uri).predict(numpy.array([[4.0, 5.0]]))[0]), 6)
    except MlflowException as e:
        seen["refused"] = [e.error_code, e.message]
    seen["write"] = refusal(MlflowClient().set_registered_model_alias, "pipeline_gold.flights.delay", "mine", 1)


{"tracking": tracking, "autolog": autolog, "register": register, "load": load}[os.environ["MODE"]]()
json.dump(seen, sys.stdout)
