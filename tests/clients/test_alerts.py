"""Alerts from a schedule to a webhook and a mailbox, a job that evaluates one, and the legacy doors that administrators shut."""
import base64
import contextlib
import email
import email.header
import http.server
import json
import socketserver
import sqlite3
import threading

import pytest

from harness import Refused, platform, wait

LANDING = "landing"


class Hook:
    """A webhook's receiver."""

    def __init__(self):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_address[1]}"


class Relay:
    """A mail relay that takes everything but what is for nobody@ (550), and asks once to come again (451)."""

    def __init__(self):
        taken = self.taken = []
        state = {"busy": True}

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                self.say("220 relay")
                to = []
                while line := self.rfile.readline().decode().strip():
                    word = line.upper()
                    if word.startswith("EHLO"):
                        self.say("250 relay")
                    elif word.startswith("RCPT"):
                        if "nobody@" in line:
                            self.say("550 no such mailbox")
                        else:
                            to.append(line.split("<")[1].split(">")[0])
                            self.say("250 ok")
                    elif word == "DATA":
                        if state["busy"]:
                            state["busy"] = False
                            self.say("451 come again")
                            continue
                        self.say("354 go on")
                        lines = []
                        while (part := self.rfile.readline()) != b".\r\n":
                            lines.append(part)
                        taken.append((to, email.message_from_bytes(b"".join(lines))))
                        self.say("250 taken")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"smtp://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture(scope="module")
def hook():
    h = Hook()
    yield h
    h.server.shutdown()


@pytest.fixture(scope="module")
def relay():
    r = Relay()
    yield r
    r.server.shutdown()


@pytest.fixture(scope="module")
def server(hook, relay):
    with platform("--allow-webhook", hook.host, "--smtp", relay.url, "--smtp-from", "tarn@acme.example") as s:
        yield s


@pytest.fixture(scope="module")
def admin(server):
    return server.admin()


def sql(server, admin, text):
    return admin.sql(LANDING, server.warehouses[LANDING], text)


def test_a_schedule_looks_and_tells(server, admin, hook, relay):
    sql(server, admin, "CREATE SCHEMA IF NOT EXISTS landing_raw.alerts")
    sql(server, admin, "CREATE TABLE landing_raw.alerts.delays (minutes INT)")
    made = admin.workspace(LANDING, "POST", "/api/2.0/notification-destinations", {"display_name": "hook", "config": {"generic_webhook": {"url": f"http://{hook.host}/x"}}})["id"]
    mailbox = admin.workspace(LANDING, "POST", "/api/2.0/notification-destinations", {"display_name": "ops", "config": {"email": {"addresses": ["ops@acme.example"]}}})
    assert mailbox["destination_type"] == "EMAIL" and mailbox["config"] == {"email": {"addresses": ["ops@acme.example"]}}
    alert = admin.workspace(LANDING, "POST", "/api/2.0/alerts", {
        "display_name": "Verspätung", "query_text": "SELECT minutes FROM landing_raw.alerts.delays", "warehouse_id": server.warehouses[LANDING],
        "custom_summary": "{{ALERT_NAME}}: {{QUERY_RESULT_VALUE}}",
        "evaluation": {"source": {"name": "minutes", "aggregation": "MAX"}, "comparison_operator": "GREATER_THAN", "threshold": {"value": {"double_value": 60}},
                       "empty_result_state": "OK",
                       "notification": {"notify_on_ok": True, "subscriptions": [{"destination_id": made}, {"destination_id": mailbox["id"]}, {"user_email": "ada@acme.example"},
                                                                                {"user_email": "nobody@acme.example"}]}},
        "schedule": {"quartz_cron_schedule": "* * * * * ?", "timezone_id": "UTC"}})["id"]

    def state():
        return admin.workspace(LANDING, "GET", f"/api/2.0/alerts/{alert}")["evaluation"]["state"]

    wait(60, lambda: state() == "OK")
    assert hook.seen == []
    sql(server, admin, "INSERT INTO landing_raw.alerts.delays VALUES (5), (75)")
    wait(60, lambda: state() == "TRIGGERED")
    wait(60, lambda: hook.seen and len(relay.taken) == 2)
    assert hook.seen[0]["event_type"] == "alert.triggered" and hook.seen[0]["alert"]["value"] == "75"
    assert sorted(to for to, _ in relay.taken) == [["ada@acme.example"], ["ops@acme.example"]]
    message = relay.taken[0][1]
    subject = email.header.make_header(email.header.decode_header(message["Subject"]))
    assert str(subject) == "Verspätung: 75" and message["From"] == "tarn@acme.example"
    assert "minutes > 60" in message.get_payload(decode=True).decode()
    sql(server, admin, "DELETE FROM landing_raw.alerts.delays WHERE minutes > 60")
    wait(60, lambda: state() == "OK")
    wait(60, lambda: len(hook.seen) == 2 and len(relay.taken) == 4)
    assert hook.seen[1]["event_type"] == "alert.ok"
    events = sql(server, admin, "SELECT count(*) FROM system.access.audit WHERE action_name = 'notify' AND response.error_message IS NOT NULL")
    assert int(events[0][0]) >= 2, "the relay's 'come again', and the mailbox that is not there"
    admin.workspace(LANDING, "DELETE", f"/api/2.0/alerts/{alert}?purge=true")
    with pytest.raises(Refused) as gone:
        admin.workspace(LANDING, "GET", f"/api/2.0/alerts/{alert}")
    assert gone.value.status == 404


