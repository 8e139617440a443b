"""The same platform on PostgreSQL; backups that move it between stores; a root key that changes under a running server."""
import json
import pathlib

import pytest

from harness import ROOT, Refused, Server, StatementFailed, platform, postgres


def make_table(server):
    emil = server.person("emil@acme.example", "landing")
    emil.sql("landing", server.warehouses["landing"], "CREATE TABLE landing_raw.flights.kept AS SELECT 7 AS n, 'kept' AS s")
    return emil


def check_platform(server, warehouse):
    assert json.loads(server.tarn("plan", "--data", str(server.data), "--json", str(ROOT / "platform")).stdout).get("changes", []) == []
    emil, nora = server.person("emil@acme.example", "pipeline"), server.person("nora@acme.example", "pipeline")
    assert emil.sql("pipeline", warehouse, "SELECT n, s FROM landing_raw.flights.kept") == [["7", "kept"]]
    with pytest.raises(StatementFailed, match="INSUFFICIENT_PERMISSIONS"):
        nora.sql("pipeline", warehouse, "SELECT n FROM landing_raw.flights.kept")


def test_the_platform_stands_on_postgresql_and_moves_to_sqlite(tmp_path):
    with postgres() as url, platform("--store", url) as server:
        make_table(server)
        check_platform(server, server.warehouses["pipeline"])
        server.kill()
        server.start()
        check_platform(server, server.warehouses["pipeline"])
        server.tarn("backup", "--data", str(server.data), str(tmp_path / "backup"))
        moved = tmp_path / "moved"
        server.tarn("restore", str(tmp_path / "backup"), "--data", str(moved))
        server.stop()
        second = Server(moved)
        try:
            assert second.ready["account_id"] == server.ready["account_id"]
            check_platform(second, server.warehouses["pipeline"])
        finally:
            second.stop()


def test_a_revoked_grant_holds_on_every_server_of_the_store(tmp_path):
    with postgres() as url, platform("--store", url) as first:
        # A second server of the same store, with a folder and storage of its own: it answers for metadata.
        (tmp_path / "second").mkdir(mode=0o700)
        (tmp_path / "second" / "root.key").write_bytes((first.data / "root.key").read_bytes())
        (tmp_path / "second" / "root.key").chmod(0o600)
        second = Server(tmp_path / "second", "--store", url)
        try:
            there = first.person("nora@acme.example", "landing")
            there.server = second
            there.http = second.session()
            path = "/api/2.1/unity-catalog/catalogs/pipeline_gold"
            assert there.workspace("landing", "GET", path)["name"] == "pipeline_gold"
            first.admin().workspace("landing", "PATCH", "/api/2.1/unity-catalog/permissions/catalog/pipeline_gold",
                                    {"changes": [{"principal": "gold_read", "remove": ["USE_CATALOG", "USE_SCHEMA", "SELECT"]}]})
            with pytest.raises(Refused) as e:
                there.workspace("landing", "GET", path)
            assert e.value.status in (403, 404)
        finally:
            second.stop()


def test_the_root_key_rotates_under_a_running_server():
    with platform() as server:
        before = (server.data / "root.key").read_text()
        server.tarn("keys", "rotate", "--data", str(server.data))
        assert (server.data / "root.key").read_text() != before
        make_table(server)
        server.kill()
        server.start()
        check_platform(server, server.warehouses["pipeline"])


def test_a_backup_goes_to_a_new_folder_and_a_damaged_one_is_refused(tmp_path):
    with platform() as server:
        backup = tmp_path / "backup"
        server.tarn("backup", "--data", str(server.data), str(backup))
        again = server.tarn("backup", "--data", str(server.data), str(backup), check=False)
        assert again.returncode == 1 and "exists already" in again.stderr
        records = pathlib.Path(backup / "records.jsonl")
        records.write_text(records.read_text().replace("landing", "lending", 1))
        refused = server.tarn("restore", str(backup), "--data", str(tmp_path / "new"), check=False)
        assert refused.returncode == 1 and "records.jsonl" in refused.stderr
        assert not (tmp_path / "new").exists()
