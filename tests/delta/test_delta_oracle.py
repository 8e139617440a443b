"""Tables that we write are read by delta-rs and DuckDB's delta extension, and the other way round: the same rows, one by one."""
import datetime
import decimal
import json

import deltalake
import pyarrow
import pytest
from delta_tables import Lake, Refused, rows

ALL_TYPES = [
    ("i", "bigint", "range"), ("n", "int", "CASE WHEN range % 3 = 0 THEN NULL ELSE (range * 7)::INTEGER END"), ("sm", "smallint", "range::SMALLINT"), ("ti", "tinyint", "(range % 100)::TINYINT"),
    ("f", "float", "(range / 4)::FLOAT"), ("d", "double", "CASE WHEN range = 5 THEN 'nan'::DOUBLE ELSE range / 3 END"), ("b", "boolean", "range % 2 = 0"), ("bin", "binary", "encode('x' || range)"),
    ("day", "date", "DATE '2024-01-31' + range::INTEGER"), ("at", "timestamp", "TIMESTAMPTZ '2024-01-31 23:59:59.123456+00' + range * INTERVAL 1 HOUR"),
    ("dec", "decimal(20,4)", "(range * 1.2345)::DECIMAL(20,4)"), ("s", "string", "CASE WHEN range = 2 THEN NULL ELSE repeat('wörd ', range::INTEGER) || '\"''' END"),
    ("st", "struct<a:int,b:struct<c:string>>", "{'a': range::INTEGER, 'b': {'c': 'v' || range}}"), ("ar", "array<int>", "[range::INTEGER, NULL, 3]"),
    ("m", "map<string,bigint>", "MAP {'k' || range: range}"),
]


@pytest.fixture
def lake():
    with Lake() as made:
        yield made


def columns(*pairs):
    return [{"name": name, "type": type_} for name, type_ in pairs]


def all_types(first, last):
    return f"SELECT {', '.join(f'{sql} AS {name}' for name, _, sql in ALL_TYPES)} FROM range({first}, {last})"


def test_every_type_reads_the_same_everywhere(lake):
    lake.ask("create", "t", columns=columns(*((n, t) for n, t, _ in ALL_TYPES)), add=[lake.write("t", "a.parquet", all_types(0, 10))])
    lake.ask("commit", "t", add=[lake.write("t", "b.parquet", all_types(10, 20))])
    assert len(lake.same_everywhere("t")) == 20
    assert len(lake.same_everywhere("t", 0)) == 10
    table = deltalake.DeltaTable(str(lake.path("t")))
    assert [f.name for f in table.schema().fields] == [n for n, _, _ in ALL_TYPES]
    actions = pyarrow.table(table.get_add_actions(flatten=True)).to_pylist()
    by_path = {a["path"]: a for a in actions}
    assert by_path["a.parquet"]["num_records"] == 10
    assert (by_path["a.parquet"]["min.i"], by_path["a.parquet"]["max.i"]) == (0, 9)
    assert by_path["b.parquet"]["null_count.n"] == 3
    assert by_path["a.parquet"]["min.day"] == datetime.date(2024, 1, 31)
    assert by_path["a.parquet"]["max.dec"] == decimal.Decimal("11.1105")


def test_statistics_prune_and_never_lose_rows(lake):
    lake.ask("create", "t", columns=columns(*((n, t) for n, t, _ in ALL_TYPES)))
    for k in range(4):
        lake.ask("commit", "t", add=[lake.write("t", f"{k}.parquet", all_types(k * 10, k * 10 + 10))])
    for predicate in ("i = 17", "i > 35", "n = 77", "day = DATE '2024-02-20'", """"at" = TIMESTAMPTZ '2024-02-01 10:59:59.123456+00'""", """"at" > TIMESTAMPTZ '2024-02-02 13:59:59.123455+00'""", "dec >= 40.0",
                      "d > 12.9", "s > 'wörd wörd wörd wörd wörd wörd wörd wörd wörd'", "st.a = 33", "s IS NULL", "f < 0.6", "b AND i < 3"):
        counted = lake.duck.execute(f"SELECT count(*) FROM delta_scan('{lake.path('t')}') WHERE {predicate}").fetchone()
        truth = lake.duck.execute(f"SELECT count(*) FROM read_parquet('{lake.path('t')}/*.parquet') WHERE {predicate}").fetchone()
        assert counted == truth and truth[0] > 0, predicate


