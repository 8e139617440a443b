#!/usr/bin/env python3
"""Figures of a whole server: readiness, memory, GET table beside nginx, small SELECT, a plan of many objects.

    bench/server.py build/tarn [--seconds 8]

Prints a Markdown table with medians; the peer runs in the same minute on the same machine. Needs wrk and nginx (scripts/setup test).
Every load goes to loopback, is bounded in time, and ends by itself.
"""
import argparse
import json
import os
import pathlib
import platform as machine
import re
import statistics
import subprocess
import sys
import tempfile
import time

from peers import Nginx, wrk

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))


def rss_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tarn")
    parser.add_argument("--seconds", type=int, default=8)
    args = parser.parse_args()
    os.environ["TARN"] = str(pathlib.Path(args.tarn).resolve())
    import harness

    rows = []
    begun = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            server = harness.Server(pathlib.Path(folder) / "data")
            begun.append((time.monotonic() - start) * 1000)
            memory = rss_mb(server.process.pid)
            server.kill()
            start = time.monotonic()
            server.start()
            again = (time.monotonic() - start) * 1000
            server.stop()
    rows.append(("ready after start, first start (makes keys)", f"{statistics.median(begun):.0f} ms", "150 ms"))
    rows.append(("ready after start, restart", f"{again:.0f} ms", "150 ms"))
    rows.append(("memory when ready (RSS)", f"{memory:.0f} MB", "60 MB"))

    with harness.platform() as server, tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        admin = server.admin()
        admin.workspace("landing", "PATCH", "/api/2.1/unity-catalog/permissions/catalog/landing_raw",
                        {"changes": [{"principal": server.ready["admin"]["client_id"], "add": ["USE_CATALOG", "USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY"]}]})
        columns = ", ".join(f"c{i} BIGINT" for i in range(3))
        admin.sql("landing", server.warehouses["landing"], f"CREATE TABLE landing_raw.flights.bench ({columns})")
        plain = server.status()["plain_http"]["landing"] if "plain_http" in server.status() else None
        tls = server.status()["workspaces"]["landing"]
        body = json.dumps(admin.workspace("landing", "GET", "/api/2.1/unity-catalog/tables/landing_raw.flights.bench")).encode()
        nginx = Nginx(folder, body)
        authorization = f"Authorization: Bearer {admin.token}"
        try:
            if plain:
                ours = wrk(f"{plain}/api/2.1/unity-catalog/tables/landing_raw.flights.bench", 16, args.seconds, [authorization])
                theirs = wrk(f"http://127.0.0.1:{nginx.port}/body.json", 16, args.seconds)
                assert ours["bad"] == 0
                rows.append((f"GET table, token and grant checked, 16 connections, plain ({len(body)} bytes)", f"{ours['rate']:.0f}/s against nginx {theirs['rate']:.0f}/s: {ours['rate'] / theirs['rate']:.2f}", "0.60"))
            direct = server.status().get("tls_direct")
            if direct:
                host = tls.split("//")[1]
                ours = wrk(f"https://{direct}/api/2.1/unity-catalog/tables/landing_raw.flights.bench", 16, args.seconds, [authorization, f"Host: {host}"])
                theirs = wrk(f"https://127.0.0.1:{nginx.tls_port}/body.json", 16, args.seconds)
                assert ours["bad"] == 0
                rows.append((f"the same over TLS", f"{ours['rate']:.0f}/s against nginx {theirs['rate']:.0f}/s: {ours['rate'] / theirs['rate']:.2f}", "0.60"))
        finally:
            nginx.stop()
        if plain:
            script = folder / "select.lua"
            script.write_text(f'''wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {admin.token}"
wrk.body = '{json.dumps({"statement": "SELECT 1", "warehouse_id": server.warehouses["landing"], "wait_timeout": "10s"})}'
''')
            for clients in (1, 8, 64, 500):
                got = wrk(f"{plain}/api/2.0/sql/statements", clients, args.seconds, script=script)
                assert got["bad"] == 0
                rows.append((f"SELECT 1 through the statement API, {clients} client{'s' if clients > 1 else ''}", f"{got['rate']:.0f}/s, p50 {got['p50_ms']:.2f} ms", "5,000/s at 8; 1 ms over the engine"))
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    print(f"Machine: {os.cpu_count()} x {cpu}, Linux {machine.release()}. Command: `bench/server.py build/tarn --seconds {args.seconds}`\n")
    print("| what | measured | goal |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
