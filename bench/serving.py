#!/usr/bin/env python3
"""Serving against `mlflow models serve`: the same scikit-learn model and the same request over the same wire, and its ONNX form.

    bench/serving.py [--build build] [--seconds 4] [--rounds 3] [--connections 16]

Both answer POST …/invocations from wrk on this machine, keep-alive; Tarn over plain HTTP on its workspace's loopback port, with a token, CAN_QUERY and
the signature checked. They are asked in turn, --rounds times, and the medians are told. Latency is one connection's. `added` is the gateway's share: the
p50 of one connection less the p50 of the scorer alone, asked over its own socket pair (Python's client, whose own time makes the scorer look slower by
some microseconds, HTTP and TCP count as the gateway's). `floor` is the model's predict alone, in a loop, with a data frame and with a matrix. Cold start:
the first request to an endpoint that was scaled to zero. Prints JSON lines.
"""
import argparse
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "clients")]
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
PYTHON = str(CACHE / "mlflow-venv/bin/python")
BODY = json.dumps({"dataframe_split": {"columns": ["a", "b", "n"], "data": [[1.5, 5, 3]]}})


def wrk(url, token, seconds, connections, threads=1):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method='POST'\nwrk.body='{BODY}'\nwrk.headers['Content-Type']='application/json'\n" + (f"wrk.headers['Authorization']='Bearer {token}'\n" if token else ""))
        script.flush()
        text = subprocess.run(["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", "-s", script.name, url], capture_output=True, text=True,
                              check=True).stdout
    def ms(word):
        value = next(line.split()[1] for line in text.splitlines() if line.strip().startswith(word))
        return round(float(value.rstrip("usm")) * (0.001 if value.endswith("us") else 1 if value.endswith("ms") else 1000), 3)
    out = {"per_second": float(next(line.split()[1] for line in text.splitlines() if line.startswith("Requests/sec"))), "p50_ms": ms("50%"), "p99_ms": ms("99%"),
           "connections": connections}
    if "Non-2xx" in text:
        out["refused"] = int(text.split("Non-2xx or 3xx responses:")[1].split()[0])
    return out


def say(what, **figures):
    print(json.dumps({"what": what, **figures}), flush=True)


