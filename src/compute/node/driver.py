"""The interpreter's side of a node: execution contexts, each an ipykernel of its own over ipc sockets (loopback TCP does not cross a
network namespace), spoken to in lines of JSON over the connection that the agent dials and hands over descriptor 3.

From the control plane: context, execute, cancel, destroy, end. To it: up, context, command. A command's end is kept until the control plane
has acknowledged it, so that a connection that breaks loses none. Output is bounded; what a kernel prints beyond that is counted and dropped.
"""
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

import instance

LIMIT = 5 << 20  # bytes of a command's text output
MOST_COMMANDS = 64  # waiting in one context
INTERRUPT_PATIENCE = 10.0  # then the kernel is killed

ISOLATION = json.loads(os.environ.get("TARN_NODE_ISOLATION", "{}"))

_PRELUDE = """
import os as _os
_os.environ.setdefault("DATABRICKS_RUNTIME_VERSION", "tarn")
del _os
"""


class Link:
    """The connection that there is at the moment; what cannot be sent now is sent after the next one."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sock = None

    def replace(self, sock):
        with self.lock:
            self.sock = sock

    def send(self, message):
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            if self.sock is None:
                return False
            try:
                self.sock.sendall(data)
                return True
            except OSError:
                return False


LINK = Link()


def cut(text, room):
    data = text.encode("utf-8", "replace")
    return (text, len(data)) if len(data) <= room else (data[:room].decode("utf-8", "ignore"), room)


class Output:
    """What a command left behind, as the vendor's Results."""

    def __init__(self):
        self.parts, self.size, self.dropped = [], 0, 0
        self.images, self.table, self.error, self.exit = [], None, None, None

    def text(self, value):
        kept, size = cut(value, max(0, LIMIT - self.size))
        self.dropped += len(value) - len(kept)
        if kept:
            self.parts.append(kept)
            self.size += size

    def data(self, bundle):
        table = bundle.get("application/vnd.tarn.table+json")
        if "application/vnd.tarn.result+json" in bundle:
            self.exit = bundle["application/vnd.tarn.result+json"]  # a job's task: what it handed on
        elif table is not None:
            self.table = table
        elif "image/png" in bundle and len(self.images) < 20 and self.size < LIMIT:
            image = "data:image/png;base64," + bundle["image/png"].strip().replace("\n", "")
            self.size += len(image)
            self.images.append(image)
        elif "text/html" in bundle and "text/plain" not in bundle:
            self.text(bundle["text/html"])
        else:
            self.text(bundle.get("text/plain", "") + "\n")

    def results(self):
        out = self.shown()
        if self.exit is not None:
            out["task"] = self.exit
        return out

    def shown(self):
        text = "".join(self.parts)
        if self.error is not None:
            return {"resultType": "error", "summary": self.error[0], "cause": cut((text + "\n" if text else "") + self.error[1], LIMIT)[0]}
        if self.table is not None:
            return {"resultType": "table", **self.table, "truncated": False}
        if self.images and not text:
            if len(self.images) == 1:
                return {"resultType": "image", "fileName": self.images[0]}
            return {"resultType": "images", "fileNames": self.images}
        out = {"resultType": "text", "data": text.rstrip("\n") if text.endswith("\n") and text.count("\n") == 1 else text}
        if self.dropped:
            out["truncated"] = True
            out["data"] += f"\n*** WARNING: {self.dropped} characters of output were dropped ***"
        return out


class Context:
    def __init__(self, identity, user):
        self.id, self.user, self.status, self.message = identity, user, "Pending", ""
        self.commands, self.queue = {}, queue.Queue()
        self.current, self.cancelled, self.manager, self.client = None, set(), None, None
        self.gone = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def report(self):
        LINK.send({"type": "context", "id": self.id, "user": self.user, "status": self.status, "message": self.message})

    def tell(self, command):
        LINK.send({"type": "command", "context": self.id, **self.commands[command]})

    def set_command(self, command, status, results=None):
        self.commands[command] = {"id": command, "status": status, **({"results": results} if results is not None else {})}
        self.tell(command)

    def start_kernel(self):
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import KernelManager

        folder = os.path.join(os.environ["TMPDIR"], "k-" + self.id[:8])
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.manager = KernelManager(transport="ipc", ip=os.path.join(folder, "s"), connection_file=os.path.join(folder, "c.json"))
        self.manager._kernel_spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], display_name="Python", language="python")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TARN_NODE")}
        log = open(os.path.join(folder, "log"), "wb")
        self.manager.start_kernel(env=environment, cwd=os.environ["HOME"], stdout=log, stderr=log)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.client.execute(_PRELUDE, silent=True, store_history=False)

    def run(self):
        try:
            self.start_kernel()
            self.status = "Running"
        except Exception as e:
            self.status, self.message = "Error", f"The interpreter could not start: {e}"
        self.report()
        while not self.gone:
            item = self.queue.get()
            if item is None:
                break
            command, code = item
            if self.status != "Running":
                self.set_command(command, "Error", {"resultType": "error", "summary": "ContextNotRunning", "cause": self.message})
            elif command in self.cancelled:
                self.set_command(command, "Cancelled", {"resultType": "error", "summary": "Command cancelled", "cause": "Command cancelled"})
            else:
                self.execute(command, code)
        self.shutdown()

    def execute(self, command, code):
        self.current = command
        self.set_command(command, "Running")
        output = Output()
        request = self.client.execute(code, allow_stdin=False, stop_on_error=False)
        replied = idle = False
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
                    elif kind == "status" and content["execution_state"] == "idle":
                        idle = True
                    elif kind == "stream":
                        output.text(content["text"])
                    elif kind in ("execute_result", "display_data"):
                        output.data(content["data"])
                    elif kind == "error":
                        output.error = (f"{content['ename']}: {content['evalue']}", "\n".join(content["traceback"]))
            if not (replied and idle):
                self.client.iopub_channel.socket.poll(50)
        self.current = None
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
        try:
            if self.client:
                self.client.stop_channels()
            if self.manager:
                self.manager.shutdown_kernel(now=True)
        except Exception:
            pass

    def destroy(self):
        self.gone = True
        for command in list(self.commands):
            self.cancelled.add(command)
        self.queue.put(None)


CONTEXTS = {}


def handle(message):
    if instance.handle(message, LINK, ISOLATION):
        return
    op, identity = message.get("op"), message.get("context", message.get("id"))
    if op == "end":
        for c in CONTEXTS.values():
            c.shutdown()
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
    if op == "execute":
        if message["id"] in context.commands:
            return context.tell(message["id"])  # asked again after a broken connection: once is enough
        if context.queue.qsize() >= MOST_COMMANDS:
            return context.set_command(message["id"], "Error", {"resultType": "error", "summary": "Too many commands", "cause": f"{MOST_COMMANDS} commands wait in this context"})
        context.set_command(message["id"], "Queued")
        context.queue.put((message["id"], message["code"]))
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
    for c in list(CONTEXTS.values()):
        c.report()
        for command in list(c.commands):
            c.tell(command)
    pending = b""
    while True:
        try:
            block = sock.recv(65536)
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
    sock.close()


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    instance.begin()
    control = socket.socket(fileno=3)
    control.set_inheritable(False)
    # Loaded before the instance says that it is up: the first context waits for its kernel only. A worker has none.
    if os.environ.get("TARN_NODE_ROLE") != "worker":
        import jupyter_client.manager  # noqa: F401

    while True:
        _, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not fds:
            os._exit(0)  # the agent is gone
        serve(socket.socket(fileno=fds[0]))
        control.send(b"L")


if __name__ == "__main__":
    main()
