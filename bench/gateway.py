#!/usr/bin/env python3
"""The HTTP stack alone, beside nginx: GET of a 700-byte body over 16 keep-alive connections, plain and over TLS.

    cmake --preset release && ninja -C build bench_gateway && bench/gateway.py build/bench/bench_gateway [--seconds 6] [--rounds 3]

Tarn checks a bearer token and counts and logs every request; nginx sends a static file of the same size. Rounds alternate, medians count.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

from peers import Nginx, wrk


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        ours = subprocess.Popen([args.program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        nginx = None
        try:
            ports = json.loads(ours.stdout.readline())
            nginx = Nginx(folder, b"x" * ports["bytes"])
            token = ["Authorization: Bearer bench-token"]
            print("| what | tarn | nginx | ratio |\n|---|---|---|---|")
            for name, path, url, peer in (
                ("plain, on the I/O thread", "/inline", f"http://127.0.0.1:{ports['plain']}", f"http://127.0.0.1:{nginx.port}"),
                ("TLS, on the I/O thread", "/inline", f"https://127.0.0.1:{ports['tls']}", f"https://127.0.0.1:{nginx.tls_port}"),
                ("plain, through a worker", "/worker", f"http://127.0.0.1:{ports['plain']}", f"http://127.0.0.1:{nginx.port}"),
            ):
                mine, theirs = [], []
                for _ in range(args.rounds):
                    got = wrk(url + path, 16, args.seconds, token)
                    assert got["bad"] == 0, "refused requests are not a rate"
                    mine.append(got["rate"])
                    theirs.append(wrk(peer + "/body.json", 16, args.seconds)["rate"])
                a, b = statistics.median(mine), statistics.median(theirs)
                print(f"| {name} | {a:,.0f}/s | {b:,.0f}/s | {a / b:.2f} |", flush=True)
            print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {args.rounds} rounds of {args.seconds} s, medians")
        finally:
            ours.stdin.close()
            ours.wait(20)
            if nginx:
                nginx.stop()


if __name__ == "__main__":
    main()
