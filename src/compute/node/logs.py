"""What this node prints, sent on as it comes, for a cluster with a cluster_log_conf: `stdout` and `stderr` of the code that ran here, `log4j-active.log` of
the engine and of what the driver did. The control plane puts it together and delivers it (compute/cluster_logs.h).

To the control plane: log (file, at: the offset of its first byte, data), and logs-sent once all that there was before it asked (send-logs) is on its way.
Bounded: what is printed faster than it can be sent is counted and dropped.
"""
import base64
import glob
import os
import threading
import time

EVERY = 0.5  # seconds between two sendings
PIECE = 256 << 10  # bytes of a message
MOST_WAITING = 4 << 20  # bytes of a file that wait to be sent
ENGINE = "log4j-active.log"
_CONTEXTS, _WORKERS = os.path.join(os.environ.get("TMPDIR", "/tmp"), "k-*", "sail"), os.path.join(os.environ.get("HOME", "/"), ".spark-*")
# What Apache Spark writes: its servers on the driver, its Worker and executors on a worker (tarn_runtime/apache.py, standalone.py).
ENGINES = [(ENGINE, os.path.join(_CONTEXTS, name + ".log")) for name in ("server", "master")] + [
    (ENGINE, os.path.join(_WORKERS, "worker.log")),
    *((name, os.path.join(_WORKERS, "work", "*", "*", name + "*")) for name in ("stdout", "stderr"))]


class Logs:
    def __init__(self):
        self.lock, self.waiting, self.sent, self.dropped = threading.Lock(), {}, {}, {}
        self.sending, self.followed, self.link = threading.Lock(), {}, None

    def wanted(self):
        return os.environ.get("TARN_NODE_LOGS") == "1"

    def write(self, name, text):
        """Any thread's; keeps nothing where no log is delivered."""
        if not text or not self.wanted():
            return
        data = text.encode("utf-8", "replace")
        with self.lock:
            held = self.waiting.setdefault(name, bytearray())
            room = max(0, MOST_WAITING - len(held))
            if len(data) > room:
                self.dropped[name] = self.dropped.get(name, 0) + len(data) - room
                data = data[:room]
            held += data

    def did(self, what):
        """A line of what this driver did."""
        self.write(ENGINE, time.strftime("%y/%m/%d %H:%M:%S", time.gmtime()) + " INFO " + what + "\n")

    def begin(self, link):
        """From now on what is written is sent over the link. Once; later calls do nothing."""
        if self.link is None and self.wanted():
            self.link = link
            threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            time.sleep(EVERY)
            self.send()

    def follow_engines(self):
        """Engines write files of their own, in the folders of contexts and of this node's workers."""
        for name, place in ENGINES:
            for path in glob.glob(place):
                try:
                    with open(path, "rb") as f:
                        file = os.fstat(f.fileno()).st_ino  # which it stays when its engine closes it under another name
                        f.seek(self.followed.get(file, 0))
                        data = f.read(MOST_WAITING)
                        self.followed[file] = f.tell()
                except OSError:
                    continue
                self.write(name, data.decode("utf-8", "replace"))

    def send(self):
        """All that waits. What the link does not take now waits on."""
        with self.sending:
            self.follow_engines()
            while True:
                with self.lock:
                    name = next((n for n, held in self.waiting.items() if held), None)
                    if name is None:
                        return
                    data, at = bytes(self.waiting[name][:PIECE]), self.sent.get(name, 0)
                if not self.link.send({"type": "log", "file": name, "at": at, "data": base64.b64encode(data).decode()}):
                    return
                with self.lock:
                    held = self.waiting[name]
                    del held[:len(data)]
                    self.sent[name] = at + len(data)
                    if not held and (lost := self.dropped.pop(name, 0)):
                        held += f"\n*** {lost} bytes were dropped: they came faster than they could be sent ***\n".encode()

    def send_all(self, link):
        if self.link is not None:
            self.send()
        link.send({"type": "logs-sent"})


LOGS = Logs()
