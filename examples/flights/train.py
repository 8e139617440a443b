"""The tasks of the training job, one file: propose, trial, promote. Each runs in an interpreter of its own on a cluster of a machine-learning runtime.

    train.py propose  --round R …             the next trials of the sweep, as the task value `trials`
    train.py trial    --trial '{"number": …}' one of them: a run of MLflow with its data, its parameters, its errors and its model
    train.py promote  …                       the best run's model registered, held against the champion, promoted by alias only if it is better

Everything that is random hangs on --seed, rows are read in a fixed order from one version of the features: the same seed over the same data gives the
same model. Nothing here is particular to one platform: the vendor's SDK reads the table, MLflow's client does the rest.
"""
import argparse
import hashlib
import json

FEATURES = ["hour", "month", "weekday", "distance", "wind_speed", "visibility", "seats", "plane_age", "carrier_delay"]
LABEL = "dep_delay"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("propose", "trial", "promote"))
    for name in ("table", "model", "experiment", "warehouse", "run-name"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--round", type=int, default=0)
    parser.add_argument("--trials", type=int, default=4, help="of a round")
    parser.add_argument("--most-iterations", type=int, default=120)
    parser.add_argument("--trial", type=json.loads, default=None)
    parser.add_argument("--code-version", default="")
    return parser.parse_args()


def query(warehouse, statement):
    """A statement's rows as an Arrow table."""
    import pyarrow
    import requests
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service import sql

    w = WorkspaceClient()
    done = w.statement_execution.execute_statement(statement, warehouse, wait_timeout="50s", disposition=sql.Disposition.EXTERNAL_LINKS, format=sql.Format.ARROW_STREAM)
    while done.status.state in (sql.StatementState.PENDING, sql.StatementState.RUNNING):
        done = w.statement_execution.get_statement(done.statement_id)
    if done.status.state != sql.StatementState.SUCCEEDED:
        raise RuntimeError(done.status.error.message if done.status.error else str(done.status.state))
    parts, links = [], (done.result.external_links if done.result else None) or []
    while links:
        for link in links:
            parts.append(pyarrow.ipc.open_stream(requests.get(link.external_link, timeout=60).content).read_all())
        after = links[-1].next_chunk_index
        links = w.statement_execution.get_statement_result_chunk_n(done.statement_id, after).external_links if after is not None else []
    return pyarrow.concat_tables(parts) if parts else None


def version_of(a):
    return max(query(a.warehouse, f"DESCRIBE HISTORY {a.table}").column("version").to_pylist())


def data(a, version):
    """Training, validation and test rows, by date: nothing is learnt from a day that is judged."""
    columns = ", ".join(["flight_date", *FEATURES, LABEL])
    frame = query(a.warehouse, f"SELECT {columns} FROM {a.table} VERSION AS OF {version} ORDER BY flight_date, carrier_code, flight, origin, dest").to_pandas()
    frame[FEATURES + [LABEL]] = frame[FEATURES + [LABEL]].astype("float64")
    days = sorted(frame["flight_date"].unique())
    first, second = days[int(len(days) * 0.6)], days[int(len(days) * 0.8)]
    return frame[frame["flight_date"] < first], frame[(frame["flight_date"] >= first) & (frame["flight_date"] < second)], frame[frame["flight_date"] >= second]


def sweep(client, a):
    """The sweep's parent run, made by its first round, and the trials that it has by now."""
    import mlflow

    experiment = mlflow.set_experiment(a.experiment)
    found = client.search_runs([experiment.experiment_id], f"tags.`sweep` = '{a.run_name}' and tags.`role` = 'parent'", max_results=1)
    parent = found[0] if found else client.create_run(experiment.experiment_id, run_name=a.run_name, tags={"sweep": a.run_name, "role": "parent", "code_version": a.code_version})
    children = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and attributes.status = 'FINISHED'", max_results=1000)
    return experiment, parent, sorted(children, key=lambda r: int(r.data.tags["trial"]))


def propose(a):
    """What the rounds before learnt goes into the sampler in the trials' own order, whichever of them ended first."""
    import optuna
    from mlflow.tracking import MlflowClient

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    client = MlflowClient()
    _, parent, before = sweep(client, a)
    version = parent.data.tags.get("data_version") or str(version_of(a))
    client.set_tag(parent.info.run_id, "data_version", version)
    space = {"learning_rate": optuna.distributions.FloatDistribution(0.02, 0.3, log=True), "max_leaf_nodes": optuna.distributions.IntDistribution(4, 48),
             "min_samples_leaf": optuna.distributions.IntDistribution(5, 80), "l2_regularization": optuna.distributions.FloatDistribution(1e-3, 10.0, log=True)}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=a.seed + a.round, n_startup_trials=4, constant_liar=True))
    for run in before:
        kept = json.loads(run.data.tags["proposed"])
        study.add_trial(optuna.trial.create_trial(params=kept, distributions=space, value=run.data.metrics["validation_mae"]))
    trials = [{"number": len(before) + i, "params": study.ask(space).params, "data_version": int(version)} for i in range(a.trials)]
    print(f"round {a.round}: {len(trials)} trials after {len(before)}, data version {version}")
    dbutils.jobs.taskValues.set("trials", trials)  # noqa: F821  given by the platform


