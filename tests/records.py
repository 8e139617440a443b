"""What the tests with real clients saw, a line each, for docs/compatibility.md. Kept where TARN_RECORDS names a file; elsewhere nothing is written.

`tests/run` starts a new file for each run, so the page that `scripts/compatibility` makes of it says what passed in that run.
"""
import json
import os


def record(client, group, check, passed):
    """`client` as the page names it ("Go SDK 0.69.0"), `group` an API group as the SDK names it, `check` what was done."""
    if path := os.environ.get("TARN_RECORDS"):
        with open(path, "a") as out:
            out.write(json.dumps({"client": client, "group": group, "check": check, "passed": bool(passed)}) + "\n")


def read(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]
