"""Apache Spark over a cluster's workers (docs/decisions/0015): on the driver node a standalone master of the context's own beside its Connect server, on each
worker a standalone Worker with one executor, all in network namespaces of the context's own whose other addresses streams.py carries. One secret a context.

    python -m tarn_runtime.standalone FOLDER DESCRIPTOR ADDRESS     (on a worker)

Standard input: the context's settings, a line of JSON; "go" when the network is there. Standard output: "ready", then why it ended. DESCRIPTOR is asked for sockets.
"""
import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

from tarn_runtime import apache, door, space

# The addresses and ports of streams.py.
DRIVER = "127.0.0.2"
MASTER_PORT, DRIVER_PORT, DRIVER_BLOCKS, STORAGE_PORT = 7077, 7078, 7079, 7080
WORKER_PORT, WORKER_BLOCKS, MORE_BLOCKS = 7081, 7082, 2
STORAGE = (DRIVER, STORAGE_PORT)
PATIENCE = 180  # seconds until the first worker is there
_DAEMON = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # a master, a worker: they only start others
_PAGES = 8080  # the master's and a worker's own, which nothing leads to from outside


def _common(secret):
    return {"spark.authenticate": "true", "spark.authenticate.secret": secret, "spark.network.crypto.enabled": "true", "spark.network.crypto.saslFallback": "false",
            "spark.port.maxRetries": str(MORE_BLOCKS), "spark.shuffle.io.retryWait": "2s"}


# The driver node ---------------------------------------------------------------------------------------------------------------------------


def _lend_sockets(folder):
    """Where the node's driver asks for sockets of this namespace."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path = os.path.join(folder, "net")
    if os.path.exists(path):
        os.unlink(path)  # of a try that failed
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(4)

    def accept():
        while True:
            threading.Thread(target=space.serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return path


def _master():
    """What the master knows."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{DRIVER}:{_PAGES}/json/", timeout=10) as answer:
        return json.loads(answer.read())


def _await_workers(workers, door_path, processes):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and all(p.poll() is None for p in processes):
        try:
            known = _master()
            if known["aliveworkers"] and any(a["cores"] for a in known["activeapps"]):
                return
        except (urllib.error.URLError, OSError, ValueError):
            pass
        time.sleep(0.1)
    now = door.of_node({"what": "trouble"}, door_path)
    words = "; ".join(f"{instance}: {why}" for instance, why in now["trouble"].items()) or f"{len(now['workers'])} of the cluster's {workers['target']} workers are up"
    raise RuntimeError(f"Apache Spark has no executor: no worker joined within {PATIENCE} seconds ({words})")


def start(workers, door_path, folder, port, storage, secret):
    """The server, listening on the port of loopback, with at least one executor. Raises RuntimeError with the last words of what failed."""
    own, (memory, _) = os.urandom(32).hex(), apache.here()
    cores, heap = max(1, round(workers["cpus"])), apache.heap_of(workers["memory_bytes"], 0.45)
    path = _lend_sockets(folder)
    master = apache.java(folder, "master", _DAEMON, {**_common(own), "spark.master.rest.enabled": "false"}, "org.apache.spark.deploy.master.Master",
                         apache.environment(DRIVER), ["--host", DRIVER, "--port", str(MASTER_PORT), "--webui-port", str(_PAGES)])
    apache.listening(master, folder, "master", (DRIVER, MASTER_PORT))
    door.of_node({"what": "network", "socket": path, "settings": {"secret": own, "memory_mb": heap}}, door_path)
    conf = {
        **apache.options(folder, port, storage, secret), **_common(own),
        "spark.master": f"spark://{DRIVER}:{MASTER_PORT}", "spark.driver.host": DRIVER, "spark.driver.bindAddress": DRIVER, "spark.driver.port": str(DRIVER_PORT),
        "spark.driver.blockManager.port": str(DRIVER_BLOCKS), "spark.blockManager.port": str(WORKER_BLOCKS), "spark.executor.memory": f"{heap}m",
        "spark.executor.extraJavaOptions": "-XX:+ExitOnOutOfMemoryError -XX:-UsePerfData", "spark.sql.shuffle.partitions": str(min(200, max(2, cores * workers["most"]))),
        "spark.hadoop.fs.s3a.endpoint": f"http://{DRIVER}:{STORAGE_PORT}", "spark.hadoop.fs.s3a.connection.maximum": "64",
        # Of each JVM's own machine.
        "spark.hadoop.fs.s3a.buffer.dir": "${java.io.tmpdir}/s3a",
    }
    try:
        process = apache.server(folder, port, apache.heap_of(memory, 0.4), conf, DRIVER)
        _await_workers(workers, door_path, [master, process])
    except RuntimeError:
        door.of_node({"what": "gone"}, door_path)  # the workers need not wait for it
        raise
    return process, master


# A worker ----------------------------------------------------------------------------------------------------------------------------------


def _worker(folder, address, settings):
    """The standalone Worker's process."""
    for name in ("work", "local", "tmp"):
        os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
    environment = apache.environment(address)
    # Its executors' too: where Spark lies, which jars come beside its own, where they may write.
    environment.update(SPARK_HOME=os.path.join(apache.source(), "deps"), SPARK_SCALA_VERSION="2.13", SPARK_DIST_CLASSPATH=os.environ["TARN_PACKAGES"] + "/java-spark/*",
                       SPARK_LOCAL_DIRS=os.path.join(folder, "local"), JDK_JAVA_OPTIONS="-Djava.io.tmpdir=" + os.path.join(folder, "tmp"))
    conf = {**_common(settings["secret"]), "spark.executor.logs.rolling.strategy": "size", "spark.executor.logs.rolling.maxSize": str(4 << 20),
            "spark.executor.logs.rolling.maxRetainedFiles": "2"}
    return apache.java(folder, "worker", _DAEMON, conf, "org.apache.spark.deploy.worker.Worker", environment,
                       ["--host", address, "--port", str(WORKER_PORT), "--webui-port", str(_PAGES), "--cores", str(apache.here()[1]), "--memory", f"{settings['memory_mb']}m",
                        "--work-dir", os.path.join(folder, "work"), f"spark://{DRIVER}:{MASTER_PORT}"])


def main():
    folder, descriptor, address = sys.argv[1:]
    space.die_with_parent()
    settings = json.loads(sys.stdin.readline())
    if why := apache.unavailable():
        return why
    # Without a network of its own, what another user of the machine listens on could be taken for Spark.
    if not space.own_network():
        return "This machine gives the executors no network namespace of their own, without which others could use them"
    threading.Thread(target=space.serve, args=(socket.socket(fileno=int(descriptor)),), daemon=True).start()
    print("ready", flush=True)
    if sys.stdin.readline().strip() != "go":
        return "its node ended"
    process = _worker(folder, address, settings)
    process.wait()
    return "the Worker ended: " + apache.last_words(folder, "worker")


if __name__ == "__main__":
    print(main(), flush=True)
