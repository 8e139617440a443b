"""Apache Spark as the engine of an execution context (sail.py runs it where the cluster's runtime is Apache Spark): a Spark Connect server of its own, with
Delta Lake, whose executors are threads of the driver node. Its files and jars are the pinned ones of deps/pins.txt, group spark.
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


def unavailable():
    """Why it cannot run here; None: it can."""
    packages = os.environ.get("TARN_PACKAGES", "")
    if not os.path.isdir(os.path.join(packages, f"pyspark-{VERSION}")) or not os.path.isdir(os.path.join(packages, "java-spark")):
        return "Apache Spark is not on this node: it is fetched when a cluster with its runtime starts"
    if not os.path.exists("/usr/bin/java"):
        return "Apache Spark needs Java 17 on the node's machine (/usr/bin/java): install default-jre-headless"
    memory = int(os.environ.get("TARN_MEMORY_BYTES") or 0)
    if memory and memory < LEAST_MEMORY:
        return f"Apache Spark needs a node with {LEAST_MEMORY >> 20} MB of memory, and this one has {memory >> 20}: choose a larger driver_node_type_id"
    return None


def options(folder, port, storage, secret):
    """The JVM's command line, as a file that only its user reads."""
    packages, cores = os.environ["TARN_PACKAGES"], max(1, round(float(os.environ.get("TARN_CPUS") or 1)))
    memory = int(os.environ.get("TARN_MEMORY_BYTES") or 4 << 30)
    heap = max(600, int(memory * 0.45) >> 20)
    home = os.path.join(packages, f"pyspark-{VERSION}", f"pyspark-{VERSION}", "deps", "jars")
    conf = {
        "spark.master": f"local[{cores}]", "spark.app.name": "context", "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": os.path.join(folder, "local"), "spark.sql.warehouse.dir": os.path.join(folder, "warehouse"), "spark.sql.catalogImplementation": "in-memory",
        "spark.connect.grpc.binding.address": "127.0.0.1", "spark.connect.grpc.binding.port": str(port), "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(max(2, cores)), "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension", "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Storage is the process beside this one, which signs anew; what is signed here only says that it is this engine.
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem", "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        "spark.hadoop.fs.s3a.endpoint": f"http://127.0.0.1:{storage}", "spark.hadoop.fs.s3a.endpoint.region": "us-east-1", "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false", "spark.hadoop.fs.s3a.access.key": secret, "spark.hadoop.fs.s3a.secret.key": secret,
        "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider", "spark.hadoop.fs.s3a.multiobjectdelete.enable": "false",
        "spark.hadoop.fs.s3a.bucket.probe": "0", "spark.hadoop.fs.s3a.buffer.dir": os.path.join(folder, "local"), "spark.hadoop.fs.s3a.attempts.maximum": "3",
        "spark.hadoop.fs.s3a.retry.limit": "2", "spark.hadoop.fs.s3a.change.detection.mode": "none",
    }
    lines = [f"-Xmx{heap}m", "-XX:+UseSerialGC" if cores < 2 else "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-XX:+IgnoreUnrecognizedVMOptions", "-Djava.io.tmpdir=" + folder,
             "-Djdk.reflect.useDirectMethodHandle=false", "-Dio.netty.tryReflectionSetAccessible=true"]
    lines += [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED]
    lines += [f"-D{k}={v}" for k, v in conf.items()]
    lines += ["-cp", f"{home}/*:{packages}/java-spark/*", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    file = os.path.join(folder, "jvm")
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write("\n".join(json.dumps(line) for line in lines) + "\n")
    return file


def start(folder, port, storage, secret):
    """The server, listening on the port of loopback. Raises RuntimeError with its last words."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs(os.path.join(folder, "local"), mode=0o700, exist_ok=True)
    file = options(folder, port, storage, secret)
    source = os.path.join(os.environ["TARN_PACKAGES"], f"pyspark-{VERSION}", f"pyspark-{VERSION}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "JAVA_", "SPARK_"))}
    # Functions in Python run in workers of this interpreter, with the whole of pyspark and not its client alone.
    path = [source, *sorted(glob.glob(os.path.join(source, "lib", "py4j-*.zip"))), os.environ.get("PYTHONPATH", "")]
    environment.update(PYSPARK_PYTHON="/usr/bin/python3", SPARK_LOCAL_IP="127.0.0.1", PYTHONPATH=os.pathsep.join(p for p in path if p))
    log = os.path.join(folder, "spark.log")
    with open(log, "wb") as out:
        process = subprocess.Popen(["/usr/bin/java", "@" + file], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   preexec_fn=lambda: libc.prctl(1, signal.SIGKILL, 0, 0, 0))
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.1)
    with open(log, "rb") as f:
        said = [line for line in f.read()[-20_000:].decode("utf-8", "replace").splitlines() if line.strip()]
    process.kill()
    raise RuntimeError("Apache Spark did not start: " + " | ".join(said[-6:])[-1500:])