def trial(a):
    import mlflow
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.models import infer_signature
    from mlflow.tracking import MlflowClient
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import mean_absolute_error, mean_squared_error

    client = MlflowClient()
    experiment, parent, _ = sweep(client, a)
    number, params, version = a.trial["number"], a.trial["params"], a.trial["data_version"]
    train, validation, test = data(a, version)
    source = DeltaDatasetSource(delta_table_name=a.table, delta_table_version=version)
    with mlflow.start_run(experiment_id=experiment.experiment_id, run_name=f"{a.run_name}-{number}", parent_run_id=parent.info.run_id,
                          tags={"trial": str(number), "proposed": json.dumps(params), "data_version": str(version), "code_version": a.code_version, "seed": str(a.seed)}) as run:
        mlflow.log_params({**params, "most_iterations": a.most_iterations, "seed": a.seed})
        for rows, context in ((train, "training"), (validation, "validation"), (test, "test")):
            mlflow.log_input(mlflow.data.from_pandas(rows[FEATURES + [LABEL]], source=source, name=a.table, targets=LABEL), context=context)
        model = HistGradientBoostingRegressor(loss="absolute_error", max_iter=a.most_iterations, random_state=a.seed, early_stopping=False, **params)
        model.fit(train[FEATURES], train[LABEL])
        for rows, name in ((train, "training"), (validation, "validation"), (test, "test")):
            predicted = model.predict(rows[FEATURES])
            mlflow.log_metrics({f"{name}_mae": mean_absolute_error(rows[LABEL], predicted), f"{name}_rmse": mean_squared_error(rows[LABEL], predicted) ** 0.5})
        mlflow.set_tag("predictions_sha256", hashlib.sha256(predicted.tobytes()).hexdigest())
        info = mlflow.sklearn.log_model(model, name="model", signature=infer_signature(train[FEATURES], predicted[:1]), pip_requirements=["mlflow", "scikit-learn"])
        mlflow.set_tag("model_uri", info.model_uri)
    print(f"trial {number}: validation {client.get_run(run.info.run_id).data.metrics['validation_mae']:.4f} minutes")


def promote(a):
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sklearn.metrics import mean_absolute_error

    client = MlflowClient()
    _, parent, runs = sweep(client, a)
    if not runs:
        raise RuntimeError("no trial of the sweep ended well")
    best = min(runs, key=lambda r: (r.data.metrics["validation_mae"], int(r.data.tags["trial"])))
    version = mlflow.register_model(best.data.tags["model_uri"], a.model, tags={"data_version": best.data.tags["data_version"], "code_version": a.code_version})
    candidate = best.data.metrics["test_mae"]
    try:
        champion = client.get_model_version_by_alias(a.model, "champion")
    except MlflowException as e:
        if e.error_code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"):
            raise
        champion = None
    held = None
    if champion is not None:
        # Both over the same rows, those of the candidate's own test.
        _, _, test = data(a, int(best.data.tags["data_version"]))
        held = mean_absolute_error(test[LABEL], mlflow.pyfunc.load_model(f"models:/{a.model}@champion").predict(test[FEATURES]))
    better = held is None or candidate < held
    if better:
        client.set_registered_model_alias(a.model, "champion", version.version)
    client.set_model_version_tag(a.model, version.version, "champion_test_mae", "none" if held is None else repr(held))
    client.log_metric(parent.info.run_id, "test_mae", candidate)
    client.set_terminated(parent.info.run_id)
    out = {"model": a.model, "version": version.version, "run_id": best.info.run_id, "trial": int(best.data.tags["trial"]), "trials": len(runs), "test_mae": candidate, "champion_test_mae": held,
           "champion_version": champion.version if champion is not None else None, "promoted": better, "data_version": best.data.tags["data_version"],
           "predictions_sha256": best.data.tags["predictions_sha256"]}
    print(json.dumps(out))
    dbutils.jobs.taskValues.set("result", out)  # noqa: F821


if __name__ == "__main__":
    a = arguments()
    {"propose": propose, "trial": trial, "promote": promote}[a.what](a)
