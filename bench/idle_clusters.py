#!/usr/bin/env python3
"""What idle clusters cost: memory of COUNT single-node clusters that run nothing, and the control plane's processor time beside them.

    bench/idle_clusters.py build/tarn [--count 200] [--context]

Memory is each process's proportional share (PSS), so that what all share counts once. --context gives each cluster one interpreter. Bounded:
the clusters are ended, and nothing else is loaded. Prints a Markdown table.
"""
import argparse
import os
import pathlib
import re
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))


def pss(pid):
    try:
        return int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
    except (OSError, TypeError):
        return 0


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def below(pid):
    """All processes below this one, by what they are: agent (the node itself), other."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
    out, more = {}, True
    while more:
        more = False
        for child, parent in parents.items():
            if child not in out and (parent == pid or parent in out):
                out[child] = parent
                more = True
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tarn")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--context", action="store_true")
    args = parser.parse_args()
    os.environ["TARN"] = str(pathlib.Path(args.tarn).resolve())
    import harness

    with harness.platform("--most-instances", str(args.count)) as server:
        admin = server.admin()
        landing = server.status()["plain_http"]["landing"]
        admin.http.proxies = {}
        call = lambda method, path, body=None: admin.call(method, landing + path, body)
        ids, took = [], []
        for i in range(args.count):
            began = time.monotonic()
            ids.append(call("POST", "/api/2.1/clusters/create", {"cluster_name": f"idle-{i}", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large",
                                                                 "num_workers": 0})["cluster_id"])
            while (c := call("GET", f"/api/2.1/clusters/get?cluster_id={ids[-1]}"))["state"] == "PENDING":
                assert time.monotonic() - began < 120, c
                time.sleep(0.02)
            assert c["state"] == "RUNNING", c
            took.append(time.monotonic() - began)
            if args.context:
                call("POST", "/api/1.2/contexts/create", {"clusterId": ids[-1], "language": "python"})
        time.sleep(5)  # a measurement of rest, not a wait for anything
        nodes = below(server.process.pid)
        of = {"agents": 0, "interpreters": 0}
        for pid in nodes:
            try:
                line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b"engine" in line.split(b"\0")[0] or b"sidecar" in line:
                continue
            of["agents" if line.split(b"\0")[1:2] == [b"node"] else "interpreters"] += pss(pid)
        before = cpu(server.process.pid)
        time.sleep(10)
        used = (cpu(server.process.pid) - before) / 10
        server_memory = pss(server.process.pid)
        for one in ids:
            call("POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": one})
        total = of["agents"] + of["interpreters"]
        print("| what | measured |")
        print("|---|---|")
        print(f"| memory of {args.count} idle clusters{' with one interpreter each' if args.context else ''} | {total / 1024:.0f} MB: {total / 1024 / args.count:.1f} MB each "
              f"(agent and its first process {of['agents'] / 1024 / args.count:.1f}, Python {of['interpreters'] / 1024 / args.count:.1f}) |")
        print(f"| control plane beside them | {server_memory / 1024:.0f} MB, {used:.1%} of a core |")
        print(f"| from request to RUNNING, one after another (p50) | {statistics.median(took):.2f} s |")


if __name__ == "__main__":
    main()
