"""The interpreter's side of a node: execution contexts, each an ipykernel of its own over ipc sockets (loopback TCP does not cross a
network namespace), spoken to in lines of JSON over the connection that the agent dials and hands over descriptor 3.

From the control plane: context, execute, cancel, destroy, answer, end. To it: up, context, command, output, ask. A command's end is kept until
the control plane has acknowledged it, so that a connection that breaks loses none. Output is bounded; what a kernel prints beyond that is counted
and dropped. Code asks the platform (tarn_runtime/door.py) over a socket of its context, which only this driver serves.
"""
import json
import os
import queue
import shutil
import signal
import socket
import sys
import threading
import time

import instance
from logs import LOGS
from results import Output

PIECE = 256 << 10  # characters of one message of live output
OUTPUT_EVERY = 0.2  # seconds between such messages
ASK_PATIENCE = 120  # seconds that code waits for an answer
SPARE_MEMORY = 1 << 30  # a node with less keeps no interpreter ahead
SPARE_AFTER = 2.0  # seconds after one was taken
MOST_ASKERS = 32  # of one context at once
MOST_COMMANDS = 64  # waiting in one context
INTERRUPT_PATIENCE = 10.0  # then the kernel is killed

_PRELUDE = "import tarn_runtime as _t; _t.start(globals()); del _t"


ISOLATION = json.loads(os.environ.get("TARN_NODE_ISOLATION", "{}"))


