"""Quality monitors through the vendor's SDK: profile and drift held against what Python computes from the same rows, slices, models, schedules, alerts."""
import json
import math
import random
import time

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied, ResourceAlreadyExists
from databricks.sdk.service.catalog import (MonitorCronSchedule, MonitorInferenceLog, MonitorInferenceLogProblemType, MonitorRefreshInfoState, MonitorRefreshInfoTrigger, MonitorSnapshot)
from databricks.sdk.service.sql import CreateQueryRequestQuery

from harness import Refused, platform

EMIL, NORA = "emil@acme.example", "nora@acme.example"
TABLE = "pipeline_gold.flights.predictions"


def made_up():
    """Three days of predictions: the second like the first, the third with longer flights and other carriers."""
    rng = random.Random(5)
    for day in range(3):
        for i in range(90):
            carrier = rng.choice(["UA", "UA", "AA"] if day < 2 else ["AA", "AA", "B6"])
            distance = round(rng.gauss(900 if day < 2 else 1500, 200), 3)
            label = distance / 50
            yield day, f"2026-03-0{day + 2} 0{i % 9}:15:00", "1" if i % 2 else "2", carrier, None if i % 30 == 0 else distance, round(label + rng.gauss(0, 1 + 3 * (day == 2)), 3), label


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        s.emil, s.rows = s.person(EMIL, "pipeline"), list(made_up())
        s.sql = lambda text: s.emil.sql("pipeline", s.warehouses["pipeline"], text)
        s.sql(f"CREATE TABLE {TABLE} (at TIMESTAMP, model STRING, carrier STRING, distance DOUBLE, prediction DOUBLE, label DOUBLE)")
        s.add = lambda rows: s.sql(f"INSERT INTO {TABLE} VALUES " + ", ".join(f"(TIMESTAMP'{at}', '{m}', '{c}', {'NULL' if d is None else f'CAST({d} AS DOUBLE)'}, CAST({p} AS DOUBLE), CAST({y} AS DOUBLE))"
                                                                                 for _, at, m, c, d, p, y in rows))
        s.add([r for r in s.rows if r[0] < 2])
        s.client = WorkspaceClient(host=s.status()["plain_http"]["pipeline"], token=s.emil.token, auth_type="pat")
        s.monitors = s.client.quality_monitors
        yield s


def ended(server, table, refresh_id, seconds=90):
    deadline = time.monotonic() + seconds
    while True:
        r = server.monitors.get_refresh(table, refresh_id)
        if r.state not in (MonitorRefreshInfoState.PENDING, MonitorRefreshInfoState.RUNNING):
            return r
        assert time.monotonic() < deadline, r
        time.sleep(0.1)


def ks(a, b):
    return max(abs(sum(x <= v for x in a) / len(a) - sum(x <= v for x in b) / len(b)) for v in {*a, *b})


def wasserstein(a, b):
    values = sorted({*a, *b})
    return sum(abs(sum(x <= v for x in a) / len(a) - sum(x <= v for x in b) / len(b)) * (w - v) for v, w in zip(values, values[1:]))


def shares(items):
    return {k: items.count(k) / len(items) for k in set(items)}


def tv(a, b):
    p, q = shares(a), shares(b)
    return sum(abs(p.get(k, 0) - q.get(k, 0)) for k in {*p, *q}) / 2


def js(a, b):
    p, q = shares(a), shares(b)
    entropy = lambda x, y: sum(v * math.log(v / ((v + y.get(k, 0)) / 2)) for k, v in x.items())
    return math.sqrt((entropy(p, q) + entropy(q, p)) / 2)


