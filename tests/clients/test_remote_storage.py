"""Buckets in an S3 service that is not the server's own: SQL, commits, vended credentials; boto3, delta-rs and DuckDB as independent readers."""
import concurrent.futures
import json
import os
import pathlib
import socket
import subprocess

import boto3
import duckdb
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from deltalake import DeltaTable

from harness import Refused, StatementFailed, platform

BUCKET = "root-bucket"  # the one that s3_test_server has


class FarStorage:
    """Tarn's own S3 endpoint and token service in another process, as the remote."""

    def __init__(self, folder):
        folder.mkdir()
        binary = pathlib.Path(os.environ["TARN_BUILD"]) / "src/objects/s3_test_server"
        self.process = subprocess.Popen([binary, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.objects = folder / "objects"
        self.endpoint = json.loads(self.process.stdout.readline())["endpoint"]

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def vend(self, prefix, access="read_write"):
        return self.ask(vend={"prefixes": [prefix], "access": access, "lifetime_ms": 3_600_000})

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=10)


def client(far, c):
    return boto3.client("s3", endpoint_url=far.endpoint, region_name="us-east-1", aws_access_key_id=c["access_key_id"],
                        aws_secret_access_key=c["secret_access_key"], aws_session_token=c["session_token"],
                        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("far")
    far = FarStorage(folder / "far")
    keys = far.vend(f"s3://{BUCKET}/")
    (folder / "keys").write_text(f"[default]\naws_access_key_id = {keys['access_key_id']}\naws_secret_access_key = {keys['secret_access_key']}\n"
                                 f"aws_session_token = {keys['session_token']}\n")
    (folder / "objects.json").write_text(json.dumps({"stores": [{
        "name": "far", "endpoint": far.endpoint, "region": "us-east-1", "buckets": ["root-*"], "credentials_file": str(folder / "keys"),
        "sts_endpoint": far.endpoint}]}))
    try:
        with platform("--objects", str(folder / "objects.json")) as server:
            server.far = far
            server.admin_ = server.admin()
            uc = "/api/2.1/unity-catalog"
            call = lambda *a: server.admin_.workspace("landing", *a)
            call("POST", f"{uc}/storage-credentials", {"name": "far", "aws_iam_role": {"role_arn": "arn:aws:iam::123456789012:role/far", "external_id": "tarn"}})
            call("POST", f"{uc}/external-locations", {"name": "far", "url": f"s3://{BUCKET}/lake", "credential_name": "far"})
            call("POST", f"{uc}/catalogs", {"name": "far", "storage_root": f"s3://{BUCKET}/lake/managed"})
            call("POST", f"{uc}/schemas", {"name": "s", "catalog_name": "far"})
            for text in ("CREATE TABLE far.s.orders (id BIGINT, region STRING, amount DECIMAL(10,2), at TIMESTAMP) PARTITIONED BY (region)",
                         "INSERT INTO far.s.orders SELECT id, CASE WHEN id % 2 = 0 THEN 'north' ELSE 'south' END, id * 1.25, TIMESTAMP'2024-01-01 00:00:00' FROM range(1000)",
                         "CREATE TABLE far.s.neighbour AS SELECT 1 AS secret"):
                sql(server, text)
            yield server
    finally:
        far.close()


def sql(server, text):
    return server.admin_.sql("landing", server.warehouses["landing"], text)


def credentials(server, table, operation="READ"):
    uc = "/api/2.1/unity-catalog"
    info = server.admin_.workspace("landing", "GET", f"{uc}/tables/{table}")
    given = server.admin_.workspace("landing", "POST", f"{uc}/temporary-table-credentials", {"table_id": info["table_id"], "operation": operation})
    return info["storage_location"], given["aws_temp_credentials"]


def allow_vending(server):
    me = server.ready["admin"]["client_id"]
    server.admin_.workspace("landing", "PATCH", "/api/2.1/unity-catalog/permissions/schema/far.s",
                            {"changes": [{"principal": me, "add": ["EXTERNAL_USE_SCHEMA"]}]})


def storage_options(far, c):
    return {"AWS_ENDPOINT_URL": far.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": c["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": c["secret_access_key"], "AWS_SESSION_TOKEN": c["session_token"], "conditional_put": "etag"}


def test_statements_run_and_the_bytes_are_far(world):
    assert sql(world, "SELECT count(*), sum(amount) FROM far.s.orders") == [["1000", "624375.00"]]
    assert sql(world, "DELETE FROM far.s.orders WHERE id >= 900 AND region = 'north'") == [["50"]]
    sql(world, "CREATE TABLE far.s.copied AS SELECT id, amount FROM far.s.orders WHERE id < 10")
    assert sql(world, "UPDATE far.s.copied SET amount = 0 WHERE id = 3") == [["1"]]
    assert sql(world, "SELECT id, amount FROM far.s.copied WHERE id BETWEEN 2 AND 4 ORDER BY id") == [["2", "2.50"], ["3", "0.00"], ["4", "5.00"]]
    assert sql(world, "SELECT count(*) FROM far.s.copied VERSION AS OF 0") == [["10"]]
    far = list((world.far.objects / BUCKET / "lake").rglob("*.parquet"))
    assert far and not (world.data / "objects" / BUCKET).exists()
    # A table that nobody read has no copy here.
    sql(world, "CREATE TABLE far.s.quiet AS SELECT 1 AS one")
    world.stop()
    world.start()
    world.admin_ = world.admin()
    sql(world, "SELECT * FROM far.s.copied")
    location = world.admin_.workspace("landing", "GET", "/api/2.1/unity-catalog/tables/far.s.quiet")["storage_location"].split("/", 3)[3]
    assert not list((world.data / "spool/remote" / BUCKET).glob(location + "/*.parquet"))


def test_only_files_that_can_hold_what_is_asked_for_are_copied(world):
    sql(world, "CREATE TABLE far.s.steps (id BIGINT, name STRING)")
    for first in range(0, 500, 100):
        sql(world, f"INSERT INTO far.s.steps SELECT id, concat('n', id) FROM range({first}, {first + 100})")
    location = world.admin_.workspace("landing", "GET", "/api/2.1/unity-catalog/tables/far.s.steps")["storage_location"].split("/", 3)[3]
    copies = lambda: len(list((world.data / "spool/remote" / BUCKET).glob(location + "/*.parquet")))
    world.stop()
    world.start()
    world.admin_ = world.admin()
    assert sql(world, "SELECT name FROM far.s.steps WHERE id = 250") == [["n250"]]
    assert copies() == 1
    assert sql(world, "UPDATE far.s.steps SET name = 'changed' WHERE id = 10") == [["1"]]
    assert copies() <= 3  # that file, and what it became
    assert sql(world, "SELECT count(*), count(DISTINCT name) FROM far.s.steps") == [["500", "500"]]


def test_files_of_a_remote_location_are_read_and_copied_once(world):
    s3 = client(world.far, world.far.vend(f"s3://{BUCKET}/"))
    s3.put_object(Bucket=BUCKET, Key="lake/in/a.csv", Body=b"id,name\n1,one\n2,two\n")
    assert sql(world, f"SELECT id, name FROM read_files('s3://{BUCKET}/lake/in/', format => 'csv', header => 'true') ORDER BY id") == [["1", "one"], ["2", "two"]]
    sql(world, "CREATE TABLE far.s.loaded (id INT, name STRING)")
    copy = f"COPY INTO far.s.loaded FROM 's3://{BUCKET}/lake/in/' FILEFORMAT = CSV FORMAT_OPTIONS ('header' = 'true')"
    assert sql(world, copy)[0][0] == "2"
    assert sql(world, copy)[0][0] == "0"
    # The same name with other content is seen at once.
    s3.put_object(Bucket=BUCKET, Key="lake/in/a.csv", Body=b"id,name\n3,three\n")
    assert sql(world, f"SELECT id FROM read_files('s3://{BUCKET}/lake/in/', format => 'csv', header => 'true')") == [["3"]]
    assert sql(world, copy)[0][0] == "1"
    with pytest.raises(StatementFailed, match="INSUFFICIENT_PERMISSIONS|No external location"):
        sql(world, f"SELECT * FROM read_files('s3://{BUCKET}/elsewhere/', format => 'csv')")


def test_vended_credentials_are_the_token_services_and_scoped(world):
    with pytest.raises(Refused) as e:
        credentials(world, "far.s.orders")
    assert e.value.status == 403
    allow_vending(world)
    location, c = credentials(world, "far.s.orders")
    neighbour, _ = credentials(world, "far.s.neighbour")
    expected = {tuple(r) for r in sql(world, "SELECT id, region, amount FROM far.s.orders")}
    rows = DeltaTable(location, storage_options=storage_options(world.far, c)).to_pyarrow_table().to_pylist()
    assert {(str(r["id"]), r["region"], str(r["amount"])) for r in rows} == expected and len(rows) == len(expected) > 0

    s3 = client(world.far, c)
    prefix, other = location.split("/", 3)[3] + "/", neighbour.split("/", 3)[3] + "/"
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]
    data = next(k for k in keys if k.endswith(".parquet"))
    assert s3.get_object(Bucket=BUCKET, Key=data)["Body"].read(4) == b"PAR1"
    their = next(str(p.relative_to(world.far.objects / BUCKET)) for p in (world.far.objects / BUCKET / other).glob("*.parquet"))
    for refused in (lambda: s3.get_object(Bucket=BUCKET, Key=their), lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=other),
                    lambda: s3.put_object(Bucket=BUCKET, Key=prefix + "x", Body=b""), lambda: s3.delete_object(Bucket=BUCKET, Key=data)):
        with pytest.raises(ClientError) as e:
            refused()
        assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403

    host = world.far.endpoint.removeprefix("http://")
    db = duckdb.connect(config={"allow_unsigned_extensions": "false"})
    httpfs = next(pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache/tarn").glob("duckdb-extension-httpfs-*/**/httpfs.duckdb_extension"))
    db.execute(f"LOAD '{httpfs}'")
    db.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{c['access_key_id']}', SECRET '{c['secret_access_key']}', SESSION_TOKEN '{c['session_token']}', "
               f"ENDPOINT '{host}', REGION 'us-east-1', USE_SSL false, URL_STYLE 'path', SCOPE '{location}/')")
    assert db.execute(f"SELECT count(*) FROM read_parquet('s3://{BUCKET}/{data}')").fetchone()[0] > 0
    with pytest.raises(duckdb.Error, match="403|Forbidden|HTTP"):
        db.execute(f"SELECT * FROM read_parquet('s3://{BUCKET}/{their}')").fetchall()


def test_nobody_overwrites_a_commit(world):
    allow_vending(world)
    location, c = credentials(world, "far.s.orders", "READ_WRITE")
    key = location.split("/", 3)[3] + "/_delta_log/00000000000000000001.json"
    s3 = client(world.far, c)
    before = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with pytest.raises(ClientError):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    with pytest.raises(ClientError):
        s3.delete_object(Bucket=BUCKET, Key=key)
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == before


def test_writers_of_both_kinds_lose_nothing(world):
    """Statements here and delta-rs with vended credentials append to one table at once: every row is there once."""
    allow_vending(world)
    sql(world, "CREATE TABLE far.s.shared (writer STRING, n BIGINT)")
    location, c = credentials(world, "far.s.shared", "READ_WRITE")
    import pyarrow

    from deltalake import write_deltalake

    def ours(w):
        for n in range(4):
            sql(world, f"INSERT INTO far.s.shared VALUES ('ours-{w}', {n})")

    def theirs(w):
        for n in range(4):
            write_deltalake(location, pyarrow.table({"writer": [f"theirs-{w}"], "n": pyarrow.array([n], pyarrow.int64())}), mode="append",
                            storage_options=storage_options(world.far, c))

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for job in [pool.submit(ours, w) for w in range(3)] + [pool.submit(theirs, w) for w in range(3)]:
            job.result()
    rows = sql(world, "SELECT writer, n FROM far.s.shared")
    assert sorted(map(tuple, rows)) == sorted((f"{kind}-{w}", str(n)) for kind in ("ours", "theirs") for w in range(3) for n in range(4))


def test_a_remote_bucket_that_is_not_there_is_refused(world):
    with pytest.raises(Refused) as e:
        world.admin_.workspace("landing", "POST", "/api/2.1/unity-catalog/external-locations",
                               {"name": "none", "url": "s3://root-nothing/x", "credential_name": "far"})
    assert e.value.status in (400, 403)


def test_a_store_that_is_away_is_said_so(world):
    world.far.close()
    with socket.create_server((world.far.endpoint.rsplit(":", 1)[0].removeprefix("http://"), int(world.far.endpoint.rsplit(":", 1)[1]))) as silent:
        silent.close()
    with pytest.raises(StatementFailed, match="remote storage"):
        sql(world, "SELECT count(*) FROM far.s.orders")
    assert sql(world, "SELECT 1") == [["1"]]


def test_a_wrong_file_stops_the_start(tmp_path):
    (tmp_path / "objects.json").write_text('{"stores": [{"name": "x", "endpoint": "s3.example", "region": "r", "buckets": ["b"], "credentials_file": "/none"}]}')
    from harness import TARN
    done = subprocess.run([TARN, "serve", "--data", str(tmp_path / "data"), "--objects", str(tmp_path / "objects.json")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "stores[0].endpoint" in done.stderr
