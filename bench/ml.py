#!/usr/bin/env python3
"""Tracking against the MLflow server itself, over the same wire: log-metric, log-batch and search-runs.

    bench/ml.py [--build build] [--peer sqlite|postgresql|none] [--seconds 8] [--runs 100000]

Both servers answer the same REST calls (/api/2.0/mlflow/…) from the same raw-socket clients, keep-alive, in the same run; Tarn over plain HTTP
on its workspace's loopback port, with a token and the access list checked; the MLflow server without either. Each call is durable when answered
(SQLite with a sync). --runs fills both with that many runs before searching; the peer takes one run per request, so it is filled directly in
its database, with the rows its own client would have written. Prints JSON lines.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")


class Client:
    """One keep-alive connection."""

    def __init__(self, port, token=""):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.http.connect()
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + token} if token else {})}

    def call(self, method, path, body=None):
        self.http.request(method, "/api/2.0/mlflow" + path, json.dumps(body) if body is not None else None, self.headers)
        answer = self.http.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:500]}")
        return json.loads(data)


def rate(make, call, clients, seconds):
    """Calls a second of `clients` at once, and their latencies."""
    latencies, stop = [], time.monotonic() + seconds
    lock = threading.Lock()

    def work(number):
        client, mine, i = make(), [], 0
        while time.monotonic() < stop:
            begin = time.perf_counter()
            call(client, number, i)
            mine.append(time.perf_counter() - begin)
            i += 1
        with lock:
            latencies.extend(mine)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
    begin = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    latencies.sort()
    return {"per_second": round(len(latencies) / (time.monotonic() - begin), 1), "p50_ms": round(latencies[len(latencies) // 2] * 1e3, 2),
            "p99_ms": round(latencies[int(len(latencies) * 0.99)] * 1e3, 2), "clients": clients}


@contextlib.contextmanager
def tarn(build):
    os.environ["TARN"] = str(build / "tarn")
    from harness import platform

    with platform() as server:
        token = server.person("emil@acme.example", "pipeline").token
        port = int(server.status()["plain_http"]["pipeline"].rsplit(":", 1)[1])
        yield {"name": "tarn", "make": lambda: Client(port, token), "experiment": "/Users/emil@acme.example/bench", "server": server}


@contextlib.contextmanager
def mlflow(kind):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mlflow-bench-"))
        url = f"sqlite:///{folder}/mlflow.db"
        if kind == "postgresql":
            from harness import postgres

            url = stack.enter_context(postgres())
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        env = dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true", PATH=f"{CACHE}/mlflow-venv/bin:" + os.environ["PATH"])
        process = subprocess.Popen([CACHE / "mlflow-venv/bin/mlflow", "server", "--backend-store-uri", url, "--artifacts-destination", folder, "--host", "127.0.0.1", "--port",
                                    str(port)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            deadline = time.monotonic() + 180
            while True:
                try:
                    Client(port).call("POST", "/experiments/search", {"max_results": 1})
                    break
                except (OSError, RuntimeError, http.client.HTTPException):
                    if time.monotonic() > deadline or process.poll() is not None:
                        raise
                    time.sleep(0.5)
            yield {"name": "mlflow-" + kind, "make": lambda: Client(port), "experiment": "bench", "url": url}
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def fill_tarn(target, experiment, count):
    """As a client would, from 8 connections: one create and one log-batch a run."""
    per = count // 8

    def work(number):
        client = target["make"]()
        rng = random.Random(number)
        for i in range(per):
            run = client.call("POST", "/runs/create", {"experiment_id": experiment, "run_name": f"r{number}-{i}", "start_time": 1_700_000_000_000 + rng.randrange(10**9)})
            client.call("POST", "/runs/log-batch", {"run_id": run["run"]["info"]["run_id"],
                                                    "metrics": [{"key": k, "value": rng.random(), "timestamp": 1, "step": 0} for k in ("rmse", "mae", "r2")],
                                                    "params": [{"key": "depth", "value": str(rng.randrange(20))}, {"key": "rare", "value": str(rng.randrange(count))}]})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return per * 8


def fill_mlflow_sqlite(url, experiment, count):
    db = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)
    rng = random.Random(1)
    with db:
        for i in range(count):
            run = uuid.uuid4().hex
            db.execute("INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, artifact_uri, experiment_id) "
                       "VALUES (?, ?, 'UNKNOWN', 'x', 'RUNNING', ?, 'active', 'x', ?)", (run, f"r{i}", 1_700_000_000_000 + rng.randrange(10**9), experiment))
            for k in ("rmse", "mae", "r2"):
                v = rng.random()
                db.execute("INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, 1, ?, 0, 0)", (k, v, run))
                db.execute("INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, 1, 0, 0, ?)", (k, v, run))
            for k, v in (("depth", rng.randrange(20)), ("rare", rng.randrange(count))):
                db.execute("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", (k, str(v), run))
    db.close()
    return count


SEARCHES = {
    "newest 100": {"max_results": 100},
    "best 100 by a metric": {"max_results": 100, "order_by": ["metrics.rmse ASC"]},
    "one param's value": {"max_results": 100, "filter": "params.rare = '77'"},
    "a metric and a param, best first": {"max_results": 100, "filter": "metrics.r2 > 0.9 and params.depth = '7'", "order_by": ["metrics.rmse ASC"]},
}


def measure(target, args, fill):
    client = target["make"]()
    experiment = client.call("POST", "/experiments/create", {"name": target["experiment"]})["experiment_id"]
    run = client.call("POST", "/runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]["run_id"]
    out = {"server": target["name"]}

    def metric(c, n, i):
        c.call("POST", "/runs/log-metric", {"run_id": run, "key": f"m{n}", "value": i * 0.5, "timestamp": i, "step": i})

    def batch(c, n, i):
        c.call("POST", "/runs/log-batch", {"run_id": run, "metrics": [{"key": f"b{n}-{k}", "value": i, "timestamp": i, "step": i} for k in range(100)]})

    for clients in (1, 16):
        out[f"log-metric x{clients}"] = rate(target["make"], metric, clients, args.seconds)
    out["log-batch of 100 x4"] = rate(target["make"], batch, 4, args.seconds)
    if args.runs:
        begin = time.monotonic()
        n = fill(experiment)
        out["runs"], out["filled_in_s"] = n, round(time.monotonic() - begin, 1)
        for name, search in SEARCHES.items():
            body = {"experiment_ids": [experiment], **search}
            target["make"]().call("POST", "/runs/search", body)
            out["search: " + name] = rate(target["make"], lambda c, n, i: c.call("POST", "/runs/search", body), 1, args.seconds / 2)
    print(json.dumps(out), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--peer", choices=("sqlite", "postgresql", "none"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--runs", type=int, default=20_000)
    args = parser.parse_args()
    with tarn(args.build.resolve()) as target:
        measure(target, args, lambda e: fill_tarn(target, e, args.runs))
    if args.peer != "none":
        with mlflow(args.peer) as target:
            if args.peer != "sqlite":
                args.runs = 0  # what would fill it is SQLite's
            measure(target, args, lambda e: fill_mlflow_sqlite(target["url"], e, args.runs))


if __name__ == "__main__":
    main()
