"""What an instance is, beside the code that it runs (driver.py): the cluster that it is assigned to while it waits in a pool, its init
scripts, the libraries of its cluster. Lines of JSON, as driver.py's.

From the control plane: assign, library, library-part, send-logs. To it: up again when it is assigned (with what became of its init scripts), library (a
status), log and logs-sent (logs.py).
"""
import base64
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

from logs import LOGS

SCRIPT_PATIENCE = 100  # seconds of one init script; the bootstrap has its own deadline
MOST_PRINTED = 64 << 10  # bytes of what an init script printed that are delivered
INSTALL_PATIENCE = 300  # seconds of one library
MOST_BYTES = 256 << 20  # of a library's file
HOME = os.environ.get("HOME", "/")
LIBRARIES = os.path.join(HOME, ".libraries")


def last_words(text, report):
    """A line for people, and after a separator what programs read of it."""
    with open(os.path.join(HOME, "last-words"), "w") as f:
        f.write(text.replace("\n", " | ").replace("\x1f", " ") + "\x1f" + json.dumps(report) + "\n")


SCRIPTS = []  # what became of each; the control plane makes events of it


def run_scripts(scripts):
    """Before the instance is up. One that fails ends it, with its name and its last words as the reason."""
    SCRIPTS.extend({"name": s["name"], "global": bool(s.get("global")), "status": "NOT_EXECUTED"} for s in scripts)
    for script, report in zip(scripts, SCRIPTS[len(SCRIPTS) - len(scripts):]):
        code = "GLOBAL_INIT_SCRIPT_FAILURE" if script.get("global") else "INIT_SCRIPT_FAILURE"
        began = time.monotonic()
        try:
            done = subprocess.run(["/bin/bash", script["file"]], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=SCRIPT_PATIENCE)
            printed = done.stdout
            said = printed[-500:].decode("utf-8", "replace").strip()
            why = None if done.returncode == 0 else f"ended with {done.returncode}: {said}"
        except subprocess.TimeoutExpired as late:
            printed, why = late.stdout or b"", f"did not end within {SCRIPT_PATIENCE} seconds"
        if LOGS.wanted():
            report["printed"] = printed[-MOST_PRINTED:].decode("utf-8", "replace")
        report.update(status="FAILED_EXECUTION" if why else "SUCCEEDED", execution_duration_seconds=round(time.monotonic() - began))
        if why:
            report["error_message"] = why
            last_words(f"{code}: the init script {script['name']} {why}", SCRIPTS)
            os._exit(1)


def begin():
    run_scripts(json.loads(os.environ.pop("TARN_NODE_SCRIPTS", "[]")))


def identity():
    return {"cluster_id": os.environ.get("DB_CLUSTER_ID", ""), "role": os.environ.get("TARN_NODE_ROLE", "driver"), "scripts": SCRIPTS}


def assign(message, link, isolation):
    if not os.environ.get("DB_CLUSTER_ID"):
        os.environ["DB_CLUSTER_ID"] = message["cluster_id"]
        os.environ["TARN_NODE_ROLE"] = message["role"]
        os.environ.update(message.get("environment", {}))
        scripts = []
        for i, script in enumerate(message.get("scripts", [])):
            file = os.path.join(HOME, f".init-{i}.sh")
            with open(file, "w") as f:
                f.write(script["content"])
            scripts.append({"file": file, "name": script["name"], "global": script.get("global", False)})
        run_scripts(scripts)
    link.send({"type": "up", "isolation": isolation, **identity()})
    LOGS.begin(link)


class Libraries:
    """Installed one after another, each into a folder of its own that new interpreters have on their path."""

    def __init__(self):
        self.queue, self.parts, self.done, self.thread = queue.Queue(), {}, {}, None

    def handle(self, message, link):
        key = message["id"]
        if key in self.done:
            return link.send(self.done[key])  # asked again after a broken connection: once is enough
        if message["op"] == "library-part":
            held = self.parts.setdefault(key, [])
            if message["at"] == len(held) and sum(map(len, held)) < MOST_BYTES:
                held.append(base64.b64decode(message["data"]))
            return None
        self.queue.put((message, self.parts.pop(key, []), link))
        if self.thread is None:
            self.thread = threading.Thread(target=self.work, daemon=True)
            self.thread.start()
        return None

    def work(self):
        while True:
            message, parts, link = self.queue.get()
            status = {"type": "library", "id": message["id"], "status": "INSTALLED"}
            try:
                why = self.install(message, parts)
            except Exception as e:
                why = f"{type(e).__name__}: {e}"
            if why:
                status["status"], status["message"] = "FAILED", why[-2000:]
            self.done[message["id"]] = status
            link.send(status)

    def install(self, message, parts):
        folder = os.path.join(LIBRARIES, re.sub(r"[^A-Za-z0-9]", "", message["id"])[:40])
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        command = [sys.executable, "-m", "pip", "install", "--target", folder, "--no-input", "--disable-pip-version-check", "--no-cache-dir",
                   "--only-binary", ":all:", "--retries", "1", "--timeout", "15"]
        if message.get("index"):
            command += ["--index-url", message["index"]]
        else:
            command += ["--no-index"]
        if message["kind"] == "pypi":
            command += ["--", message["package"]]
        else:
            if len(parts) != message["parts"]:
                return f"{len(parts)} of the file's {message['parts']} parts have arrived"
            file = os.path.join(folder, os.path.basename(message["file"]))
            with open(file, "wb") as f:
                f.writelines(parts)
            command += ["--", file]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("TARN_NODE", "PIP_"))}
        try:
            done = subprocess.run(command, cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=INSTALL_PATIENCE, env=environment)
        except subprocess.TimeoutExpired:
            return f"pip did not end within {INSTALL_PATIENCE} seconds"
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            said = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if "ERROR" in line] or ["pip failed"]
            return " ".join(said)
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if folder not in paths:
            # What the platform's own interpreter needs stays first: a library cannot replace its kernel.
            os.environ["PYTHONPATH"] = os.pathsep.join([p for p in paths if p] + [folder])
        return None


LIBRARIES_HERE = Libraries()


def handle(message, link, isolation):
    """True: it was ours."""
    op = message.get("op")
    if op == "assign":
        assign(message, link, isolation)
    elif op in ("library", "library-part"):
        LIBRARIES_HERE.handle(message, link)
    elif op == "send-logs":
        threading.Thread(target=LOGS.send_all, args=(link,), daemon=True).start()
    else:
        return False
    return True
