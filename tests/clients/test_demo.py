"""The demo is the mission: every step must hold, and its facts must be the data's."""
import json
import subprocess

from harness import TARN


def test_demo_holds_and_counts_every_flight():
    done = subprocess.run([TARN, "demo", "--exit", "--json"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    facts = json.loads(done.stdout)
    assert facts["flights_rows"] == 336776
    assert (facts["airlines_rows"], facts["airports_rows"], facts["planes_rows"], facts["weather_rows"]) == (16, 1458, 3322, 26115)
    assert all(step["held"] for step in facts["steps"])
    assert {name: job["workspace"] for name, job in facts["jobs"].items()} == {"ingest": "landing", "transform-silver": "pipeline", "transform-gold": "pipeline"}
    assert facts["lineage"].endswith("landing_raw.flights.flights.dep_delay")