def test_a_job_evaluates_an_older_alert(server, admin, hook):
    query = admin.workspace(LANDING, "POST", "/api/2.0/sql/queries", {"query": {"display_name": "delays", "query_text": "SELECT 90 AS minutes", "warehouse_id": server.warehouses[LANDING]}})["id"]
    alert = admin.workspace(LANDING, "POST", "/api/2.0/sql/alerts", {"alert": {
        "display_name": "older", "query_id": query, "condition": {"op": "GREATER_THAN", "operand": {"column": {"name": "minutes"}}, "threshold": {"value": {"double_value": 60}}}}})["id"]
    destination = next(d["id"] for d in admin.workspace(LANDING, "GET", "/api/2.0/notification-destinations")["results"] if d["display_name"] == "hook")
    before = len(hook.seen)
    run = admin.workspace(LANDING, "POST", "/api/2.2/jobs/runs/submit", {"run_name": "look", "tasks": [
        {"task_key": "a", "sql_task": {"warehouse_id": server.warehouses[LANDING], "alert": {"alert_id": alert, "subscriptions": [{"destination_id": destination}, {"user_name": "ada@acme.example"}]}}}]})["run_id"]
    ended = wait(60, lambda: (r := admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/get?run_id={run}"))["state"]["life_cycle_state"] == "TERMINATED" and r)
    assert ended["state"]["result_state"] == "SUCCESS", ended
    output = admin.workspace(LANDING, "GET", f"/api/2.2/jobs/runs/get-output?run_id={ended['tasks'][0]['run_id']}")["sql_output"]["alert_output"]
    assert output["alert_state"] == "TRIGGERED" and output["query_text"] == "SELECT 90 AS minutes"
    assert admin.workspace(LANDING, "GET", f"/api/2.0/sql/alerts/{alert}")["state"] == "TRIGGERED"
    wait(60, lambda: len(hook.seen) > before)


def test_a_monitor_mails_that_its_refresh_failed(server, admin, relay):
    sql(server, admin, "CREATE TABLE landing_raw.alerts.watched AS SELECT 1 AS a")
    sql(server, admin, "CREATE TABLE landing_raw.alerts.before AS SELECT 2 AS a")
    monitor = "/api/2.1/unity-catalog/tables/landing_raw.alerts.watched/monitor"
    wanted = {"output_schema_name": "landing_raw.alerts", "assets_dir": "/x", "snapshot": {}, "baseline_table_name": "landing_raw.alerts.before"}
    with pytest.raises(Refused, match="is no e-mail address"):
        admin.workspace(LANDING, "POST", monitor, {**wanted, "notifications": {"on_failure": {"email_addresses": ["a@x\r\nBcc: all@x"]}}})
    admin.workspace(LANDING, "POST", monitor, {**wanted, "notifications": {"on_failure": {"email_addresses": ["data@acme.example"]}}})
    state = lambda: admin.workspace(LANDING, "GET", monitor + "/refreshes")["refreshes"][0]["state"]
    wait(60, lambda: state() == "SUCCESS")
    assert not any(to == ["data@acme.example"] for to, _ in relay.taken)
    sql(server, admin, "DROP TABLE landing_raw.alerts.before")
    admin.workspace(LANDING, "POST", monitor + "/refreshes", {})
    wait(60, lambda: state() == "FAILED")
    message = wait(60, lambda: next((m for to, m in relay.taken if to == ["data@acme.example"]), None))
    subject = email.header.make_header(email.header.decode_header(message["Subject"]))
    assert str(subject) == "Monitor of landing_raw.alerts.watched failed" and "landing_raw.alerts.before" in message.get_payload(decode=True).decode()


def setting(admin, kind, value, call=None):
    call = call or (lambda *a: admin.workspace(LANDING, *a))
    path = f"{'/settings' if call.__name__ == 'account' else '/api/2.0/settings'}/types/{kind}/names/default"
    try:
        etag = call("GET", path)["etag"]
    except Refused as e:
        etag = e.body["details"][0]["metadata"]["etag"]
    return call("PATCH", path, {"allow_missing": True, "field_mask": f"{kind}.value", "setting": {"etag": etag, "setting_name": "default", kind: {"value": value}}})


def test_shut_doors_stay_shut(server, admin):
    content = base64.b64encode(b"x").decode()
    admin.workspace(LANDING, "POST", "/api/2.0/dbfs/put", {"path": "/FileStore/x", "contents": content, "overwrite": True})
    with pytest.raises(Exception, match="TABLE_OR_VIEW_NOT_FOUND"):
        sql(server, admin, "SELECT * FROM hive_metastore.default.t")
    setting(admin, "disable_legacy_dbfs", True)
    setting(admin, "disable_legacy_access", True)
    for method, path, body in (("GET", "/api/2.0/dbfs/read?path=/FileStore/x", None), ("POST", "/api/2.0/dbfs/put", {"path": "/FileStore/x", "contents": content})):
        with pytest.raises(Refused) as refused:
            admin.workspace(LANDING, method, path, body)
        assert refused.value.status == 403 and refused.value.message == "Public DBFS root is disabled. Access is denied on path: /FileStore/x"
    with pytest.raises(Exception, match="UC_HIVE_METASTORE_DISABLED_EXCEPTION"):
        sql(server, admin, "SELECT * FROM hive_metastore.default.t")
    for kind in ("disable_legacy_dbfs", "disable_legacy_access"):
        setting(admin, kind, False)
    assert admin.workspace(LANDING, "GET", "/api/2.0/dbfs/read?path=/FileStore/x")["data"] == content


def kinds_that_name(server, workspace):
    """Kinds of the store's records that hold a workspace's id."""
    with contextlib.closing(sqlite3.connect(f"file:{server.data}/store.db?mode=ro", uri=True, timeout=30)) as store:
        return {kind for kind, in store.execute("SELECT DISTINCT kind FROM record WHERE key LIKE ? OR body LIKE ?", (f"%{workspace}%", f"%{workspace}%"))}


def test_new_workspaces_begin_without_legacy_features_and_end_without_a_trace(server, admin):
    setting(admin, "disable_legacy_features", True, admin.account)
    like = next(w for w in admin.account("GET", "/workspaces") if w["deployment_name"].endswith("landing"))
    made = admin.account("POST", "/workspaces", {"workspace_name": "lab", "deployment_name": "lab", "aws_region": like["aws_region"], "credentials_id": like["credentials_id"],
                                                 "storage_configuration_id": like["storage_configuration_id"]})["workspace_id"]
    wait(60, lambda: admin.account("GET", f"/workspaces/{made}")["workspace_status"] == "RUNNING")
    wait(60, lambda: "lab" in server.status()["workspaces"])
    with pytest.raises(Refused, match="Public DBFS root is disabled"):
        admin.workspace("lab", "GET", "/api/2.0/dbfs/list?path=/")
    spec = {"cluster_name": "c", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0}
    with pytest.raises(Refused, match="data_security_mode"):
        admin.workspace("lab", "POST", "/api/2.1/clusters/create", spec)
    warehouse = admin.workspace("lab", "POST", "/api/2.0/sql/warehouses", {"name": "w", "cluster_size": "2X-Small"})["id"]
    admin.workspace("lab", "POST", "/api/2.0/alerts", {
        "display_name": "a", "query_text": "SELECT 1 AS n", "warehouse_id": warehouse, "schedule": {"quartz_cron_schedule": "0 0 * * * ?", "timezone_id": "UTC"},
        "evaluation": {"source": {"name": "n"}, "comparison_operator": "IS_NULL"}})
    admin.workspace("lab", "POST", "/api/2.0/instance-profiles/add", {"instance_profile_arn": "arn:aws:iam::123456789012:instance-profile/x", "skip_validation": True})
    admin.account("DELETE", f"/workspaces/{made}")
    wait(60, lambda: "lab" not in server.status()["workspaces"])
    setting(admin, "disable_legacy_features", False, admin.account)
    # What was used and what was asked stays: that is the account's.
    left = kinds_that_name(server, made) - {"sql.statement", "billing.usage"}
    assert left == set(), left


def test_a_budget_that_is_passed_is_mailed(server, admin, relay):
    alert = {"time_period": "MONTH", "trigger_type": "CUMULATIVE_SPENDING_EXCEEDED", "quantity_type": "LIST_PRICE_DOLLARS_USD", "quantity_threshold": "0.00001",
             "action_configurations": [{"action_type": "EMAIL_NOTIFICATION", "target": "money@acme.example"}]}
    url = f"{server.ready['accounts_url']}/api/2.1/accounts/{server.ready['account_id']}/budgets"
    with pytest.raises(Refused, match="must be an e-mail address"):
        admin.call("POST", url, {"budget": {"display_name": "odd", "alert_configurations": [{**alert, "action_configurations": [{"action_type": "EMAIL_NOTIFICATION", "target": "a@b\r\nBcc: c@d"}]}]}})
    admin.call("POST", url, {"budget": {"display_name": "clusters", "alert_configurations": [alert]}})
    cluster = admin.workspace(LANDING, "POST", "/api/2.1/clusters/create", {"cluster_name": "spends", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0})["cluster_id"]
    message = wait(120, lambda: next((m for to, m in relay.taken if to == ["money@acme.example"]), None))
    subject = email.header.make_header(email.header.decode_header(message["Subject"]))
    assert str(subject) == "Budget 'clusters' has passed $0.00001"
    admin.workspace(LANDING, "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": cluster})
