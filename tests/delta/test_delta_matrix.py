"""Every feature of the protocol that a table can have: written by us, read back by Spark, delta-rs and DuckDB's extension; written by Spark, read by us;
and then changed by both in turn. Rows are compared one by one. What another implementation does not know it must refuse by itself; what it answers
must be right. The table of what was seen is written to delta-matrix.md of the build folder; docs/delta.md holds it."""
import dataclasses
import json
import pathlib
import shutil

import deltalake
import pytest

from delta_tables import BUILD, duck, plain, rows
from harness import StatementFailed, platform
from spark_session import SparkRefused, spark

SCHEMA = "pipeline_gold.delta"


@dataclasses.dataclass
class Case:
    feature: str
    columns: str  # of CREATE TABLE, both in our words and Spark's
    clauses: str = ""
    properties: dict = dataclasses.field(default_factory=dict)
    ours: tuple = ()  # statements; {t} is the table
    theirs: tuple = ()  # Spark's, on the same table
    again: tuple = ()  # ours, after theirs
    broken: tuple = ()  # (statement, error class): refused by us and by Spark
    select: str = "SELECT * FROM {t}"
    duckdb: str = ""  # DuckDB's query of the relation {t}, where its own is another; a null inside a variant is its NULL


MANY = "SELECT id, concat('v', id) FROM range(1000)"

MERGE = "MERGE INTO {t} AS t USING (SELECT 4 AS id, 'm' AS v UNION ALL SELECT 5000, 'n') AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)"

