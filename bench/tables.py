#!/usr/bin/env python3
"""Tables of a warehouse beside delta-rs, Apache Spark with delta-spark, and raw Arrow: writes, lookups, wide results, many tables.

    bench/tables.py [--build build] [--rows 10000000] [--tables 10000] [--peers delta-rs,spark,arrow]

Writes, on a table of --rows rows (id, k = id % 1000, name, v) made by each engine itself: an append of 1 %, an update of 1 % of the rows spread
over every file, and a merge of 1 % of which half is new. Each is one durable commit; Tarn's goes through the statement API with rights checked.
Lookups: one row by id of a million, p50 of 100, through the API. Results: all rows as Arrow through external links, against DuckDB's Arrow over a
socket. Many: SHOW TABLES and information_schema.tables with --tables tables in one schema. Prints JSON lines.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import socket
import statistics
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "delta"))


def timed(work):
    began = time.perf_counter()
    out = work()
    return round(time.perf_counter() - began, 3), out


def said(**line):
    print(json.dumps(line), flush=True)


SOURCE = "SELECT id, id % 1000 AS k, concat('name-', id) AS name, id * 1.5D AS v FROM range({0}, {1})"
WRITES = {
    "append of 1 %": lambda n, t: f"INSERT INTO {t} " + SOURCE.format(n, n + n // 100),
    "update of 1 %": lambda n, t: f"UPDATE {t} SET v = v + 1 WHERE k % 100 = 7",
    "merge of 1 %": lambda n, t: f"""MERGE INTO {t} AS t USING (SELECT id * 200 + 1 AS id, 5L AS k, 'merged' AS name, 0.5D AS v FROM range({n // 200}) UNION ALL
                                  SELECT id + {2 * n} AS id, 5L AS k, 'merged' AS name, 0.5D AS v FROM range({n // 200})) s ON t.id = s.id
                                  WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *""",
}
CHECK = "SELECT count(*), sum(v), count_if(name = 'merged') FROM "


class Tarn:
    def __init__(self, stack, build):
        os.environ["TARN"] = str(build / "tarn")
        from harness import platform

        self.server = stack.enter_context(platform())
        self.admin = self.server.admin()
        self.plain = None
        self.url = self.server.status()["workspaces"]["landing"] + "/api/2.0/sql/statements"
        self.warehouse = self.admin.workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "bench", "cluster_size": "2X-Small", "max_num_clusters": 1, "auto_stop_mins": 0})["id"]
        self.admin.workspace("landing", "PUT", "/api/2.0/sql/config/warehouses", {"sql_configuration_parameters": {"configuration_pairs": [{"key": "USE_CACHED_RESULT", "value": "false"}]}})
        self.run("CREATE SCHEMA landing_raw.bench", schema="default")

    def statement(self, text, schema="bench", **more):
        answer = self.admin.call("POST", self.url, {"statement": text, "warehouse_id": self.warehouse, "wait_timeout": "50s", "catalog": "landing_raw", "schema": schema, **more})
        while answer["status"]["state"] in ("PENDING", "RUNNING"):
            time.sleep(0.05)
            answer = self.admin.call("GET", f"{self.url}/{answer['statement_id']}")
        if answer["status"]["state"] != "SUCCEEDED":
            raise RuntimeError(f"{text[:80]}: {answer['status']}")
        return answer

    def lookup(self, wanted, table="million", **more):
        """Over the workspace's plain port and a connection that stays: of a client that takes a millisecond itself, little could be seen."""
        body = json.dumps({"statement": f"SELECT name FROM {table} WHERE id = :id", "parameters": [{"name": "id", "value": str(wanted), "type": "BIGINT"}], "warehouse_id": self.warehouse,
                           "wait_timeout": "50s", "catalog": "landing_raw", "schema": "bench", **more})
        if self.plain is None:
            self.plain = http.client.HTTPConnection(self.server.status()["plain_http"]["landing"].removeprefix("http://"))
            self.plain.connect()
            self.plain.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.perf_counter()
        self.plain.request("POST", "/api/2.0/sql/statements", body, {"Authorization": f"Bearer {self.admin.token}", "Content-Type": "application/json"})
        answer = self.plain.getresponse().read()
        took = time.perf_counter() - began
        assert json.loads(answer)["result"]["data_array"] == [[f"name-{wanted}"]], answer
        return took

    def run(self, text, **more):
        return (self.statement(text, **more).get("result") or {}).get("data_array") or []


def writes_of_spark(rows, folder):
    from spark_session import spark

    with spark(folder, measured=True) as session:
        return writes(session.sql, rows, "spark", f"delta.`{folder}/t`", " USING delta")


def writes(run, rows, name, table, using=""):
    out = {"engine": name, "create": timed(lambda: run(f"CREATE TABLE {table}{using} AS {SOURCE.format(0, rows)}"))[0]}
    for what, text in WRITES.items():
        out[what] = timed(lambda: run(text(rows, table)))[0]
    return out, [float(v) for v in run(CHECK + table)[0]]


def writes_of_delta_rs(rows, folder):
    import duckdb
    from deltalake import DeltaTable, write_deltalake

    db = duckdb.connect()
    place = str(folder / "t")

    def made(begin, end):
        return db.execute(f"SELECT range AS id, range % 1000 AS k, concat('name-', range) AS name, range * 1.5::DOUBLE AS v FROM range({begin}, {end})").to_arrow_table()

    out = {"engine": "delta-rs", "create": timed(lambda: write_deltalake(place, made(0, rows)))[0]}
    out["append of 1 %"] = timed(lambda: write_deltalake(place, made(rows, rows + rows // 100), mode="append"))[0]
    out["update of 1 %"] = timed(lambda: DeltaTable(place).update(predicate="k % 100 = 7", updates={"v": "v + 1"}))[0]
    source = db.execute(f"SELECT range * 200 + 1 AS id, 5::BIGINT AS k, 'merged' AS name, 0.5::DOUBLE AS v FROM range({rows // 200}) UNION ALL "
                        f"SELECT range + {2 * rows}, 5, 'merged', 0.5 FROM range({rows // 200})").to_arrow_table()
    out["merge of 1 %"] = timed(lambda: DeltaTable(place).merge(source, "t.id = s.id", source_alias="s", target_alias="t").when_matched_update_all().when_not_matched_insert_all().execute())[0]
    live = ", ".join(f"'{u}'" for u in DeltaTable(place).file_uris())
    return out, [float(v) for v in db.execute(f"SELECT count(*), sum(v), count_if(name = 'merged') FROM read_parquet([{live}])").fetchone()]


def arrow_over_a_socket(rows):
    """DuckDB's own Arrow stream of the same query, written to a socket as it comes."""
    import duckdb
    import pyarrow

    ours, theirs = socket.socketpair()

    def write():
        with theirs, theirs.makefile("wb") as out:
            reader = duckdb.connect().execute(f"SELECT range AS id, range % 1000 AS k, concat('name-', range) AS name, range * 1.5::DOUBLE AS v FROM range({rows})").to_arrow_reader(122880)
            with pyarrow.ipc.new_stream(out, reader.schema) as stream:
                for batch in reader:
                    stream.write_batch(batch)

    began = time.perf_counter()
    writer = threading.Thread(target=write)
    writer.start()
    size = 0
    while part := ours.recv(1 << 20):
        size += len(part)
    writer.join()
    return size, time.perf_counter() - began


def results(tarn, rows):
    began = time.perf_counter()
    answer = tarn.statement("SELECT * FROM whole", disposition="EXTERNAL_LINKS", format="ARROW_STREAM")
    first = time.perf_counter() - began
    size, link = 0, answer["result"]["external_links"][0]
    http = tarn.server.session()
    while True:
        with http.get(link["external_link"], stream=True, timeout=60) as body:
            body.raise_for_status()
            for part in body.iter_content(1 << 20):
                size += len(part)
        if link.get("next_chunk_internal_link") is None:
            break
        link = tarn.admin.call("GET", tarn.url.removesuffix("/api/2.0/sql/statements") + link["next_chunk_internal_link"])["external_links"][0]
    took = time.perf_counter() - began
    assert answer["manifest"]["total_row_count"] == rows, answer["manifest"]
    return {"engine": "tarn", "rows": rows, "MB": round(size / 1e6), "result_ready_s": round(first, 2), "s": round(took, 2), "MB/s": round(size / 1e6 / took)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--peers", default="delta-rs,spark,arrow")
    args = parser.parse_args()
    peers = args.peers.split(",")
    with tempfile.TemporaryDirectory(prefix="tarn-tables-") as scratch, contextlib.ExitStack() as stack:
        scratch = pathlib.Path(scratch)
        tarn = Tarn(stack, args.build.resolve())
        line, state = writes(tarn.run, args.rows, "tarn", "t")
        said(**line)
        tarn.run("CREATE TABLE marked TBLPROPERTIES ('delta.enableDeletionVectors' = 'true') AS " + SOURCE.format(0, args.rows))
        said(engine="tarn, deletion vectors", **{what: timed(lambda: tarn.run(WRITES[what](args.rows, "marked")))[0] for what in ("update of 1 %", "merge of 1 %")})
        for name, work in (("delta-rs", writes_of_delta_rs), ("spark", writes_of_spark)):
            if name in peers:
                (scratch / name).mkdir()
                line, its = work(args.rows, scratch / name)
                said(**line, same_rows_as_tarn=its == state)
        tarn.run("DROP TABLE marked")

        tarn.run("CREATE TABLE million AS " + SOURCE.format(0, 1_000_000))
        times = [tarn.lookup(i * 7919) * 1000 for i in range(120)]
        said(what="one row of a million by id", p50_ms=round(statistics.median(times[20:]), 2), p99_ms=round(sorted(times[20:])[98], 2))

        tarn.run("CREATE TABLE scattered PARTITIONED BY (part) AS SELECT *, CAST(id DIV 2000 AS INT) AS part FROM (" + SOURCE.format(0, 1_000_000) + ")")
        # Under a session's time zone no file is left out.
        zoned = tarn.admin.call("POST", tarn.url.replace("/statements", "/sessions"),
                                {"warehouse_id": tarn.warehouse, "catalog": "landing_raw", "schema": "bench", "session_confs": {"timezone": "America/Los_Angeles"}})["session_id"]
        for how, more in (("files left out by their statistics", {}), ("all files opened", {"session_id": zoned})):
            times = [tarn.lookup(i * 7919, "scattered", **more) * 1000 for i in range(120)]
            said(what="one row of a million in 500 files by id", how=how, p50_ms=round(statistics.median(times[20:]), 2), p99_ms=round(sorted(times[20:])[98], 2))

        tarn.run("CREATE TABLE whole AS " + SOURCE.format(0, args.rows))
        said(**results(tarn, args.rows))
        if "arrow" in peers:
            size, took = arrow_over_a_socket(args.rows)
            said(engine="arrow over a socket", MB=round(size / 1e6), s=round(took, 2), **{"MB/s": round(size / 1e6 / took)})

        tarn.run("CREATE SCHEMA many")
        took, _ = timed(lambda: [tarn.run(f"CREATE TABLE many.t{i:05d} (id BIGINT)") for i in range(args.tables)])
        said(what=f"{args.tables} tables made, one after another", a_second=round(args.tables / took))
        for what, text in (("SHOW TABLES", "SHOW TABLES IN many"), ("information_schema.tables", "SELECT table_name FROM information_schema.tables WHERE table_schema = 'many'"),
                           ("count of information_schema.columns", "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'many'")):
            times = [timed(lambda: tarn.statement(text))[0] * 1000 for _ in range(5)]
            said(what=f"{what} over {args.tables} tables", p50_ms=round(statistics.median(times), 1))


if __name__ == "__main__":
    main()
