#!/usr/bin/env python3
"""Tracking against the MLflow server itself, over the same wire: log-metric, log-batch and search-runs.

    bench/ml.py [--build build] [--peer sqlite|postgresql|none] [--seconds 8] [--runs 1000000]

Both servers answer the same REST calls (/api/2.0/mlflow/…) from the same raw-socket clients, keep-alive, in the same run; Tarn over plain HTTP
on its workspace's loopback port, with a token and the access list checked; the MLflow server without either. Each call is durable when answered
(SQLite with a sync). --runs fills both with that many runs first (three metrics and two params each), directly in their databases with the rows
that their own clients would have written, because a peer that takes one run a request would be filled for hours. Tarn keeps what runs log in
SQLite in both cases. Clients run in processes of their own, so that Python's lock does not bound the faster server. A search is asked until its time is
over, at least once. Prints JSON lines, the last with the ratios.
"""
import argparse
import contextlib
import json
import multiprocessing
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")


class Client:
    """One keep-alive connection, by hand: http.client alone would take a quarter of a millisecond of the two cores for each call."""

    def __init__(self, port, token=""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")

    def call(self, method, path, body=None):
        content = json.dumps(body).encode() if body is not None else b""
        self.socket.sendall(f"{method} /api/2.0/mlflow{path} HTTP/1.1\r\n{self.head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.more()
        head = data[:end].decode().lower()
        length = int(head.split("content-length:", 1)[1].split("\r", 1)[0])
        data = data[end + 4:]
        while len(data) < length:
            data += self.more()
        status = int(head.split(" ", 2)[1])
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {data[:500]}")
        return json.loads(data)

    def more(self):
        got = self.socket.recv(1 << 20)
        if not got:
            raise ConnectionError("the server closed the connection")
        return got


def rate(make, call, clients, seconds):
    """Calls a second of `clients` processes at once, and their latencies."""
    def work(number, pipe):
        client, mine, i = make(), [], 0
        pipe.send("ready")
        pipe.recv()
        stop = time.monotonic() + seconds
        while time.monotonic() < stop or not mine:
            begin = time.perf_counter()
            call(client, number, i)
            mine.append(time.perf_counter() - begin)
            i += 1
        pipe.send(mine)

    context = multiprocessing.get_context("fork")
    workers = []
    for n in range(clients):
        ours, theirs = context.Pipe()
        p = context.Process(target=work, args=(n, theirs), daemon=True)
        p.start()
        theirs.close()
        workers.append((p, ours))
    for _, pipe in workers:
        pipe.recv()
    begin = time.monotonic()
    for _, pipe in workers:
        pipe.send("go")
    latencies = sorted(x for _, pipe in workers for x in pipe.recv())
    spent = time.monotonic() - begin
    for p, _ in workers:
        p.join()
    return {"per_second": round(len(latencies) / spent, 1), "p50_ms": round(latencies[len(latencies) // 2] * 1e3, 2),
            "p99_ms": round(latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))] * 1e3, 2), "calls": len(latencies), "clients": clients}


@contextlib.contextmanager
def tarn(build):
    os.environ["TARN"] = str(build / "tarn")
    from harness import platform

    with platform() as server:
        token = server.person("emil@acme.example", "pipeline").token
        port = int(server.status()["plain_http"]["pipeline"].rsplit(":", 1)[1])
        yield {"name": "tarn", "make": lambda: Client(port, token), "experiment": "/Users/emil@acme.example/bench",
               "fill": lambda e, n: fill_tarn(server.data / "tracking.db", e, n)}


@contextlib.contextmanager
def mlflow(kind):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mlflow-bench-"))
        url = f"sqlite:///{folder}/mlflow.db"
        if kind == "postgresql":
            from harness import postgres

            url = stack.enter_context(postgres(durable=True)).replace("postgresql:", "postgresql+psycopg2:")  # what is pinned
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
                except (OSError, RuntimeError):
                    if time.monotonic() > deadline or process.poll() is not None:
                        raise
                    time.sleep(0.5)
            yield {"name": "mlflow-" + kind, "make": lambda: Client(port), "experiment": "bench",
                   "fill": lambda e, n: (fill_mlflow_postgresql if kind == "postgresql" else fill_mlflow_sqlite)(url, e, n)}
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


BATCH = 20_000


def made_up(count):
    """Batches of (number, start time, metrics, params)."""
    rng = random.Random(1)
    for first in range(0, count, BATCH):
        yield [(i, 1_700_000_000_000 + rng.randrange(10**9), [("rmse", rng.random()), ("mae", rng.random()), ("r2", rng.random())],
                [("depth", str(rng.randrange(20))), ("rare", str(rng.randrange(count)))]) for i in range(first, min(count, first + BATCH))]


def filling(path):
    db = sqlite3.connect(path, timeout=60)
    db.execute("PRAGMA synchronous=OFF")
    db.execute("PRAGMA cache_size=-1000000")
    return db


def fill_tarn(path, experiment, count):
    db = filling(path)
    workspace, = db.execute("SELECT workspace FROM ml_run LIMIT 1").fetchone()
    rid, = db.execute("SELECT max(rid) FROM ml_run").fetchone()
    for batch in made_up(count):
        with db:
            runs = [(rid + 1 + i, f"{i:032x}", workspace, experiment, f"r{i}", "x", "RUNNING", at, f"dbfs:/databricks/mlflow-tracking/{experiment}/{i:032x}/artifacts") for i, at, _, _ in batch]
            db.executemany("INSERT INTO ml_run (rid, run_id, workspace, experiment, name, user_name, status, start_time, artifact_uri) VALUES (?,?,?,?,?,?,?,?,?)", runs)
            db.executemany("INSERT INTO ml_metric (rid, bucket, key, at, step, value, is_nan) VALUES (?,0,?,1,0,?,0)", [(rid + 1 + i, k, v) for i, _, m, _ in batch for k, v in m])
            db.executemany("INSERT INTO ml_latest (rid, key, experiment, at, step, value, is_nan) VALUES (?,?,?,1,0,?,0)", [(rid + 1 + i, k, experiment, v) for i, _, m, _ in batch for k, v in m])
            db.executemany("INSERT INTO ml_param (rid, key, experiment, value) VALUES (?,?,?,?)", [(rid + 1 + i, k, experiment, v) for i, _, _, p in batch for k, v in p])
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


RUN = "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, artifact_uri, experiment_id) VALUES "


def fill_mlflow_sqlite(url, experiment, count):
    db = filling(url.removeprefix("sqlite:///"))
    for batch in made_up(count):
        with db:
            db.executemany(RUN + "(?, ?, 'UNKNOWN', 'x', 'RUNNING', ?, 'active', 'x', ?)", [(f"{i:032x}", f"r{i}", at, experiment) for i, at, _, _ in batch])
            db.executemany("INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, 1, ?, 0, 0)", [(k, v, f"{i:032x}") for i, _, m, _ in batch for k, v in m])
            db.executemany("INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, 1, 0, 0, ?)", [(k, v, f"{i:032x}") for i, _, m, _ in batch for k, v in m])
            db.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", [(k, v, f"{i:032x}") for i, _, _, p in batch for k, v in p])
    db.close()


def fill_mlflow_postgresql(url, experiment, count):
    """By COPY through psql, a table at a time."""
    where = url.split("host=", 1)[1]

    def copy(table, rows):
        text = "".join("\t".join(map(str, r)) + "\n" for r in rows)
        subprocess.run(["psql", "-q", "-h", where, "-U", "tarn", "-d", "postgres", "-c", f"COPY {table} FROM STDIN"], input=text, text=True, check=True)

    for batch in made_up(count):
        copy("runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, artifact_uri, experiment_id)",
             [(f"{i:032x}", f"r{i}", "UNKNOWN", "x", "RUNNING", at, "active", "x", experiment) for i, at, _, _ in batch])
        copy("metrics (key, value, timestamp, run_uuid, step, is_nan)", [(k, v, 1, f"{i:032x}", 0, "f") for i, _, m, _ in batch for k, v in m])
        copy("latest_metrics (key, value, timestamp, step, is_nan, run_uuid)", [(k, v, 1, 0, "f", f"{i:032x}") for i, _, m, _ in batch for k, v in m])
        copy("params (key, value, run_uuid)", [(k, v, f"{i:032x}") for i, _, _, p in batch for k, v in p])


SEARCHES = {
    "newest 100": {"max_results": 100},
    "best 100 by a metric": {"max_results": 100, "order_by": ["metrics.rmse ASC"]},
    "one param's value": {"max_results": 100, "filter": "params.rare = '77'"},
    "a metric and a param, best first": {"max_results": 100, "filter": "metrics.r2 > 0.9 and params.depth = '7'", "order_by": ["metrics.rmse ASC"]},
}


def measure(target, args):
    client = target["make"]()
    experiment = client.call("POST", "/experiments/create", {"name": target["experiment"]})["experiment_id"]
    run = client.call("POST", "/runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]["run_id"]
    out = {"server": target["name"]}
    if args.runs:
        begin = time.monotonic()
        target["fill"](int(experiment), args.runs)
        out["runs"], out["filled_in_s"] = args.runs, round(time.monotonic() - begin, 1)

    def metric(c, n, i):
        c.call("POST", "/runs/log-metric", {"run_id": run, "key": f"m{n}", "value": i * 0.5, "timestamp": i, "step": i})

    def batch(c, n, i):
        c.call("POST", "/runs/log-batch", {"run_id": run, "metrics": [{"key": f"b{n}-{k}", "value": i, "timestamp": i, "step": i} for k in range(100)]})

    for name, search in SEARCHES.items():
        body = {"experiment_ids": [experiment], **search}
        found = target["make"]().call("POST", "/runs/search", body).get("runs", [])  # warm; the peer has dropped an idle connection
        one = rate(target["make"], lambda c, n, i: c.call("POST", "/runs/search", body), 1, args.seconds / 2)
        out["search: " + name] = {**one, "found": len(found)}
    for clients in (1, 16):
        out[f"log-metric x{clients}"] = rate(target["make"], metric, clients, args.seconds)
    out["log-batch of 100 x4"] = rate(target["make"], batch, 4, args.seconds)
    print(json.dumps(out), flush=True)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--peer", choices=("sqlite", "postgresql", "none"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--runs", type=int, default=1_000_000)
    args = parser.parse_args()
    with tarn(args.build.resolve()) as target:
        ours = measure(target, args)
    if args.peer == "none":
        return
    with mlflow(args.peer) as target:
        peer = measure(target, args)
    print(json.dumps({"ratio": {k: round(v["per_second"] / peer[k]["per_second"], 1) for k, v in ours.items() if isinstance(v, dict)},
                      "p99_ms": {k: v["p99_ms"] for k, v in ours.items() if isinstance(v, dict)}}), flush=True)


if __name__ == "__main__":
    main()
