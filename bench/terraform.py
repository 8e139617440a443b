#!/usr/bin/env python3
"""The vendor's Terraform provider: apply and plan of a platform beside the provider's own floor, and requests a second under parallel applies.

    bench/terraform.py build/tarn [--rounds 3] [--resources 500] [--parallel 4] [--each 100] [--json]

The floor is the same provider with the same configuration against a server that answers at once from a recording (bench/replay.py), in the
same minutes. Needs scripts/clients. Prints a Markdown table of medians, or with --json all of it as
one object (each round, too); everything runs on loopback and ends by itself.
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

# A platform team's objects in the proportion of the article's platform: people and groups at the account, then schemas with their grants.
CONFIG = """
locals {
  size = %(size)d
}
resource "databricks_user" "person" {
  provider                 = databricks.account
  count                    = local.size / 5
  user_name                = "%(name)s${count.index}@acme.example"
  disable_as_user_deletion = false
}
resource "databricks_group" "team" {
  provider     = databricks.account
  count        = local.size / 5
  display_name = "%(name)s_team${count.index}"
}
resource "databricks_group_member" "person" {
  provider  = databricks.account
  count     = local.size / 5
  group_id  = databricks_group.team[count.index].id
  member_id = databricks_user.person[count.index].id
}
resource "databricks_schema" "lab" {
  count        = local.size / 5
  catalog_name = "landing_raw"
  name         = "%(name)s_lab${count.index}"
  comment      = "of team ${count.index}"
}
resource "databricks_grants" "lab" {
  count  = local.size / 5
  schema = databricks_schema.lab[count.index].id
  grant {
    principal  = databricks_group.team[count.index].display_name
    privileges = ["USE_SCHEMA", "SELECT"]
  }
}
"""


class Replay:
    def __init__(self, mode, file, *arguments):
        self.process = subprocess.Popen([sys.executable, str(ROOT / "bench" / "replay.py"), mode, str(file), *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())

    def phase(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def close(self):
        self.process.stdin.close()
        if self.process.wait(60) != 0:
            raise RuntimeError("the replay was not the recording's: see above")

    def serve(self, tf):
        """Lets a Terraform's commands reach this proxy instead of a server."""
        tf.prefix = []
        tf.env.update(HTTPS_PROXY=self.ready["proxy"], SSL_CERT_FILE=self.ready["ca"], NO_PROXY="")


def timed(tf, name, replay=None):
    if replay:
        replay.phase(name)
    begin = time.monotonic()
    tf.run(*{"apply": ("apply", "-json", "-input=false", "-auto-approve"), "plan": ("plan", "-json", "-input=false", "-detailed-exitcode")}[name])
    return time.monotonic() - begin


@contextlib.contextmanager
def fresh(server, config):
    from terraform import Terraform

    with Terraform(server) as tf:
        tf.write(config)
        yield tf


def against_tarn(server, config):
    with fresh(server, config) as tf:
        found = {name: timed(tf, name) for name in ("apply", "plan")}
        tf.destroy()
    return found


def recorded(server, config, file):
    replay = Replay("record", file, "--upstream", server.ready["tls_direct"], "--ca", server.ready["ca_cert"])
    with fresh(server, config) as tf:
        prefix, env = tf.prefix, dict(tf.env)
        replay.serve(tf)
        for name in ("apply", "plan"):
            timed(tf, name, replay)
        replay.close()
        tf.prefix, tf.env = prefix, env
        tf.destroy()


def floor(server, config, file):
    replay = Replay("replay", file)
    with fresh(server, config) as tf:
        replay.serve(tf)
        found = {name: timed(tf, name, replay) for name in ("apply", "plan")}
    replay.close()
    return found


def requests_answered(server):
    text = server.session().get(server.ready["metrics_url"]).text
    return sum(float(m) for m in re.findall(r"^tarn_http_requests_total\{[^}]*\} (\S+)", text, re.M))


def parallel(server, count, size):
    """Requests a second at the gateway while `count` applies run, each with objects of its own."""
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(fresh(server, CONFIG % {"size": size, "name": f"p{i}"})) for i in range(count)]
        before, begin = requests_answered(server), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda tf: timed(tf, "apply"), many))
        seconds = time.monotonic() - begin
        return (requests_answered(server) - before) / seconds, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tarn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resources", type=int, default=500)
    parser.add_argument("--parallel", type=int, default=4, help="applies at once; 0: leave that out")
    parser.add_argument("--each", type=int, default=100, help="resources of each of them")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.environ["TARN"] = str(pathlib.Path(args.tarn).resolve())
    import harness

    def say(line):
        print(line, file=sys.stderr if args.json else sys.stdout, flush=True)

    say("| resources | command | Tarn | the provider's floor | ratio (goal 1.10) |\n|--:|---|--:|--:|--:|")
    out = {"rows": []}
    with harness.platform() as server, tempfile.TemporaryDirectory() as folder:
        for size in sorted({50, args.resources}):
            config = CONFIG % {"size": size, "name": f"n{size}"}
            file = pathlib.Path(folder) / f"recording-{size}.json"
            recorded(server, config, file)  # warms file caches, too
            tarn, least = [], []
            for _ in range(args.rounds):  # by turns, so that both see the same machine
                tarn.append(against_tarn(server, config))
                least.append(floor(server, config, file))
            for name in ("apply", "plan"):
                ours, theirs = statistics.median(r[name] for r in tarn), statistics.median(r[name] for r in least)
                out["rows"].append({"resources": size, "command": name, "seconds": ours, "floor_seconds": theirs, "ratio": ours / theirs,
                                    "rounds": [r[name] for r in tarn], "floor_rounds": [r[name] for r in least]})
                say(f"| {size} | {name} | {ours:.2f} s | {theirs:.2f} s | {ours / theirs:.2f} |")
        if args.parallel:
            rate, seconds = parallel(server, args.parallel, args.each)
            out["parallel"] = {"applies": args.parallel, "resources_each": args.each, "requests_per_second": rate, "seconds": seconds}
            say(f"\n{args.parallel} applies of {args.each} resources at once: {rate:.0f} requests/s at the gateway, {seconds:.1f} s")
    if args.json:
        print(json.dumps(out))


if __name__ == "__main__":
    main()
