#!/usr/bin/env python3
"""TPC-H on governed Delta tables through the statement API, beside raw DuckDB on the same Parquet, Sail and Apache Spark.

    bench/tpch.py [--build build] [--scale 1] [--rounds 3] [--peers duckdb,tarn-on-sail,sail,spark]

The generator is DuckDB's own (extension tpch, pinned). Its rows are written as Parquet once; Tarn ingests those files into Delta tables by
`CREATE TABLE ... AS SELECT * EXCEPT (_rescued_data) FROM read_files(...)`, and the peers read the Parquet. Every engine has this machine's cores. Each query's best of
--rounds counts (of one for Spark); totals are sums, ratios are Tarn's time over the peer's. Rows are compared with DuckDB's: a query that
answers otherwise is named and its time is not counted. Tarn's times include parsing, rights, the API and JSON. Prints JSON lines.
"""
import argparse
import contextlib
import decimal
import json
import math
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")


def generated(folder, scale):
    """The tables as Parquet, and the 22 queries."""
    import duckdb

    db = duckdb.connect()
    db.execute(f"LOAD '{next(CACHE.glob('duckdb-extension-tpch-1.5.5/**/*.duckdb_extension'))}'")
    db.execute(f"CALL dbgen(sf = {scale})")
    for table in TABLES:
        (folder / table).mkdir()
        db.execute(f"COPY {table} TO '{folder}/{table}/part-0.parquet' (FORMAT parquet, ROW_GROUP_SIZE 122880)")
    queries = dict(db.execute("SELECT query_nr, query FROM tpch_queries()").fetchall())
    db.close()
    return {n: text.strip().rstrip(";") for n, text in queries.items()}


def plain(rows):
    """Rows as comparable cells, sorted: numbers as numbers, times by their day."""
    def cell(v):
        if v is None:
            return "NULL"
        try:
            return float(decimal.Decimal(str(v)))
        except decimal.InvalidOperation:
            return str(v).strip().removesuffix(" 00:00:00")

    return sorted(([cell(v) for v in row] for row in rows), key=lambda row: [f"{v:.4g}" if isinstance(v, float) else v for v in row])


def same(a, b):
    """Averages of decimals have Spark's scale in three of the four engines, DuckDB's digits in one."""
    return len(a) == len(b) and all(len(r) == len(s) and all(math.isclose(x, y, rel_tol=2e-5) if isinstance(x, float) and isinstance(y, float) else x == y for x, y in zip(r, s))
                                    for r, s in zip(a, b))


