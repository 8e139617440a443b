#!/usr/bin/env python3
"""Serving under load for as long as one likes, while everything that may happen to it happens: an update, a canary that must roll back, a scorer and then the
server killed with SIGKILL. Says what became of every request.

    bench/serving_load.py [--build build] [--seconds 600] [--clients 8]

Each client asks one endpoint again and again over a connection that it keeps. A 503 with Retry-After is an answer; a connection that ends while the server is
down is asked again until it is answered. `lost`: requests that got neither (goal 0). Errors of the canary's own broken model are counted apart: it
answers some requests before it is judged. Prints JSON.
"""
import argparse
import collections
import json
import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "clients")]


def client(number, address, token, stop, out):
    """Asks until told to stop; what each request came to, by second and kind."""
    seen, latencies, http, broken = collections.Counter(), [], requests.Session(), 0.0
    http.trust_env = False
    while not stop.is_set():
        begin, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                answer = http.post(f"{address.value.decode()}/serving-endpoints/load/invocations", data='{"inputs": {"x": [10]}}', timeout=90,
                                   headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
            except requests.RequestException:
                http.close()
                if time.monotonic() - begin > 60:
                    seen["lost"] += 1
                    break
                time.sleep(0.05)
                continue
            if tries > 1:
                broken = max(broken, time.monotonic() - begin)
            if answer.status_code == 200:
                kind = f"200: {answer.json()['predictions'][0]}"
            elif answer.status_code in (429, 503) and answer.headers.get("Retry-After"):
                kind = f"{answer.status_code} with Retry-After"
            elif answer.status_code == 400 and "this version is broken" in answer.text:
                kind = "400 of the canary's broken model"
            else:
                kind = f"lost: {answer.status_code} {answer.text[:200]}"
            seen[kind] += 1
            if tries > 1:
                seen["asked again after a broken connection"] += 1
            elif answer.status_code == 200:
                latencies.append(time.monotonic() - begin)
            break
    out.put((seen, latencies, broken))


def scorers_of(server):
    """The processes of a server that run pyfunc models."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int((p / "stat").read_text().rpartition(")")[2].split()[1]) == server and b"/mnt/scripts/pyfunc.py" in (p / "cmdline").read_bytes():
                found.append(int(p.name))
        except OSError:
            pass  # it has ended meanwhile
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=8)
    args = parser.parse_args()
    os.environ["TARN"] = str(args.build.resolve() / "tarn")
    os.environ["WANTED"] = "odd,odd2,odd3"
    import test_serving as t

    result = {"seconds": args.seconds, "clients": args.clients}
    with t.platform() as server, tempfile.TemporaryDirectory() as folder:
        for type_, name, privileges in (("schema", t.SCHEMA, ["USE_SCHEMA", "CREATE_MODEL"]), ("catalog", "pipeline_gold", ["USE_CATALOG"])):
            t.grant(server, type_, name, t.NORA, privileges)
        versions = t.register(server, folder)
        t.Endpoint(server, "load").create(("one", "odd", versions["odd"], {"max_provisioned_concurrency": 2}))
        context = multiprocessing.get_context("fork")
        address, stop, out = context.Array("c", 200), context.Event(), context.Queue()
        address.value = server.status()["plain_http"]["pipeline"].encode()
        token = server.person(t.NORA, "pipeline").token
        clients = [context.Process(target=client, args=(n, address, token, stop, out), daemon=True) for n in range(args.clients)]
        begin = time.monotonic()
        for c in clients:
            c.start()

        def at(part):
            time.sleep(max(0, begin + args.seconds * part - time.monotonic()))

        def timed(f):
            started = time.monotonic()
            value = f()
            return value, round(time.monotonic() - started, 2)

        at(0.15)
        e = t.Endpoint(server, "load")
        e.update([("one", "odd", versions["odd2"], {"max_provisioned_concurrency": 2})])
        settled, result["update_s"] = timed(e.settled)
        assert settled["state"]["config_update"] == "NOT_UPDATING", settled
        at(0.35)
        e.update([("one", "odd", versions["odd2"], {"max_provisioned_concurrency": 2}), ("new", "odd", versions["odd3"], {})],
                 traffic_config={"routes": [{"served_model_name": "one", "traffic_percentage": 80}, {"served_model_name": "new", "traffic_percentage": 20}],
                                 "canary": {"served_model_name": "new", "max_error_percentage": 5, "min_requests": 20}})
        e.settled()
        rolled, result["canary_rolled_back_s"] = timed(lambda: e.until(lambda d: d["config"]["traffic_config"]["routes"][1]["traffic_percentage"] == 0))
        result["canary"] = rolled["events"][-1]
        at(0.55)
        scorers = scorers_of(server.process.pid)
        result["scorers_killed"] = len(scorers)
        for p in scorers:
            os.kill(p, signal.SIGKILL)
        at(0.75)

        def back():
            server.kill()
            server.start()
            address.value = server.status()["plain_http"]["pipeline"].encode()
            e = t.Endpoint(server, "load")
            while e.raw({"inputs": {"x": [10]}}).status_code != 200:
                time.sleep(0.05)

        _, result["server_back_s"] = timed(back)
        at(1)
        stop.set()
        seen, latencies, broken = collections.Counter(), [], 0
        for _ in clients:
            a, b, c = out.get(timeout=120)
            seen += a
            latencies += b
            broken = max(broken, c)
        for c in clients:
            c.join()
    latencies.sort()
    result.update(requests=sum(n for k, n in seen.items() if not k.startswith("asked")), outcomes=dict(seen.most_common()), lost=sum(n for k, n in seen.items() if k.startswith("lost")),
                  longest_wait_through_the_kill_s=round(broken, 2), p50_ms=round(latencies[len(latencies) // 2] * 1e3, 2), p99_ms=round(latencies[int(len(latencies) * 0.99)] * 1e3, 2))
    print(json.dumps(result), flush=True)


main()
