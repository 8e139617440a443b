"""infra/ through the real Atlantis and the real Gitea: a request, its plan as a comment, an approval, `atlantis apply`, the merge, the platform.
Then the same units, and the same states, through `tarn review`."""
import json
import os
import pathlib
import select
import signal
import subprocess
import textwrap

import pytest
import requests

from gitea import Gitea, built, free_port, tree, wait_for
from harness import ROOT, TARN, running
from terragrunt import BUCKET, Infra, environment

HOOK_SECRET = "atlantis-hook-secret-77"


def whole(folder, below):
    return {name: text for name, text in tree(folder, below).items() if ".terragrunt-cache" not in name and ".terraform" not in name}


class Scene:
    def __init__(self, tarn, forge, folder):
        self.tarn, self.forge, self.folder = tarn, forge, folder
        for who in ("ada", "emil", "atlantis"):
            forge.user(who)
        self.repository = forge.repository("acme", "platform", {**whole(ROOT / "platform", "platform"), **whole(ROOT / "infra", "infra")},
                                           write=("ada", "emil", "atlantis"))
        self.home = home = folder / "atlantis"
        home.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = environment(tarn, home)
        env.update(PATH=f"{built('terragrunt').parent}:{built('opentofu').parent}:/usr/bin:/bin", ATLANTIS_GITEA_TOKEN=forge.token("atlantis"),
                   ATLANTIS_GITEA_WEBHOOK_SECRET=HOOK_SECRET, GIT_CONFIG_NOSYSTEM="1")
        self.log = folder / "atlantis.log"
        self.process = subprocess.Popen(
            [TARN, "rehearse", "--data", str(tarn.data), "--bucket", BUCKET, "--allow", "127.0.0.1", "--", str(built("atlantis")), "server",
             f"--port={self.port}", f"--data-dir={home}/data", f"--atlantis-url={self.url}", f"--repo-config={ROOT}/infra/atlantis-server.yaml",
             f"--gitea-base-url={forge.url}", "--gitea-user=atlantis", f"--repo-allowlist=127.0.0.1/acme/platform",
             "--checkout-strategy=merge", "--hide-unchanged-plan-comments", "--write-git-creds", "--default-tf-distribution=opentofu",
             "--default-tf-version=1.10.6", "--tf-download=false"],
            env=env, cwd=home, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True)  # the rehearsal and the server in it are ended together
        wait_for(self.is_up, 90, why=lambda: self.log.read_text()[-4000:])
        self.repository.hook(f"{self.url}/events", HOOK_SECRET)

    def is_up(self):
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def close(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)

        def ended():
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return True
        try:
            wait_for(ended, 20)
        except AssertionError:
            os.killpg(self.process.pid, signal.SIGKILL)

    def says(self, number, *parts, after=0, seconds=300):
        """The first of its comments with an id above `after` that says all of that."""
        def said():
            return next((c for c in self.repository.comments(number) if c["user"]["login"] == "atlantis" and c["id"] > after and all(p in c["body"] for p in parts)), None)
        return wait_for(said, seconds, every=1, why=lambda: f"never said {parts}: {[c['body'] for c in self.repository.comments(number)]}\n{self.log.read_text()[-5000:]}")

    def groups(self):
        return [g["displayName"] for g in self.tarn.admin().account("GET", "/scim/v2/Groups")["Resources"]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlantis")
    with running() as tarn:
        tarn.tarn("vendor", "register-prefix", "--data", str(tarn.data), "acme")
        with Infra(tarn, tmp_path_factory.mktemp("infra")) as infra:
            infra.apply()  # the platform as it is before the request
        with Gitea() as forge:
            made = Scene(tarn, forge, folder)
            try:
                yield made
            finally:
                made.close()


def test_a_request_is_planned_approved_applied_and_merged(scene):
    people = (ROOT / "platform/people.yaml").read_text()
    line = "  - {name: gold_read, members: [ai_analyst]}\n"
    assert people.count(line) == 1
    with scene.repository.clone("emil") as work:
        work.branch("auditors")
        work.write({"platform/people.yaml": people.replace(line, line + "  - {name: auditors, members: [nora@acme.example]}\n")})
        work.commit("auditors", "auditors")
    number = scene.repository.request("emil", "auditors", "Auditors")
    plan = scene.says(number, 'databricks_group.this["auditors"]', "will be created")
    assert "project: `account-groups`" in plan["body"] and "account-storage" not in plan["body"]
    assert "auditors" not in scene.groups()

    scene.repository.comment("emil", number, "atlantis apply")
    refused = scene.says(number, "approved", after=plan["id"])
    assert "auditors" not in scene.groups()

    scene.repository.approve("ada", number)
    scene.repository.comment("emil", number, "atlantis apply")
    applied = scene.says(number, "Apply complete!", after=refused["id"], seconds=400)
    assert "auditors" in scene.groups(), applied["body"]
    wait_for(lambda: scene.repository.pull(number)["merged"], 120, why=lambda: "it was not merged: " + scene.log.read_text()[-3000:])
    # What is deployed is what main says.
    with scene.repository.clone("ada") as work:
        done = scene.tarn.tarn("drift", "--data", str(scene.tarn.data), str(work.folder / "platform"), check=False)
    assert done.returncode == 0, done.stdout


def test_a_closed_request_is_not_applied(scene):
    """So the article's merge-then-apply is `tarn review`'s, or a hook's."""
    with scene.repository.clone("emil") as work:
        work.branch("late")
        people = (work.folder / "platform/people.yaml").read_text()
        work.write({"platform/people.yaml": people.rstrip("\n") + "\n  - {name: late}\n"})
        work.commit("late", "late")
    for p in scene.repository.api("ada", "GET", "/pulls?state=open") or []:
        scene.repository.api("ada", "PATCH", f"/pulls/{p['number']}", {"state": "closed"})  # of a test that failed: it would hold the locks
    number = scene.repository.request("emil", "late", "Too late")
    plan = scene.says(number, 'databricks_group.this["late"]')
    scene.repository.approve("ada", number)
    scene.repository.merge("ada", number)
    scene.repository.comment("emil", number, "atlantis apply")
    scene.says(number, "closed", after=plan["id"])
    assert "late" not in scene.groups()


def test_a_forged_delivery_is_refused(scene):
    answer = requests.post(f"{scene.url}/events", data=b"{}", timeout=20,
                           headers={"X-Gitea-Event": "pull_request", "X-Gitea-Signature": "00" * 32, "Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


@pytest.fixture
def review(scene):
    """`tarn review` beside it, on a second repository that begins as the first one is now; plans have neither the principal's nor the bucket's key."""
    folder = scene.folder / "review"
    folder.mkdir(mode=0o700)
    scene.forge.user("tarn-bot")
    with scene.repository.clone("ada") as work:
        files = {**whole(work.folder / "platform", "platform"), **whole(work.folder / "infra", "infra")}
    files["platform/people.yaml"] = files["platform/people.yaml"].replace("\n  - {name: late}\n", "\n")  # merged above, never applied
    repository = scene.forge.repository("acme", "reviewed", files, write=("ada", "emil"), admin=("tarn-bot",))
    for name, text in (("token", scene.forge.token("tarn-bot")), ("hook", HOOK_SECRET)):
        (folder / name).write_text(text + "\n")
        (folder / name).chmod(0o600)
    clients = [str(pathlib.Path(built(name)).parent) for name in ("terragrunt", "opentofu", "terraform-provider-databricks")]
    (folder / "review.yaml").write_text(textwrap.dedent(f"""
        state: {folder}/state
        listen: "127.0.0.1:0"
        target: {{data: {scene.tarn.data}}}
        sandbox:
          read_only: [{scene.home}/cli.rc, {scene.home}/mirror, {", ".join(clients)}]
          environment: {{PATH: "{clients[0]}:{clients[1]}:/usr/bin:/bin", TF_CLI_CONFIG_FILE: "{scene.home}/cli.rc", TERRAGRUNT_TFPATH: tofu}}
          state_bucket: {{bucket: {BUCKET}, region: eu-central-1}}
        workflows:
          - name: terragrunt
            prepare: [terragrunt, init, -no-color]
            plan: [terragrunt, plan, -no-color, -lock=false, -out=/out/plan]
            show: [terragrunt, show, -no-color, /out/plan]
            show_json: [terragrunt, show, -json, /out/plan]
            apply: [terragrunt, apply, -no-color, /out/plan]
        repositories:
          - forge: gitea
            url: {scene.forge.url}
            repository: acme/reviewed
            token_file: {folder}/token
            webhook_secret_file: {folder}/hook
            automerge: true
            units:
              - {{name: account/groups, path: infra/account/groups, workflow: terragrunt, watch: ["infra/modules/groups/**", "platform/people.yaml"]}}
        """))
    log = open(folder / "log", "ab")
    process = subprocess.Popen([TARN, "review", "serve", "--config", str(folder / "review.yaml")], stdout=subprocess.PIPE, stderr=log)
    try:
        ready, _, _ = select.select([process.stdout], [], [], 30)
        line = process.stdout.readline() if ready else b""
        assert line, (folder / "log").read_text()
        repository.hook(json.loads(line)["webhooks"] + "/gitea", HOOK_SECRET)
        yield repository, folder
    finally:
        process.terminate()
        process.wait(90)


def test_the_same_units_through_tarn_review(scene, review):
    repository, folder = review

    def says(number, *parts):
        def said():
            comments = [c for c in repository.comments(number) if c["user"]["login"] == "tarn-bot"]
            assert len(comments) <= 1
            return comments and all(p in comments[0]["body"] for p in parts)
        wait_for(said, 300, every=1, why=lambda: f"never said {parts}: {repository.comments(number)}\n{(folder / 'log').read_text()[-3000:]}")

    with repository.clone("emil") as work:
        work.branch("curators")
        people = (work.folder / "platform/people.yaml").read_text()
        work.write({"platform/people.yaml": people.rstrip("\n") + "\n  - {name: curators, members: [ada@acme.example]}\n"})
        work.commit("curators", "curators")
    number = repository.request("emil", "curators", "Curators")
    says(number, "| `account/groups` | planned | 2 to create, 0 to change, 0 to delete |", 'databricks_group.this["curators"]')
    repository.approve("ada", number)
    # The platform changes between the plan and the order: it is not what was reviewed any more.
    made = scene.tarn.admin().account("POST", "/scim/v2/Groups", {"displayName": "not-in-the-plan"})
    nora = next(g for g in scene.tarn.admin().account("GET", "/scim/v2/Groups")["Resources"] if g["displayName"] == "ai_analyst")
    scene.tarn.admin().account("DELETE", f"/scim/v2/Groups/{made['id']}")
    scene.tarn.admin().account("PATCH", f"/scim/v2/Groups/{nora['id']}", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove", "path": "members"}]})
    repository.comment("emil", number, "apply")
    says(number, "the platform changed since the plan was made", "3 to create")
    assert "curators" not in scene.groups()
    repository.comment("emil", number, "apply")
    says(number, "**applied**", "Apply complete! Resources: 3 added")
    assert "curators" in scene.groups()
    wait_for(lambda: repository.pull(number)["merged"], 60, why="it was not merged")
    assert scene.tarn.client_secret not in (folder / "log").read_text()
