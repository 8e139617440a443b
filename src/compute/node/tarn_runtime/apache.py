"""Apache Spark as the engine of an execution context (sail.py runs it where the cluster's runtime is Apache Spark): a Spark Connect server of its own, with
Delta Lake, whose executors are threads of the driver node, or the cluster's workers (standalone.py). Its files and jars are the pinned ones of
deps/pins.txt, group spark.
"""
import ctypes
import glob
import json
import os
import signal
import socket
import subprocess
import time

PATIENCE = 240  # seconds until it listens
LEAST_MEMORY = 1800 << 20  # of the node: the JVM, its heap, and the interpreter beside it
VERSION = "4.2.0"

# What Spark's own launcher opens (org.apache.spark.launcher.JavaModuleOptions).
_OPENED = ("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util", "java.util.concurrent", "java.util.concurrent.atomic",
           "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")


def unavailable(workers=None):
    """Why it cannot run here; None: it can. `workers`: what the node's driver says of the cluster's."""
    packages = os.environ.get("TARN_PACKAGES", "")
    if not os.path.isdir(os.path.join(packages, f"pyspark-{VERSION}")) or not os.path.isdir(os.path.join(packages, "java-spark")):
        return "Apache Spark is not on this node: it is fetched when a cluster with its runtime starts"
    if not os.path.exists("/usr/bin/java"):
        return "Apache Spark needs Java 17 on the node's machine (/usr/bin/java): install default-jre-headless"
    for memory, field in ((int(os.environ.get("TARN_MEMORY_BYTES") or 0), "driver_node_type_id"), (workers and workers["memory_bytes"], "node_type_id")):
        if memory and memory < LEAST_MEMORY:
            which = "this one" if field.startswith("driver") else "a worker of this cluster"
            return f"Apache Spark needs a node with {LEAST_MEMORY >> 20} MB of memory, and {which} has {memory >> 20}: choose a larger {field}"
    return None


def source():
    return os.path.join(os.environ["TARN_PACKAGES"], f"pyspark-{VERSION}", f"pyspark-{VERSION}")


def here():
    """Memory in bytes and cores of this node."""
    return int(os.environ.get("TARN_MEMORY_BYTES") or 4 << 30), max(1, round(float(os.environ.get("TARN_CPUS") or 1)))


def heap_of(memory, part):
    return max(600, int(memory * part) >> 20)


def environment(own_address):
    """Of Spark's processes. Functions in Python run in workers of this interpreter, with the whole of pyspark and not its client alone."""
    out = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "JAVA_", "SPARK_", "TARN_DOOR"))}
    path = [source(), *sorted(glob.glob(os.path.join(source(), "lib", "py4j-*.zip"))), os.environ.get("PYTHONPATH", "")]
    out.update(PYSPARK_PYTHON="/usr/bin/python3", SPARK_LOCAL_IP=own_address, PYTHONPATH=os.pathsep.join(p for p in path if p))
    return out


def java(folder, name, lines, conf, main, own_environment, arguments=()):
    """A JVM of Spark's that ends with this thread; its words are in the folder's NAME.log. Its command line is a file that only its user reads."""
    lines = [*lines, "-XX:+IgnoreUnrecognizedVMOptions", "-XX:-UsePerfData", "-Djava.io.tmpdir=" + folder, "-Djdk.reflect.useDirectMethodHandle=false",
             "-Dio.netty.tryReflectionSetAccessible=true", *(f"--add-opens=java.base/{opened}=ALL-UNNAMED" for opened in _OPENED), *(f"-D{k}={v}" for k, v in conf.items()),
             "-cp", f"{source()}/deps/jars/*:{os.environ['TARN_PACKAGES']}/java-spark/*", main, *arguments]
    file = os.path.join(folder, name)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write("\n".join(json.dumps(line) for line in lines) + "\n")
    libc = ctypes.CDLL(None, use_errno=True)
    with open(file + ".log", "wb") as out:
        return subprocess.Popen(["/usr/bin/java", "@" + file], cwd=folder, env=own_environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                preexec_fn=lambda: libc.prctl(1, signal.SIGKILL, 0, 0, 0))


def last_words(folder, name):
    with open(os.path.join(folder, name + ".log"), "rb") as f:
        return " | ".join([line for line in f.read()[-20_000:].decode("utf-8", "replace").splitlines() if line.strip()][-6:])[-1500:]


def listening(process, folder, name, place):
    """Waits for it. Raises RuntimeError with its last words."""
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as s:
            if s.connect_ex(place) == 0:
                return process
        time.sleep(0.1)
    process.kill()
    raise RuntimeError("Apache Spark did not start: " + last_words(folder, name))


def options(folder, port, storage, secret):
    """What the Connect server is told, wherever its executors are. Storage is the process beside it, which signs anew: what is signed here only says that
    it is this engine."""
    cores = here()[1]
    return {
        "spark.master": f"local[{cores}]", "spark.app.name": "context", "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": os.path.join(folder, "local"), "spark.sql.warehouse.dir": os.path.join(folder, "warehouse"), "spark.sql.catalogImplementation": "in-memory",
        "spark.connect.grpc.binding.address": "127.0.0.1", "spark.connect.grpc.binding.port": str(port), "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(max(2, cores)), "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension", "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem", "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        "spark.hadoop.fs.s3a.endpoint": f"http://127.0.0.1:{storage}", "spark.hadoop.fs.s3a.endpoint.region": "us-east-1", "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false", "spark.hadoop.fs.s3a.access.key": secret, "spark.hadoop.fs.s3a.secret.key": secret,
        "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider", "spark.hadoop.fs.s3a.multiobjectdelete.enable": "false",
        "spark.hadoop.fs.s3a.bucket.probe": "0", "spark.hadoop.fs.s3a.buffer.dir": os.path.join(folder, "local"), "spark.hadoop.fs.s3a.attempts.maximum": "3",
        "spark.hadoop.fs.s3a.retry.limit": "2", "spark.hadoop.fs.s3a.change.detection.mode": "none",
    }


def server(folder, port, heap, conf, own_address):
    """The Connect server's process, listening."""
    os.makedirs(os.path.join(folder, "local"), mode=0o700, exist_ok=True)
    collector = "-XX:+UseSerialGC" if here()[1] < 2 else "-XX:+UseG1GC"
    process = java(folder, "server", [f"-Xmx{heap}m", collector, "-XX:+ExitOnOutOfMemoryError"], conf, "org.apache.spark.sql.connect.service.SparkConnectServer", environment(own_address))
    return listening(process, folder, "server", ("127.0.0.1", port))


def start(folder, port, storage, secret):
    """The server, listening on the port of loopback. Raises RuntimeError with its last words."""
    return server(folder, port, heap_of(here()[0], 0.45), options(folder, port, storage, secret), "127.0.0.1")
