"""bench/serving_load.py, shortened: an update, a canary that rolls back, a scorer and the server killed under load, and every request answered."""
import json
import os
import pathlib
import subprocess
import sys

from harness import ROOT, TARN


def test_no_request_is_lost_through_an_update_a_canary_and_kills():
    done = subprocess.run([sys.executable, str(ROOT / "bench/serving_load.py"), "--build", str(pathlib.Path(TARN).parent), "--seconds", "16", "--clients", "3"], capture_output=True, text=True,
                          timeout=300, env=dict(os.environ, PYTHONPATH=str(ROOT / "tests")))
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["lost"] == 0, seen
    assert seen["scorers_killed"] >= 1 and "canary new rolled back" in seen["canary"], seen
    assert seen["outcomes"]["200: 20.0"] > 0 and seen["outcomes"]["200: 30.0"] > 0 and seen["outcomes"]["asked again after a broken connection"] >= 1, seen
