"""Delta tables for tests: written and read by tarn::delta (through delta_tool), delta-rs and DuckDB's delta extension."""
import datetime
import decimal
import json
import math
import os
import pathlib
import shutil
import subprocess
import tempfile

import deltalake
import duckdb

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TARN_BUILD", ROOT / "build"))
TOOL = BUILD / "src/delta/delta_tool"
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")


class Refused(Exception):
    def __init__(self, answer):
        self.code, self.message = answer["error"], answer.get("message", "")
        super().__init__(f"{self.code}: {self.message}")


def duck():
    """DuckDB with the delta extension from the cache; no network."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    extension = CACHE / "duckdb-extension-delta-1.5.5/duckdb_extension_delta/extensions/v1.5.5/delta.duckdb_extension"
    if not extension.exists():
        extension = next((CACHE / "duckdb-extension-delta-1.5.5").rglob("delta.duckdb_extension"))
    connection.execute(f"LOAD '{extension}'")
    return connection


def plain(value):
    """A value that compares equal whichever library it came from."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else round(value, 9)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return str(value)
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, dict):
        return tuple(sorted((k, plain(v)) for k, v in value.items()))
    if isinstance(value, list):  # pyarrow gives a map as a list of pairs
        if value and all(isinstance(v, tuple) and len(v) == 2 for v in value):
            return tuple(sorted((k, plain(v)) for k, v in value))
        return tuple(plain(v) for v in value)
    return value


def rows(names, records):
    order = sorted(range(len(names)), key=lambda i: names[i])
    return sorted((tuple(plain(r[i]) for i in order) for r in records), key=repr)


def arrow_rows(table):
    return rows(table.column_names, list(zip(*(c.to_pylist() for c in table.columns))))


class Lake:
    """A folder with a bucket `lake`, and one delta_tool on it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-lake-"))
        (self.folder / "objects").mkdir()
        self.objects = self.folder / "objects"
        self.process = None
        self.duck = duck()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(30)
            self.process = None

    def path(self, table):
        return self.objects / "lake" / table

    def ask(self, op, table, **arguments):
        if not self.process:
            self.process = subprocess.Popen([str(TOOL), str(self.objects)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps({"op": op, "table": table, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Refused(answer)
        return answer

    # Writing a data file as the engine does: COPY … RETURN_STATS.
    def write(self, table, path, query, partition=None):
        local = self.path(table) / path
        local.parent.mkdir(parents=True, exist_ok=True)
        escaped = str(local).replace("'", "''")
        _, count, size, _, columns, _ = self.duck.execute(f"COPY ({query}) TO '{escaped}' (FORMAT parquet, RETURN_STATS)").fetchone()
        return {"path": path, "size": size, "rows": count, "columns": columns, "partition": partition or {}}

    # Reading, four ways.
    def ours(self, table, version=None):
        answer = self.ask("snapshot", table, **({} if version is None else {"version": version}))
        return arrow_rows(self.duck.execute("SELECT * FROM " + answer["sql"]).to_arrow_table())

    def ours_anew(self, table, version=None):
        self.stop()
        return self.ours(table, version)

    def delta_rs(self, table, version=None):
        return arrow_rows(deltalake.DeltaTable(str(self.path(table)), version=version).to_pyarrow_table())

    def duckdb(self, table, version=None):
        at = "" if version is None else f", version = {version}"
        return arrow_rows(self.duck.execute(f"SELECT * FROM delta_scan('{self.path(table)}'{at})").to_arrow_table())

    def same_everywhere(self, table, version=None):
        """Our rows, after checking that delta-rs and DuckDB's extension see the same."""
        ours = self.ours(table, version)
        assert self.delta_rs(table, version) == ours
        assert self.duckdb(table, version) == ours
        return ours
