"""The article's network story as a person lives it: trace, attach, a cluster that never starts, the cure. The parts with packets need root."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

import harness

ROOT = harness.ROOT
EXAMPLES = ROOT / "examples" / "network"
NAME = f"p{os.getpid() % 1000000}"  # of this test's realised network


def tarn(*arguments):
    done = subprocess.run([harness.TARN, *arguments], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def trace(folder, start, to):
    code, out, _ = tarn("network", "trace", "--json", "--file", str(folder), start, to)
    return code, json.loads(out)


def namespaces():
    folder = pathlib.Path("/run/netns")
    return [p.name for p in folder.iterdir() if p.name.startswith(f"tarn-{NAME}-")] if folder.exists() else []


def test_trace_names_the_firewall_that_drops_and_the_line_that_says_so():
    code, answer = trace(EXAMPLES / "new-range", "pipeline", "relay:443")
    assert code == 1 and answer["connected"] is False and len(answer["traces"]) == 2
    for t in answer["traces"]:
        assert t["outcome"] == "dropped"
        hop = t["hops"][t["culprit"]]
        assert hop["at"].startswith("firewall inspection") and "drops SYN silently" in hop["what"]
        file, line = hop["place"].rsplit(":", 1)
        assert "fw-0aa00000000000001" in pathlib.Path(file).read_text().splitlines()[int(line) - 1]
        assert "allow tcp 443 from 10.21." in t["cure"] and "private endpoint" in t["cure"]
    assert trace(EXAMPLES / "new-range", "landing", "relay:443")[0] == 0
    code, answer = trace(EXAMPLES / "private-endpoints", "pipeline", "tunnel.eu-central-1.cloud.databricks.com:443")
    assert code == 0 and all("by private DNS of endpoint vpce-0ff10000000000005" in t["name"] for t in answer["traces"])
    for service in ("relay", "workspace", "s3", "sts", "kinesis"):
        for workspace in ("landing", "pipeline"):
            assert trace(ROOT / "platform", workspace, f"{service}:443")[0] == 0, (workspace, service)


def test_text_shows_hops_cause_and_cure():
    code, out, _ = tarn("network", "trace", "--file", str(EXAMPLES / "new-range" / "network.yaml"), "pipeline-a", "relay:443")
    assert code == 1
    for part in ("transit gateway tgw-0aa00000000000001", "network.yaml:", "\ndropped\n", "  cause: ", "  cure:  "):
        assert part in out, out


@pytest.mark.parametrize("start, to, says", [
    ("nobody", "relay:443", "nobody here is 'nobody'"),
    ("landing", "relay", "is not HOST:PORT"),
    ("landing", "relay:0", "is not HOST:PORT"),
    ("landing", "relay:70000", "is not HOST:PORT"),
    ("landing", "nowhere:443", "no service of the model has the name"),
])
def test_bad_questions_are_answered(start, to, says):
    code, out, err = tarn("network", "trace", "--file", str(ROOT / "platform"), start, to)
    assert code == 1 and says in err and not out


@pytest.mark.parametrize("change, line_of, says", [
    (("cidr: 10.20.16.0/20", "cidr: 10.20.8.0/21"), "landing-b", "overlaps 10.20.0.0/20 of subnet subnet-0aa11111111111111"),
    (("via: tgw-0aa00000000000001}\n    network_acls", "via: tgw-0}\n    network_acls"), "via: tgw-0}", "'tgw-0' is no transit gateway"),
    (("cidrs: [10.255.0.0/16]", "cidrs: [10.20.0.0/16]"), "tgw-attach-0aa00000000000002, vpc", "on one transit gateway overlap"),
    (("zone: eu-central-1a, cidr: 10.20.0.0/20", "zone: eu-central-1a, ciddr: 1, cidr: 10.20.0.0/20"), "landing-a", "is not a known field"),
    (("service: kinesis,", "service: kinesiss,"), "name: kinesis, type", "service 'kinesiss' is not defined"),
    (("default: drop", "default: maybe"), "default: maybe", "must be one of allow, drop, reject"),
])
def test_a_file_that_contradicts_itself_is_refused_with_its_line(tmp_path, change, line_of, says):
    text = (ROOT / "platform" / "network.yaml").read_text()
    assert change[0] in text
    file = tmp_path / "network.yaml"
    file.write_text(text.replace(*change))
    code, _, err = tarn("network", "trace", "--file", str(file), "landing-a", "relay:443")
    assert code == 1
    wanted = next(i for i, l in enumerate(file.read_text().splitlines(), 1) if line_of in l)
    assert any(f"network.yaml:{wanted}" in l and says in l for l in err.splitlines()), err
    code, _, err = tarn("serve", "--data", str(tmp_path / "data"), "--network", str(file))
    assert code == 1 and says in err


def test_registrations_are_held_against_the_network(tmp_path):
    shutil.copytree(EXAMPLES / "new-range", tmp_path / "p")
    account = tmp_path / "p" / "account.yaml"
    account.write_text(account.read_text().replace("subnet-0bb22222222222222", "subnet-0bb9"))
    code, _, err = tarn("network", "trace", "--file", str(tmp_path / "p"), "landing", "relay:443")
    assert code == 1 and "account.yaml:" in err and "registers subnet subnet-0bb9, which VPC vpc-0a1b2c3d4e5f60718 does not have" in err


def test_attaching_a_network_that_cannot_work_says_why(tmp_path):
    file = tmp_path / "network.yaml"
    text = (ROOT / "platform" / "network.yaml").read_text()
    file.write_text(text)
    with harness.running("--network", str(file)) as server:
        admin = server.admin()
        made = admin.account("POST", "/credentials", {"credentials_name": "c", "aws_credentials": {"sts_role": {"role_arn": "arn:aws:iam::111122223333:role/x"}}})
        storage = admin.account("POST", "/storage-configurations", {"storage_configuration_name": "s", "root_bucket_info": {"bucket_name": "acme-root"}})

        def attach(name, subnets, region="eu-central-1"):
            network = admin.account("POST", "/networks", {"network_name": name, "vpc_id": "vpc-0a1b2c3d4e5f60718", "subnet_ids": subnets,
                                                         "security_group_ids": ["sg-0cc11111111111111"]})
            assert network["vpc_status"] == "UNATTACHED"
            w = admin.account("POST", "/workspaces", {"workspace_name": name, "aws_region": region, "credentials_id": made["credentials_id"],
                                                      "storage_configuration_id": storage["storage_configuration_id"], "network_id": network["network_id"]})
            deadline = time.monotonic() + 20
            while w["workspace_status"] not in ("RUNNING", "FAILED") and time.monotonic() < deadline:
                w = admin.account("GET", f"/workspaces/{w['workspace_id']}")
            return w, admin.account("GET", f"/networks/{network['network_id']}")

        w, network = attach("good", ["subnet-0aa11111111111111", "subnet-0bb11111111111111"])
        assert (w["workspace_status"], network["vpc_status"]) == ("RUNNING", "VALID"), (w, network)
        w, network = attach("one-zone", ["subnet-0aa22222222222222", "subnet-0aa33333333333333"])
        assert (w["workspace_status"], network["vpc_status"]) == ("FAILED", "BROKEN")
        assert {"error_type": "subnet", "error_message": "The subnets must be in at least two availability zones."} in network["error_messages"]
        assert any("has no route to the control plane" in e["error_message"] for e in network["error_messages"])
        # The owners change their network; the server reads it without a restart.
        file.write_text(text.replace('          - {protocol: tcp, ports: "443", peers: [0.0.0.0/0]}\n', ""))
        w, network = attach("no-443", ["subnet-0bb22222222222222", "subnet-0bb33333333333333"])
        assert network["vpc_status"] == "BROKEN"
        assert {"error_type": "securityGroup", "error_message": "Security group sg-0cc11111111111111 must allow egress to TCP port 443."} in network["error_messages"]
        # A file that is half written does not take away what is known.
        file.write_text("vpcs: [")
        endpoint = admin.account("POST", "/vpc-endpoints", {"vpc_endpoint_name": "sts", "aws_vpc_endpoint_id": "vpce-0ff10000000000002", "region": "eu-central-1"})
        assert endpoint["state"] == "available"
        with pytest.raises(harness.Refused) as refused:
            admin.account("POST", "/vpc-endpoints", {"vpc_endpoint_name": "x", "aws_vpc_endpoint_id": "vpce-09", "region": "eu-central-1"})
        assert refused.value.status == 400 and "there is no VPC endpoint vpce-09 in eu-central-1" in refused.value.message
        assert "the last good one holds" in pathlib.Path(f"{server.data}.log").read_text()


def python(person, cluster, code):
    """What a command prints on a cluster of landing; waits for the node to be back."""
    deadline = time.monotonic() + 40
    while True:
        assert time.monotonic() < deadline
        try:
            context = person.workspace("landing", "POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": "python"})["id"]
            break
        except harness.Refused:
            time.sleep(0.2)
    command = person.workspace("landing", "POST", "/api/1.2/commands/execute", {"clusterId": cluster, "contextId": context, "language": "python", "command": code})["id"]
    while True:
        assert time.monotonic() < deadline
        now = person.workspace("landing", "GET", f"/api/1.2/commands/status?clusterId={cluster}&contextId={context}&commandId={command}")
        if now["status"] in ("Finished", "Error", "Cancelled"):
            assert "data" in now["results"], now
            return now["results"]["data"]
        time.sleep(0.1)


@contextlib.contextmanager
def network_up(folder):
    try:
        code, _, err = tarn("network", "up", "--name", NAME, "--file", str(folder))
        assert code == 0, err
        yield
    finally:
        assert tarn("network", "down", "--name", NAME)[0] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_a_cluster_that_never_starts_and_the_cure(tmp_path):
    folder = tmp_path / "platform"
    shutil.copytree(EXAMPLES / "new-range", folder)
    with network_up(folder), harness.running("--network", str(folder), "--network-name", NAME, "--bootstrap-timeout", "10") as server:
        server.tarn("apply", "--data", str(server.data), str(folder))
        probe = lambda: json.loads(tarn("network", "probe", "--name", NAME, "--file", str(folder), "--json", "--timeout", "1", "pipeline", "relay:443")[1])
        seen = probe()
        assert [p["outcome"] for p in seen["probes"]] == ["dropped", "dropped"] == [p["model"] for p in seen["probes"]]
        admin = server.admin()
        people = {"landing": admin, "pipeline": admin}

        def create(workspace):
            return people[workspace].workspace(workspace, "POST", "/api/2.1/clusters/create", {
                "cluster_name": "c", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0})["cluster_id"]

        def state(workspace, cluster):
            return people[workspace].workspace(workspace, "GET", f"/api/2.1/clusters/get?cluster_id={cluster}")

        def until(workspace, cluster, states, seconds):
            deadline = time.monotonic() + seconds
            while True:
                now = state(workspace, cluster)
                if now["state"] in states:
                    return now
                assert time.monotonic() < deadline, now
                time.sleep(0.1)

        # The old range boots; the new one sits in PENDING until its time is up, and nothing says why.
        stuck, fine = create("pipeline"), create("landing")
        assert until("landing", fine, {"RUNNING", "TERMINATED"}, 40)["state"] == "RUNNING"
        address = state("landing", fine)["driver"]["private_ip"]
        assert address in ("10.20.0.10", "10.20.16.10")
        living = json.loads(tarn("network", "status", "--name", NAME, "--json")[1])["residents"]
        assert any("subnet-0aa1" in r["name"] or "subnet-0bb1" in r["name"] for r in living), living
        # A control plane that is killed finds its nodes again: they dial the relay inside the network, and it listens there at once.
        server.kill()
        server.start()
        admin = server.admin()
        people = {"landing": admin, "pipeline": admin}
        assert python(people["landing"], fine, "print(6 * 7)") == "42"
        ended = until("pipeline", stuck, {"RUNNING", "TERMINATED"}, 40)
        assert ended["state"] == "TERMINATED" and ended["termination_reason"]["code"] == "BOOTSTRAP_TIMEOUT", ended
        events = people["pipeline"].workspace("pipeline", "POST", "/api/2.1/clusters/events", {"cluster_id": stuck})["events"]
        assert "RUNNING" not in [e["type"] for e in events]
        # The timeout says nothing; the doctor asks the model.
        doctor = server.tarn("doctor", "--data", str(server.data), "--json", check=False)
        ways = [f for f in json.loads(doctor.stdout) if f["check"] == "ways"]
        assert doctor.returncode == 1 and len(ways) == 2, ways
        assert {s for f in ways for s in ("relay:443", "workspace:443") if f"pipeline do not reach {s} (dropped)" in f["summary"]} == {"relay:443", "workspace:443"}
        assert all("firewall inspection" in f["summary"] and "network.yaml:" in f["summary"] and "private endpoint" in f["cure"] for f in ways)
        # The cure: two private endpoints. The server has read the new file by the next start.
        people["landing"].workspace("landing", "POST", "/api/2.1/clusters/delete", {"cluster_id": fine})
        until("landing", fine, {"TERMINATED"}, 30)
        shutil.copy(EXAMPLES / "private-endpoints" / "network.yaml", folder / "network.yaml")
        assert tarn("network", "up", "--name", NAME, "--file", str(folder))[0] == 0
        assert probe()["connected"] is True
        people["pipeline"].workspace("pipeline", "POST", "/api/2.1/clusters/start", {"cluster_id": stuck})
        assert until("pipeline", stuck, {"RUNNING", "TERMINATED"}, 40)["state"] == "RUNNING"
        ways = [f for f in json.loads(server.tarn("doctor", "--data", str(server.data), "--json", check=False).stdout) if f["check"] == "ways"]
        assert [f["level"] for f in ways] == ["ok"]
        # Half of a network is worse than none: nothing starts in it.
        people["pipeline"].workspace("pipeline", "POST", "/api/2.1/clusters/delete", {"cluster_id": stuck})
        until("pipeline", stuck, {"TERMINATED"}, 30)
        shutil.copy(EXAMPLES / "new-range" / "network.yaml", folder / "network.yaml")
        people["pipeline"].workspace("pipeline", "POST", "/api/2.1/clusters/start", {"cluster_id": stuck})
        refused = until("pipeline", stuck, {"RUNNING", "TERMINATED"}, 30)
        assert refused["termination_reason"]["code"] == "CLOUD_PROVIDER_LAUNCH_FAILURE"
        assert "not what its file says now" in refused["state_message"]
    assert namespaces() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_up_is_idempotent_and_a_killed_up_leaves_nothing_after_down():
    platform = str(ROOT / "platform")
    with network_up(platform):
        assert json.loads(tarn("network", "up", "--json", "--name", NAME, "--file", platform)[1])["changed"] is False
        code, out, _ = tarn("network", "probe", "--name", NAME, "--file", platform, "pipeline", "relay:443")
        assert code == 0 and out.count("the model says connected") == 2
    for delay in (0.03, 0.12, 0.25):
        process = subprocess.Popen([harness.TARN, "network", "up", "--name", NAME, "--file", platform], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
        assert tarn("network", "down", "--name", NAME)[0] == 0
        assert namespaces() == []
    assert json.loads(tarn("network", "status", "--name", NAME, "--json")[1])["state"] == "down"


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_code_in_the_network_reaches_the_platform_by_its_names_and_nothing_else():
    folder = str(ROOT / "platform")
    with network_up(folder), harness.platform("--network", folder, "--network-name", NAME) as server:
        admin = server.admin()
        sql = lambda text: admin.sql("landing", server.warehouses["landing"], text)
        sql("CREATE SCHEMA landing_raw.net")
        sql("CREATE TABLE landing_raw.net.t AS SELECT * FROM VALUES (1), (2), (4) AS v(i)")
        cluster = admin.workspace("landing", "POST", "/api/2.1/clusters/create", {"cluster_name": "c", "spark_version": "15.4.x-scala2.12", "node_type_id": "m6g.large", "num_workers": 0})["cluster_id"]
        deadline = time.monotonic() + 60
        while (now := admin.workspace("landing", "GET", f"/api/2.1/clusters/get?cluster_id={cluster}"))["state"] == "PENDING":
            assert time.monotonic() < deadline, now
            time.sleep(0.1)
        assert now["state"] == "RUNNING" and now["driver"]["private_ip"].startswith("10.20."), now

        # Tables: names, grants and files come from the API and the storage of the network's model, over TLS.
        assert python(admin, cluster, "print(spark.table('landing_raw.net.t').selectExpr('sum(i)').collect()[0][0])") == "7"
        assert python(admin, cluster, "spark.range(10).write.saveAsTable('landing_raw.net.made')\nprint(spark.table('landing_raw.net.made').count())") == "10"
        assert sql("SELECT count(*) FROM landing_raw.net.made") == [["10"]]

        # Whoever asks by name or by the SDK's variables gets there, with the platform's certificate.
        code = """
