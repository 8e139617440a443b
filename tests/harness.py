"""A running Tarn for tests: started on an empty folder, on ports the system chose, ended by its process id."""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARN = os.environ.get("TARN", str(ROOT / "build" / "tarn"))


def wait(seconds, holds):
    """What `holds` returns once that is true. Fails after so many seconds."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.1)
    return found


class Refused(Exception):
    """An error of the API, as the wire had it."""

    def __init__(self, response):
        self.status = response.status_code
        try:
            self.body = response.json()
        except ValueError:
            self.body = {}
        self.code = self.body.get("error_code", "")
        self.message = self.body.get("message", self.body.get("detail", response.text))
        super().__init__(f"{self.status} {self.code}: {self.message}")


class Server:
    def __init__(self, data, *arguments):
        self.data = pathlib.Path(data)
        self.arguments = arguments
        self.process = None
        self.start()

    def start(self, seconds=30):
        log = open(self.data.with_name(self.data.name + ".log"), "ab")
        self.process = subprocess.Popen([TARN, "serve", "--data", str(self.data), "--listen", "127.0.0.1:0", *self.arguments],
                                        stdout=subprocess.PIPE, stderr=log)
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.kill()
            raise RuntimeError("the server said nothing: " + pathlib.Path(log.name).read_text()[-2000:])
        self.ready = json.loads(line)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def tarn(self, *arguments, check=True, text=None):
        done = subprocess.run([TARN, *arguments], capture_output=True, text=True, input=text, timeout=300)
        if check and done.returncode != 0:
            raise AssertionError(f"tarn {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def status(self):
        return json.loads(self.tarn("status", "--data", str(self.data), "--json").stdout)

    @property
    def client_secret(self):
        return pathlib.Path(self.ready["admin"]["client_secret_file"]).read_text().strip()

    def session(self):
        """requests through the proxy, trusting only the local authority."""
        s = requests.Session()
        s.trust_env = False
        s.proxies = {"http": self.ready["proxy_url"], "https": self.ready["proxy_url"]}
        s.verify = self.ready["ca_cert"]
        return s

    def admin(self):
        answer = self.session().post(f"{self.ready['accounts_url']}/oidc/accounts/{self.ready['account_id']}/v1/token",
                                     data={"grant_type": "client_credentials", "scope": "all-apis"},
                                     auth=(self.ready["admin"]["client_id"], self.client_secret))
        answer.raise_for_status()
        return Caller(self, answer.json()["access_token"])

    def person(self, user, workspace):
        token = self.tarn("token", "--data", str(self.data), "--user", user, "--workspace", workspace).stdout.strip()
        return Caller(self, token)


class Caller:
    """One principal's calls."""

    def __init__(self, server, token):
        self.server, self.token, self.http = server, token, server.session()

    def call(self, method, url, body=None, **kwargs):
        answer = self.http.request(method, url, json=body, headers={"Authorization": f"Bearer {self.token}"}, timeout=60, **kwargs)
        if answer.status_code >= 400:
            raise Refused(answer)
        return answer.json() if answer.content else {}

    def account(self, method, path, body=None, **kwargs):
        return self.call(method, f"{self.server.ready['accounts_url']}/api/2.0/accounts/{self.server.ready['account_id']}{path}", body, **kwargs)

    def workspace(self, name, method, path, body=None, **kwargs):
        return self.call(method, self.server.status()["workspaces"][name] + path, body, **kwargs)

    def sql(self, name, warehouse, statement, **request):
        """Rows of a statement; Refused-like AssertionError with the engine's message if it fails."""
        url = self.server.status()["workspaces"][name] + "/api/2.0/sql/statements"
        answer = self.call("POST", url, {"statement": statement, "warehouse_id": warehouse, "wait_timeout": "30s", **request})
        deadline = time.monotonic() + 60
        while answer["status"]["state"] in ("PENDING", "RUNNING") and time.monotonic() < deadline:
            answer = self.call("GET", f"{url}/{answer['statement_id']}")
        if answer["status"]["state"] != "SUCCEEDED":
            raise StatementFailed(answer["status"])
        rows = answer.get("result", {}).get("data_array") or []
        return rows


class StatementFailed(Exception):
    def __init__(self, status):
        self.status = status
        super().__init__(status.get("error", {}).get("message", status["state"]))


@contextlib.contextmanager
def running(*arguments, data=None):
    with tempfile.TemporaryDirectory(prefix="tarn-test-") as folder:
        server = Server(data or pathlib.Path(folder) / "data", *arguments)
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def platform(*arguments, data=None):
    """A running Tarn with the article's platform applied, and a warehouse in each workspace."""
    with running(*arguments, data=data) as server:
        server.tarn("vendor", "register-prefix", "--data", str(server.data), "acme")
        server.tarn("apply", "--data", str(server.data), str(ROOT / "platform"))
        admin = server.admin()
        server.warehouses = {}
        for name in ("landing", "pipeline"):
            made = admin.workspace(name, "POST", "/api/2.0/sql/warehouses", {"name": "shared", "cluster_size": "2X-Small", "max_num_clusters": 1, "auto_stop_mins": 10})
            server.warehouses[name] = made["id"]
            admin.workspace(name, "PATCH", f"/api/2.0/permissions/warehouses/{made['id']}",
                            {"access_control_list": [{"group_name": "users", "permission_level": "CAN_USE"}]})
        yield server


@contextlib.contextmanager
def postgres(durable=False):
    """A PostgreSQL 15 of the test's own on a Unix socket; yields its URL. `durable`: it waits for the disk, as a bench's peer must. It refuses to run as root, so root hands it to `postgres`."""
    binaries = next(pathlib.Path("/usr/lib/postgresql").glob("15/bin"))
    with tempfile.TemporaryDirectory(prefix="tarn-pg-") as folder:
        as_user = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        data = f"{folder}/data"
        subprocess.run([*as_user, binaries / "initdb", "-D", data, "-A", "trust", "-U", "tarn", "--no-sync"], check=True, capture_output=True, cwd=folder)
        server = subprocess.Popen([*as_user, binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", f"fsync={'on' if durable else 'off'}"],
                                  stderr=subprocess.PIPE, cwd=folder)
        try:
            deadline = time.monotonic() + 30
            while subprocess.run([binaries / "pg_isready", "-q", "-h", folder]).returncode != 0:
                assert server.poll() is None and time.monotonic() < deadline, "PostgreSQL did not get ready"
            yield f"postgresql://tarn@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