def test_a_life_of_appends_updates_deletes_and_overwrites(lake):
    lake.ask("create", "t", columns=columns(("id", "bigint"), ("v", "string")), properties={"delta.checkpointInterval": "5"})
    model = {}

    def put(name, ids, v):
        return lake.write("t", name, f"SELECT range AS id, '{v}' AS v FROM range({ids.start}, {ids.stop})")

    for k in range(13):
        lake.ask("commit", "t", add=[put(f"a{k}.parquet", range(k * 10, k * 10 + 10), f"a{k}")])
        model.update({i: f"a{k}" for i in range(k * 10, k * 10 + 10)})
    lake.ask("commit", "t", operation="delete", remove=["a3.parquet"], add=[put("a3b.parquet", range(30, 34), "a3")])
    for i in range(34, 40):
        del model[i]
    lake.ask("commit", "t", operation="update", remove=["a5.parquet", "a6.parquet"], add=[put("u.parquet", range(50, 70), "u")])
    model.update({i: "u" for i in range(50, 70)})
    assert lake.same_everywhere("t") == rows(["id", "v"], model.items())
    lake.ask("drain", "t")
    for v in (0, 4, 5, 6, 10, 14, 15):
        assert lake.same_everywhere("t", v) == lake.ours_anew("t", v)
    lake.ask("commit", "t", operation="overwrite", add=[put("o.parquet", range(5), "o")])
    for k in range(6):
        lake.ask("commit", "t", add=[put(f"p{k}.parquet", range(100 + k, 101 + k), "p")], transaction=["app", k])
    lake.ask("drain", "t")
    assert lake.same_everywhere("t") == rows(["id", "v"], [(i, "o") for i in range(5)] + [(100 + k, "p") for k in range(6)])
    table = deltalake.DeltaTable(str(lake.path("t")))
    assert table.version() == 22
    history = table.history()
    assert history[0]["operation"] == "WRITE" and history[0]["userName"] == "tester"
    assert [h["operation"] for h in history if h["version"] in (14, 15, 16)] == ["WRITE", "UPDATE", "DELETE"]


def test_checkpoints_alone_carry_the_table_for_everybody(lake):
    lake.ask("create", "t", columns=columns(("id", "bigint"), ("day", "date"), ("who", "string")), partitions=["day", "who"], properties={"delta.checkpointInterval": "4"})
    for k in range(8):
        who = [None, "o'neil \"x\"", "a/b:c=d%20 é", "plain"][k % 4]
        lake.ask("commit", "t", add=[lake.write("t", f"p %{k}/ü#{k}.parquet", f"SELECT {k}::BIGINT AS id", {"day": f"2024-01-0{k + 1}", "who": who})], transaction=["app", k])
    lake.ask("commit", "t", operation="delete", remove=["p %2/ü#2.parquet"])
    for _ in range(3):
        lake.ask("set_properties", "t", properties={"note": "x" * 50_000})
    lake.ask("drain", "t")
    before = lake.same_everywhere("t")
    assert len(before) == 7
    log = lake.path("t") / "_delta_log"
    assert (log / "00000000000000000012.checkpoint.parquet").exists()
    pointer = json.loads((log / "_last_checkpoint").read_text())
    assert pointer["version"] == 12 and pointer["numOfAddFiles"] == 7
    for commit in log.glob("*.json"):
        if commit.name != "00000000000000000012.json":
            commit.unlink()
    lake.stop()
    assert lake.same_everywhere("t") == before
    table = deltalake.DeltaTable(str(lake.path("t")))
    assert table.transaction_version("app") == 7
    assert len(table.metadata().configuration["note"]) == 50_000
    snapshot = lake.ask("snapshot", "t")
    assert snapshot["transactions"] == {"app": 7} and snapshot["tombstones"] == 1
    # Everybody goes on from there.
    deltalake.write_deltalake(str(lake.path("t")), pyarrow.table({"id": [99], "day": [datetime.date(2024, 2, 2)], "who": ["rs"]}), mode="append")
    lake.ask("commit", "t", add=[lake.write("t", "z.parquet", "SELECT 100::BIGINT AS id", {"day": "2024-03-03", "who": "us"})])
    assert len(lake.same_everywhere("t")) == 9


