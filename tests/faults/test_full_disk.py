"""A disk that fills up while rows are written: nothing is committed, the error says so, and everything goes on when there is room again."""
import os
import pathlib
import subprocess

import pytest

from harness import Refused, StatementFailed, running

ROWS = "SELECT id, sha2(CAST(id AS STRING), 256) AS noise FROM range({0}, {1})"


@pytest.fixture
def disk(tmp_path):
    """A file system of 96 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small file system: " + mounted.stderr.strip())
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk, leave):
    """Takes the room that is there, but for some bytes."""
    room = os.statvfs(disk)
    filler = disk / "filler"
    with open(filler, "wb") as out:
        os.posix_fallocate(out.fileno(), 0, room.f_bavail * room.f_bsize - leave)
    return filler


def test_a_full_disk_commits_nothing(disk):
    root = pathlib.Path(__file__).resolve().parents[2]
    with running(data=disk / "data") as server:
        server.tarn("vendor", "register-prefix", "--data", str(server.data), "acme")
        server.tarn("apply", "--data", str(server.data), str(root / "platform"))
        admin = server.admin()
        warehouse = admin.workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": "w", "cluster_size": "2X-Small", "max_num_clusters": 1, "auto_stop_mins": 0})["id"]

        def sql(text):
            return admin.sql("landing", warehouse, text)

        sql("CREATE SCHEMA landing_raw.room")
        sql("CREATE TABLE landing_raw.room.t AS " + ROWS.format(0, 1000))
        filler = fill(disk, 2 << 20)
        for statement in ("INSERT INTO landing_raw.room.t " + ROWS.format(0, 300_000), "INSERT OVERWRITE landing_raw.room.t " + ROWS.format(0, 300_000),
                          "CREATE TABLE landing_raw.room.other AS " + ROWS.format(0, 300_000)):
            with pytest.raises(StatementFailed) as failed:
                sql(statement)
            assert "No space left" in str(failed.value), failed.value
            assert str(server.data) not in str(failed.value), "a place on the server's disk is nobody's business"
        assert sql("SELECT count(*), sum(id) FROM landing_raw.room.t") == [["1000", "499500"]]
        assert [r[1] for r in sql("SHOW TABLES IN landing_raw.room")] == ["t"]

        # Not even room for a row of the store: reads go on, a write is refused as the server's trouble, not the caller's.
        filler.unlink()
        filler = fill(disk, 64 << 10)
        with pytest.raises((StatementFailed, Refused)) as failed:
            for i in range(200):
                sql(f"INSERT INTO landing_raw.room.t {ROWS.format(5000, 5100)}")
        assert str(server.data) not in str(failed.value)
        written = i
        with pytest.raises(Refused) as refused:
            for i in range(200):
                admin.workspace("landing", "POST", "/api/2.1/unity-catalog/schemas", {"name": f"s{i}", "catalog_name": "landing_raw", "comment": "x" * 60_000})
        assert refused.value.status in (500, 503), refused.value
        assert admin.workspace("landing", "GET", "/api/2.1/unity-catalog/schemas/landing_raw.room")["name"] == "room"

        filler.unlink()
        sql("INSERT INTO landing_raw.room.t " + ROWS.format(1000, 2000))
        assert sql("SELECT count(*), sum(id) FROM landing_raw.room.t WHERE id < 5000") == [["2000", "1999000"]]
        # The last one may have been committed before there was no room to record that it ended; none is half there, and none that was told is lost.
        assert sql("SELECT count(*) FROM landing_raw.room.t WHERE id >= 5000") in ([[str(100 * written)]], [[str(100 * written + 100)]])
