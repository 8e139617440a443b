#!/usr/bin/env python3
"""Blast radius: how much a runaway cluster in `landing` slows a training job in `pipeline`, with isolation and without.

    bench/blast_radius.py build/tarn [--seconds 20] [--rounds 3] [--steps 1500000]

Three times the same training code (logistic regression by hand, a fixed number of steps) on a cluster of pipeline: alone, beside a runaway
cluster of landing, and beside the same runaway with `tarn serve --no-isolation`. The runaway does at once, each bounded in count and time:
busy loops on every core, memory up to its limit, a process storm, a disk writer; and from outside eight clients flood landing's SQL warehouse.
A probe asks the control plane twenty times a second meanwhile. Prints a Markdown table. Run it as root, on a machine that does nothing else:
`steal` says how much of the two the training did not get although it wanted to (wall time over processor time).
"""
import argparse
import os
import pathlib
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

TRAIN = """
import json, math, random, time
random.seed(7)
rows = [([random.gauss(0, 1) for _ in range(8)], random.random() < 0.5) for _ in range(500)]
weights = [0.0] * 8
began, cpu = time.monotonic(), time.process_time()
for step in range({steps}):
    x, y = rows[step % len(rows)]
    z = sum(a * b for a, b in zip(weights, x))
    error = 1 / (1 + math.exp(-max(-30, min(30, z)))) - y
    weights = [w - 0.01 * error * a for w, a in zip(weights, x)]
print(json.dumps({{"wall": time.monotonic() - began, "cpu": time.process_time() - cpu}}))
"""

RUNAWAYS = {
    "cores": """
import os, time
children = []
for _ in range(2 * os.cpu_count()):
    pid = os.fork()
    if pid == 0:
        until = time.monotonic() + {seconds}
        while time.monotonic() < until: pass
        os._exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
""",
    # In a child, so that the context lives on: what ends at the limit is the child.
    "memory": """
import os, time
until = time.monotonic() + {seconds}
while time.monotonic() < until:
    pid = os.fork()
    if pid == 0:
        held = []
        try:
            while time.monotonic() < until and len(held) < 64: held.append(bytearray(64 << 20))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
""",
    "processes": """
import os, signal, time
until, made, refused = time.monotonic() + {seconds}, [], 0
while time.monotonic() < until and len(made) < 600:
    try:
        pid = os.fork()
        if pid == 0:
            time.sleep(max(0, until - time.monotonic()))
            os._exit(0)
        made.append(pid)
    except OSError:
        refused += 1
        time.sleep(0.05)
time.sleep(max(0, until - time.monotonic()))
for pid in made: os.waitpid(pid, 0)
print(len(made), refused)
""",
    "disk": """
import os, time
until, block = time.monotonic() + {seconds}, os.urandom(4 << 20)
with open(os.path.join(os.environ["HOME"], "spill"), "wb") as f:
    while time.monotonic() < until:
        f.seek(0)
        for _ in range(64): f.write(block)
        f.flush()
        os.fsync(f.fileno())
os.unlink(os.path.join(os.environ["HOME"], "spill"))
""",
}


def wait(seconds, holds):
    until = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > until:
            raise TimeoutError("it did not come about in time")
        time.sleep(0.05)
    return found


class Cluster:
    def __init__(self, admin, workspace, node_type):
        self.admin, self.workspace = admin, workspace
        self.id = self.call("POST", "/api/2.1/clusters/create", {"cluster_name": workspace, "spark_version": "15.4.x-scala2.12", "node_type_id": node_type,
                                                                 "num_workers": 0})["cluster_id"]
        self.state = wait(120, lambda: (c := self.call("GET", f"/api/2.1/clusters/get?cluster_id={self.id}"))["state"] not in ("PENDING",) and c)
        assert self.state["state"] == "RUNNING", self.state

    def call(self, method, path, body=None):
        return self.admin.workspace(self.workspace, method, path, body)

    def begin(self, code):
        context = self.call("POST", "/api/1.2/contexts/create", {"clusterId": self.id, "language": "python"})["id"]
        wait(60, lambda: self.call("GET", f"/api/1.2/contexts/status?clusterId={self.id}&contextId={context}")["status"] == "Running")
        command = self.call("POST", "/api/1.2/commands/execute", {"clusterId": self.id, "contextId": context, "language": "python", "command": code})["id"]
        return context, command

    def end(self, started, seconds):
        where = f"clusterId={self.id}&contextId={started[0]}&commandId={started[1]}"
        done = wait(seconds, lambda: (c := self.call("GET", f"/api/1.2/commands/status?{where}"))["status"] in ("Finished", "Error", "Cancelled") and c)
        return done

    def delete(self):
        self.call("POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": self.id})