def alone(command, seconds):
    """p50 of one scorer over its socket pair, milliseconds."""
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(["bash", "-c", 'fd=$1; shift; exec "$@" 3<&$fd 3>&$fd', "bash", str(theirs.fileno()), *command], pass_fds=[theirs.fileno()],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"))
    theirs.close()
    head = struct.Struct("<IIB")

    def read(n):
        out = b""
        while len(out) < n:
            part = ours.recv(n - len(out))
            if not part:
                raise RuntimeError("the scorer ended")
            out += part
        return out

    def answer():
        length, _, kind = head.unpack(read(head.size))
        return kind, read(length)

    kind, hello = answer()
    assert json.loads(hello).get("ready"), hello
    body, times, stop = BODY.encode(), [], time.monotonic() + seconds
    while time.monotonic() < stop:
        begin = time.perf_counter()
        ours.sendall(head.pack(len(body), 1, 1) + body)
        kind, _ = answer()
        times.append(time.perf_counter() - begin)
        assert kind == 2
    child.kill()
    child.wait()
    return round(sorted(times)[len(times) // 2] * 1e3, 3)


def median(rounds):
    """Of figures that were taken several times."""
    return {k: sorted(r[k] for r in rounds)[len(rounds) // 2] for k in rounds[0]}


FLOOR = """
import json, sys, time, warnings
import numpy, pandas, mlflow.pyfunc
warnings.showwarning = lambda *a, **k: None
model = mlflow.pyfunc.load_model(sys.argv[1])._predict_fn
frame = pandas.DataFrame({"a": [1.5], "b": [5.0], "n": [3]})
out = {}
for name, rows in (("data frame", frame), ("matrix", frame.to_numpy())):
    for _ in range(100): model(rows)
    begin = time.perf_counter()
    for _ in range(2000): model(rows)
    out[name] = round((time.perf_counter() - begin) * 1e6 / 2000, 1)
print(json.dumps(out))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    args = parser.parse_args()
    build = args.build.resolve()
    os.environ["TARN"] = str(build / "tarn")
    import test_serving as t

    with t.platform("--serving-idle-seconds", "2") as server, tempfile.TemporaryDirectory() as folder:
        for type_, name, privileges in (("schema", t.SCHEMA, ["USE_SCHEMA", "CREATE_MODEL"]), ("catalog", "pipeline_gold", ["USE_CATALOG"])):
            t.grant(server, type_, name, t.NORA, privileges)
        os.environ["WANTED"] = "linear,onnx"
        versions = t.register(server, folder)
        ends = {}
        for kind, model in (("pyfunc", "linear"), ("onnx", "linear_onnx")):
            ends[kind] = t.Endpoint(server, kind)
            ends[kind].create(("one", model, versions["linear" if kind == "pyfunc" else "onnx"], {"max_provisioned_concurrency": 2}))
        token = ends["onnx"].who.token
        url = {k: e.base + f"/serving-endpoints/{k}/invocations" for k, e in ends.items()}
        port = socket.socket()
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
        port.close()
        env = dict(os.environ, PYTHONPATH=str(next(CACHE.glob("onnxruntime-*"))), MLFLOW_DISABLE_TELEMETRY="true", PATH=str(pathlib.Path(PYTHON).parent) + ":" + os.environ["PATH"])
        peer = subprocess.Popen([PYTHON, "-m", "mlflow", "models", "serve", "-m", f"{folder}/linear", "--env-manager", "local", "-p", str(number)], env=env,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            begin = time.monotonic()
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{number}/ping", timeout=2)
                    break
                except OSError:
                    assert time.monotonic() < begin + 120, "the peer did not start"
                    time.sleep(0.1)
            peer_url = f"http://127.0.0.1:{number}/invocations"
            say("mlflow models serve: start", seconds=round(time.monotonic() - begin, 1))
            wrk(peer_url, "", 2, 2)
            asked = {"mlflow models serve": (peer_url, ""), "tarn, pyfunc": (url["pyfunc"], token), "tarn, onnx": (url["onnx"], token)}
            for connections in (1, args.connections):
                for where in asked.values():
                    wrk(*where, 2, connections)
                seen = [{what: wrk(*where, args.seconds, connections) for what, where in asked.items()} for _ in range(args.rounds)]
                told = {what: median([r[what] for r in seen]) for what in asked}
                for what, figures in told.items():
                    say(what, **figures, times_the_peer=round(figures["per_second"] / told["mlflow models serve"]["per_second"], 1))
        finally:
            os.killpg(peer.pid, 15)
            peer.wait()
        library = next(next(CACHE.glob("onnxruntime-*")).glob("onnxruntime/capi/libonnxruntime.so*"))
        signature = json.dumps([{"name": c, "type": "double"} for c in "abn"])
        for kind, command in (("onnx", [str(build / "tarn-onnx"), str(library), f"{folder}/onnx/model.onnx", signature]),
                              ("pyfunc", [PYTHON, str(ROOT / "src/serving/scorer/pyfunc.py"), f"{folder}/linear", "32"])):
            rounds = [{"mine": alone(command, 2), "through": wrk(url[kind], token, 2, 1)["p50_ms"]} for _ in range(args.rounds)]
            got = median([{**r, "added": r["through"] - r["mine"]} for r in rounds])
            say(f"gateway added, {kind}", scorer_p50_ms=got["mine"], through_p50_ms=got["through"], added_ms=round(got["added"], 3))
        done = subprocess.run([PYTHON, "-c", FLOOR, f"{folder}/linear"], capture_output=True, text=True, check=True, env=dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"))
        say("floor: predict alone, microseconds a call", **json.loads(done.stdout.splitlines()[-1]))
        for kind, e in ends.items():
            e.update([("one", "linear" if kind == "pyfunc" else "linear_onnx", "1", {"scale_to_zero_enabled": True})])
            e.settled()
            times = []
            for _ in range(3):
                e.until(lambda d: d["config"]["served_entities"][0]["state"]["deployment_state_message"] == "Scaled to zero", 30)
                begin = time.monotonic()
                assert e.raw(json.loads(BODY)).status_code == 200
                times.append(time.monotonic() - begin)
            pids = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True).stdout.split()
            rss = {}
            for pid in pids:
                line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"/mnt/model" in b" ".join(line):
                    rss[pid] = int(next(x for x in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS")).split()[1]) // 1024
            say(f"cold start from zero, {kind}", seconds=[round(x, 2) for x in times], scorer_rss_mb=sorted(rss.values()))
            e.call("DELETE")


main()
