"""One Spark session with Delta, in a process of its own: a JSON line with a statement in, a JSON line with its rows or its error out.

Run with Spark's own Python on the path (spark() starts it); what it says besides goes to its standard error."""
import contextlib
import datetime
import decimal
import json
import os
import pathlib
import subprocess
import sys

CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")


class SparkRefused(Exception):
    pass


class Spark:
    def __init__(self, process):
        self.process = process

    def sql(self, statement):
        """The rows, as lists of plain values."""
        self.process.stdin.write(json.dumps({"sql": statement}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("Spark ended")
        answer = json.loads(line)
        if "error" in answer:
            raise SparkRefused(answer["error"])
        return answer["rows"]


@contextlib.contextmanager
def spark(folder, measured=False):
    """`folder`: for its log and its scratch files. Set up for many small statements, or as users have it on this machine where it is `measured`."""
    home = next((CACHE / "pyspark-4.2.0").glob("*/deps"))
    jars = sorted(str(p) for p in (CACHE / "java-spark").glob("*.jar") if p.name.startswith(("delta-", "unitycatalog-client")))
    path = [str(home.parent), str(next((home.parent / "lib").glob("py4j-*.zip")))]
    with open(folder / "spark.log", "w") as log:
        process = subprocess.Popen([sys.executable, __file__, ",".join(jars), str(folder), "measured" if measured else "quick"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder,
                                   env={**os.environ, "SPARK_HOME": str(home), "PYTHONPATH": ":".join(path), "SPARK_LOCAL_IP": "127.0.0.1"})
        try:
            yield Spark(process)
        finally:
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def plain(value):
    if isinstance(value, (datetime.date, datetime.datetime, decimal.Decimal)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the JVM says is no answer
    jars, folder, use = sys.argv[1:]
    from pyspark.sql import SparkSession

    settings = {"spark.jars": jars, "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "1", "spark.driver.memory": "1g", "spark.sql.session.timeZone": "UTC",
                "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension", "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
                "spark.databricks.delta.snapshotPartitions": "1", "spark.sql.warehouse.dir": folder + "/warehouse", "spark.local.dir": folder + "/scratch",
                "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC", "spark.driver.host": "127.0.0.1", "spark.ui.showConsoleProgress": "false",
                "spark.sql.timestampType": "TIMESTAMP_LTZ", "spark.sql.adaptive.enabled": "false", "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
                "spark.databricks.delta.checkpoint.partSize": "1000000", "spark.default.parallelism": "1"}
    if use == "measured":
        for key in ("spark.driver.extraJavaOptions", "spark.sql.adaptive.enabled", "spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode", "spark.default.parallelism"):
            settings.pop(key)
        settings |= {"spark.driver.memory": "6g", "spark.sql.shuffle.partitions": str(2 * os.cpu_count()), "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder}"}
    builder = SparkSession.builder.master("local[*]" if use == "measured" else "local[1]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    for line in sys.stdin:
        try:
            answer = {"rows": [plain(list(row)) for row in session.sql(json.loads(line)["sql"]).collect()]}
        except Exception as e:
            answer = {"error": str(e)[:2000]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    session.stop()


if __name__ == "__main__":
    main()