class Probe:
    """Asks the control plane twenty times a second, on a connection of its own."""

    def __init__(self, server, path):
        self.caller, self.path, self.took, self.failed, self.over = server.admin(), path, [], 0, threading.Event()
        self.url = server.status()["plain_http"]["pipeline"] + path
        self.caller.http.proxies = {}
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                self.caller.call("GET", self.url)
                self.took.append((time.monotonic() - began) * 1000)
            except Exception:
                self.failed += 1
            self.over.wait(0.05)

    def end(self):
        self.over.set()
        self.thread.join()
        took = sorted(self.took)
        return {"p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "failed": self.failed}


def flood(server, seconds, over):
    """Eight clients, at most 2,000 statements."""
    left = [2000]
    lock = threading.Lock()

    def work():
        admin = server.admin()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not over.is_set():
            with lock:
                if left[0] == 0:
                    return
                left[0] -= 1
            try:
                admin.sql("landing", server.warehouses["landing"], "SELECT sum(id * id) FROM range(20000000)")
            except Exception:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    return threads


def train(cluster, steps, rounds):
    import json

    out = []
    for _ in range(rounds):
        done = cluster.end(cluster.begin(TRAIN.format(steps=steps)), 600)
        if done["results"]["resultType"] != "text":
            raise RuntimeError(f"the training failed: {done['results']}")
        out.append(json.loads(done["results"]["data"]))
    return out


def scenario(harness, arguments, runaway, args):
    with harness.platform(*arguments) as server:
        admin = server.admin()
        pipeline = Cluster(admin, "pipeline", "r6i.2xlarge")
        landing = Cluster(admin, "landing", "m6g.large") if runaway else None
        probe = Probe(server, f"/api/2.1/clusters/get?cluster_id={pipeline.id}")
        over = threading.Event()
        started, threads, survived = [], [], True
        if landing:
            started = [landing.begin(code.format(seconds=args.seconds * args.rounds)) for code in RUNAWAYS.values()]
            threads = flood(server, args.seconds * args.rounds, over)
        try:
            runs = train(pipeline, args.steps, args.rounds)
        finally:
            figures = probe.end()
            over.set()
            for t in threads:
                t.join()
        state = pipeline.call("GET", f"/api/2.1/clusters/get?cluster_id={pipeline.id}")["state"]
        survived = state == "RUNNING"
        summary = pipeline.state.get("isolation", {}).get("summary")
        pipeline.delete()
        if landing:
            landing.delete()
        wall = statistics.median(r["wall"] for r in runs)
        cpu = statistics.median(r["cpu"] for r in runs)
        return {"wall": wall, "cpu": cpu, "survived": survived, "isolation": summary, **figures}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tarn")
    parser.add_argument("--seconds", type=int, default=20, help="how long the runaway goes on for each round of training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1_500_000)
    args = parser.parse_args()
    os.environ["TARN"] = str(pathlib.Path(args.tarn).resolve())
    import harness

    cases = [("alone", [], False), ("beside the runaway, isolated", [], True), ("beside the runaway, not isolated", ["--no-isolation"], True)]
    measured = {name: scenario(harness, arguments, runaway, args) for name, arguments, runaway in cases}
    alone = measured["alone"]["wall"]
    print("| training job in pipeline | time | against alone | steal | control plane p50 / p99 | failed calls | nodes |")
    print("|---|---|---|---|---|---|---|")
    for name, m in measured.items():
        print(f"| {name} | {m['wall']:.2f} s | {m['wall'] / alone:.2f} | {m['wall'] / m['cpu'] - 1:.0%} | {m['p50']:.0f} / {m['p99']:.0f} ms | {m['failed']} "
              f"| {m['isolation']}{'' if m['survived'] else ', cluster lost'} |")


if __name__ == "__main__":
    main()
