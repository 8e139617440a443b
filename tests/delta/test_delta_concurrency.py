"""Many writers on one table: threads and processes, some of them killed. What was acknowledged is in the table, once; nothing else is,
but for the one commit a killed thread may have been waiting for."""
import json
import os
import random
import shutil
import signal
import subprocess
import zlib

import deltalake
import pyarrow
import pytest
from delta_tables import BUILD, TOOL, Lake


ROWS = 4  # of a file, where rows are marked by deletion vectors


@pytest.fixture
def lake():
    with Lake() as made:
        made.ask("create", "t", columns=[{"name": "n", "type": "bigint"}, {"name": "who", "type": "string"}], partitions=["who"])
        made.write("t", "_template.parquet", "SELECT 1::BIGINT AS n")
        yield made


def start(lake, name, threads, operations, **environment):
    # A process has a root of its own with the same bucket in it: a root's unfinished uploads belong to one process.
    own = lake.folder / f"root-{name}"
    own.mkdir(exist_ok=True)
    if not (own / "lake").exists():
        (own / "lake").symlink_to(lake.objects / "lake")
    table = environment.pop("DELTA_TOOL_TABLE", "t")
    command = [str(TOOL), str(own), "hammer", table, str(lake.path(table) / "_template.parquet"), name, str(threads), str(operations), str(zlib.crc32(name.encode()) % 1000)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})


def told(output):
    """Acknowledgements and refusals; a killed process may have cut its last line."""
    acks, refusals = [], []
    for line in output.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        (acks if "version" in said else refusals).append(said)
    return acks, refusals


def commits(lake, table="t"):
    """What each commit file says: version -> (added, removed) identities."""
    out = {}
    for file in (lake.path(table) / "_delta_log").glob("0*.json"):
        if file.name.count(".") != 1:
            continue
        actions = [json.loads(line) for line in file.read_text().splitlines()]
        out[int(file.stem)] = (sorted(a["add"]["partitionValues"]["who"] for a in actions if "add" in a), sorted(a["remove"]["partitionValues"]["who"] for a in actions if "remove" in a))
    return out


def check(lake, acks):
    log = commits(lake)
    assert sorted(log) == list(range(len(log))), "no gap"
    assert len({a["version"] for a in acks}) == len(acks), "no version was given to two writers"
    for a in acks:
        assert log[a["version"]] == ([a["add"]] if "add" in a else [], [a["remove"]] if "remove" in a else []), a
    live = set()
    for version in sorted(log):  # the serial model
        added, removed = log[version]
        assert set(removed) <= live, f"version {version} removes what is not there"
        live -= set(removed)
        assert not set(added) & live, f"version {version} adds twice"
        live |= set(added)
    expected = sorted((1, who) for who in live)
    assert lake.ours_anew("t") == expected
    assert lake.duckdb("t") == expected
    assert lake.delta_rs("t") == expected
    return log


def test_threads_and_processes_lose_nothing(lake):
    processes = [start(lake, f"p{i}", 6, 20) for i in range(3)] + [start(lake, "threads", 16, 20)]
    acks, refusals = [], []
    for process in processes:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        good, bad = told(output)
        acks += good
        refusals += bad
    assert len(acks) + len(refusals) == 3 * 6 * 20 + 16 * 20
    assert {r["error"] for r in refusals} <= {"conflict"}
    log = check(lake, acks)
    assert len(log) == len(acks) + 1, "every commit was acknowledged"
    assert len(acks) > len(refusals)


def test_foreign_writers_take_part(lake):
    process = start(lake, "ours", 4, 15)
    added = []
    for i in range(30):
        who = f"rs-{i}"
        try:
            deltalake.write_deltalake(str(lake.path("t")), pyarrow.table({"n": [1], "who": [who]}), mode="append")
        except deltalake.exceptions.CommitFailedError:  # delta-rs lets no append follow a delete that it did not see
            continue
        added.append(who)
    output, _ = process.communicate(timeout=240)
    acks, refusals = told(output)
    assert {r["error"] for r in refusals} <= {"conflict"}
    log = check(lake, acks)
    assert len(log) == 1 + len(acks) + len(added)
    assert added and acks


def test_a_writer_killed_around_any_write_leaves_a_valid_table(lake):
    acks, killed = [], 0
    for n in range(1, 15):
        for when in ("before", "after"):
            process = start(lake, f"k{when}{n}", 1, 12, DELTA_TOOL_KILL=f"{when}:{n}")
            output, _ = process.communicate(timeout=60)
            killed += process.returncode == -signal.SIGKILL
            acks += told(output)[0]
    assert killed > 20
    log = check(lake, acks)
    assert len(acks) + 1 <= len(log) <= len(acks) + 1 + killed


def test_writers_killed_at_any_moment_leave_a_valid_table(lake):
    moments = random.Random(7)
    acks, threads, rounds = [], 3, 12
    for n in range(rounds):
        victim, survivor = start(lake, f"v{n}", threads, 100_000), start(lake, f"s{n}", 2, 4)
        # Its threads go on while one of them speaks, so that each round ends at other places of their work.
        first = "".join(victim.stdout.readline() for _ in range(moments.randrange(1, 25)))
        victim.send_signal(signal.SIGKILL)
        rest = victim.stdout.read()  # not communicate(), which forgets what readline() had read ahead
        victim.wait(60)
        output, _ = survivor.communicate(timeout=120)
        assert survivor.returncode == 0
        acks += told(first + rest)[0] + told(output)[0]
    log = check(lake, acks)
    assert len(acks) + 1 <= len(log) <= len(acks) + 1 + threads * rounds


def start_64(lake, operations, **environment):
    """Four processes of sixteen threads: appends, deletes, updates, and rows marked one by one."""
    return [start(lake, f"w{i}", 16, operations, DELTA_TOOL_ROWS=str(ROWS), **environment) for i in range(4)]