class DuckDb:
    name = "duckdb"

    def __init__(self, folder):
        import duckdb

        self.db = duckdb.connect()
        for table in TABLES:
            self.db.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{folder}/{table}/*.parquet')")

    def run(self, text):
        return self.db.execute(text).fetchall()

    def close(self):
        self.db.close()


class Tarn:
    name = "tarn"

    def __init__(self, stack, folder, build):
        os.environ["TARN"] = str(build / "tarn")
        import boto3
        from botocore.config import Config
        from harness import platform

        self.server = stack.enter_context(platform())
        self.admin = self.server.admin()
        self.url = self.server.status()["workspaces"]["landing"] + "/api/2.0/sql/statements"
        self.warehouse = self.admin.workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "bench", "cluster_size": "2X-Small", "max_num_clusters": 1, "auto_stop_mins": 0})["id"]
        self.admin.workspace("landing", "PUT", "/api/2.0/sql/config/warehouses", {"sql_configuration_parameters": {"configuration_pairs": [{"key": "USE_CACHED_RESULT", "value": "false"}]}})
        self.statement("GRANT EXTERNAL USE LOCATION ON EXTERNAL LOCATION `landing-files` TO `" + self.server.ready["admin"]["client_id"] + "`")
        lent = self.admin.workspace("landing", "POST", "/api/2.1/unity-catalog/temporary-path-credentials", {"url": "s3://acme-landing-files/tpch/", "operation": "PATH_READ_WRITE"})["aws_temp_credentials"]
        s3 = boto3.client("s3", endpoint_url=self.server.ready["s3_endpoint"], region_name="us-east-1", aws_access_key_id=lent["access_key_id"], aws_secret_access_key=lent["secret_access_key"],
                          aws_session_token=lent["session_token"], verify=self.server.ready["ca_cert"], config=Config(s3={"addressing_style": "path"}))
        self.statement("CREATE SCHEMA landing_raw.tpch")
        self.loaded = {}
        for table in TABLES:
            s3.upload_file(str(folder / table / "part-0.parquet"), "acme-landing-files", f"tpch/{table}/part-0.parquet")
            began = time.perf_counter()
            self.statement(f"CREATE TABLE landing_raw.tpch.{table} AS SELECT * EXCEPT (_rescued_data) FROM read_files('s3://acme-landing-files/tpch/{table}/', format => 'parquet')")
            self.loaded[table] = round(time.perf_counter() - began, 2)

    def statement(self, text, **more):
        answer = self.admin.call("POST", self.url, {"statement": text, "warehouse_id": self.warehouse, "wait_timeout": "50s", **more})
        while answer["status"]["state"] in ("PENDING", "RUNNING"):
            time.sleep(0.05)
            answer = self.admin.call("GET", f"{self.url}/{answer['statement_id']}")
        if answer["status"]["state"] != "SUCCEEDED":
            raise RuntimeError(answer["status"])
        rows = (answer.get("result") or {}).get("data_array") or []
        for chunk in range(1, answer["manifest"].get("total_chunk_count") or 1):
            rows += self.admin.call("GET", f"{self.url}/{answer['statement_id']}/result/chunks/{chunk}")["data_array"]
        return rows

    def run(self, text):
        return self.statement(text, catalog="landing_raw", schema="tpch")

    def on_sail(self):
        """The same tables through a warehouse whose engine is Sail."""
        return OnSail(self)

    def close(self):
        pass


class OnSail:
    def __init__(self, tarn):
        self.tarn = tarn
        self.warehouse = tarn.admin.workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "sailing", "cluster_size": "2X-Small", "max_num_clusters": 1, "auto_stop_mins": 0,
                                                                                             "tags": {"custom_tags": [{"key": "tarn-engine", "value": "sail"}]}})["id"]

    def run(self, text):
        return self.tarn.statement(text, warehouse_id=self.warehouse, catalog="landing_raw", schema="tpch")

    def close(self):
        pass


class Spark:
    """Spark SQL in this process's child, over py4j; Sail over Spark Connect. Lines of JSON in and out."""

    def __init__(self, name, folder, scratch):
        self.name = name
        if name == "spark":
            home = next((CACHE / "pyspark-4.2.0").glob("*/deps"))
            path = [str(home.parent), str(next((home.parent / "lib").glob("py4j-*.zip")))]
            env = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
        else:
            wanted = ("pysail-", "pyspark-client-", "grpcio-", "grpcio-status-", "googleapis-common-protos-", "protobuf-", "pandas-2", "pyarrow-", "numpy-", "python-dateutil-", "pytz-", "tzdata-", "six-",
                      "typing_extensions-", "zstandard-", "py4j-")
            path = [str(p) for p in CACHE.iterdir() if p.name.startswith(wanted)]
            path += [str(p.parent) for p in CACHE.glob("pyspark-client-4.2.0/*/pyspark")]
            env = {"RUST_LOG": "error"}
        self.log = open(scratch / f"{name}.log", "w")
        self.process = subprocess.Popen(["/usr/bin/python3", __file__, "--as", name, str(folder), str(scratch)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=scratch,
                                        env={**os.environ, **env, "PYTHONPATH": ":".join(path)}, start_new_session=True)
        self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended; see {self.log.name}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["rows"]

    def run(self, text):
        self.process.stdin.write(json.dumps(text) + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def serve(name, folder, scratch):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if name == "sail":
        from pysail.spark import SparkConnectServer

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = SparkConnectServer("127.0.0.1", port)
        server.start(background=True)
        from pyspark.sql import SparkSession

        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    else:
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[*]")
        for k, v in {"spark.ui.enabled": "false", "spark.driver.memory": "6g", "spark.sql.shuffle.partitions": str(2 * os.cpu_count()), "spark.local.dir": scratch, "spark.sql.warehouse.dir": scratch}.items():
            builder = builder.config(k, v)
        session = builder.getOrCreate()
    for table in TABLES:
        session.read.parquet(f"{folder}/{table}/").createOrReplaceTempView(table)
    answers.write(json.dumps({"rows": []}) + "\n")
    answers.flush()
    for line in sys.stdin:
        try:
            answer = {"rows": [[None if v is None else str(v) for v in row] for row in session.sql(json.loads(line)).collect()]}
        except Exception as e:  # told to who asked
            answer = {"error": str(e)[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def measured(engine, queries, rounds, expected):
    times, other = {}, {}
    for number, text in queries.items():
        best, rows = math.inf, None
        try:
            for _ in range(rounds):
                began = time.perf_counter()
                rows = engine.run(text)
                best = min(best, time.perf_counter() - began)
        except Exception as e:
            other[number] = str(e)[:200]
            continue
        rows = plain(rows)
        if not same(rows, expected.setdefault(number, rows)):
            other[number] = next((f"{a} where DuckDB has {b}" for a, b in zip(rows, expected[number]) if not same([a], [b])), f"{len(rows)} rows where DuckDB has {len(expected[number])}")
            continue
        times[number] = best
    return times, other


def main():
    if sys.argv[1:2] == ["--as"]:
        return serve(*sys.argv[2:5])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="duckdb,tarn-on-sail,sail,spark")
    args = parser.parse_args()
    peers = [p for p in args.peers.split(",") if p]
    with tempfile.TemporaryDirectory(prefix="tarn-tpch-") as scratch, contextlib.ExitStack() as stack:
        scratch = pathlib.Path(scratch)
        folder = scratch / "parquet"
        folder.mkdir()
        queries = generated(folder, args.scale)
        expected, all_times = {}, {}
        made = {}
        make = {"duckdb": lambda: DuckDb(folder), "tarn-on-sail": lambda: made["tarn"].on_sail(), "tarn": lambda: Tarn(stack, folder, args.build.resolve()), "sail": lambda: Spark("sail", folder, scratch), "spark": lambda: Spark("spark", folder, scratch)}
        for name in ["duckdb", "tarn", *(p for p in peers if p != "duckdb")]:
            engine = made[name] = make[name]()
            times, other = measured(engine, queries, 1 if name == "spark" else args.rounds, expected)
            all_times[name] = times
            line = {"engine": name, "scale": args.scale, "queries": len(times), "total_s": round(sum(times.values()), 2), "best_s": {n: round(t, 3) for n, t in times.items()}, "otherwise": other}
            if name == "tarn":
                line["loaded_s"] = engine.loaded
            print(json.dumps(line), flush=True)
            engine.close()
        for name in all_times.keys() - {"tarn"}:
            both = all_times["tarn"].keys() & all_times[name].keys()
            if not both:
                continue
            ratios = [all_times["tarn"][n] / all_times[name][n] for n in both]
            print(json.dumps({"tarn over": name, "queries": len(both), "total": round(sum(all_times["tarn"][n] for n in both) / sum(all_times[name][n] for n in both), 3),
                              "geometric_mean": round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 3), "worst": round(max(ratios), 2)}), flush=True)


if __name__ == "__main__":
    main()