class Link:
    """The connection that there is at the moment; what cannot be sent now is sent after the next one."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sock = None

    def replace(self, sock):
        with self.lock:
            self.sock = sock

    def send(self, message):
        """A message, or a line that is ready."""
        data = message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            if self.sock is None:
                return False
            try:
                self.sock.sendall(data)
                return True
            except OSError:
                return False


LINK = Link()


def surroundings():
    """What an interpreter starts with: more, once a waiting node has its cluster or a library is installed."""
    out = {k: v for k, v in os.environ.items() if not k.startswith("TARN_NODE")}
    if os.environ.get("TARN_NODE_RUNTIME") == "ml" and os.environ.get("TARN_NODE_ML"):
        # Packages of an environment of their own come first: theirs is another numpy than ours.
        out["PYTHONPATH"] = os.environ["TARN_NODE_ML"] + os.pathsep + out.get("PYTHONPATH", "")
        for name, value in (("MLFLOW_TRACKING_URI", "databricks"), ("MLFLOW_REGISTRY_URI", "databricks-uc"), ("MLFLOW_DISABLE_TELEMETRY", "true")):
            out.setdefault(name, value)
    return out


class Kernel:
    """An interpreter that is up and has read what contexts find around them, in a folder of its own."""

    def __init__(self):
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import KernelManager

        self.folder = os.path.join(os.environ["TMPDIR"], "k-" + os.urandom(4).hex())
        os.makedirs(self.folder, mode=0o700)
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.door.bind(os.path.join(self.folder, "door"))
        os.chmod(os.path.join(self.folder, "door"), 0o600)
        self.door.listen(MOST_ASKERS)
        self.manager = KernelManager(transport="ipc", ip=os.path.join(self.folder, "s"), connection_file=os.path.join(self.folder, "c.json"))
        self.manager._kernel_spec = KernelSpec(argv=[sys.executable, "-m", "tarn_runtime.kernel", "-f", "{connection_file}"], display_name="Python", language="python")
        self.environment = surroundings()
        environment = dict(self.environment)
        environment.update(TARN_DOOR=os.path.join(self.folder, "door"), DATABRICKS_RUNTIME_VERSION="tarn", TARN_PIP_TARGET=os.path.join(self.folder, "pip"),
                           TARN_ISOLATED="0" if ISOLATION.get("summary", "not isolated") == "not isolated" else "1",
                           TARN_MEMORY_BYTES=str(ISOLATION.get("memory_bytes", 0)), TARN_CPUS=str(ISOLATION.get("cpus", 1)))
        if environment.get("MLFLOW_TRACKING_URI") == "databricks":
            # MLflow takes this name for a JVM that it may ask for credentials; without, it takes host and token from the environment, as anywhere else.
            del environment["DATABRICKS_RUNTIME_VERSION"]
        log = open(os.path.join(self.folder, "log"), "wb")
        self.manager.start_kernel(env=environment, cwd=os.environ["HOME"], stdout=log, stderr=log)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.client.execute(_PRELUDE, silent=True, store_history=False, reply=True, timeout=60)

    def fits(self):
        """Brought up to what an interpreter starts with by now; False: it takes a new one."""
        now = surroundings()
        news = {k: v for k, v in now.items() if self.environment.get(k) != v}
        if not self.manager.is_alive() or any(k.startswith(("PYTHON", "LD_", "LC_", "LANG")) for k in news):
            return False
        if news:
            self.client.execute(f"import os as _os; _os.environ.update({news!r}); del _os", silent=True, store_history=False, reply=True, timeout=10)
        return True

    def end(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.door.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Spare:
    """One interpreter ahead of what is asked for: from the first context on, on a node that waits in a pool, and on one whose cluster is made for code that
    is about to come. An idle cluster holds none."""

    def __init__(self):
        self.changed, self.kernel, self.making = threading.Condition(), None, False
        self.wanted = ISOLATION.get("memory_bytes", 0) >= SPARE_MEMORY

    def take(self):
        with self.changed:
            # One that is on its way is there sooner than another that begins now.
            self.changed.wait_for(lambda: not self.making, timeout=60)
            kernel, self.kernel = self.kernel, None
        later = threading.Timer(SPARE_AFTER, self.ahead)  # not at the expense of the code that was waited for
        later.daemon = True
        later.start()
        if kernel is not None:
            if kernel.fits():
                return kernel
            kernel.end()
        return Kernel()

    def ahead(self, once=False):
        """Begins one if there is none. `once`: also on a node that has no room for a further one later."""
        with self.changed:
            if (self.wanted or once) and not self.making and self.kernel is None:
                self.making = True
                threading.Thread(target=self.make, daemon=True).start()

    def make(self):
        try:
            made = Kernel()
        except Exception:
            made = None
        with self.changed:
            self.kernel, self.making = made, False
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.wanted, kernel = False, self.kernel
        if kernel:
            kernel.end()


class Context:
    def __init__(self, identity, user):
        self.id, self.user, self.status, self.message = identity, user, "Pending", ""
        self.commands, self.queue = {}, queue.Queue()
        self.current, self.cancelled, self.manager, self.client = None, set(), None, None
        self.gone = False
        self.secrets, self.door, self.answers, self.asked = [], None, {}, 0
        self.live = None  # the Output of the command that runs, if it is followed
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def report(self):
        LOGS.did(f"context {self.id} of {self.user}: {self.status} {self.message}".rstrip())
        LINK.send({"type": "context", "id": self.id, "user": self.user, "status": self.status, "message": self.message})

    def tell(self, command):
        LINK.send({"type": "command", "context": self.id, **self.commands[command]})

    def set_command(self, command, status, results=None):
        LOGS.did(f"command {command} of context {self.id}: {status}")
        self.commands[command] = {"id": command, "status": status, **({"results": results} if results is not None else {})}
        self.tell(command)

    def take_kernel(self):
        kernel = SPARE.take()
        self.folder, self.manager, self.client, self.door = kernel.folder, kernel.manager, kernel.client, kernel.door
        threading.Thread(target=self.serve_door, daemon=True).start()

    def run(self):
        try:
            self.take_kernel()
            self.status = "Running"
        except Exception as e:
            self.status, self.message = "Error", f"The interpreter could not start: {e}"
        self.report()
        while not self.gone:
            item = self.queue.get()
            if item is None:
                break
            command, code, follow = item
            if self.status != "Running":
                self.set_command(command, "Error", {"resultType": "error", "summary": "ContextNotRunning", "cause": self.message})
            elif command in self.cancelled:
                self.set_command(command, "Cancelled", {"resultType": "error", "summary": "Command cancelled", "cause": "Command cancelled"})
            else:
                self.execute(command, code, follow)
                if self.status != "Running":
                    SPARK.tell("forget", self.id)
        self.shutdown()

    def serve_door(self):
        turns = threading.BoundedSemaphore(MOST_ASKERS)

        def one(connection):
            with connection, turns:
                try:
                    connection.settimeout(ASK_PATIENCE)
                    said = json.loads(connection.makefile("rb").readline(1 << 20))
                    connection.sendall(json.dumps(self.asks(said)).encode() + b"\n")
                except (OSError, ValueError):
                    pass

        while not self.gone:
            try:
                connection, _ = self.door.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    def asks(self, said):
        if "spark" in said:
            return SPARK().asked(self.id, said["spark"])
        if "redact" in said:
            if said["redact"] not in self.secrets and len(self.secrets) < 1000:
                self.secrets.append(said["redact"])
            return {}
        box = queue.Queue(1)
        self.asked += 1
        number = self.asked
        self.answers[number] = box
        try:
            if not LINK.send({"type": "ask", "context": self.id, "number": number, "question": said.get("question", {})}):
                return {"error": "The control plane cannot be reached now. Try again."}
            return box.get(timeout=ASK_PATIENCE)
        except queue.Empty:
            return {"error": f"The control plane did not answer within {ASK_PATIENCE} seconds"}
        finally:
            self.answers.pop(number, None)

    def tell_output(self, output, command, sent):
        """What was printed since `sent` characters of the whole. Also called by the connection's thread: changes nothing."""
        whole = "".join(list(output.parts))
        while sent < len(whole):
            LINK.send({"type": "output", "context": self.id, "id": command, "at": sent, "text": whole[sent:sent + PIECE]})
            sent = min(len(whole), sent + PIECE)
        return sent

    def execute(self, command, code, follow):
        self.current = command
        self.set_command(command, "Running")
        output = Output(self.secrets)
        self.live = (output, command) if follow else None
        sent, told = 0, time.monotonic()
        request = self.client.execute(code, allow_stdin=False, stop_on_error=False)
        replied = idle = False
        failed = None
        deadline = None
        while not (replied and idle):
            if not self.manager.is_alive():
                self.status, self.message = "Error", "The Python process exited unexpectedly (out of memory, or killed). Create a new context."
                output.error = ("Python process ended", self.message)
                break
            if command in self.cancelled:
                if deadline is None:
                    deadline = time.monotonic() + INTERRUPT_PATIENCE
                    self.manager.interrupt_kernel()
                elif time.monotonic() > deadline:
                    self.manager.shutdown_kernel(now=True)
                    self.status, self.message = "Error", "The command ignored its cancellation and its interpreter was ended. Create a new context."
                    break
            for channel in (self.client.iopub_channel, self.client.shell_channel):
                while channel.msg_ready():
                    message = channel.get_msg(timeout=1)
                    if message["parent_header"].get("msg_id") != request:
                        continue
                    kind, content = message["msg_type"], message["content"]
                    if kind == "execute_reply":
                        replied = True
                        failed = content if content.get("status") == "error" else None
                    elif kind == "status" and content["execution_state"] == "idle":
                        idle = True
                    elif kind == "stream":
                        output.streamed(content["name"], content["text"])
                    elif kind in ("execute_result", "display_data"):
                        output.data(content["data"])
                    elif kind == "error":
                        output.fail(content["ename"], content["evalue"], "\n".join(content["traceback"]))
                    if follow and time.monotonic() - told > OUTPUT_EVERY:
                        sent, told = self.tell_output(output, command, sent), time.monotonic()
            if follow and sent < output.length and time.monotonic() - told > OUTPUT_EVERY:
                sent, told = self.tell_output(output, command, sent), time.monotonic()
            if not (replied and idle):
                self.client.iopub_channel.socket.poll(50)
        self.current = self.live = None
        if failed and output.error is None:
            # An error whose traceback could not be drawn is an error all the same.
            output.fail(failed.get("ename", "Error"), failed.get("evalue", ""), "\n".join(failed.get("traceback", [])))
        if command in self.cancelled:
            self.set_command(command, "Cancelled", {"resultType": "error", "summary": "Command cancelled", "cause": "Command cancelled"})
        else:
            # The vendor's: a command whose code raised is Finished, with an error as its result.
            self.set_command(command, "Finished", output.results())
        if self.status != "Running":
            self.report()

    def cancel(self, command):
        self.cancelled.add(command)

    def shutdown(self):
        SPARK.tell("forget", self.id)
        try:
            if self.door:
                self.door.shutdown(socket.SHUT_RDWR)
                self.door.close()
        except OSError:
            pass
        try:
            if self.client:
                self.client.stop_channels()
            if self.manager:
                self.manager.shutdown_kernel(now=True)
                shutil.rmtree(self.folder, ignore_errors=True)
        except Exception:
            pass

    def destroy(self):
        self.gone = True
        for command in list(self.commands):
            self.cancelled.add(command)
        self.queue.put(None)