def test_profile_and_drift_are_those_of_the_rows(server):
    info = server.monitors.create(TABLE, output_schema_name="pipeline_gold.flights", assets_dir=f"/Users/{EMIL}/monitors", slicing_exprs=["carrier", "distance > 1000"],
                                  inference_log=MonitorInferenceLog(timestamp_col="at", granularities=["1 day", "1 hour"], model_id_col="model", prediction_col="prediction", label_col="label",
                                                                    problem_type=MonitorInferenceLogProblemType.PROBLEM_TYPE_REGRESSION))
    assert info.status.value == "MONITOR_STATUS_ACTIVE" and info.drift_metrics_table_name == f"{TABLE}_drift_metrics" and info.monitor_version == 0
    with pytest.raises(ResourceAlreadyExists):
        server.monitors.create(TABLE, output_schema_name="pipeline_gold.flights", assets_dir="/x", snapshot=MonitorSnapshot())
    first = ended(server, TABLE, server.monitors.list_refreshes(TABLE).refreshes[0].refresh_id)
    assert first.state == MonitorRefreshInfoState.SUCCESS, first.message
    query = server.client.queries.create(query=CreateQueryRequestQuery(
        display_name="distance drifts", warehouse_id=server.warehouses["pipeline"],
        query_text=f"SELECT max(ks_test.statistic) AS drift FROM {TABLE}_drift_metrics WHERE column_name = 'distance' AND granularity = '1 day' AND slice_key IS NULL"))
    made = server.emil.workspace("pipeline", "POST", "/api/2.0/sql/alerts", {"alert": {
        "display_name": "distance drifts", "query_id": query.id, "condition": {"op": "GREATER_THAN", "operand": {"column": {"name": "drift"}}, "threshold": {"value": {"double_value": 0.5}}}}})
    state = lambda: server.emil.workspace("pipeline", "GET", f"/api/2.0/sql/alerts/{made['id']}")
    assert state()["state"] == "UNKNOWN"

    def refreshed():
        done = ended(server, TABLE, server.monitors.run_refresh(TABLE).refresh_id)
        assert done.state == MonitorRefreshInfoState.SUCCESS and done.trigger == MonitorRefreshInfoTrigger.MANUAL, done.message

    def alerted(wanted):
        """As the task after a refresh in a job sees it."""
        run = server.emil.workspace("pipeline", "POST", "/api/2.2/jobs/runs/submit", {"run_name": "drift", "tasks": [
            {"task_key": "look", "sql_task": {"warehouse_id": server.warehouses["pipeline"], "alert": {"alert_id": made["id"]}}}]})["run_id"]
        deadline = time.monotonic() + 60
        while (r := server.emil.workspace("pipeline", "GET", f"/api/2.2/jobs/runs/get?run_id={run}"))["state"]["life_cycle_state"] != "TERMINATED":
            assert time.monotonic() < deadline, r
            time.sleep(0.1)
        assert r["state"]["result_state"] == "SUCCESS", r
        assert state()["state"] == wanted

    refreshed()
    alerted("OK")
    server.add([r for r in server.rows if r[0] == 2])
    refreshed()
    alerted("TRIGGERED")
    assert state()["trigger_time"].startswith("20")

    days = [[r for r in server.rows if r[0] == d] for d in range(3)]
    whole = "granularity = '1 day' AND slice_key IS NULL AND log_type = 'INPUT'"
    got = server.sql(f"SELECT count, num_nulls, avg, min, max, stddev, quantiles[50], percent_null, distinct_count FROM {TABLE}_profile_metrics WHERE {whole} AND column_name = 'distance' ORDER BY window.start")
    assert len(got) == 3
    for row, day in zip(got, days):
        d = sorted(r[4] for r in day if r[4] is not None)
        mean = sum(d) / len(d)
        assert [int(row[0]), int(row[1]), int(row[8])] == [len(d), 3, len(set(d))]
        assert [float(x) for x in row[2:6]] == pytest.approx([mean, d[0], d[-1], math.sqrt(sum((x - mean) ** 2 for x in d) / (len(d) - 1))])
        assert d[len(d) // 2 - 2] <= float(row[6]) <= d[len(d) // 2 + 2] and float(row[7]) == pytest.approx(100 * 3 / 90)
    items = server.sql(f"SELECT to_json(frequent_items), count, avg, avg_length FROM {TABLE}_profile_metrics WHERE {whole} AND column_name = 'carrier' ORDER BY window.start")
    assert [{i["item"]: i["count"] for i in json.loads(r[0])} for r in items] == [{c: [x[3] for x in day].count(c) for c in {x[3] for x in day}} for day in days]
    assert all(r[1:] == ["90", None, "2.0"] for r in items)
    errors = server.sql(f"SELECT mean_squared_error, mean_average_error, r2_score FROM {TABLE}_profile_metrics WHERE {whole} AND column_name = ':table' ORDER BY window.start")
    for row, day in zip(errors, days):
        e = [r[5] - r[6] for r in day]
        y = [r[6] for r in day]
        assert [float(x) for x in row] == pytest.approx([sum(x * x for x in e) / 90, sum(map(abs, e)) / 90, 1 - sum(x * x for x in e) / sum((v - sum(y) / 90) ** 2 for v in y)])
    sliced = server.sql(f"SELECT slice_key, slice_value, sum(count) FROM {TABLE}_profile_metrics WHERE granularity = '1 day' AND column_name = ':table' AND slice_key IS NOT NULL GROUP BY slice_key, slice_value ORDER BY 1, 2")
    wanted = {("carrier", c): sum(r[3] == c for r in server.rows) for c in ("UA", "AA", "B6")} | {("model", m): sum(r[2] == m for r in server.rows) for m in "12"}
    wanted |= {("distance > 1000", v): sum(r[4] is not None and (r[4] > 1000) == (v == "true") for r in server.rows) for v in ("true", "false")}
    assert {(k, v): int(n) for k, v, n in sliced} == wanted
    assert server.sql(f"SELECT count(DISTINCT window.start) FROM {TABLE}_profile_metrics WHERE granularity = '1 hour'") == [["27"]]

    drift = server.sql(f"SELECT column_name, ks_test.statistic, ks_test.pvalue, wasserstein_distance, tv_distance, js_distance, chi_squared_test.pvalue, population_stability_index, count_delta, avg_delta, "
                       f"l_infinity_distance FROM {TABLE}_drift_metrics WHERE granularity = '1 day' AND slice_key IS NULL AND drift_type = 'CONSECUTIVE' AND column_name IN ('distance', 'carrier') "
                       "ORDER BY column_name, window.start")
    assert [r[0] for r in drift] == ["carrier"] * 2 + ["distance"] * 2
    for row, (a, b) in zip(drift[2:], ((days[1], days[0]), (days[2], days[1]))):
        x, y = [r[4] for r in a if r[4] is not None], [r[4] for r in b if r[4] is not None]
        assert float(row[1]) == pytest.approx(ks(x, y)) and float(row[3]) == pytest.approx(wasserstein(x, y)) and row[4] is None
        assert float(row[9]) == pytest.approx(sum(x) / len(x) - sum(y) / len(y)) and row[8] == "0"
    assert float(drift[2][2]) > 0.05 and float(drift[3][2]) < 1e-6 and float(drift[2][7]) < 0.5 < float(drift[3][7])
    for row, (a, b) in zip(drift[:2], ((days[1], days[0]), (days[2], days[1]))):
        x, y = [r[3] for r in a], [r[3] for r in b]
        assert float(row[4]) == pytest.approx(tv(x, y)) and float(row[5]) == pytest.approx(js(x, y)) and row[1] is None
        assert float(row[10]) == pytest.approx(max(abs(shares(x).get(k, 0) - shares(y).get(k, 0)) for k in "UA AA B6".split()))
    assert float(drift[0][6]) > 0.05 and float(drift[1][6]) < 1e-6
    worse = server.sql(f"SELECT mean_squared_error_delta FROM {TABLE}_drift_metrics WHERE granularity = '1 day' AND slice_key IS NULL AND column_name = ':table' ORDER BY window.start")
    assert abs(float(worse[0][0])) < 1.5 and float(worse[1][0]) > 5


def test_a_snapshot_against_a_baseline_by_a_schedule(server):
    name = "pipeline_gold.flights.plain"
    server.sql(f"CREATE TABLE {name} AS SELECT carrier, distance FROM {TABLE} WHERE at >= TIMESTAMP'2026-03-04'")
    server.sql(f"CREATE TABLE {name}_base AS SELECT carrier, distance FROM {TABLE} WHERE at < TIMESTAMP'2026-03-03'")
    server.monitors.create(name, output_schema_name="pipeline_gold.flights", assets_dir="/x", snapshot=MonitorSnapshot(), baseline_table_name=f"{name}_base",
                           schedule=MonitorCronSchedule(quartz_cron_expression="* * * * * ?", timezone_id="UTC"))
    deadline = time.monotonic() + 90
    while not any(r.trigger == MonitorRefreshInfoTrigger.SCHEDULE and r.state == MonitorRefreshInfoState.SUCCESS for r in server.monitors.list_refreshes(name).refreshes):
        assert time.monotonic() < deadline, server.monitors.list_refreshes(name)
        time.sleep(0.2)
    server.monitors.update(name, output_schema_name="pipeline_gold.flights", snapshot=MonitorSnapshot(), baseline_table_name=f"{name}_base")
    assert server.monitors.get(name).schedule is None and server.monitors.get(name).monitor_version == 1
    done = ended(server, name, server.monitors.run_refresh(name).refresh_id)
    assert done.state == MonitorRefreshInfoState.SUCCESS, done.message
    a, b = [[r[3] for r in server.rows if r[0] == d] for d in (2, 0)]
    got = server.sql(f"SELECT drift_type, tv_distance, window_cmp IS NULL FROM {name}_drift_metrics WHERE column_name = 'carrier'")
    assert len(got) == 1 and got[0][0] == "BASELINE" and float(got[0][1]) == pytest.approx(tv(a, b)) and got[0][2] == "true"
    assert server.sql(f"SELECT log_type, count FROM {name}_profile_metrics WHERE column_name = 'carrier' ORDER BY log_type") == [["BASELINE", "90"], ["INPUT", "90"]]
    server.monitors.delete(name)
    with pytest.raises(NotFound):
        server.monitors.get(name)
    assert server.sql(f"SELECT count(*) > 0 FROM {name}_profile_metrics") == [["true"]]  # metrics stay


def test_a_classifier_is_judged(server):
    name = "pipeline_gold.flights.classified"
    rows = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("c", "a"), ("c", "c")]
    server.sql(f"CREATE TABLE {name} AS SELECT TIMESTAMP'2026-03-02' AS at, '1' AS m, p, y FROM VALUES " + ", ".join(f"('{p}', '{y}')" for p, y in rows) + " AS v(p, y)")
    server.monitors.create(name, output_schema_name="pipeline_gold.flights", assets_dir="/x",
                           inference_log=MonitorInferenceLog(timestamp_col="at", granularities=["2 weeks"], model_id_col="m", prediction_col="p", label_col="y",
                                                             problem_type=MonitorInferenceLogProblemType.PROBLEM_TYPE_CLASSIFICATION))
    done = ended(server, name, server.monitors.list_refreshes(name).refreshes[0].refresh_id)
    assert done.state == MonitorRefreshInfoState.SUCCESS, done.message
    got, = server.sql(f"SELECT accuracy_score, precision.macro, recall.macro, f1_score.weighted, date_diff(DAY, window.start, window.end) FROM {name}_profile_metrics WHERE column_name = ':table' AND slice_key IS NULL")
    precision, recall = {"a": 1 / 2, "b": 1, "c": 1 / 2}, {"a": 1 / 2, "b": 2 / 3, "c": 1}
    f1 = {k: 2 * precision[k] * recall[k] / (precision[k] + recall[k]) for k in precision}
    assert [float(x) for x in got[:4]] == pytest.approx([4 / 6, sum(precision.values()) / 3, sum(recall.values()) / 3, (f1["a"] * 2 + f1["b"] * 3 + f1["c"]) / 6]) and got[4] == "14"


