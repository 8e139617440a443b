"""`tarn review` with a real Gitea, a real git repository and a running Tarn: from a push to a changed platform, and everything that must not happen."""
import hashlib
import hmac
import json
import os
import pathlib
import select
import ssl
import subprocess
import textwrap

import pytest
import requests
from cryptography import x509

from certificates import Authority
from gitea import Gitea, tree, wait_for
from harness import ROOT, TARN, Refused, platform

HOOK_SECRET = "the-hooks-own-secret-5f2d"
REPOSITORY = "acme/platform"

# What a request's author could write: it prints what it finds, and tries what it must not do.
HOSTILE = r"""
exec > /out/plan 2>&1
echo "environment:"; env | sort
api() { curl -s -m 20 -o /tmp/answer -w '%{http_code}' "$@"; echo " $*" | cut -c1-120; }
echo "read $(api $DATABRICKS_HOST/api/2.0/accounts/$DATABRICKS_ACCOUNT_ID/workspaces)"
echo "head $(api -I $DATABRICKS_HOST/api/2.0/accounts/$DATABRICKS_ACCOUNT_ID/workspaces)"
echo "write $(api -X POST -d '{"displayName":"evil"}' $DATABRICKS_HOST/api/2.0/accounts/$DATABRICKS_ACCOUNT_ID/scim/v2/Groups)"
echo "delete $(api -X DELETE $DATABRICKS_HOST/api/2.0/accounts/$DATABRICKS_ACCOUNT_ID/workspaces/1)"
echo "withheld $(api $LANDING/api/2.0/secrets/get?scope=x\&key=y)"
echo "token $(api -X POST -u a:b -d grant_type=client_credentials $DATABRICKS_HOST/oidc/accounts/$DATABRICKS_ACCOUNT_ID/v1/token)"; cat /tmp/answer; echo
echo "elsewhere $(api https://example.com/)"
echo "forge $(api --noproxy '*' GITEA/api/v1/version)"
echo "forge through the proxy $(api GITEA/api/v1/version)"
echo "secret file: $(cat SECRET_FILE 2>&1 | head -c 200)"
echo "state: $(ls STATE 2>&1 | head -c 200)"
(setsid sleep 3188 >/dev/null 2>&1 &)
printf '````\n</details>\n@ada\n' 
"""