def check_rows(log, acks, seen, unheard=0):
    """The serial model: what the commits make of the table, one after the other, is what readers see. Each was acknowledged, but for those that a killed
    writer was not there to hear of."""
    assert sorted(log) == list(range(len(log))), "no gap"
    assert len({a["version"] for a in acks}) == len(acks), "no version was given to two writers"
    assert len(acks) <= len(log) - 1 <= len(acks) + unheard
    told_of = {a["version"]: a for a in acks}
    live = {}
    for version in sorted(log):
        added, removed = log[version]
        a = told_of.get(version, {})
        if added and added == removed:  # marked: the first of its rows that is left
            (who,) = added
            row = live[who].pop(0)
            assert not a or (a["mark"], a["row"]) == (who, row), "a row was marked twice, or another one"
            continue
        if "mark" in a:  # the last of them, so that the file went
            assert removed == [a["mark"]] and not added and live[a["mark"]] == [a["row"]]
        elif a:
            assert ([a["add"]] if "add" in a else [], [a["remove"]] if "remove" in a else []) == (added, removed)
        for who in removed:
            del live[who]
        for who in added:
            assert who not in live
            live[who] = list(range(ROWS))
    assert seen == sorted((n, who) for who, rows in live.items() for n in rows)


def gather(processes, seconds=400):
    acks, refusals = [], []
    for process in processes:
        output, _ = process.communicate(timeout=seconds)
        assert process.returncode == 0
        good, bad = told(output)
        acks += good
        refusals += bad
    assert {r["error"] for r in refusals} <= {"conflict"}, refusals[:3]
    return acks, refusals


OPERATIONS = int(os.environ.get("TARN_WRITER_OPERATIONS", "4"))


def test_sixty_four_writers_of_mixed_changes_against_a_serial_model(lake):
    lake.ask("create", "m", columns=[{"name": "n", "type": "bigint"}, {"name": "who", "type": "string"}], partitions=["who"], properties={"delta.enableDeletionVectors": "true"})
    lake.write("m", "_template.parquet", f"SELECT range::BIGINT AS n FROM range({ROWS})")
    lake.stop()
    acks, refusals = gather(start_64(lake, OPERATIONS, DELTA_TOOL_TABLE="m"))
    assert len(acks) + len(refusals) == 64 * OPERATIONS
    assert sum("mark" in a for a in acks) > 0
    log = commits(lake, "m")
    check_rows(log, acks, lake.ours_anew("m"))
    check_rows(log, acks, lake.duckdb("m"))


def test_sixty_four_writers_over_s3(lake, tmp_path):
    """The same through Tarn's own S3 endpoint: conditional puts decide."""
    (tmp_path / "far").mkdir()
    server = subprocess.Popen([str(BUILD / "src/objects/s3_test_server"), str(tmp_path / "far")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        endpoint = json.loads(server.stdout.readline())["endpoint"]
        server.stdin.write(json.dumps({"vend": {"prefixes": ["s3://root-bucket/"], "access": "read_write", "lifetime_ms": 3_600_000}}) + "\n")
        server.stdin.flush()
        keys = json.loads(server.stdout.readline())
        # The table is made in a folder, and its bucket is then the service's own.
        lake.ask("create", "s", columns=[{"name": "n", "type": "bigint"}, {"name": "who", "type": "string"}], partitions=["who"], properties={"delta.enableDeletionVectors": "true"})
        template = lake.write("s", "_template.parquet", f"SELECT range::BIGINT AS n FROM range({ROWS})")
        lake.stop()
        bucket = tmp_path / "far" / "objects" / "root-bucket"
        shutil.copytree(lake.path("s"), bucket / "s", dirs_exist_ok=True)
        s3 = json.dumps({"endpoint": endpoint, **{k: keys[k] for k in ("access_key_id", "secret_access_key", "session_token")}})
        acks, refusals = gather(start_64(lake, OPERATIONS, DELTA_TOOL_TABLE="s", DELTA_TOOL_BUCKET="root-bucket", DELTA_TOOL_S3=s3))
        assert len(acks) + len(refusals) == 64 * OPERATIONS and template["rows"] == ROWS
    finally:
        server.stdin.close()
        server.wait(30)
    shutil.rmtree(lake.path("s"))
    shutil.copytree(bucket / "s", lake.path("s"))
    check_rows(commits(lake, "s"), acks, lake.ours_anew("s"))
    check_rows(commits(lake, "s"), acks, lake.duckdb("s"))


def test_a_writer_killed_around_any_write_of_a_marked_row_leaves_a_valid_table(lake):
    lake.ask("create", "k", columns=[{"name": "n", "type": "bigint"}, {"name": "who", "type": "string"}], partitions=["who"],
             properties={"delta.enableDeletionVectors": "true", "delta.enableRowTracking": "true", "delta.checkpointPolicy": "v2", "delta.checkpointInterval": "5"})
    lake.write("k", "_template.parquet", f"SELECT range::BIGINT AS n FROM range({ROWS})")
    lake.stop()
    acks, killed = [], 0
    for n in range(1, 13):
        for when in ("before", "after"):
            process = start(lake, f"m{when}{n}", 1, 8, DELTA_TOOL_KILL=f"{when}:{n}", DELTA_TOOL_ROWS=str(ROWS), DELTA_TOOL_TABLE="k")
            output, _ = process.communicate(timeout=60)
            killed += process.returncode == -signal.SIGKILL
            acks += told(output)[0]
    assert killed > 15
    log = commits(lake, "k")
    check_rows(log, acks, lake.ours_anew("k"), unheard=killed)
    check_rows(log, acks, lake.duckdb("k"), unheard=killed)
