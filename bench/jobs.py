#!/usr/bin/env python3
"""Jobs: run-now to the first line of user code, and what the scheduler does with a thousand short tasks.

    bench/jobs.py build/tarn [--rounds 15] [--tasks 1000] [--jobs 1000]

Warm: a Python file on a cluster that runs, with an interpreter ahead; the code says when its first line ran (one clock: the same machine).
Cold: the same on a job cluster of its own, which starts with the run. `spark` cold: first use of spark in a context that runs. Then a job of N
condition tasks in one run, and N jobs of one such task, all started at once: tasks per second from the first run-now to the last end, and
the server's processor time meanwhile. Prints a Markdown table.
"""
import argparse
import base64
import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

CODE = "import time\nprint('first line at', time.time())\n"
CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0}


def row(what, measured, goal=""):
    print(f"| {what} | {measured} | {goal} |", flush=True)


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spread(values):
    values = sorted(values)
    return f"p50 {statistics.median(values) * 1000:.0f} ms, worst {values[-1] * 1000:.0f} ms ({len(values)} runs)"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tarn")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cold", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1000)
    args = parser.parse_args()
    os.environ["TARN"] = args.tarn
    import harness

    harness.TARN = args.tarn
    with harness.platform() as server:
        admin = server.admin()
        base = server.status()["workspaces"]["landing"]

        def call(method, path, body=None):
            return admin.call(method, base + path, body)

        def end_of(run, pause=0.02):
            while (state := call("GET", f"/api/2.2/jobs/runs/get?run_id={run}"))["state"]["life_cycle_state"] not in ("TERMINATED", "INTERNAL_ERROR", "SKIPPED"):
                time.sleep(pause)
            return state

        def first_line(job):
            """Seconds from run-now to the code's first line."""
            begin = time.time()
            run = call("POST", "/api/2.2/jobs/run-now", {"job_id": job})["run_id"]
            state = end_of(run)
            assert state["state"]["result_state"] == "SUCCESS", state
            logs = call("GET", f"/api/2.2/jobs/runs/get-output?run_id={state['tasks'][-1]['run_id']}")["logs"]
            return float(logs.split()[-1]) - begin

        call("POST", "/api/2.0/workspace/mkdirs", {"path": "/Shared/bench"})
        call("POST", "/api/2.0/workspace/import", {"path": "/Shared/bench/first.py", "format": "RAW", "overwrite": True, "content": base64.b64encode(CODE.encode()).decode()})
        cluster = call("POST", "/api/2.1/clusters/create", {"cluster_name": "c", **CLUSTER})["cluster_id"]
        while call("GET", f"/api/2.1/clusters/get?cluster_id={cluster}")["state"] == "PENDING":
            time.sleep(0.05)
        task = {"task_key": "t", "spark_python_task": {"python_file": "/Shared/bench/first.py"}}
        warm = call("POST", "/api/2.2/jobs/create", {"name": "warm", "tasks": [{**task, "existing_cluster_id": cluster}]})["job_id"]
        cold = call("POST", "/api/2.2/jobs/create", {"name": "cold", "tasks": [{**task, "new_cluster": CLUSTER}]})["job_id"]
        print("| what | measured | goal |\n|---|---|---|")
        row("run-now to the first line, cluster that runs, first run on it", f"{first_line(warm) * 1000:.0f} ms")
        values = []
        for _ in range(args.rounds):
            time.sleep(3)  # until the next interpreter is ahead
            values.append(first_line(warm))
        row("run-now to the first line, cluster that runs, an interpreter ahead", spread(values), "150 ms")
        row("run-now to the first line, cold: a job cluster of its own", spread([first_line(cold) for _ in range(args.cold)]), "2 s")
        context = call("POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": "python"})["id"]
        while call("GET", f"/api/1.2/contexts/status?clusterId={cluster}&contextId={context}")["status"] == "Pending":
            time.sleep(0.05)
        for what, code in (("first use of `spark` in a context (engine and session start)", "spark.range(3).count()"), ("the second", "spark.range(3).count()")):
            begin = time.time()
            command = call("POST", "/api/1.2/commands/execute", {"clusterId": cluster, "contextId": context, "language": "python", "command": code})["id"]
            while call("GET", f"/api/1.2/commands/status?clusterId={cluster}&contextId={context}&commandId={command}")["status"] in ("Queued", "Running"):
                time.sleep(0.01)
            row(what, f"{(time.time() - begin) * 1000:.0f} ms")
        call("POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": cluster})

        condition = {"condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}
        many = call("POST", "/api/2.2/jobs/create", {"name": "many", "tasks": [{"task_key": f"t{i}", **condition} for i in range(args.tasks)]})["job_id"]
        pid = server.process.pid
        begin, cpu = time.time(), cpu_of(pid)
        end_of(call("POST", "/api/2.2/jobs/run-now", {"job_id": many})["run_id"], 0.2)
        took = time.time() - begin
        row(f"{args.tasks} tasks in one run", f"{took:.1f} s: {args.tasks / took:.0f} tasks/s, {cpu_of(pid) - cpu:.1f} s of the server's processor time")
        jobs = [call("POST", "/api/2.2/jobs/create", {"name": f"j{i}", "tasks": [{"task_key": "t", **condition}]})["job_id"] for i in range(args.jobs)]
        begin, cpu = time.time(), cpu_of(pid)
        runs = [call("POST", "/api/2.2/jobs/run-now", {"job_id": j})["run_id"] for j in jobs]
        for run in runs:
            end_of(run, 0.05)
        took = time.time() - begin
        row(f"{args.jobs} jobs of one task, run-now one after another", f"{took:.1f} s: {args.jobs / took:.0f} runs/s, {cpu_of(pid) - cpu:.1f} s of the server's processor time")


if __name__ == "__main__":
    main()