# One table a line: what they have in common costs Spark most.
CASES = [
    Case("plain tables, partitions", "id BIGINT, v STRING, p STRING", "PARTITIONED BY (p)", ours=("INSERT INTO {t} VALUES (1, 'a', 'a b'), (2, 'b', NULL), (3, 'c', 'x/y=%')", "DELETE FROM {t} WHERE id = 1", "UPDATE {t} SET v = 'u' WHERE id = 2"),
         theirs=("INSERT INTO {t} VALUES (4, 'd', 'é')",), again=("UPDATE {t} SET v = concat(v, '!')", MERGE)),
    Case("deletion vectors", "id BIGINT, v STRING", properties={"delta.enableDeletionVectors": "true"},
         ours=(f"INSERT INTO {{t}} {MANY}", "DELETE FROM {t} WHERE id % 3 = 0", "UPDATE {t} SET v = 'u' WHERE id = 1"), theirs=("DELETE FROM {t} WHERE id = 2", "UPDATE {t} SET v = 's' WHERE id = 4"), again=("DELETE FROM {t} WHERE id = 5", MERGE)),
    Case("column mapping by name", "id BIGINT, st STRUCT<a: INT, b: STRING>, p STRING", "PARTITIONED BY (p)", {"delta.columnMapping.mode": "name"},
         ours=("INSERT INTO {t} VALUES (1, named_struct('a', 1, 'b', 'x'), 'p'), (2, NULL, 'q')", "ALTER TABLE {t} RENAME COLUMN st TO nested", "ALTER TABLE {t} ADD COLUMN extra INT", "INSERT INTO {t} (id, p, extra) VALUES (3, 'r', 33)"),
         theirs=("INSERT INTO {t} (id, p, extra) VALUES (4, 's', 44)", "ALTER TABLE {t} RENAME COLUMN extra TO more"), again=("ALTER TABLE {t} DROP COLUMN more", "UPDATE {t} SET id = id * 10")),
    Case("column mapping by id", "id BIGINT, v STRING", properties={"delta.columnMapping.mode": "id"}, ours=("INSERT INTO {t} VALUES (1, 'a')", "ALTER TABLE {t} RENAME COLUMN v TO w"), theirs=("INSERT INTO {t} VALUES (2, 'b')",),
         again=("UPDATE {t} SET w = 'c' WHERE id = 2",)),
    Case("NOT NULL, CHECK constraints, generated columns, defaults", "id BIGINT NOT NULL, v INT DEFAULT 7, twice BIGINT GENERATED ALWAYS AS (id * 2)", properties={"delta.feature.allowColumnDefaults": "supported"},
         ours=("INSERT INTO {t} (id, v) VALUES (1, 5)", "ALTER TABLE {t} ADD CONSTRAINT positive CHECK (v > 0)", "INSERT INTO {t} (id) VALUES (2)"), theirs=("INSERT INTO {t} (id) VALUES (3)",), again=("UPDATE {t} SET id = 30 WHERE id = 3",),
         broken=(("INSERT INTO {t} (id, v) VALUES (4, -1)", "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"), ("INSERT INTO {t} (id) VALUES (NULL)", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"), ("INSERT INTO {t} VALUES (4, 1, 9)", "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"))),
    Case("identity columns", "n BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 5 INCREMENT BY 10), v STRING", ours=("INSERT INTO {t} (v) VALUES ('a'), ('b')",), theirs=("INSERT INTO {t} (v) VALUES ('c')",), again=("INSERT INTO {t} (v) VALUES ('d')",),
         broken=(("INSERT INTO {t} VALUES (1, 'x')", "DELTA_IDENTITY_COLUMNS_EXPLICIT_INSERT_NOT_SUPPORTED"),)),
    Case("change data feed", "id BIGINT, v STRING", properties={"delta.enableChangeDataFeed": "true"},
         ours=("INSERT INTO {t} VALUES (1, 'a'), (2, 'b'), (3, 'c')", "UPDATE {t} SET v = 'B' WHERE id = 2", "DELETE FROM {t} WHERE id = 1"), theirs=("UPDATE {t} SET v = 'C' WHERE id = 3",), again=("DELETE FROM {t} WHERE id = 3",)),
    Case("row tracking, in-commit timestamps, v2 checkpoints", "id BIGINT, v STRING", properties={"delta.enableRowTracking": "true", "delta.enableInCommitTimestamps": "true", "delta.checkpointPolicy": "v2", "delta.checkpointInterval": "2"},
         ours=("INSERT INTO {t} VALUES (1, 'a'), (2, 'b'), (3, 'c')", "UPDATE {t} SET v = 'B' WHERE id = 2"), theirs=("DELETE FROM {t} WHERE id = 1",), again=("UPDATE {t} SET v = 'C' WHERE id = 3",)),
    Case("clustering", "a INT, b INT", "CLUSTER BY (a, b)", ours=("INSERT INTO {t} SELECT CAST(id AS INT), CAST(id % 7 AS INT) FROM range(50)", "OPTIMIZE {t}"), theirs=("INSERT INTO {t} VALUES (100, 1)",), again=("DELETE FROM {t} WHERE a = 100",)),
    Case("type widening, timestampNtz", "n INT, at TIMESTAMP_NTZ", properties={"delta.enableTypeWidening": "true"},
         ours=("INSERT INTO {t} VALUES (1, TIMESTAMP_NTZ '2024-02-29 23:59:59.123456')", "ALTER TABLE {t} ALTER COLUMN n TYPE BIGINT", "INSERT INTO {t} VALUES (5000000000, NULL)"),
         theirs=("INSERT INTO {t} VALUES (6000000000, TIMESTAMP_NTZ '1969-12-31 00:00:01')",), again=("UPDATE {t} SET n = n + 1",), select="SELECT n, CAST(at AS STRING) AS at FROM {t}"),
    Case("schema evolution of MERGE and INSERT (columns mapped by name)", "id BIGINT, st STRUCT<a: INT>", properties={"delta.columnMapping.mode": "name", "delta.enableDeletionVectors": "true"},
         ours=("INSERT INTO {t} VALUES (1, named_struct('a', 1)), (2, NULL)", "MERGE WITH SCHEMA EVOLUTION INTO {t} AS t USING (SELECT 1 AS id, named_struct('a', 10, 'b', 'x') AS st, 1.5D AS extra UNION ALL SELECT 3, NULL, 2.5D) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *", "INSERT WITH SCHEMA EVOLUTION INTO {t} BY NAME SELECT 4 AS id, 7 AS flag"),
         theirs=("MERGE WITH SCHEMA EVOLUTION INTO {t} AS t USING (SELECT 2 AS id, named_struct('c', 7) AS st, 'w' AS word) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",), again=("UPDATE {t} SET word = concat(word, '!') WHERE id = 2", "DELETE FROM {t} WHERE id = 4")),
    Case("VARCHAR(n) columns", "id BIGINT, v VARCHAR(3)", ours=("INSERT INTO {t} VALUES (1, 'abc  '), (2, NULL)", "UPDATE {t} SET v = 'äöü' WHERE id = 2"), theirs=("INSERT INTO {t} VALUES (3, 'xyz')",), again=("UPDATE {t} SET v = 'q' WHERE id = 3",),
         broken=(("INSERT INTO {t} VALUES (4, 'abcd')", "EXCEED_"),)),
    Case("CHAR(n) columns", "id BIGINT, c CHAR(3)", ours=("INSERT INTO {t} VALUES (1, 'a'), (2, NULL), (3, 'äöü ')", "UPDATE {t} SET c = 'b' WHERE c = 'a'"), theirs=("INSERT INTO {t} VALUES (4, 'x')",), again=("UPDATE {t} SET c = 'y' WHERE c = 'x'", "DELETE FROM {t} WHERE id = 2"),
         select="SELECT id, concat(c, '|') AS c FROM {t}", broken=(("INSERT INTO {t} VALUES (4, 'abcd')", "EXCEED_"),)),
    Case("variants", "id BIGINT, v VARIANT, p STRING", properties={"delta.enableDeletionVectors": "true"},
         ours=("""INSERT INTO {t} SELECT id, parse_json(j), 'p' FROM VALUES (1, '{{"b":[1,300,70000,5000000000,1e3,"é",true,{{"c":{{}}}}],"a":-1}}'), (2, 'null'), (3, NULL), (4, '4'), (5, '123456789012345678901234567890'), (6, '"six"') AS s(id, j)""",
               "INSERT INTO {t} SELECT 7, CAST(DATE'2024-02-29' AS VARIANT), NULL", "INSERT INTO {t} SELECT 8, parse_json(concat('\"', repeat('long', 30000), '\"')), NULL", "DELETE FROM {t} WHERE id = 4", "UPDATE {t} SET v = parse_json('[null,0.25]') WHERE id = 6"),
         theirs=("""INSERT INTO {t} SELECT 10, parse_json('{{"z":{{"y":[null,0.25]}},"k":-2147483649}}'), 's'""", "INSERT INTO {t} SELECT id, parse_json('null'), 's' FROM range(11, 14)", "INSERT INTO {t} SELECT 14 + id, IF(id = 1, NULL, CAST(id AS VARIANT)), 's' FROM range(4)",
                 "UPDATE {t} SET v = parse_json('[[]]') WHERE id = 1", "DELETE FROM {t} WHERE id = 12"),
         again=("UPDATE {t} SET v = parse_json('{{}}') WHERE id = 14", "MERGE INTO {t} AS t USING (SELECT 13 AS id, parse_json('1.5') AS v UNION ALL SELECT 99, NULL) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)", "OPTIMIZE {t}"),
         select="SELECT id, to_json(v) AS v, schema_of_variant(v) AS s, CAST(v IS NULL AS INT) AS n, p FROM {t}", duckdb="SELECT id, replace(v::JSON::VARCHAR, ',.', ',0.') AS v, p FROM {t}"),
    Case("append only", "id BIGINT", properties={"delta.appendOnly": "true"}, ours=("INSERT INTO {t} VALUES (1)",), theirs=("INSERT INTO {t} VALUES (2)",), broken=(("DELETE FROM {t} WHERE id = 1", "DELTA_CANNOT_MODIFY_APPEND_ONLY"),)),
    Case("all at once", "id BIGINT, v STRING, g BIGINT GENERATED ALWAYS AS (id + 1)",
         properties={k: "true" for k in ("delta.enableDeletionVectors", "delta.enableRowTracking", "delta.enableChangeDataFeed", "delta.enableInCommitTimestamps")} | {"delta.columnMapping.mode": "name", "delta.checkpointPolicy": "v2", "delta.checkpointInterval": "3"},
         ours=("INSERT INTO {t} (id, v) VALUES (1, 'a'), (2, 'b'), (3, 'c')", "UPDATE {t} SET v = 'B' WHERE id = 2", "DELETE FROM {t} WHERE id = 1"), theirs=("UPDATE {t} SET v = 'C', id = 4 WHERE id = 3",), again=(MERGE,)),
]


class Ours:
    """Statements through the server's own API."""

    def __init__(self, server):
        self.server, self.admin, self.warehouse = server, server.admin(), server.warehouses["pipeline"]

    def sql(self, statement):
        return self.admin.sql("pipeline", self.warehouse, statement)

    def path(self, table):
        location = self.admin.workspace("pipeline", "GET", f"/api/2.1/unity-catalog/tables/{table}")["storage_location"]
        return self.server.data / "objects" / location.removeprefix("s3://")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with platform() as server, spark(tmp_path_factory.mktemp("spark")) as session:
        ours = Ours(server)
        ours.sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        seen = {}
        yield ours, session, duck(), seen
        report(seen)


def text(records):
    """Rows that compare equal whoever printed them."""
    def one(value):
        if isinstance(value, str) and value[:1] in "{[":
            try:
                return one(json.loads(value))
            except ValueError:
                return value
        if isinstance(value, dict):
            return tuple(one(v) for v in value.values())
        if isinstance(value, (list, tuple)):
            return tuple(one(v) for v in value)
        if value is None or isinstance(value, str):
            return value
        return str(value)
    return sorted((tuple(one(v) for v in record) for record in records), key=repr)


def foreign(read):
    """What another implementation says: its rows, or that it refuses."""
    try:
        return text(read())
    except Exception as e:  # each has errors of its own
        return "refused: " + str(e).strip().split("\n")[0][:200]


def delta_rs(path):
    table = deltalake.DeltaTable(str(path)).to_pyarrow_table()
    return [tuple(plain(v) for v in record) for record in zip(*(c.to_pylist() for c in table.columns))] if table.num_rows else []


def duckdb(engine, path, query="SELECT * FROM {t}"):
    table = engine.execute(query.format(t=f"delta_scan('{path}')")).to_arrow_table()
    return [tuple(plain(v) for v in record) for record in zip(*(c.to_pylist() for c in table.columns))]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.feature.replace(" ", "-"))
def test_matrix(world, case):
    ours, session, engine, seen = world
    name = "".join(c if c.isalnum() else "_" for c in case.feature).lower()
    table = f"{SCHEMA}.{name}"
    note = seen.setdefault(case.feature, {})
    properties = ", ".join(f"'{k}' = '{v}'" for k, v in case.properties.items())
    ours.sql(f"CREATE TABLE {table} ({case.columns}) {case.clauses} " + (f"TBLPROPERTIES ({properties})" if properties else ""))
    path = ours.path(table)
    there = f"delta.`{path}`"

    def agree(label):
        mine = text(ours.sql(case.select.format(t=table)))
        assert text(session.sql(case.select.format(t=there))) == mine, label
        for who, read in (("delta-rs", lambda: delta_rs(path)), ("DuckDB", lambda: duckdb(engine, path, case.duckdb or "SELECT * FROM {t}"))):
            said = foreign(read)
            if case.duckdb and not isinstance(said, str):
                same = [(r[0], "null" if r[1] is None else r[1], r[-1]) for r in text(ours.sql(case.select.format(t=table)))]
                assert said == sorted(same, key=repr), "DuckDB's own reading"
                said = mine
            elif case.select != Case.select and not isinstance(said, str):
                said = mine if len(said) == len(mine) else said  # its own spelling of times is another
            state = "refused" if isinstance(said, str) else "same" if said == mine else "differs"
            note.setdefault(who, {})[label] = state
        return mine

    for statement in case.ours:
        ours.sql(statement.format(t=table))
    first = agree("ours")
    assert first or "DELETE FROM {t}" in case.ours
    note["ours, read by Spark"] = True
    for statement, error in case.broken:
        with pytest.raises(StatementFailed) as refused:
            ours.sql(statement.format(t=table))
        assert error in str(refused.value)
        with pytest.raises(SparkRefused) as refused:
            session.sql(statement.format(t=there))
        assert error in str(refused.value), "Spark's own word for it"
    for statement in case.theirs:
        session.sql(statement.format(t=there))
    second = agree("Spark's")
    assert not case.theirs or second != first
    note["Spark's, read by us"] = True
    for statement in case.again:
        ours.sql(statement.format(t=table))
    third = agree("both")
    assert not case.again or third != second
    note["changed in turn"] = True
    if "delta.enableChangeDataFeed" in case.properties:
        mine = ours.sql(f"SELECT id, v, _change_type, _commit_version FROM table_changes('{table}', 0)")
        theirs = session.sql(f"SELECT id, v, _change_type, _commit_version FROM table_changes_by_path('{path}', 0)")
        assert text(mine) == text(theirs)
    if "delta.enableRowTracking" in case.properties and "delta.enableChangeDataFeed" not in case.properties:
        ids = session.sql(f"SELECT id, _metadata.row_id, _metadata.row_commit_version FROM {there} ORDER BY id")
        assert [r[1] for r in ids] == [1, 2], "the rows kept the ids that they were given when they came"
        assert len({r[2] for r in ids}) == 2
    assert "differs" not in note["delta-rs"].values()


def test_a_null_that_may_be_inside_a_variant_is_refused(world):
    """What DuckDB makes of a file that Spark wrote does not tell them apart; the file's statistics do, unless it has both."""
    ours, session, _, _ = world
    table = f"{SCHEMA}.nulls"
    ours.sql(f"CREATE TABLE {table} (id BIGINT, v VARIANT)")
    there = f"delta.`{ours.path(table)}`"
    session.sql(f"INSERT INTO {there} SELECT id, CASE id WHEN 0 THEN parse_json('null') WHEN 1 THEN NULL ELSE parse_json('7') END FROM range(3)")
    assert ours.sql(f"SELECT count(*), sum(id) FROM {table}") == [["3", "3"]]
    for statement in ("SELECT v FROM {t}", "SELECT count(v) FROM {t}", "UPDATE {t} SET id = 5 WHERE id = 2"):
        with pytest.raises(StatementFailed) as refused:
            ours.sql(statement.format(t=table))
        assert "[UNSUPPORTED_FEATURE] A NULL of the VARIANT column `v`" in str(refused.value), statement


def test_damaged_files_are_errors_and_the_server_goes_on(world):
    ours, _, _, _ = world

    def made(name, *statements, properties=""):
        table = f"{SCHEMA}.{name}"
        ours.sql(f"CREATE TABLE {table} (id BIGINT, v STRING) {properties}")
        for statement in (f"INSERT INTO {table} {MANY}", *statements):
            ours.sql(statement.format(t=table))
        return table, ours.path(table)

    def refused(statement):
        with pytest.raises(StatementFailed) as error:
            ours.sql(statement)
        return str(error.value)

    table, path = made("cut")
    (data,) = path.glob("*.parquet")
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    assert "[FAILED_READ_FILE" in refused(f"SELECT sum(id) FROM {table}")
    assert "[FAILED_READ_FILE" in refused(f"DELETE FROM {table} WHERE id = 1")
    data.unlink()
    assert "FAILED_READ_FILE.FILE_NOT_EXIST" in refused(f"SELECT max(id) FROM {table}")
    assert len(list((path / "_delta_log").glob("0*.json"))) == 2, "nothing was committed"
    data.write_bytes(whole)
    assert ours.sql(f"SELECT count(*) FROM {table}") == [["1000"]]

    table, path = made("torn")
    log = path / "_delta_log" / f"{2:020d}.json"
    log.write_text('{"commitInfo":{"operation":"WRITE"}}\n{"add":{"path":"x.parq')
    assert "is damaged: line 2" in refused(f"SELECT count(*) FROM {table}")
    assert "is damaged: line 2" in refused(f"INSERT INTO {table} VALUES (1, 'x')")
    log.unlink()
    assert ours.sql(f"SELECT count(*) FROM {table}") == [["1000"]]

    table, path = made("marked", "DELETE FROM {t} WHERE id < 500", properties="TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    (vector,) = path.glob("deletion_vector_*.bin")
    whole = vector.read_bytes()
    vector.write_bytes(whole[:-9] + b"\x00" + whole[-8:])
    name = f"{SCHEMA}.other"
    ours.sql(f"CREATE TABLE {name} (id BIGINT)")
    assert "deletion vector is damaged" in refused(f"SELECT count(*) FROM {table}")
    vector.write_bytes(whole)
    assert ours.sql(f"SELECT count(*) FROM {table}") == [["500"]]

    table, path = made("gone")
    shutil.rmtree(path)
    assert "is not a Delta table" in refused(f"SELECT count(*) FROM {table}")
    assert ours.sql(f"SELECT count(*) FROM {name}") == [["0"]]


def report(seen):
    lines = ["| feature | written by us, read by Spark | written by Spark, read by us | changed by both in turn | read by delta-rs | read by DuckDB's extension |", "|---|---|---|---|---|---|"]
    for feature, note in seen.items():
        def said(who):
            states = set(note.get(who, {}).values())
            return "same rows" if states == {"same"} else "refused" if states == {"refused"} else "**other rows**" if "differs" in states else ", ".join(f"{k}: {v}" for k, v in note.get(who, {}).items())
        good = lambda key: "same rows" if note.get(key) else "no"
        lines.append(f"| {feature} | {good('ours, read by Spark')} | {good(chr(83) + 'park' + chr(39) + 's, read by us')} | {good('changed in turn')} | {said('delta-rs')} | {said('DuckDB')} |")
    (pathlib.Path(BUILD) / "delta-matrix.md").write_text("\n".join(lines) + "\n")
