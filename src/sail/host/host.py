"""One Sail engine for one principal and one set of folders: Spark SQL in, rows out as Parquet files.

Started by tarn-sail, which has confined this process already: no network but a loopback of its own, no file but what its order names. Frames both
ways on descriptor 3: four bytes of length (big endian), then JSON. The first frame is {"ready": true}; then each {"sql", "directory"} is
answered by {"columns": [{"name", "type"}], "files": […], "rows": n} or {"error": {"kind", "message"}}. One at a time; the server ends what it
does not want to wait for by ending the process. The end of descriptor 3 is the end of this process.
"""
import json
import os
import socket
import struct
import sys
import types

MOST_FRAME = 64 << 20
MOST_ROWS_A_FILE = 1_000_000
ROW_GROUP_BYTES = 32 << 20


def only_the_protocol():
    """The client's messages without the client: importing pyspark takes pandas with it, and half a second."""
    from importlib.util import find_spec

    root = find_spec("pyspark").submodule_search_locations[0]
    for name, below in (("pyspark", ""), ("pyspark.sql", "sql"), ("pyspark.sql.connect", "sql/connect")):
        module = types.ModuleType(name)
        module.__path__ = [os.path.join(root, below)]
        sys.modules[name] = module


only_the_protocol()

import grpc  # noqa: E402
import pyarrow  # noqa: E402
import pyarrow.ipc  # noqa: E402
import pyarrow.parquet  # noqa: E402
from pysail.spark import SparkConnectServer  # noqa: E402
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc  # noqa: E402


class Unsupported(Exception):
    pass


# Types ---------------------------------------------------------------------------------------------------------------------------------------

_PLAIN = {
    pyarrow.bool_(): "boolean", pyarrow.int8(): "tinyint", pyarrow.int16(): "smallint", pyarrow.int32(): "int", pyarrow.int64(): "bigint", pyarrow.float32(): "float",
    pyarrow.float64(): "double", pyarrow.string(): "string", pyarrow.large_string(): "string", pyarrow.string_view(): "string", pyarrow.binary(): "binary",
    pyarrow.large_binary(): "binary", pyarrow.binary_view(): "binary", pyarrow.date32(): "date",
}


def interval(field):
    """Sail says in a field's metadata from which unit to which its durations go."""
    said = json.loads((field.metadata or {}).get(b"SAIL::spark::interval", b"{}"))
    first, last = said.get("startField", "day"), said.get("endField", "second")
    return f"interval {first}" + ("" if first == last else f" to {last}")


def spelled(t, name):
    """The type as Databricks SQL spells it."""
    if t in _PLAIN:
        return _PLAIN[t]
    if pyarrow.types.is_null(t):
        return "void"
    if pyarrow.types.is_decimal(t):
        if t.precision > 38 or not 0 <= t.scale <= t.precision:
            raise Unsupported(f"The column `{name}` of {t}")
        return f"decimal({t.precision},{t.scale})"
    if pyarrow.types.is_timestamp(t) and t.unit == "us":
        return "timestamp" if t.tz else "timestamp_ntz"
    if pyarrow.types.is_map(t):
        return f"map<{spelled(t.key_type, name)},{spelled(t.item_type, name)}>"
    if pyarrow.types.is_struct(t):
        return "struct<" + ",".join(f"`{f.name.replace('`', '``')}`:{spelled(f.type, name)}" for f in t) + ">"
    if pyarrow.types.is_list(t) or pyarrow.types.is_large_list(t):
        return f"array<{spelled(t.value_type, name)}>"
    raise Unsupported(f"The column `{name}` of the Arrow type {t}")


def stored(t):
    """The type that its Parquet file has: what the first engine reads back as the same values."""
    if pyarrow.types.is_null(t) or t in (pyarrow.large_string(), pyarrow.string_view()):
        return pyarrow.string()
    if pyarrow.types.is_duration(t) and t.unit == "us":
        return pyarrow.int64()
    if t in (pyarrow.large_binary(), pyarrow.binary_view()):
        return pyarrow.binary()
    if pyarrow.types.is_timestamp(t) and t.tz:
        return pyarrow.timestamp("us", "UTC")
    if pyarrow.types.is_map(t):
        return pyarrow.map_(stored(t.key_type), stored(t.item_type))
    if pyarrow.types.is_struct(t):
        return pyarrow.struct([pyarrow.field(f.name, stored(f.type)) for f in t])
    if pyarrow.types.is_list(t) or pyarrow.types.is_large_list(t):
        return pyarrow.list_(stored(t.value_type))
    return t


# Statements ----------------------------------------------------------------------------------------------------------------------------------