def test_a_table_of_delta_rs_is_read_and_written_by_us(lake):
    path = str(lake.path("rs"))
    data = pyarrow.table({
        "id": pyarrow.array(range(20), pyarrow.int64()), "name": [None if i % 5 == 0 else f"n{i}" for i in range(20)], "part": [["x y", "ü/z", None][i % 3] for i in range(20)],
        "at": pyarrow.array([datetime.datetime(2024, 1, 1, i % 24, tzinfo=datetime.timezone.utc) for i in range(20)], pyarrow.timestamp("us", tz="UTC")),
        "amount": pyarrow.array([decimal.Decimal(i) / 4 for i in range(20)], pyarrow.decimal128(12, 2)), "tags": [[str(i), None] for i in range(20)],
    })
    lake.path("rs").parent.mkdir(parents=True, exist_ok=True)
    deltalake.write_deltalake(path, data, partition_by=["part"])
    table = deltalake.DeltaTable(path)
    table.delete("id < 3")
    table.update(updates={"name": "'changed'"}, predicate="id = 7")
    table.create_checkpoint()
    deltalake.write_deltalake(path, data.slice(0, 2), mode="append")
    assert len(lake.same_everywhere("rs")) == 19
    for version in range(4):
        lake.same_everywhere("rs", version)
    victim = lake.ask("snapshot", "rs")["files"][0]["path"]
    lake.ask("commit", "rs", operation="delete", remove=[victim])
    after = lake.same_everywhere("rs")
    assert len(after) < 19
    deltalake.DeltaTable(path).optimize.compact()
    assert lake.same_everywhere("rs") == after


def test_a_column_is_added_on_either_side(lake):
    lake.ask("create", "t", columns=columns(("id", "bigint")), add=[lake.write("t", "a.parquet", "SELECT 1::BIGINT AS id")])
    lake.ask("commit", "t", new_columns=columns(("more", "struct<x:int>")))
    lake.ask("commit", "t", add=[lake.write("t", "b.parquet", "SELECT 2::BIGINT AS id, {'x': 3} AS more")])
    deltalake.write_deltalake(str(lake.path("t")), pyarrow.table({"id": [3], "late": ["l"]}), mode="append", schema_mode="merge")
    assert lake.same_everywhere("t") == rows(["id", "more", "late"], [(1, None, None), (2, {"x": 3}, None), (3, None, "l")])


def test_features_that_we_do_not_write_are_refused_by_name(lake):
    path = str(lake.path("f"))
    lake.path("f").parent.mkdir(parents=True, exist_ok=True)
    deltalake.write_deltalake(path, pyarrow.table({"id": [1, 2, 3]}))
    deltalake.DeltaTable(path).alter.add_constraint({"positive": "id > 0"})
    assert len(lake.same_everywhere("f")) == 3
    with pytest.raises(Refused) as refused:
        lake.ask("commit", "f", add=[lake.write("f", "a.parquet", "SELECT 4::BIGINT AS id")])
    assert refused.value.code == "unsupported_feature" and "checkConstraints" in refused.value.message


def test_timestamps_without_zone_and_old_int96_files(lake):
    lake.ask("create", "t", columns=columns(("id", "bigint"), ("local", "timestamp_ntz"), ("at", "timestamp")),
             add=[lake.write("t", "a.parquet", "SELECT 1::BIGINT AS id, TIMESTAMP '2024-01-31 10:00:00.5' AS local, TIMESTAMPTZ '2024-01-31 10:00:00.5+00' AS at")])
    assert len(lake.same_everywhere("t")) == 1
    import pyarrow.parquet
    old = lake.path("t") / "old.parquet"
    at = datetime.datetime(1999, 12, 31, 23, 59, 59, 999999)
    pyarrow.parquet.write_table(pyarrow.table({"id": [2], "local": pyarrow.array([at], pyarrow.timestamp("us")), "at": pyarrow.array([at], pyarrow.timestamp("us"))}), old, use_deprecated_int96_timestamps=True)
    lake.ask("commit", "t", add=[{"path": "old.parquet", "size": old.stat().st_size, "rows": 1}])
    assert lake.ours("t") == lake.delta_rs("t")
    assert (2, at.isoformat()) in [(r[1], r[2]) for r in lake.ours("t")]


def test_not_null_is_enforced_from_statistics(lake):
    lake.ask("create", "t", columns=[{"name": "id", "type": "bigint", "nullable": False}])
    with pytest.raises(Refused) as refused:
        lake.ask("commit", "t", add=[lake.write("t", "a.parquet", "SELECT NULL::BIGINT AS id")])
    assert refused.value.code == "constraint"
    lake.ask("commit", "t", add=[lake.write("t", "b.parquet", "SELECT 1::BIGINT AS id")])
    assert lake.same_everywhere("t") == [(1,)]