import json, os, socket, time, urllib.request
dbutils.secrets.listScopes()
print(os.environ['DATABRICKS_HOST'], os.environ['AWS_ENDPOINT_URL_S3'])
me = urllib.request.Request(os.environ['DATABRICKS_HOST'] + '/api/2.0/preview/scim/v2/Me', headers={'Authorization': 'Bearer ' + os.environ['DATABRICKS_TOKEN']})
print(bool(json.load(urllib.request.urlopen(me, timeout=10))['id']), socket.gethostbyname('acme-landing.cloud.databricks.com'))
for name in ('example.org', 'localhost.localdomain'):
    began = time.monotonic()
    try:
        print(socket.gethostbyname(name))
    except socket.gaierror:
        print('nobody', time.monotonic() - began < 5)
"""
        lines = python(admin, cluster, code).splitlines()
        assert lines == ["https://acme-landing.cloud.databricks.com https://s3.eu-central-1.amazonaws.com", "True 203.0.113.10", "nobody True", "nobody True"], lines
        # The ports that the server has on this machine's loopback are not there.
        port = server.status()["plain_http"]["landing"].rsplit(":", 1)[1]
        code = f"import socket\ntry:\n    socket.create_connection(('127.0.0.1', {port}), timeout=5)\n    print('there')\nexcept OSError as e:\n    print(type(e).__name__)"
        assert python(admin, cluster, code) == "ConnectionRefusedError"

        # A control plane that is killed answers there again.
        server.kill()
        server.start()
        admin = server.admin()
        assert python(admin, cluster, "print(spark.table('landing_raw.net.t').count())") == "3"
        admin.workspace("landing", "POST", "/api/2.1/clusters/permanent-delete", {"cluster_id": cluster})
        deadline = time.monotonic() + 40
        while any((server.data / "nodes").iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert namespaces() == []