SPARE = Spare()
CONTEXTS = {}


class LazySpark:
    """What Apache Spark over workers needs here, loaded where there is such a thing: an idle node of another runtime does without."""

    def __init__(self):
        self.lock, self.nodes = threading.Lock(), None

    def __call__(self):
        with self.lock:
            if self.nodes is None:
                import spark_nodes

                self.nodes = spark_nodes.Nodes(LINK, surroundings, ISOLATION)
            return self.nodes

    def tell(self, what, *arguments):
        if self.nodes is not None:
            getattr(self.nodes, what)(*arguments)


SPARK = LazySpark()


def handle(message):
    if message.get("op") in ("spark", "spark-status", "stream"):
        return SPARK().handle(message)
    if instance.handle(message, LINK, ISOLATION):
        return
    op, identity = message.get("op"), message.get("context", message.get("id"))
    if op == "end":
        for c in CONTEXTS.values():
            c.shutdown()
        SPARE.end()
        SPARK.tell("end")
        os._exit(0)
    if op == "context":
        if identity not in CONTEXTS:
            CONTEXTS[identity] = Context(identity, message.get("user", ""))
        return
    context = CONTEXTS.get(identity)
    if context is None:
        if op == "execute":
            LINK.send({"type": "command", "context": identity, "id": message["id"], "status": "Error",
                       "results": {"resultType": "error", "summary": "ContextNotFound", "cause": "ContextNotFound"}})
        return
    if op == "answer":
        if box := context.answers.get(message.get("number")):
            box.put_nowait({k: message[k] for k in ("answer", "error") if k in message})
        return
    if op == "execute":
        if message["id"] in context.commands:
            return context.tell(message["id"])  # asked again after a broken connection: once is enough
        if context.queue.qsize() >= MOST_COMMANDS:
            return context.set_command(message["id"], "Error", {"resultType": "error", "summary": "Too many commands", "cause": f"{MOST_COMMANDS} commands wait in this context"})
        context.set_command(message["id"], "Queued")
        context.queue.put((message["id"], message["code"], bool(message.get("follow"))))
    elif op == "cancel":
        context.cancel(message["id"])
    elif op == "forget":
        context.commands.pop(message["id"], None)
    elif op == "destroy":
        context.destroy()
        CONTEXTS.pop(identity, None)


