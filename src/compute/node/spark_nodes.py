"""Apache Spark over the nodes of a cluster, beside driver.py: what the driver node and a worker know of each other, and the executors of each context on a
worker. Lines of JSON, as driver.py's; streams.py carries what Spark's processes say to each other.

From the control plane, whenever it changes and after each connection: {"op": "spark", "workers": those that are up} with, to the driver, what a worker is
(memory_bytes, cpus, target, most) and, to a worker, `me` and the `contexts` whose executors it is to run, each with its settings. spark-status: what a worker
said. To it: {"type": "spark", "contexts"} from the driver, {"type": "spark", "context", "status", "message"} from a worker.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

import streams

TOLD_WITHIN = 30  # seconds until the driver knows the cluster's workers
AGAIN_AFTER = 5  # seconds, and twice as long after each failure
LONGEST_PAUSE = 60
STOP_PATIENCE = 10


class Nodes:
    """Of one node; which part it plays it learns with what it is told."""

    def __init__(self, link, surroundings, isolation):
        self.link, self.surroundings, self.isolation = link, surroundings, isolation
        self.lock = threading.Condition()
        self.view, self.streams = None, None
        self.contexts, self.trouble = {}, {}  # of a driver: context -> settings; context -> {instance: words}
        self.executors = {}  # of a worker: context -> _Executors

    def tunnel(self):
        if self.streams is None:
            self.streams = streams.Streams(self.link.send)
        return self.streams

    # The connection

    def cut(self):
        if self.streams:
            self.streams.cut()

    def handle(self, message):
        op = message.get("op")
        if op == "stream":
            self.tunnel().handle(message)
        elif op == "spark":
            with self.lock:
                self.view = message
                self.lock.notify_all()
            if "me" in message:
                self.run_executors(message)
            else:
                for context in list(self.contexts):
                    self.listen(context)
        else:
            with self.lock:
                self.trouble.setdefault(message["context"], {})[message["instance"]] = "" if message["status"] == "running" else message["message"]

    # The driver

    def asked(self, context, question):
        """What the engine of a context wants, by its door."""
        if question.get("what") == "workers":
            with self.lock:
                if os.environ.get("TARN_SPARK_WORKERS"):
                    self.lock.wait_for(lambda: self.view is not None, TOLD_WITHIN)
                    if self.view is None:
                        return {"error": f"The control plane did not say within {TOLD_WITHIN} seconds which workers this cluster has. Try again."}
                return {k: self.view[k] for k in ("workers", "target", "most", "memory_bytes", "cpus")} if self.view and self.view["most"] > 0 else {}
        if question.get("what") == "trouble":
            with self.lock:
                return {"workers": self.view["workers"] if self.view else [], "trouble": {i: w for i, w in self.trouble.get(context, {}).items() if w}}
        if question.get("what") == "gone":
            self.forget(context)
            return {}
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(question["socket"])
        except OSError as e:
            return {"error": f"The engine's network cannot be reached: {e}"}
        self.tunnel().join(context, streams.Space(connection), streams.DRIVER, streams.DRIVER_PORTS)
        with self.lock:
            self.contexts[context] = question["settings"]
        self.listen(context)
        self.announce()
        return {}

    def listen(self, context):
        with self.lock:
            workers = self.view["workers"] if self.view else []
        self.tunnel().peers(context, {(w, port): streams.address(w) for w in workers for port in streams.WORKER_PORTS})

    def announce(self):
        with self.lock:
            contexts = dict(self.contexts)
        self.link.send({"type": "spark", "contexts": contexts})

    def forget(self, context):
        with self.lock:
            known = self.contexts.pop(context, None)
            self.trouble.pop(context, None)
        if known is not None:
            self.streams.leave(context)
            self.announce()

    # A worker

    def run_executors(self, view):
        wanted, me = view["contexts"], view["me"]
        for context in [c for c, e in self.executors.items() if wanted.get(c) != e.settings]:
            self.executors.pop(context).end()
        for context, settings in wanted.items():
            if context not in self.executors:
                self.executors[context] = _Executors(self, context, settings, me)
        for executors in self.executors.values():
            executors.listen(view)

    def end(self):
        for executors in list(self.executors.values()):
            executors.end()


class _Executors:
    """A context's standalone Worker with its executor on this node, in a network namespace of its own (tarn_runtime/standalone.py); begun again when it ends."""

    def __init__(self, nodes, context, settings, me):
        self.nodes, self.context, self.settings, self.me = nodes, context, settings, me
        self.folder = os.path.join(os.environ["HOME"], ".spark-" + "".join(c for c in context if c.isalnum()) + "-" + os.urandom(4).hex())
        self.space, self.process, self.ended, self.view, self.joined = None, None, threading.Event(), None, False
        self.lock = threading.Lock()
        threading.Thread(target=self.run, daemon=True).start()

    def report(self, status, message=""):
        self.nodes.link.send({"type": "spark", "context": self.context, "status": status, "message": message})

    def listen(self, view):
        with self.lock:
            self.view = view
            if not self.joined:
                return
        others = {("", port): streams.DRIVER for port in streams.DRIVER_PORTS}
        others.update({(w, port): streams.address(w) for w in view["workers"] if w != self.me for port in streams.WORKER_PORTS})
        self.nodes.tunnel().peers(self.context, others)

    def run(self):
        pause = AGAIN_AFTER
        while not self.ended.is_set():
            try:
                words = self.once()
            except Exception as e:
                words = f"{type(e).__name__}: {e}"
            self.leave()
            if self.ended.is_set():
                break
            self.report("failed", words)
            self.ended.wait(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
        shutil.rmtree(self.folder, ignore_errors=True)

    def leave(self):
        with self.lock:
            self.joined = False
        if self.space:
            self.nodes.tunnel().leave(self.context, self.space)
            self.space = None

    def once(self):
        """Why it ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, mode=0o700)
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        isolation = self.nodes.isolation
        environment = {**self.nodes.surroundings(), "TARN_MEMORY_BYTES": str(isolation.get("memory_bytes", 0)), "TARN_CPUS": str(isolation.get("cpus", 1))}
        log = os.path.join(self.folder, "log")
        with self.lock, open(log, "wb") as out:
            if self.ended.is_set():
                return ""
            self.process = subprocess.Popen([sys.executable, "-m", "tarn_runtime.standalone", self.folder, str(there.fileno()), streams.address(self.me)],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, pass_fds=[there.fileno()], env=environment, text=True,
                                            start_new_session=True)
        there.close()
        with self.process as process:
            try:
                process.stdin.write(json.dumps(self.settings) + "\n")
                process.stdin.flush()
                said = process.stdout.readline().strip()
                if said != "ready":
                    here.close()
                else:
                    self.space = streams.Space(here)
                    self.nodes.tunnel().join(self.context, self.space, streams.address(self.me), streams.WORKER_PORTS)
                    with self.lock:
                        self.joined, view = True, self.view
                    if view:
                        self.listen(view)
                    process.stdin.write("go\n")  # it finds the master from now on
                    process.stdin.flush()
                    self.report("running")
                    said = process.stdout.readline().strip()
            except BrokenPipeError:
                said = ""
            finally:
                self.kill()
        return said or "its process was killed"

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def end(self):
        self.ended.set()
        with self.lock:
            if self.process:
                self.kill()