def test_bad_input_and_rights(server):
    name = "pipeline_gold.flights.refused"
    server.sql(f"CREATE TABLE {name} AS SELECT 1 AS a, 'x' AS b, TIMESTAMP'2026-01-01' AS t")
    server.sql(f"CREATE VIEW {name}_view AS SELECT * FROM {name}")
    good = {"output_schema_name": "pipeline_gold.flights", "assets_dir": "/x"}
    series = {"timestamp_col": "t", "granularities": ["1 day"]}
    call = lambda who, body, table=name: who.workspace("pipeline", "POST", f"/api/2.1/unity-catalog/tables/{table}/monitor", body)
    for body, told in ((good, "Exactly one of the fields 'snapshot', 'time_series' and 'inference_log'"), ({**good, "snapshot": {}, "time_series": series}, "Exactly one of the fields"),
                       ({**good, "time_series": {**series, "timestamp_col": "z"}}, "the table has no column 'z'"), ({**good, "time_series": {**series, "timestamp_col": "b"}}, "must name a timestamp or date"),
                       ({**good, "time_series": {**series, "granularities": ["3 days"]}}, "got '3 days'"), ({**good, "time_series": {**series, "granularities": []}}, "time_series.granularities"),
                       ({"output_schema_name": "pipeline_gold.flights", "snapshot": {}}, "Field 'assets_dir' is required"), ({**good, "snapshot": {}, "output_schema_name": "x"}, "Field 'output_schema_name' must be catalog.schema"), ({**good, "snapshot": {}, "slicing_exprs": ["a >"]}, "Field 'slicing_exprs[0]'"),
                       ({**good, "snapshot": {}, "slicing_exprs": ["nothing"]}, "Field 'slicing_exprs[0]'"), ({**good, "snapshot": {}, "baseline_table_name": "pipeline_gold.flights.none"}, "baseline_table_name"),
                       ({**good, "snapshot": {}, "schedule": {"quartz_cron_expression": "x", "timezone_id": "UTC"}}, "schedule.quartz_cron_expression"),
                       ({**good, "snapshot": {}, "schedule": {"quartz_cron_expression": "0 0 * * * ?", "timezone_id": "Mars"}}, "no time zone 'Mars'"),
                       ({**good, "snapshot": {}, "custom_metrics": [{"name": "x"}]}, "Custom metrics"),
                       ({**good, "snapshot": {}, "notifications": {"on_failure": {"email_addresses": ["a@acme.example"]}}}, "without a mail relay"),
                       ({**good, "snapshot": {}, "notifications": {"on_new_classification_tag_detected": {"email_addresses": ["a@acme.example"]}}}, "classification")):
        with pytest.raises(Refused) as refused:
            call(server.emil, body)
        assert refused.value.status in (400, 404) and told in refused.value.message, (body, refused.value)
    with pytest.raises(Refused) as refused:
        call(server.emil, {**good, "snapshot": {}}, f"{name}_view")
    assert "Only Delta tables" in refused.value.message
    nora = server.person(NORA, "pipeline")
    with pytest.raises(Refused) as refused:
        call(nora, {**good, "snapshot": {}})
    assert refused.value.status == 403 and "MANAGE" in refused.value.message
    with pytest.raises(NotFound):
        server.monitors.get(name)
    call(server.emil, {**good, "snapshot": {}})
    theirs = WorkspaceClient(host=server.status()["plain_http"]["pipeline"], token=nora.token, auth_type="pat").quality_monitors
    assert theirs.get(name).table_name == name  # she may read the table
    for refuse in (lambda: theirs.run_refresh(name), lambda: theirs.delete(name)):
        with pytest.raises(PermissionDenied):
            refuse()
    with pytest.raises(BadRequest):
        server.monitors.get_refresh(name, "x")
    with pytest.raises(NotFound):
        server.monitors.get_refresh(name, 77)
    over = ended(server, name, 1)
    server.monitors.cancel_refresh(name, 1)
    assert server.monitors.get_refresh(name, 1).state == over.state  # what is over stays as it was