def serve(sock):
    """Until the connection ends."""
    LINK.replace(sock)
    LINK.send({"type": "up", "isolation": ISOLATION, **instance.identity()})
    LOGS.begin(LINK)
    for c in list(CONTEXTS.values()):
        c.report()
        for command in list(c.commands):
            c.tell(command)
        if live := c.live:
            c.tell_output(live[0], live[1], 0)  # the control plane that was there before may have known none of it
    if os.environ.get("TARN_SPARK") == "apache" and os.environ.get("TARN_NODE_ROLE") != "worker":
        SPARK().announce()
    pending = b""
    while True:
        try:
            block = sock.recv(262144)
        except OSError:
            block = b""
        if not block:
            break
        pending += block
        *lines, pending = pending.split(b"\n")
        for line in lines:
            if line:
                handle(json.loads(line))
    LINK.replace(None)
    SPARK.tell("cut")
    sock.close()


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    instance.begin()
    control = socket.socket(fileno=3)
    control.set_inheritable(False)
    # Loaded before the instance says that it is up: the first context waits for its kernel only. A worker has none.
    if os.environ.get("TARN_NODE_ROLE") != "worker":
        import jupyter_client.manager  # noqa: F401
    if os.environ.get("TARN_NODE_ROLE") == "waiting":
        SPARE.ahead()
    elif os.environ.pop("TARN_NODE_AHEAD", "") and os.environ.get("TARN_NODE_ROLE", "driver") == "driver":
        SPARE.ahead(once=True)  # its interpreter starts while the node dials

    while True:
        _, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not fds:
            os._exit(0)  # the agent is gone
        serve(socket.socket(fileno=fds[0]))
        control.send(b"L")


if __name__ == "__main__":
    main()
