"""A real Gitea on loopback, with its own users and repositories, ended by its process id.

    with Gitea() as forge:
        forge.user("ada")
        repo = forge.repository("acme", "platform", {"README.md": "hello\n"})
        work = repo.clone("ada")

Gitea refuses to run as root: root hands it to `nobody`, who may read the built program wherever the cache is.
"""
import contextlib
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time

import requests

from harness import ROOT

PASSWORD = "a-Test-only-Pass-9"


def built(name):
    done = subprocess.run([ROOT / "scripts" / "clients", "--path", name], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return pathlib.Path(done.stdout.strip())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds=60, every=0.2, why="it did not happen in time"):
    """The first truthy answer of what()."""
    deadline = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < deadline, why() if callable(why) else why
        time.sleep(every)


class Gitea:
    def __init__(self, trusts=None):
        """`trusts`: a file of authorities whose webhooks' addresses it believes."""
        self.program = built("gitea")
        self._scratch = tempfile.TemporaryDirectory(prefix="tarn-gitea-", ignore_cleanup_errors=True)
        self.folder = pathlib.Path(self._scratch.name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.as_user, self.user_name = [], os.environ.get("USER") or "root"
        if os.geteuid() == 0:
            self.user_name = "nobody"
            self.as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=+dac_read_search",
                            "--ambient-caps=+dac_read_search"]
        else:
            import pwd
            self.user_name = pwd.getpwuid(os.geteuid()).pw_name
        self.ini = self.folder / "app.ini"
        self.ini.write_text(f"""
APP_NAME = test
RUN_USER = {self.user_name}
RUN_MODE = prod
WORK_PATH = {self.folder}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {self.port}
ROOT_URL = {self.url}/
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false
STATIC_ROOT_PATH = {self.program.parent}
[database]
DB_TYPE = sqlite3
PATH = {self.folder}/gitea.db
[repository]
ROOT = {self.folder}/repositories
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
SECRET_KEY = {secrets.token_hex(32)}
[webhook]
ALLOWED_HOST_LIST = loopback
DELIVER_TIMEOUT = 20
[service]
DISABLE_REGISTRATION = true
[log]
MODE = console
LEVEL = Warn
[indexer]
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = false
[packages]
ENABLED = false
[cron]
ENABLED = false
[mailer]
ENABLED = false
""")
        if self.as_user:
            for path in [self.folder, self.ini]:
                shutil.chown(path, "nobody", "nogroup")
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "GITEA_WORK_DIR": str(self.folder), "USER": self.user_name, "LC_ALL": "C.UTF-8"}
        if trusts:
            self.environment["SSL_CERT_FILE"] = str(trusts)
        self.process = None

    def run(self, *arguments):
        done = subprocess.run([*self.as_user, self.program, "--config", self.ini, *arguments], capture_output=True, text=True, env=self.environment,
                              cwd=self.folder, timeout=120)
        assert done.returncode == 0, f"gitea {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def __enter__(self):
        try:
            self.run("migrate")
            self.log = open(self.folder / "gitea.log", "ab")
            self.process = subprocess.Popen([*self.as_user, self.program, "--config", self.ini, "web"], env=self.environment, cwd=self.folder, stdout=self.log,
                                            stderr=self.log, stdin=subprocess.DEVNULL)
            wait_for(self.is_up, 90, why=lambda: "Gitea does not answer: " + (self.folder / "gitea.log").read_text()[-3000:])
            self.run("admin", "user", "create", "--username", "root-of-gitea", "--password", PASSWORD, "--email", "root@gitea.example", "--admin",
                     "--must-change-password=false")
            return self
        except BaseException:
            self.__exit__()
            raise

    def is_up(self):
        assert self.process.poll() is None, (self.folder / "gitea.log").read_text()[-3000:]
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/api/healthz", timeout=5).status_code == 200

    def __exit__(self, *exc):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._scratch.cleanup()

    def api(self, who, method, path, body=None, expect=None):
        """A call of Gitea's API v1 as somebody."""
        answer = requests.request(method, f"{self.url}/api/v1{path}", json=body, auth=(who, PASSWORD), timeout=60)
        if expect is not None:
            assert answer.status_code == expect, f"{answer.status_code} {answer.text}"
        elif answer.status_code >= 400:
            raise AssertionError(f"{method} {path} as {who}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else {}

    def admin(self, method, path, body=None):
        return self.api("root-of-gitea", method, path, body)

    def user(self, name):
        self.admin("POST", "/admin/users", {"username": name, "email": f"{name}@acme.example", "password": PASSWORD, "must_change_password": False})
        return name

    def token(self, who, scopes=("write:repository", "write:issue", "read:user")):
        return self.api(who, "POST", f"/users/{who}/tokens", {"name": secrets.token_hex(4), "scopes": list(scopes)})["sha1"]

    def repository(self, owner, name, files, write=(), read=(), admin=()):
        """A repository of an organisation with these files on main."""
        if requests.get(f"{self.url}/api/v1/orgs/{owner}", auth=("root-of-gitea", PASSWORD), timeout=60).status_code == 404:
            self.admin("POST", "/orgs", {"username": owner})
        self.admin("POST", f"/orgs/{owner}/repos", {"name": name, "private": True, "default_branch": "main"})
        for people, permission in ((admin, "admin"), (write, "write"), (read, "read")):
            for who in people:
                self.admin("PUT", f"/repos/{owner}/{name}/collaborators/{who}", {"permission": permission})
        repository = Repository(self, f"{owner}/{name}")
        with repository.clone("root-of-gitea") as work:
            work.write(files)
            work.commit("begin", "main")
        return repository


class Repository:
    def __init__(self, forge, name):
        self.forge, self.name = forge, name

    def clone(self, who):
        return Work(self, who)

    def api(self, who, method, path, body=None, **kwargs):
        return self.forge.api(who, method, f"/repos/{self.name}{path}", body, **kwargs)

    def hook(self, url, secret):
        return self.api("root-of-gitea", "POST", "/hooks", {"type": "gitea", "active": True, "events": ["push", "pull_request"],
                                                            "config": {"url": url, "content_type": "json", "secret": secret}})["id"]

    def request(self, who, branch, title):
        # Gitea lists a pushed branch from a queue, a moment after the push has been answered.
        listed = lambda: requests.get(f"{self.forge.url}/api/v1/repos/{self.name}/branches/{branch}", auth=(who, PASSWORD), timeout=60).status_code == 200
        wait_for(listed, 60, why=lambda: f"branch {branch} of {self.name} is not listed for {who}")
        return self.api(who, "POST", "/pulls", {"head": branch, "base": "main", "title": title})["number"]

    def pull(self, number):
        return self.api("root-of-gitea", "GET", f"/pulls/{number}")

    def comments(self, number):
        return self.api("root-of-gitea", "GET", f"/issues/{number}/comments")

    def comment(self, who, number, text):
        return self.api(who, "POST", f"/issues/{number}/comments", {"body": text})["id"]

    def approve(self, who, number):
        return self.api(who, "POST", f"/pulls/{number}/reviews", {"event": "APPROVED", "body": "fine", "commit_id": self.pull(number)["head"]["sha"]})

    def merge(self, who, number, style="merge"):
        """Gitea looks whether a request can be merged in the background, so a merge may have to wait for that."""
        def merged():
            answer = requests.post(f"{self.forge.url}/api/v1/repos/{self.name}/pulls/{number}/merge", json={"Do": style}, auth=(who, PASSWORD), timeout=60)
            assert answer.status_code in (200, 405), answer.text
            return answer.status_code == 200
        wait_for(merged, 30, why="the request cannot be merged")


class Work:
    """A person's clone."""

    def __init__(self, repository, who):
        self.repository, self.who = repository, who
        self._scratch = tempfile.TemporaryDirectory(prefix="tarn-clone-")
        self.folder = pathlib.Path(self._scratch.name) / "work"
        url = f"http://{who}:{PASSWORD}@127.0.0.1:{repository.forge.port}/{repository.name}.git"
        self.git("clone", "-q", url, str(self.folder), cwd=self._scratch.name)
        self.git("config", "user.name", who)
        self.git("config", "user.email", f"{who}@acme.example")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._scratch.cleanup()

    def git(self, *arguments, cwd=None):
        done = subprocess.run(["git", *arguments], cwd=cwd or self.folder, capture_output=True, text=True, timeout=120,
                              env={"PATH": "/usr/bin:/bin", "HOME": self._scratch.name, "GIT_TERMINAL_PROMPT": "0"})
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def write(self, files):
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def branch(self, name):
        """A new branch off the server's main."""
        self.git("fetch", "-q", "origin")
        self.git("checkout", "-q", "-B", name, "origin/main")

    def commit(self, message, branch):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        self.git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")


def tree(folder, below):
    """A folder's text files as {path below `below`: text}."""
    return {f"{below}/{p.relative_to(folder)}": p.read_text() for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file()}