class Rows:
    """The files of a result, written as batches come."""

    def __init__(self, directory):
        self.directory, self.files, self.rows = directory, [], 0
        self.columns, self.schema, self.writer, self.here = None, None, None, 0

    def begin(self, schema):
        if self.columns is None:
            self.columns = [{"name": f.name, "type": interval(f) if pyarrow.types.is_duration(f.type) else spelled(f.type, f.name)} for f in schema]
            # Names of results may be equal; those of a file's columns may not.
            self.schema = pyarrow.schema([pyarrow.field(f"c{i}", stored(f.type)) for i, f in enumerate(schema)])

    def add(self, batch):
        if batch.num_rows == 0:
            return
        if self.writer is None:
            self.files.append(f"part-{len(self.files):05}.parquet")
            self.writer = pyarrow.parquet.ParquetWriter(os.path.join(self.directory, self.files[-1]), self.schema, compression="none", store_schema=False)
        table = pyarrow.Table.from_arrays([c.cast(f.type) for c, f in zip(batch.columns, self.schema)], schema=self.schema)
        self.writer.write_table(table, row_group_size=max(1, min(122_880, ROW_GROUP_BYTES * table.num_rows // max(1, table.nbytes))))
        self.rows += table.num_rows
        self.here += table.num_rows
        if self.here >= MOST_ROWS_A_FILE:
            self.end()

    def end(self):
        if self.writer is not None:
            self.writer.close()
        self.writer, self.here = None, 0


class Engine:
    def __init__(self):
        self.server = SparkConnectServer("127.0.0.1", 0)
        self.server.start(background=True)
        host, port = self.server.listening_address
        self.channel = grpc.insecure_channel(f"{host}:{port}", options=[("grpc.max_receive_message_length", 1 << 30), ("grpc.enable_http_proxy", 0)])
        self.stub = base_pb2_grpc.SparkConnectServiceStub(self.channel)
        self.sessions = 0

    def run(self, order):
        # A session of its own for each: nothing of one statement lasts into the next.
        self.sessions += 1
        session, user = f"00000000-0000-4000-8000-{self.sessions:012}", "owner"
        config = base_pb2.ConfigRequest(session_id=session)
        config.user_context.user_id = user
        for key, value in (("spark.sql.session.timeZone", "UTC"), ("spark.sql.ansi.enabled", "true")):
            pair = config.operation.set.pairs.add()
            pair.key, pair.value = key, value
        self.stub.Config(config)
        request = base_pb2.ExecutePlanRequest(session_id=session)
        request.user_context.user_id = user
        request.plan.root.sql.query = order["sql"]
        out = Rows(order["directory"])
        try:
            for answer in self.stub.ExecutePlan(request):
                if answer.WhichOneof("response_type") != "arrow_batch":
                    continue
                with pyarrow.ipc.open_stream(answer.arrow_batch.data) as reader:
                    out.begin(reader.schema)
                    for batch in reader:
                        out.add(batch)
        finally:
            out.end()
            ended = base_pb2.ReleaseSessionRequest(session_id=session)
            ended.user_context.user_id = user
            try:
                self.stub.ReleaseSession(ended, timeout=5)
            except grpc.RpcError:
                pass
        if out.columns is None:
            raise Unsupported("A result without columns")
        return {"columns": out.columns, "files": out.files, "rows": out.rows}


def answer(engine, order):
    try:
        return engine.run(order)
    except Unsupported as e:
        return {"error": {"kind": "unsupported", "message": str(e)}}
    except grpc.RpcError as e:
        return {"error": {"kind": "sql", "message": (e.details() or str(e.code()))[:2000]}}
    except OSError as e:
        return {"error": {"kind": "storage", "message": os.strerror(e.errno) if e.errno else str(e)}}
    except pyarrow.ArrowException as e:
        return {"error": {"kind": "sql", "message": str(e)[:2000]}}


# The conversation ----------------------------------------------------------------------------------------------------------------------------


def exactly(connection, count):
    parts = []
    while count:
        piece = connection.recv(min(count, 1 << 20))
        if not piece:
            return None
        parts.append(piece)
        count -= len(piece)
    return b"".join(parts)


def send(connection, value):
    text = json.dumps(value, separators=(",", ":")).encode()
    connection.sendall(struct.pack(">I", len(text)) + text)


def main():
    connection = socket.socket(fileno=3)
    try:
        engine = Engine()
    except Exception as e:  # noqa: BLE001: whatever it is, the server says it
        send(connection, {"error": f"{type(e).__name__}: {e}"})
        return
    send(connection, {"ready": True})
    while head := exactly(connection, 4):
        (length,) = struct.unpack(">I", head)
        body = exactly(connection, length) if length <= MOST_FRAME else None
        if body is None:
            break
        send(connection, answer(engine, json.loads(body)))


if __name__ == "__main__":
    main()
    os._exit(0)  # the engine's threads are not waited for
