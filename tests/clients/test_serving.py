"""Model serving, with models that MLflow's own client registered: requests, refusals, updates under load, canaries, scorers that die, rights,
inference tables, restarts."""
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import time

import pytest

from harness import TARN, Refused, StatementFailed, platform

CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
SCRIPT = str(pathlib.Path(__file__).with_name("serving_models.py"))
NORA, EMIL = "nora@acme.example", "emil@acme.example"
SCHEMA = "pipeline_gold.flights"


def grant(server, type_, name, who, privileges, workspace="pipeline"):
    server.admin().workspace(workspace, "PATCH", f"/api/2.1/unity-catalog/permissions/{type_}/{name}", {"changes": [{"principal": who, "add": privileges}]})


def register(server, folder):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "MLFLOW_", "AWS_"))}
    runtime = next(CACHE.glob("onnxruntime-*"))
    env.update(DATABRICKS_HOST="https://acme-pipeline.cloud.databricks.com", DATABRICKS_TOKEN=server.person(NORA, "pipeline").token, FOLDER=str(folder),
               MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false", AWS_DEFAULT_REGION="eu-central-1", PYTHONPATH=str(runtime))
    done = subprocess.run([TARN, "rehearse", "--data", str(server.data), "--", str(CACHE / "mlflow-venv/bin/python"), SCRIPT], capture_output=True, text=True,
                          timeout=200, env=env)
    assert done.returncode == 0, done.stderr[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with platform("--serving-timeout-seconds", "8", "--serving-idle-seconds", "1") as s:
        for type_, name, privileges in (("schema", SCHEMA, ["USE_SCHEMA", "CREATE_MODEL", "CREATE_TABLE"]), ("catalog", "pipeline_gold", ["USE_CATALOG"])):
            grant(s, type_, name, NORA, privileges)
        s.versions = register(s, tmp_path_factory.mktemp("models"))
        yield s


class Endpoint:
    def __init__(self, server, name, user=NORA):
        self.server, self.name, self.who = server, name, server.person(user, "pipeline")
        self.base = server.status()["plain_http"]["pipeline"]
        self.path = f"/api/2.0/serving-endpoints/{name}"

    def call(self, method, rest="", body=None):
        return self.who.call(method, self.base + self.path + rest, body)

    def create(self, *served, **config):
        entities = [{"name": n, "entity_name": f"{SCHEMA}.{m}", "entity_version": v, "workload_size": "Small", **more} for n, m, v, more in served]
        self.who.call("POST", self.base + "/api/2.0/serving-endpoints", {"name": self.name, "config": {"served_entities": entities, **config}})
        return self.settled()

    def update(self, served, **config):
        entities = [{"name": n, "entity_name": f"{SCHEMA}.{m}", "entity_version": v, **more} for n, m, v, more in served]
        self.call("PUT", "/config", {"served_entities": entities, **config})

    def settled(self, seconds=60):
        return self.until(lambda d: d["state"]["config_update"] != "IN_PROGRESS", seconds)

    def until(self, fine, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            shown = self.call("GET")
            if fine(shown):
                return shown
            time.sleep(0.1)
        raise AssertionError(f"not in {seconds} s: {json.dumps(shown)[:2000]}")

    def raw(self, body, text=None, **headers):
        data = text if text is not None else json.dumps(body)
        return self.who.http.post(self.base + f"/serving-endpoints/{self.name}/invocations", data=data, timeout=60,
                                  headers={"Authorization": f"Bearer {self.who.token}", "Content-Type": "application/json", **headers})

    def ask(self, *values):
        answer = self.raw({"dataframe_records": [{"x": v} for v in values]})
        if answer.status_code != 200:
            raise Refused(answer)
        return answer.json()["predictions"]


    def awake(self, value, predictions, seconds=60):
        """Asked until a scorer is up: on a busy machine that can take longer than a request may wait."""
        deadline = time.monotonic() + seconds
        while (answer := self.raw({"dataframe_records": [{"x": value}]})).status_code == 503:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.2)
        assert (answer.status_code, answer.json()["predictions"]) == (200, predictions), answer.text


@pytest.fixture(scope="module")
def odd(server):
    e = Endpoint(server, "odd")
    shown = e.create(("one", "odd", server.versions["odd"], {}))
    assert shown["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}, e.call("GET", "/served-models/one/build-logs")["logs"]
    return e


def test_requests_in_each_format_and_refusals_that_name_the_field(server, odd):
    for body in ({"dataframe_split": {"columns": ["x"], "data": [[1], [2.5]]}}, {"dataframe_records": [{"x": 1}, {"x": 2.5}]}, {"inputs": {"x": [1, 2.5]}},
                 {"instances": [{"x": 1}, {"x": 2.5}]}):
        answer = odd.raw(body)
        assert (answer.status_code, answer.json()) == (200, {"predictions": [2.0, 5.0]}), answer.text
        assert answer.headers["served-model-name"] == "one"
    for body, told in (({"dataframe_records": [{"y": 1}]}, "Field 'dataframe_records[0]' has the column 'y', which the model's signature does not (it has: x)"),
                       ({"dataframe_records": [{"x": 1}, {}]}, "Field 'dataframe_records[1]' misses the column 'x' (double)"),
                       ({"dataframe_split": {"columns": ["x", "z"], "data": [[1, 2]]}}, "Field 'dataframe_split.columns' has the column 'z'"),
                       ({"dataframe_split": {"columns": ["x"], "data": [[1, 2]]}}, "Field 'dataframe_split.data[0]' must have 1 values"),
                       ({"inputs": {"x": [1, "b"]}}, "Field 'inputs.x[1]' must be a double, got \"b\""),
                       ({"inputs": {"x": [1]}, "instances": []}, "Field 'inputs' cannot be there beside 'instances'"),
                       ({"dataframe_records": []}, "Field 'dataframe_records' has no rows"),
                       ({"rows": []}, "one of the fields dataframe_split, dataframe_records, instances, inputs")):
        answer = odd.raw(body)
        assert answer.status_code == 400 and told in answer.json()["message"], (body, answer.text)
    for text, told in (('{"dataframe_records": [{"x": 1}, {"x": NaN}]}', "Field 'dataframe_records[1].x' is NaN"), ('{"dataframe_records": [', "not valid JSON")):
        answer = odd.raw(None, text)
        assert answer.status_code == 400 and told in answer.json()["message"], answer.text
    assert odd.raw(None, "{" + " " * (11 << 20) + "}").status_code == 413
    failed = odd.raw({"inputs": {"x": [1004]}})
    assert failed.status_code == 400 and failed.json()["error_code"] == "BAD_REQUEST" and "ValueError: no such value" in failed.json()["message"]
    schema = odd.call("GET", "/openapi")["paths"]["/serving-endpoints/odd/invocations"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["dataframe_records"]["items"]["properties"] == {"x": {"type": "number", "format": "double"}}


def test_a_model_sees_its_own_files_only(odd):
    assert odd.ask(1006) == [",".join(["PermissionError"] * 5)]
    assert "landlock" in odd.call("GET", "/served-models/one/logs")["logs"]


def test_a_scorer_that_dies_or_hangs_is_replaced_and_no_other_endpoint_touched(server, odd):
    other = Endpoint(server, "beside")
    other.create(("one", "odd", server.versions["odd"], {}))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        dying, hanging = pool.submit(odd.raw, {"inputs": {"x": [1002]}}), None
        for i in range(20):
            assert other.ask(i) == [2.0 * i]
        died = dying.result()
        assert died.status_code == 503 and died.headers["Retry-After"] == "1", died.text  # tried twice, killed two scorers
        assert odd.ask(3) == [6.0]
        hanging = pool.submit(odd.raw, {"inputs": {"x": [1001]}})
        for i in range(20):
            assert other.ask(i) == [2.0 * i]
        hung = hanging.result()
        assert hung.status_code == 504 and "did not answer within" in hung.json()["message"]
    assert odd.ask(4) == [8.0]
    other.call("DELETE")


def test_an_update_under_load_loses_no_request_and_a_broken_one_changes_nothing(server, odd):
    seen, going = collections.Counter(), [True]

    def load():
        mine = Endpoint(server, "odd")
        while going[0]:
            answer = mine.raw({"inputs": {"x": [10]}})
            seen[answer.json()["predictions"][0] if answer.status_code == 200 else answer.text] += 1

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(load) for _ in range(2)]
        try:
            odd.update([("one", "odd", server.versions["odd2"], {})])
            with pytest.raises(Refused) as refused:
                odd.update([("one", "odd", server.versions["odd2"], {})])
            assert refused.value.code == "INVALID_STATE"
            assert odd.settled()["state"]["config_update"] == "NOT_UPDATING"
            odd.update([("one", "old", server.versions["old"], {})])
            failed = odd.settled()
            seen_before = seen[30.0]
            deadline = time.monotonic() + 10
            while seen[30.0] <= seen_before and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:
            going[0] = False
        [r.result() for r in runs]
    assert failed["state"] == {"ready": "READY", "config_update": "UPDATE_FAILED"}
    assert "written by Python 3.8.10" in failed["pending_config"]["served_entities"][0]["state"]["deployment_state_message"]
    assert set(seen) == {20.0, 30.0} and seen[20.0] > 0 and seen[30.0] > 0, seen


def test_a_canary_that_fails_is_rolled_back(server, odd):
    odd.update([("one", "odd", server.versions["odd2"], {}), ("new", "odd", server.versions["odd3"], {})],
               traffic_config={"routes": [{"served_model_name": "one", "traffic_percentage": 60}, {"served_model_name": "new", "traffic_percentage": 40}],
                               "canary": {"served_model_name": "new", "max_error_percentage": 20, "min_requests": 5}})
    assert odd.settled()["state"]["config_update"] == "NOT_UPDATING"
    answers = [odd.raw({"inputs": {"x": [1]}}).status_code for _ in range(40)]
    assert answers.count(400) >= 1
    shown = odd.until(lambda d: d["config"]["traffic_config"]["routes"][1]["traffic_percentage"] == 0, 10)
    assert shown["config"]["traffic_config"]["routes"][0]["traffic_percentage"] == 100
    assert "canary new rolled back" in shown["events"][-1]
    deadline = time.monotonic() + 5
    while odd.raw({"inputs": {"x": [1]}}).status_code != 200 and time.monotonic() < deadline:
        pass
    assert {odd.raw({"inputs": {"x": [1]}}).status_code for _ in range(30)} == {200}


def test_a_canary_that_is_slow_is_rolled_back(server, odd):
    routes = [{"served_model_name": "one", "traffic_percentage": 50}, {"served_model_name": "slow", "traffic_percentage": 50}]
    odd.update([("one", "odd", server.versions["odd2"], {}), ("slow", "odd", server.versions["odd4"], {})],
               traffic_config={"routes": routes, "canary": {"served_model_name": "slow", "max_p95_latency_ms": 250, "min_requests": 4}})
    assert odd.settled()["state"]["config_update"] == "NOT_UPDATING"
    answers = {odd.ask(1)[0] for _ in range(30)}  # each of the slow one takes 300 ms and more
    assert answers == {3.0, 7.0}
    shown = odd.until(lambda d: d["config"]["traffic_config"]["routes"][1]["traffic_percentage"] == 0)
    assert "canary slow rolled back: its p95 latency over" in shown["events"][-1], shown["events"]
    odd.update([("one", "odd", server.versions["odd2"], {})])
    odd.settled()


def test_a_full_queue_pushes_back_and_answers_everybody(server):
    e = Endpoint(server, "narrow")
    e.create(("one", "odd", server.versions["odd"], {"max_provisioned_concurrency": 1}))

    def hang(session):
        return session.post(f"{e.base}/serving-endpoints/narrow/invocations", json={"inputs": {"x": [1001]}}, timeout=60, headers={"Authorization": f"Bearer {e.who.token}"})

    sessions = [server.session() for _ in range(80)]
    with concurrent.futures.ThreadPoolExecutor(80) as pool:
        asked = [pool.submit(hang, s) for s in sessions]  # one at the scorer, 64 wait
        concurrent.futures.wait(asked, timeout=60, return_when=concurrent.futures.FIRST_COMPLETED)
        e.call("DELETE")
        answers = collections.Counter(a.result().status_code for a in asked)
    assert sum(answers.values()) == 80 and set(answers) <= {404, 429, 503, 504} and answers[429] > 0, answers
    pushed = [a.result() for a in asked if a.result().status_code == 429]
    assert all(a.headers["Retry-After"] == "1" and "64 requests waiting" in a.json()["message"] for a in pushed), [a.text for a in pushed]


def test_scorers_grow_with_the_load_and_go_with_it(server):
    e = Endpoint(server, "growing")
    e.create(("one", "odd", server.versions["odd"], {"max_provisioned_concurrency": 2}))
    scorers = lambda: int(next(line.split()[-1] for line in e.who.http.get(e.base + e.path + "/metrics", headers={"Authorization": f"Bearer {e.who.token}"}, timeout=20).text.splitlines()
                               if line.startswith("provisioned_concurrent_requests_total{")))
    assert scorers() == 1
    going = [True]

    def load():
        mine = Endpoint(server, "growing")
        while going[0]:
            assert mine.ask(1005) == [2010.0]  # half a second each

    def until(wanted):
        deadline = time.monotonic() + 60
        while scorers() != wanted:
            assert time.monotonic() < deadline, (scorers(), wanted)
            time.sleep(0.1)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(load) for _ in range(4)]
        try:
            until(2)
        finally:
            going[0] = False
        [r.result() for r in runs]
    until(1)  # the last stays, for it may not scale to zero
    e.call("DELETE")


def test_requests_to_a_row_wise_model_are_answered_together(server):
    e = Endpoint(server, "together")
    e.create(("one", "linear", server.versions["linear"], {"max_provisioned_concurrency": 1}))
    wanted = lambda a, n: pytest.approx(a + n + 18, abs=1e-6)  # its columns go together, of which the least squares are a - b + n + 19

    def load(k):
        mine = Endpoint(server, "together")
        for i in range(40):
            rows = [{"a": float(i + k), "b": 1.0, "n": j} for j in range(1 + (i + k) % 3)]
            answer = mine.raw({"dataframe_records": rows})
            assert answer.status_code == 200 and answer.json()["predictions"] == [wanted(r["a"], r["n"]) for r in rows], answer.text
            if i % 10 == k:  # another's mistake is its own
                assert mine.raw({"dataframe_records": [{"a": 1.0, "b": 1.0, "n": "x"}]}).status_code == 400

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        [r.result() for r in [pool.submit(load, k) for k in range(8)]]
    e.call("DELETE")


def test_ai_query_asks_as_the_caller_wherever_an_expression_may_stand(server):
    asked = Endpoint(server, "asked")
    asked.create(("one", "odd", server.versions["odd"], {}))
    nora, warehouse = server.person(NORA, "pipeline"), server.warehouses["pipeline"]

    def sql(statement, who=nora, **more):
        return who.sql("pipeline", warehouse, statement, **more)

    call = "ai_query('asked', cast(id as double), returnType => 'DOUBLE')"
    assert sql(f"SELECT id, {call} p, ai_query('asked', struct(cast(id as double) AS x)) s FROM range(3) ORDER BY id") == [["0", "0.0", "0.0"], ["1", "2.0", "2.0"], ["2", "4.0", "4.0"]]
    assert sql(f"SELECT count(*), sum({call}) FROM range(3000) WHERE id < 1001 AND {call} >= 10") == [["996", "1000980.0"]]
    sql(f"CREATE TABLE {SCHEMA}.scored AS SELECT id, {call} p FROM range(5)")
    sql(f"INSERT INTO {SCHEMA}.scored SELECT id, {call} FROM range(5, 6)")
    assert sql(f"SELECT sum(p) FROM {SCHEMA}.scored") == [["30.0"]]
    lineage = nora.workspace("pipeline", "GET", f"/api/2.0/lineage-tracking/column-lineage?table_name={SCHEMA}.scored&column_name=p")
    assert lineage.get("upstream_cols", []) == []  # of range(), which is no table
    sql(f"UPDATE {SCHEMA}.scored SET p = ai_query('asked', p, 'DOUBLE') WHERE id = 5")
    assert sql(f"SELECT p, ai_query('asked', CAST(NULL AS DOUBLE)) FROM {SCHEMA}.scored WHERE id = 5") == [["20.0", None]]
    # A row that the model refuses is its own answer where the statement says so; the others of its batch are answered.
    rows = sql("SELECT id, r.result, r.errorMessage FROM (SELECT id, ai_query('asked', cast(id as double), failOnError => false) r FROM range(1004, 1009) WHERE id NOT IN (1005, 1006)) "
               "ORDER BY id")
    assert [(r[0], r[1]) for r in rows] == [("1004", None), ("1007", "2014.0"), ("1008", "2016.0")] and "no such value" in rows[0][2] and rows[1][2] is None, rows
    sql(f"CREATE TABLE {SCHEMA}.rescored AS SELECT ai_query('asked', p, 'DOUBLE') q FROM {SCHEMA}.scored")
    upstream = nora.workspace("pipeline", "GET", f"/api/2.0/lineage-tracking/column-lineage?table_name={SCHEMA}.rescored&column_name=q")["upstream_cols"]
    assert [(u["table_name"], u["name"]) for u in upstream] == [("scored", "p")]
    for statement, told in (("SELECT ai_query('none', 1D, returnType => 'DOUBLE')", "The serving endpoint 'none' does not exist"), ("SELECT ai_query('none', 1D)", "does not exist"),
                            ("SELECT ai_query('asked', 'a', returnType => 'DOUBLE')", "must be a double"), ("SELECT ai_query('asked', 1004D)", "[AI_FUNCTION_HTTP_REQUEST_ERROR]"),
                            ("SELECT ai_query('asked', 1D, returnType => 'BOOLEAN')", "[AI_FUNCTION_HTTP_PARSE_CAST_ERROR]"), ("SELECT tarn_ask('a', 'asked', '1')", "UNRESOLVED_ROUTINE"),
                            ("SELECT ai_query('asked', 1D, modelParameters => named_struct('a', 1))", "ai_query with modelParameters"), ("SELECT ai_query('asked')", "`request` is required")):
        with pytest.raises(StatementFailed) as failed:
            sql(statement)
        assert told in str(failed.value), (statement, str(failed.value))
    for statement in ("SELECT ai_query('asked', 1D)", "SELECT ai_query('asked', 1D, returnType => 'DOUBLE')"):
        with pytest.raises(StatementFailed) as failed:
            sql(statement, server.person(EMIL, "pipeline"))
        assert "does not exist" in str(failed.value)  # an endpoint that one may not see
    asked.call("DELETE")


def test_onnx_runtime_answers_as_the_model_itself(server):
    one = Endpoint(server, "linear")
    one.create(("sklearn", "linear", server.versions["linear"], {}), ("onnx", "linear_onnx", server.versions["onnx"], {}),
               traffic_config={"routes": [{"served_model_name": "sklearn", "traffic_percentage": 50}, {"served_model_name": "onnx", "traffic_percentage": 50}]})
    assert "onnxruntime" in one.call("GET", "/served-models/onnx/build-logs")["logs"]
    seen = collections.defaultdict(list)
    for _ in range(30):
        answer = one.raw({"dataframe_split": {"columns": ["b", "n", "a"], "data": [[5, 3, 1.5], [19, 1, 0.25]]}})
        assert answer.status_code == 200, answer.text
        rows = answer.json()["predictions"]
        seen[answer.headers["served-model-name"]].append([r["variable"] if isinstance(r, dict) else r for r in rows])
    assert set(seen) == {"sklearn", "onnx"}
    for got in seen["onnx"]:
        assert got == pytest.approx(seen["sklearn"][0], rel=1e-4)
    assert one.raw({"dataframe_records": [{"a": 1, "b": 2, "n": 1.5}]}).json()["message"].startswith("Field 'dataframe_records[0].n' must be a long")
    one.call("DELETE")
    with pytest.raises(Refused) as gone:
        one.call("GET")
    assert gone.value.status == 404


def test_rights(server, odd):
    grant(server, "catalog", "pipeline_gold", EMIL, ["USE_CATALOG"])
    grant(server, "schema", SCHEMA, EMIL, ["USE_SCHEMA"])
    admin = server.admin()
    user = admin.workspace("pipeline", "GET", f"/api/2.0/preview/scim/v2/Users?filter=userName eq \"{EMIL}\"")
    if not user.get("Resources"):
        pytest.fail("emil is not of the workspace")
    his = Endpoint(server, "odd", EMIL)
    for call in (lambda: his.call("GET"), lambda: his.ask(1)):
        with pytest.raises(Refused) as refused:
            call()
        assert refused.value.status == 404
    with pytest.raises(Refused) as refused:
        Endpoint(server, "his", EMIL).create(("one", "odd", server.versions["odd"], {}))
    assert refused.value.status == 403 and "EXECUTE" in refused.value.message
    id_ = odd.call("GET")["id"]
    for level, told in (("CAN_VIEW", 403), ("CAN_QUERY", 200)):
        odd.who.workspace("pipeline", "PATCH", f"/api/2.0/permissions/serving-endpoints/{id_}", {"access_control_list": [{"user_name": EMIL, "permission_level": level}]})
        assert his.raw({"inputs": {"x": [1]}}).status_code == told
    with pytest.raises(Refused) as refused:
        his.call("PATCH", "/tags", {"add_tags": [{"key": "a"}]})
    assert refused.value.status == 403
    assert odd.call("PATCH", "/tags", {"add_tags": [{"key": "team", "value": "ops"}]}) == {"tags": [{"key": "team", "value": "ops"}]}


def test_limits_push_back(server, odd):
    odd.call("PUT", "/rate-limits", {"rate_limits": [{"calls": 3, "key": "user", "renewal_period": "minute"}]})
    answers = [odd.raw({"inputs": {"x": [1]}}) for _ in range(5)]
    deadline = time.monotonic() + 5
    while answers[-1].status_code == 200 and time.monotonic() < deadline:
        answers.append(odd.raw({"inputs": {"x": [1]}}))
    assert answers[-1].status_code == 429 and 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    odd.call("PUT", "/rate-limits", {"rate_limits": []})


def test_inference_tables_scale_to_zero_and_restarts(server, odd):
    table = f"{SCHEMA}.asked_payload"
    kept = Endpoint(server, "kept")
    kept.create(("one", "odd", server.versions["odd"], {"scale_to_zero_enabled": True}),
                auto_capture_config={"catalog_name": "pipeline_gold", "schema_name": "flights", "table_name_prefix": "asked", "enabled": True})
    for i in range(6):
        assert kept.ask(i) == [2.0 * i]
    assert kept.raw({"inputs": {"y": [1]}}).status_code == 400
    kept.until(lambda d: d["config"]["served_entities"][0]["state"]["deployment_state_message"] == "Scaled to zero", 20)
    # Into the spool within 200 ms; then the server is killed, and what it held is in the table once, however far it had come.
    kept.awake(7, [14.0])
    time.sleep(0.5)
    server.kill()
    server.start()
    again = Endpoint(server, "kept")
    again.awake(8, [16.0])
    Endpoint(server, "odd").awake(2, [6.0])
    warehouse, rows, deadline = server.warehouses["pipeline"], [], time.monotonic() + 40
    while len(rows) < 9 and time.monotonic() < deadline:
        try:
            rows = server.person(NORA, "pipeline").sql("pipeline", warehouse, f"SELECT request, response, status_code, request_metadata['served_model'] FROM {table} WHERE status_code <> 503 ORDER BY timestamp_ms")
        except Exception as e:
            rows = []
        time.sleep(0.3)
    assert [r[2] for r in rows] == ["200"] * 6 + ["400"] + ["200"] * 2, rows
    assert json.loads(rows[1][0]) == {"dataframe_records": [{"x": 1}]} and json.loads(rows[1][1]) == {"predictions": [2.0]} and rows[1][3] == "one"
    text = again.who.http.get(again.base + again.path + "/metrics", headers={"Authorization": f"Bearer {again.who.token}"}, timeout=20).text
    assert 'request_count_total{endpoint_name="kept"}' in text and 'le="+Inf"' in text