class Review:
    """A running service."""

    def __init__(self, folder, config):
        self.folder, self.file = folder, folder / "review.yaml"
        self.file.write_text(config)
        self.log = folder / "review.log"
        self.process = None
        self.start()

    def start(self):
        log = open(self.log, "ab")
        self.process = subprocess.Popen([TARN, "review", "serve", "--config", str(self.file)], stdout=subprocess.PIPE, stderr=log)
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        line = self.process.stdout.readline() if ready else b""
        assert line, "the service said nothing: " + self.log.read_text()[-3000:]
        self.ready = json.loads(line)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ask(self, verb, *arguments):
        done = subprocess.run([TARN, "review", verb, "--config", str(self.file), "--json", *map(str, arguments)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def idle(self):
        """Waits until nothing is queued."""
        wait_for(lambda: not self.ask("status")["jobs"], 120, why=lambda: f"still queued: {self.ask('status')['jobs']}\n{self.log.read_text()[-3000:]}")


class Scene:
    """Tarn with the article's platform, Gitea with its repository, and the service between them."""

    def __init__(self, tarn, forge, folder, authority):
        self.tarn, self.forge, self.folder, self.authority = tarn, forge, folder, authority
        authority.issue(folder / "tls.pem", folder / "tls.key")
        for who in ("ada", "emil", "nora", "tarn-bot"):
            forge.user(who)
        self.repository = forge.repository("acme", "platform", {**tree(ROOT / "platform", "platform"), "other/plan.sh": "echo nothing > /out/plan\n"},
                                           write=("ada", "emil"), read=("nora",), admin=("tarn-bot",))
        (folder / "token").write_text(forge.token("tarn-bot") + "\n")
        (folder / "hook").write_text(HOOK_SECRET + "\n")
        for name in ("token", "hook"):
            (folder / name).chmod(0o600)
        landing = next(iter(tarn.status()["workspaces"].values())).split("//")[1].split(":")[0]
        self.review = Review(folder, textwrap.dedent(f"""
            state: {folder}/state
            listen: "127.0.0.1:0"
            tls: {{certificate_file: {folder}/tls.pem, key_file: {folder}/tls.key}}
            target: {{data: {tarn.data}}}
            sandbox:
              environment: {{LANDING: "https://{landing}"}}
            workflows:
              - name: script
                plan: [sh, plan.sh]
                show: [cat, /out/plan]
                show_json: [sh, -c, 'printf "{{\\"format_version\\":\\"1.2\\",\\"resource_changes\\":[{{\\"address\\":\\"a.b\\",\\"change\\":{{\\"actions\\":[\\"create\\"]}}}}]}}"']
                apply: [sh, apply.sh]
            repositories:
              - forge: gitea
                url: {forge.url}
                repository: {REPOSITORY}
                token_file: {folder}/token
                webhook_secret_file: {folder}/hook
                units:
                  - {{name: platform, path: platform}}
                  - {{name: other, path: other, workflow: script}}
            """))
        self.repository.hook(self.review.ready["webhooks"] + "/gitea", HOOK_SECRET)

    def close(self):
        self.review.stop()

    def propose(self, who, branch, files, title="a change"):
        """A request with these files; its number."""
        with self.repository.clone(who) as work:
            work.branch(branch)
            work.write(files)
            work.commit(title, branch)
        return self.repository.request(who, branch, title)

    def push(self, who, branch, files):
        with self.repository.clone(who) as work:
            work.git("fetch", "-q", "origin")
            work.git("checkout", "-q", branch)
            work.write(files)
            return work.commit("more", branch)

    def grants(self, line):
        """platform/grants.yaml of main with one more line."""
        with self.repository.clone("ada") as work:
            return {"platform/grants.yaml": (work.folder / "platform/grants.yaml").read_text() + f"  - {line}\n"}

    def own(self, number):
        """The service's comments on a request."""
        return [c for c in self.repository.comments(number) if c["user"]["login"] == "tarn-bot"]

    def says(self, number, *parts, seconds=90):
        """Waits until its one comment says all of that."""
        def said():
            comments = self.own(number)
            assert len(comments) <= 1, comments
            return comments and all(p in comments[0]["body"] for p in parts) and comments[0]
        return wait_for(said, seconds, why=lambda: f"request {number} never said {parts}: {self.own(number)}\n{self.review.log.read_text()[-4000:]}")

    def may(self, securable, principal):
        kind, name = securable.split()
        try:
            answer = self.tarn.admin().workspace("landing", "GET", f"/api/2.1/unity-catalog/permissions/{kind}/{name}")
        except Refused:
            return []
        return next((a["privileges"] for a in answer.get("privilege_assignments", []) if a["principal"] == principal), [])


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    folder.chmod(0o700)
    authority = Authority(folder)
    with platform() as tarn, Gitea(trusts=authority.file) as forge:
        made = Scene(tarn, forge, folder, authority)
        try:
            yield made
        finally:
            made.close()


def test_from_a_push_to_a_changed_platform(scene):
    line = "{on: catalog pipeline_silver, to: gold_read, allow: [USE CATALOG]}"
    number = scene.propose("emil", "silver", scene.grants(line))
    first = scene.says(number, "| `platform` | planned |", "! grants.catalog pipeline_silver")
    assert first["body"].count("<details>") == 1 and "```diff" in first["body"]
    assert scene.may("catalog pipeline_silver", "gold_read") == []

    # A second push: planned anew, in the same comment.
    head = scene.push("emil", "silver", scene.grants("{on: catalog pipeline_silver, to: gold_read, allow: [USE CATALOG, USE SCHEMA]}"))
    second = scene.says(number, head[:10], "USE_SCHEMA")
    assert second["id"] == first["id"]
    statuses = scene.repository.api("ada", "GET", f"/commits/{head}/statuses")
    assert wait_for(lambda: any(s["context"] == "tarn/review" and s["status"] == "success" for s in scene.repository.api("ada", "GET", f"/commits/{head}/statuses"))), statuses

    scene.repository.comment("emil", number, "apply")
    scene.says(number, "Not applied: 0 of 1 approvals")
    scene.repository.approve("ada", number)
    scene.repository.comment("nora", number, "apply")
    scene.says(number, "Refused: nora may not write")
    assert scene.may("catalog pipeline_silver", "gold_read") == []

    scene.repository.comment("emil", number, "apply")
    scene.says(number, "**applied**", "1 done")
    assert scene.may("catalog pipeline_silver", "gold_read") == ["USE_CATALOG", "USE_SCHEMA"]

    scene.repository.merge("ada", number)
    scene.review.idle()
    wait_for(lambda: scene.review.ask("status")["locks"] == [], why="the lock outlives the merge")
    assert scene.own(number)[0]["id"] == first["id"]


@pytest.mark.parametrize("style", ["merge", "squash", "rebase"])
def test_a_merge_applies_what_was_reviewed(scene, style):
    principal = {"merge": "raw_write", "squash": "silver_write", "rebase": "files_ingest"}[style]
    number = scene.propose("emil", f"by-{style}", scene.grants(f"{{on: catalog pipeline_gold, to: {principal}, allow: [USE CATALOG]}}"))
    scene.says(number, "| `platform` | planned |")
    scene.repository.approve("ada", number)
    scene.repository.merge("ada", number, style)
    scene.says(number, "**applied**")
    assert scene.may("catalog pipeline_gold", principal) == ["USE_CATALOG"]


def test_a_merge_nobody_approved_is_not_applied(scene):
    number = scene.propose("emil", "unapproved", scene.grants("{on: catalog landing_raw, to: gold_read, allow: [USE CATALOG]}"))
    scene.says(number, "| `platform` | planned |")
    scene.repository.merge("ada", number)
    scene.says(number, "Merged, but not applied: 0 of 1 approvals")
    assert scene.may("catalog landing_raw", "gold_read") == []
    # The next request's plan shows what it left behind, and an approval of that applies both.
    following = scene.propose("emil", "following", {"platform/following.yaml": "groups:\n  - {name: following_group}\n"})
    scene.says(following, "! grants.catalog landing_raw", "+ group.following_group")
    scene.repository.approve("ada", following)
    scene.repository.merge("ada", following)
    scene.says(following, "**applied**")
    assert scene.may("catalog landing_raw", "gold_read") == ["USE_CATALOG"]


def test_a_main_that_moved_is_planned_anew_and_two_requests_do_not_share_a_unit(scene):
    first = scene.propose("emil", "first", scene.grants("{on: schema landing_raw.flights, to: ai_analyst, allow: [USE SCHEMA]}"))
    scene.says(first, "| `platform` | planned |")
    second = scene.propose("ada", "second", {"platform/zz.yaml": "groups:\n  - {name: second_group}\n"})
    scene.says(second, "locked", f"by request {first}")
    scene.repository.approve("emil", second)
    scene.repository.comment("ada", second, "apply")
    scene.says(second, f"platform is locked by request {first}")
    scene.repository.approve("ada", first)
    # Main moves between the plan and the order: refused, planned anew, then carried out.
    with scene.repository.clone("ada") as work:
        work.write({"README.md": "moved\n"})
        moved = work.commit("unrelated", "main")
    scene.says(first, moved[:10], "| `platform` | planned |")
    scene.repository.comment("emil", first, "apply")
    scene.says(first, "**applied**")
    scene.repository.merge("ada", first)
    scene.says(second, "| `platform` | planned |", "+ group.second_group")
    scene.repository.comment("ada", second, "apply")
    scene.says(second, "**applied**")
    scene.repository.merge("ada", second)
    scene.review.idle()


def test_an_order_on_a_main_that_moved_is_refused(scene):
    """The webhook of the push is lost, as when the service was away: the order itself finds out."""
    number = scene.propose("emil", "stale", {"platform/stale.yaml": "groups:\n  - {name: stale_group}\n"})
    scene.says(number, "| `platform` | planned |")
    scene.repository.approve("ada", number)
    hook = scene.repository.api("root-of-gitea", "GET", "/hooks")[0]["id"]
    events = ["push", "pull_request"]  # a change that names none forgets them
    scene.repository.api("root-of-gitea", "PATCH", f"/hooks/{hook}", {"active": False, "events": events})
    with scene.repository.clone("ada") as work:
        work.write({"README.md": "moved again\n"})
        work.commit("unrelated", "main")
    scene.repository.api("root-of-gitea", "PATCH", f"/hooks/{hook}", {"active": True, "events": events})
    scene.repository.comment("emil", number, "apply")
    scene.says(number, "Not applied: main moved", "| `platform` | planned |")
    groups = [g["displayName"] for g in scene.tarn.admin().account("GET", "/scim/v2/Groups")["Resources"]]
    assert "stale_group" not in groups
    scene.repository.api("ada", "PATCH", f"/pulls/{number}", {"state": "closed"})
    scene.says(number, "the plans are discarded")
    wait_for(lambda: scene.review.ask("status")["locks"] == [], why="a closed request keeps its lock")


def test_a_plan_that_is_no_yaml_says_where(scene):
    number = scene.propose("emil", "typo", {"platform/typo.yaml": "groups:\n  - {name: a, membres: [b]}\n"})
    scene.says(number, "plan failed", "typo.yaml:2", "did you mean 'members'")
    scene.repository.api("ada", "PATCH", f"/pulls/{number}", {"state": "closed"})
    scene.says(number, "discarded")


def test_an_authors_code_finds_no_secret_and_reaches_nothing(scene):
    script = HOSTILE.replace("GITEA", scene.forge.url).replace("SECRET_FILE", scene.tarn.ready["admin"]["client_secret_file"]).replace("STATE", str(scene.folder))
    number = scene.propose("emil", "hostile", {"other/plan.sh": script, "other/apply.sh": "echo applied\n"})
    body = scene.says(number, "| `other` | planned |")["body"]
    secret = scene.tarn.client_secret
    assert secret not in body and (scene.folder / "token").read_text().strip() not in body and HOOK_SECRET not in body
    whole = scene.review.ask("show", REPOSITORY, number)["units"][0]["text"]
    assert "read 200" in whole and "head 200" in whole, whole
    assert "write 405" in whole and "delete 405" in whole, whole
    assert "withheld 403" in whole, whole
    assert "token 200" in whole and "elsewhere 000" in whole and "forge 000" in whole and "forge through the proxy 403" in whole, whole
    assert "state: ls: cannot access" in whole, whole
    assert secret not in whole and "DATABRICKS_CLIENT_SECRET=(masked)" in whole, whole
    assert "evil" not in [g["displayName"] for g in scene.tarn.admin().account("GET", "/scim/v2/Groups")["Resources"]]
    # Nothing of it lives on, and it did not break out of its code block.
    assert subprocess.run("ps -eo args | grep -c '[s]leep 3188'", shell=True, capture_output=True, text=True).stdout.strip() == "0"
    assert body.rstrip().endswith("or nothing if the main branch has moved by then.")
    scene.repository.api("ada", "PATCH", f"/pulls/{number}", {"state": "closed"})
    scene.says(number, "discarded")


def test_only_people_who_may_write_are_planned(scene):
    scene.forge.api("nora", "POST", f"/repos/{REPOSITORY}/forks", {"name": "mine"})
    fork = type(scene.repository)(scene.forge, "nora/mine")
    wait_for(lambda: "main" in [b["name"] for b in fork.api("nora", "GET", "/branches")], why="the fork has no branch")
    with fork.clone("nora") as work:
        work.branch("evil")
        work.write({"other/plan.sh": "env > /out/plan\n"})
        work.commit("look", "evil")
    number = scene.repository.api("nora", "POST", "/pulls", {"head": "nora:evil", "base": "main", "title": "look"})["number"]
    body = scene.says(number, "Not planned:")["body"]
    assert "<details>" not in body
    scene.repository.comment("emil", number, "plan")
    scene.review.idle()
    assert "<details>" not in scene.own(number)[0]["body"]
    scene.repository.api("nora", "PATCH", f"/pulls/{number}", {"state": "closed"})


def test_a_killed_service_forgets_nothing(scene):
    number = scene.propose("emil", "killed", {"platform/killed.yaml": "groups:\n  - {name: after_the_kill}\n"})
    before = scene.says(number, "| `platform` | planned |")
    scene.repository.approve("ada", number)
    scene.review.process.kill()
    scene.review.process.wait()
    port = scene.review.ready["webhooks"].split(":")[2].split("/")[0]
    scene.repository.merge("ada", number)  # while nobody listens
    scene.review.file.write_text(scene.review.file.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"'))
    scene.review.start()
    after = scene.says(number, "**applied**")
    assert after["id"] == before["id"]
    assert "after_the_kill" in [g["displayName"] for g in scene.tarn.admin().account("GET", "/scim/v2/Groups")["Resources"]]


def test_a_forged_delivery_changes_nothing(scene):
    url = scene.review.ready["webhooks"] + "/gitea"
    assert url.startswith("https://")
    body = json.dumps({"action": "opened", "number": 1, "repository": {"full_name": REPOSITORY}, "pull_request": {}}).encode()

    def deliver(signature, content=body):
        return requests.post(url, data=content, headers={"X-Gitea-Event": "pull_request", "X-Gitea-Signature": signature, "Content-Type": "application/json"}, timeout=20, verify=scene.authority.file)

    right = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert deliver("").status_code == 401
    assert deliver(hmac.new(b"another", body, hashlib.sha256).hexdigest()).status_code == 401
    assert deliver(right, body + b" ").status_code == 401
    unknown = body.replace(b"acme/platform", b"acme/elsewhere")
    assert deliver(hmac.new(HOOK_SECRET.encode(), unknown, hashlib.sha256).hexdigest(), unknown).status_code == 401
    bad = json.dumps({"action": "opened", "repository": {"full_name": REPOSITORY}}).encode()
    answer = deliver(hmac.new(HOOK_SECRET.encode(), bad, hashlib.sha256).hexdigest(), bad)
    assert answer.status_code == 400 and "Field 'number'" in answer.json()["message"]
    assert requests.post(url.replace("/gitea", "/gitlab"), data=body, headers={"X-Gitlab-Token": HOOK_SECRET}, timeout=20, verify=scene.authority.file).status_code == 401
    assert requests.get(url, timeout=20, verify=scene.authority.file).status_code == 405
    assert requests.get(url.replace("/webhooks/gitea", "/status"), timeout=20, verify=scene.authority.file).status_code == 404  # the owner's questions have a door of their own


def test_a_renewed_certificate_is_taken_without_a_restart(scene):
    host, port = scene.review.ready["webhooks"].split("//")[1].split("/")[0].split(":")

    def shown():
        pem = ssl.get_server_certificate((host, int(port)), ca_certs=str(scene.authority.file), timeout=20)
        return x509.load_pem_x509_certificate(pem.encode()).serial_number

    before = shown()
    renewed = scene.authority.issue(scene.folder / "tls.pem", scene.folder / "tls.key")
    assert renewed != before and shown() == renewed
    (scene.folder / "tls.pem").write_text("half written")
    assert shown() == renewed, "what cannot be read leaves the last good one"
    scene.authority.issue(scene.folder / "tls.pem", scene.folder / "tls.key")


def test_drift_is_an_issue_that_closes_itself(scene):
    scene.review.idle()
    scene.tarn.tarn("apply", "--data", str(scene.tarn.data), str(main_folder(scene)))
    group = scene.tarn.admin().account("POST", "/scim/v2/Groups", {"displayName": "shadow"})

    def issues(state):
        return [i for i in scene.repository.api("ada", "GET", f"/issues?state={state}&type=issues") if i["title"] == "Drift: platform"]

    scene.review.ask("drift", "--repository", REPOSITORY, "--unit", "platform")
    issue = wait_for(lambda: issues("open"), why=lambda: "no issue: " + scene.review.log.read_text()[-3000:])[0]
    assert "# group.shadow" in issue["body"] and issue["user"]["login"] == "tarn-bot"
    scene.review.ask("drift", "--repository", REPOSITORY, "--unit", "platform")
    scene.review.idle()
    assert len(issues("open")) == 1
    scene.tarn.admin().account("DELETE", f"/scim/v2/Groups/{group['id']}")
    scene.review.ask("drift", "--repository", REPOSITORY, "--unit", "platform")
    wait_for(lambda: issues("closed") and not issues("open"), why="the issue does not close")


def main_folder(scene):
    """platform/ of main, in a folder that outlives the clone."""
    target = scene.folder / "main"
    with scene.repository.clone("ada") as work:
        for name, text in tree(work.folder / "platform", "platform").items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(text)
    return target / "platform"


def test_the_secrets_are_in_no_log_no_comment_and_not_in_the_store(scene):
    secrets = [scene.tarn.client_secret, (scene.folder / "token").read_text().strip(), HOOK_SECRET]
    texts = [scene.review.log.read_text(errors="replace")]
    for state in ("open", "closed"):
        for request in scene.repository.api("ada", "GET", f"/pulls?state={state}&limit=50"):
            texts += [c["body"] for c in scene.repository.comments(request["number"])]
    for secret in secrets:
        assert all(secret not in text for text in texts)
    for file in pathlib.Path(scene.folder / "state").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert all(secret.encode() not in content for secret in secrets), file


def test_questions_and_mistakes(tmp_path):
    def tarn(*arguments):
        return subprocess.run([TARN, "review", *arguments], capture_output=True, text=True, timeout=60)
    assert "Examples:" in tarn("--help").stdout and "Example:" in tarn("show", "--help").stdout
    (tmp_path / "bad.yaml").write_text("state: x\nrepositories: []\ntarget: {}\n")
    done = tarn("check", "--config", str(tmp_path / "bad.yaml"))
    assert done.returncode == 1 and "repositories must name at least one" in done.stderr and "target.account_id is required" in done.stderr
    done = tarn("serve", "--config", str(tmp_path / "nowhere.yaml"))
    assert done.returncode == 1 and "Cannot read" in done.stderr
    for name in ("token", "hook"):
        (tmp_path / name).write_text("x" * 20)
        os.chmod(tmp_path / name, 0o644)
    (tmp_path / "good.yaml").write_text(f"""
state: {tmp_path}/state
target: {{data: {tmp_path}}}
repositories:
  - {{forge: gitea, url: "http://127.0.0.1:1", repository: a/b, token_file: {tmp_path}/token, webhook_secret_file: {tmp_path}/hook, units: [{{name: p, path: p}}]}}
""")
    done = tarn("check", "--config", str(tmp_path / "good.yaml"))
    assert done.returncode == 1 and "can be read by others" in done.stderr
    for name in ("token", "hook"):
        os.chmod(tmp_path / name, 0o600)
    assert tarn("check", "--config", str(tmp_path / "good.yaml")).returncode == 0
    Authority(tmp_path).issue(tmp_path / "tls.pem", tmp_path / "tls.key")
    (tmp_path / "tls.yaml").write_text((tmp_path / "good.yaml").read_text() + f"tls: {{certificate_file: {tmp_path}/tls.pem, key_file: {tmp_path}/tls.key}}\n")
    os.chmod(tmp_path / "tls.key", 0o644)
    done = tarn("serve", "--config", str(tmp_path / "tls.yaml"))
    assert done.returncode == 1 and "tls.key' can be read by others" in done.stderr
    os.chmod(tmp_path / "tls.key", 0o600)
    (tmp_path / "tls.pem").write_text("none")
    done = tarn("serve", "--config", str(tmp_path / "tls.yaml"))
    assert done.returncode == 1 and "holds no certificate" in done.stderr
    done = tarn("status", "--config", str(tmp_path / "good.yaml"))
    assert done.returncode == 1 and "No service runs on" in done.stderr
