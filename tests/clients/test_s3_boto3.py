"""The storage boundary as boto3 and DuckDB's httpfs see it: with vended credentials and nothing else."""
import base64
import hashlib
import json
import os
import pathlib
import subprocess
import threading
import urllib.error
import urllib.request

import boto3
import duckdb
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = "root-bucket"
COMMIT = "t/_delta_log/00000000000000000000.json"


class Server:
    def __init__(self, folder):
        binary = pathlib.Path(os.environ["TARN_BUILD"]) / "src/objects/s3_test_server"
        self.process = subprocess.Popen([binary, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.folder = folder
        self.endpoint = json.loads(self.process.stdout.readline())["endpoint"]

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def vend(self, *prefixes, access="read_write", minutes=60):
        return self.ask(vend={"prefixes": list(prefixes), "access": access, "lifetime_ms": minutes * 60_000})

    def client(self, *prefixes, access="read_write", minutes=60, style="path", credentials=None, **config):
        c = credentials or self.vend(*prefixes, access=access, minutes=minutes)
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=c["access_key_id"],
                            aws_secret_access_key=c["secret_access_key"], aws_session_token=c["session_token"],
                            config=Config(signature_version="s3v4", s3={"addressing_style": style}, retries={"max_attempts": 1}, **config))

    def audit(self, action):
        return [e for e in self.ask(audit=True)["events"] if e["action"] == action]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


@pytest.fixture
def server(tmp_path):
    s = Server(tmp_path)
    yield s
    s.close()


def refused(call, **arguments):
    with pytest.raises(ClientError) as e:
        call(**arguments)
    response = e.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def keys(answer):
    return [o["Key"] for o in answer.get("Contents", [])]


def test_the_granted_prefix_works_and_its_neighbour_does_not(server):
    ann = server.client(f"s3://{BUCKET}/t/")
    put = ann.put_object(Bucket=BUCKET, Key="t/a b+ü.txt", Body=b"hello", ContentType="text/plain", Metadata={"who": "ann"})
    assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    got = ann.get_object(Bucket=BUCKET, Key="t/a b+ü.txt")
    assert got["Body"].read() == b"hello"
    assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"who": "ann"})
    head = ann.head_object(Bucket=BUCKET, Key="t/a b+ü.txt")
    assert head["ContentLength"] == 5
    assert [b["Name"] for b in ann.list_buckets()["Buckets"]] == [BUCKET]
    ann.head_bucket(Bucket=BUCKET)
    assert ann.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None

    owner = server.client(f"s3://{BUCKET}/")
    for key in ("t2/x", "u/x", "tx"):
        owner.put_object(Bucket=BUCKET, Key=key, Body=b"secret")
        assert refused(ann.get_object, Bucket=BUCKET, Key=key) == (403, "AccessDenied")
        assert refused(ann.head_object, Bucket=BUCKET, Key=key)[0] == 403
        assert refused(ann.put_object, Bucket=BUCKET, Key=key, Body=b"x") == (403, "AccessDenied")
        assert refused(ann.delete_object, Bucket=BUCKET, Key=key) == (403, "AccessDenied")
        assert refused(ann.copy_object, Bucket=BUCKET, Key="t/stolen", CopySource={"Bucket": BUCKET, "Key": key}) == (403, "AccessDenied")
        assert refused(ann.create_multipart_upload, Bucket=BUCKET, Key=key) == (403, "AccessDenied")
        assert owner.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"secret"
    for prefix in ("", "t", "u/", "t2/"):
        assert refused(ann.list_objects_v2, Bucket=BUCKET, Prefix=prefix) == (403, "AccessDenied")
    assert refused(ann.list_objects_v2, Bucket="other-bucket", Prefix="t/") == (403, "AccessDenied")
    assert refused(ann.head_bucket, Bucket="other-bucket")[0] == 403
    assert refused(ann.create_bucket, Bucket="new-bucket") == (403, "AccessDenied")
    assert refused(ann.get_object, Bucket=BUCKET, Key="t/none") == (404, "NoSuchKey")

    denied = server.audit("getObject")
    assert {e["outcome"] for e in denied if e["params"]["key"] == "u/x" and e["principal"] == "ann@example.com"} == {"denied", "success"}
    assert [e for e in server.audit("putObject") if e["params"]["key"] == "u/x" and e["status"] == 403]


def test_reading_rights_do_not_write(server):
    server.client(f"s3://{BUCKET}/t/").put_object(Bucket=BUCKET, Key="t/a", Body=b"1")
    reader = server.client(f"s3://{BUCKET}/t/", access="read")
    assert reader.get_object(Bucket=BUCKET, Key="t/a")["Body"].read() == b"1"
    assert refused(reader.put_object, Bucket=BUCKET, Key="t/a", Body=b"2") == (403, "AccessDenied")
    assert refused(reader.delete_object, Bucket=BUCKET, Key="t/a") == (403, "AccessDenied")
    assert refused(reader.delete_objects, Bucket=BUCKET, Delete={"Objects": [{"Key": "t/a"}]}) == (403, "AccessDenied")
    assert refused(reader.create_multipart_upload, Bucket=BUCKET, Key="t/b") == (403, "AccessDenied")
    assert reader.get_object(Bucket=BUCKET, Key="t/a")["Body"].read() == b"1"


def test_after_expiry_everything_is_refused(server):
    ann = server.client(f"s3://{BUCKET}/t/", minutes=5)
    ann.put_object(Bucket=BUCKET, Key="t/a", Body=b"1")
    server.ask(advance_ms=5 * 60_000 + 1000)
    assert refused(ann.get_object, Bucket=BUCKET, Key="t/a") == (403, "ExpiredToken")
    assert refused(ann.put_object, Bucket=BUCKET, Key="t/a", Body=b"2") == (403, "ExpiredToken")
    assert refused(ann.list_objects_v2, Bucket=BUCKET, Prefix="t/") == (403, "ExpiredToken")
    assert refused(ann.delete_object, Bucket=BUCKET, Key="t/a") == (403, "ExpiredToken")
    assert refused(ann.list_buckets) == (403, "ExpiredToken")


def test_forged_credentials_are_refused(server):
    good, other = server.vend(f"s3://{BUCKET}/t/"), server.vend(f"s3://{BUCKET}/")
    arguments = dict(Bucket=BUCKET, Key="t/a", Body=b"x")
    with_ = lambda **change: server.client(credentials={**good, **change}).put_object
    assert refused(with_(secret_access_key="A" * 40), **arguments) == (403, "SignatureDoesNotMatch")
    assert refused(with_(access_key_id="ASIAAAAAAAAAAAAAAAAA"), **arguments) == (403, "InvalidAccessKeyId")
    assert refused(with_(session_token=other["session_token"]), **arguments) == (403, "InvalidAccessKeyId")
    assert refused(with_(session_token=good["session_token"][:-4] + "AAAA"), **arguments) == (403, "InvalidToken")
    assert refused(with_(session_token=None), **arguments) == (403, "InvalidAccessKeyId")
    with pytest.raises(urllib.error.HTTPError) as anonymous:
        urllib.request.urlopen(f"{server.endpoint}/{BUCKET}/t/a")
    assert anonymous.value.code == 403
    server.ask(advance_ms=20 * 60_000)
    assert refused(with_(), **arguments) == (403, "RequestTimeTooSkewed")


def test_the_token_service_names_who_signs(server):
    def identity(c, **changed):
        return boto3.client("sts", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=c["access_key_id"],
                            aws_secret_access_key=changed.get("secret", c["secret_access_key"]), aws_session_token=c["session_token"],
                            config=Config(retries={"max_attempts": 1})).get_caller_identity()

    credentials = server.vend("s3://root-bucket/t/")
    mine = identity(credentials)
    assert mine["Arn"].startswith("arn:aws:sts::000000000000:assumed-role/tarn/") and mine["UserId"].startswith(credentials["access_key_id"] + ":")
    assert mine["UserId"].split(":", 1)[1] == mine["Arn"].rsplit("tarn/", 1)[1]
    with pytest.raises(ClientError) as refused:
        identity(credentials, secret="x" * 40)
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_nobody_overwrites_or_deletes_a_commit(server):
    ann = server.client(f"s3://{BUCKET}/t/")
    ann.put_object(Bucket=BUCKET, Key=COMMIT, Body=b"first")
    ann.put_object(Bucket=BUCKET, Key="t/x", Body=b"other")
    assert refused(ann.put_object, Bucket=BUCKET, Key=COMMIT, Body=b"x") == (412, "PreconditionFailed")
    assert refused(ann.put_object, Bucket=BUCKET, Key=COMMIT, Body=b"x", IfNoneMatch="*") == (412, "PreconditionFailed")
    etag = ann.head_object(Bucket=BUCKET, Key=COMMIT)["ETag"]
    assert refused(ann.put_object, Bucket=BUCKET, Key=COMMIT, Body=b"x", IfMatch=etag) == (412, "PreconditionFailed")
    assert refused(ann.copy_object, Bucket=BUCKET, Key=COMMIT, CopySource={"Bucket": BUCKET, "Key": "t/x"}) == (412, "PreconditionFailed")
    upload = ann.create_multipart_upload(Bucket=BUCKET, Key=COMMIT)["UploadId"]
    part = ann.upload_part(Bucket=BUCKET, Key=COMMIT, UploadId=upload, PartNumber=1, Body=b"x")
    assert refused(ann.complete_multipart_upload, Bucket=BUCKET, Key=COMMIT, UploadId=upload,
                   MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}) == (412, "PreconditionFailed")
    assert refused(ann.delete_object, Bucket=BUCKET, Key=COMMIT) == (403, "AccessDenied")
    answer = ann.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": COMMIT}, {"Key": "t/x"}]})
    assert [e["Code"] for e in answer["Errors"]] == ["AccessDenied"] and [d["Key"] for d in answer["Deleted"]] == ["t/x"]
    assert refused(ann.put_object, Bucket=BUCKET, Key=COMMIT + "/below", Body=b"x") == (400, "InvalidArgument")
    url = server.ask(presign={"method": "PUT", "url": f"s3://{BUCKET}/{COMMIT}", "lifetime_ms": 60_000})["url"]
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(urllib.request.Request(url, data=b"x", method="PUT"))
    assert e.value.code == 412
    assert ann.get_object(Bucket=BUCKET, Key=COMMIT)["Body"].read() == b"first"
    assert (server.folder / "objects" / BUCKET / COMMIT).read_bytes() == b"first"


def test_one_of_many_writers_gets_the_absent_key(server):
    credentials = server.vend(f"s3://{BUCKET}/t/")
    start, outcomes = threading.Barrier(6), []

    def write(number):
        client = server.client(credentials=credentials)
        start.wait(timeout=30)
        try:
            client.put_object(Bucket=BUCKET, Key="t/once", Body=str(number).encode(), IfNoneMatch="*")
            outcomes.append(number)
        except ClientError as e:
            outcomes.append(e.response["Error"]["Code"])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=60)
    winners = [o for o in outcomes if isinstance(o, int)]
    assert len(winners) == 1 and outcomes.count("PreconditionFailed") == 5
    client = server.client(credentials=credentials)
    assert client.get_object(Bucket=BUCKET, Key="t/once")["Body"].read() == str(winners[0]).encode()
    etag = client.head_object(Bucket=BUCKET, Key="t/once")["ETag"]
    client.put_object(Bucket=BUCKET, Key="t/once", Body=b"next", IfMatch=etag)
    assert refused(client.put_object, Bucket=BUCKET, Key="t/once", Body=b"lost", IfMatch=etag) == (412, "PreconditionFailed")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
@pytest.mark.parametrize("size", [0, 10, 300_000])
def test_bodies_of_any_encoding_arrive_with_their_checksums(server, algorithm, size):
    body = os.urandom(size)
    ann = server.client(f"s3://{BUCKET}/t/")
    ann.put_object(Bucket=BUCKET, Key="t/a", Body=body, ChecksumAlgorithm=algorithm)
    assert ann.get_object(Bucket=BUCKET, Key="t/a", ChecksumMode="ENABLED")[f"Checksum{algorithm}"]
    assert ann.get_object(Bucket=BUCKET, Key="t/a")["Body"].read() == body
    wrong = base64.b64encode(hashlib.new("sha256", b"something else").digest()).decode()
    assert refused(ann.put_object, Bucket=BUCKET, Key="t/b", Body=body, ChecksumSHA256=wrong) == (400, "BadDigest")
    assert refused(ann.head_object, Bucket=BUCKET, Key="t/b")[0] == 404


def test_ranges_and_conditions(server):
    ann = server.client(f"s3://{BUCKET}/t/")
    body = os.urandom(1_000_000)
    etag = ann.put_object(Bucket=BUCKET, Key="t/big", Body=body)["ETag"]
    for text, want in (("bytes=0-9", body[:10]), ("bytes=999990-", body[999_990:]), ("bytes=-5", body[-5:]), ("bytes=500000-900000", body[500_000:900_001]),
                       ("bytes=999999-2000000", body[-1:])):
        got = ann.get_object(Bucket=BUCKET, Key="t/big", Range=text)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["Body"].read() == want
    assert got["ContentRange"] == "bytes 999999-999999/1000000"
    assert refused(ann.get_object, Bucket=BUCKET, Key="t/big", Range="bytes=1000000-") == (416, "InvalidRange")
    assert refused(ann.get_object, Bucket=BUCKET, Key="t/big", IfNoneMatch=etag)[0] == 304
    assert refused(ann.get_object, Bucket=BUCKET, Key="t/big", IfMatch='"x"') == (412, "PreconditionFailed")
    modified = ann.head_object(Bucket=BUCKET, Key="t/big")["LastModified"]
    assert refused(ann.head_object, Bucket=BUCKET, Key="t/big", IfModifiedSince=modified)[0] == 304


def test_multipart_uploads(server, tmp_path):
    ann = server.client(f"s3://{BUCKET}/t/")
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(13 << 20))
    ann.upload_file(str(source), BUCKET, "t/big", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
    assert ann.head_object(Bucket=BUCKET, Key="t/big")["ETag"].endswith('-3"')
    ann.download_file(BUCKET, "t/big", str(target), Config=TransferConfig(multipart_threshold=5 << 20))
    assert target.read_bytes() == source.read_bytes()
    ann.copy_object(Bucket=BUCKET, Key="t/copy", CopySource={"Bucket": BUCKET, "Key": "t/big"})
    assert ann.head_object(Bucket=BUCKET, Key="t/copy")["ETag"] == '"' + hashlib.md5(source.read_bytes()).hexdigest() + '"'

    upload = ann.create_multipart_upload(Bucket=BUCKET, Key="t/m")["UploadId"]
    one = ann.upload_part(Bucket=BUCKET, Key="t/m", UploadId=upload, PartNumber=1, Body=b"small")["ETag"]
    two = ann.upload_part_copy(Bucket=BUCKET, Key="t/m", UploadId=upload, PartNumber=2, CopySource={"Bucket": BUCKET, "Key": "t/big"}, CopySourceRange="bytes=0-9")
    listed = ann.list_parts(Bucket=BUCKET, Key="t/m", UploadId=upload)["Parts"]
    assert [(p["PartNumber"], p["Size"]) for p in listed] == [(1, 5), (2, 10)]
    assert [u["UploadId"] for u in ann.list_multipart_uploads(Bucket=BUCKET, Prefix="t/")["Uploads"]] == [upload]
    complete = lambda parts: refused(ann.complete_multipart_upload, Bucket=BUCKET, Key="t/m", UploadId=upload, MultipartUpload={"Parts": parts})
    two = {"PartNumber": 2, "ETag": two["CopyPartResult"]["ETag"]}
    assert complete([{"PartNumber": 1, "ETag": one}, two]) == (400, "EntityTooSmall")
    assert complete([two, {"PartNumber": 1, "ETag": one}]) == (400, "InvalidPartOrder")
    assert complete([{"PartNumber": 1, "ETag": '"no"'}]) == (400, "InvalidPart")
    ann.complete_multipart_upload(Bucket=BUCKET, Key="t/m", UploadId=upload, MultipartUpload={"Parts": [two]})
    assert ann.get_object(Bucket=BUCKET, Key="t/m")["Body"].read() == source.read_bytes()[:10]
    gone = ann.create_multipart_upload(Bucket=BUCKET, Key="t/n")["UploadId"]
    ann.abort_multipart_upload(Bucket=BUCKET, Key="t/n", UploadId=gone)
    assert refused(ann.upload_part, Bucket=BUCKET, Key="t/n", UploadId=gone, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")


def test_listings_page_and_fold(server):
    ann = server.client(f"s3://{BUCKET}/t/")
    names = sorted(f"t/{n}" for n in ("a", "a-b", "a/b", "a/c/d", "b", "ü & <x>", "z/"))
    for name in names:
        ann.put_object(Bucket=BUCKET, Key=name, Body=b"")
    in_bytes = sorted(names, key=str.encode)
    assert keys(ann.list_objects_v2(Bucket=BUCKET, Prefix="t/")) == in_bytes
    assert keys(ann.list_objects(Bucket=BUCKET, Prefix="t/")) == in_bytes
    pages = list(ann.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="t/", PaginationConfig={"PageSize": 2}))
    assert len(pages) == 4 and [k for p in pages for k in keys(p)] == in_bytes
    folded = list(ann.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="t/", Delimiter="/", PaginationConfig={"PageSize": 1}))
    assert [c["Prefix"] for p in folded for c in p.get("CommonPrefixes", [])] == ["t/a/", "t/z/"]
    assert [k for p in folded for k in keys(p)] == ["t/a", "t/a-b", "t/b", "t/ü & <x>"]
    assert keys(ann.list_objects_v2(Bucket=BUCKET, Prefix="t/", StartAfter="t/a/b")) == in_bytes[in_bytes.index("t/a/b") + 1:]
    many = ann.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": n} for n in names] + [{"Key": "u/foreign"}]})
    assert len(many["Deleted"]) == 7 and [e["Code"] for e in many["Errors"]] == ["AccessDenied"]
    assert keys(ann.list_objects_v2(Bucket=BUCKET, Prefix="t/")) == []


def test_presigned_urls_serve_one_object_for_their_time(server):
    ann = server.client(f"s3://{BUCKET}/t/")
    ann.put_object(Bucket=BUCKET, Key="t/a ü", Body=b"hello")
    for url in (server.ask(presign={"method": "GET", "url": f"s3://{BUCKET}/t/a ü", "lifetime_ms": 60_000})["url"],
                ann.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "t/a ü"}, ExpiresIn=60)):
        assert urllib.request.urlopen(url).read() == b"hello"
        for changed in (url.replace("t/a%20", "t/b%20"), url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")):
            with pytest.raises(urllib.error.HTTPError) as e:
                urllib.request.urlopen(changed)
            assert e.value.code == 403
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(urllib.request.Request(url, data=b"x", method="PUT"))
        assert e.value.code == 403
    put = server.ask(presign={"method": "PUT", "url": f"s3://{BUCKET}/t/new", "lifetime_ms": 60_000})["url"]
    urllib.request.urlopen(urllib.request.Request(put, data=b"by url", method="PUT"))
    assert ann.get_object(Bucket=BUCKET, Key="t/new")["Body"].read() == b"by url"
    server.ask(advance_ms=61_000)
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(url)
    assert e.value.code == 403


def test_what_is_not_offered_says_so(server):
    ann = server.client(f"s3://{BUCKET}/")
    ann.put_object(Bucket=BUCKET, Key="t/a", Body=b"1")
    assert refused(ann.get_object_acl, Bucket=BUCKET, Key="t/a") == (501, "NotImplemented")
    assert refused(ann.put_object_tagging, Bucket=BUCKET, Key="t/a", Tagging={"TagSet": []}) == (501, "NotImplemented")
    assert refused(ann.put_object, Bucket=BUCKET, Key="t/a", Body=b"2", ACL="public-read") == (400, "AccessControlListNotSupported")
    assert refused(ann.put_object, Bucket=BUCKET, Key="t/a", Body=b"2", ServerSideEncryption="aws:kms") == (501, "NotImplemented")
    assert refused(ann.put_object, Bucket=BUCKET, Key="t/../u", Body=b"2")[0] == 400
    assert "Status" not in ann.get_bucket_versioning(Bucket=BUCKET)
    assert ann.get_object(Bucket=BUCKET, Key="t/a")["Body"].read() == b"1"


def test_duckdb_reads_and_writes_what_it_was_granted(server):
    extension = next(pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache/tarn").glob("duckdb-extension-httpfs-1.5.5/**/*.duckdb_extension"))
    granted = server.vend(f"s3://{BUCKET}/t/")
    db = duckdb.connect()
    db.execute(f"LOAD '{extension}'")
    db.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{granted["access_key_id"]}', SECRET '{granted["secret_access_key"]}', SESSION_TOKEN '{granted["session_token"]}',
                   REGION 'us-east-1', ENDPOINT '{server.endpoint.removeprefix("http://")}', URL_STYLE 'path', USE_SSL false)""")
    db.execute(f"COPY (SELECT range AS i FROM range(100000)) TO 's3://{BUCKET}/t/numbers.parquet'")
    assert db.execute(f"SELECT count(*), sum(i) FROM 's3://{BUCKET}/t/*.parquet'").fetchone() == (100_000, 4_999_950_000)
    assert duckdb.connect().execute(f"SELECT count(*) FROM '{server.folder}/objects/{BUCKET}/t/numbers.parquet'").fetchone() == (100_000,)
    with pytest.raises(duckdb.Error, match="403"):
        db.execute(f"COPY (SELECT 1) TO 's3://{BUCKET}/u/x.parquet'")
    server.client(f"s3://{BUCKET}/").put_object(Bucket=BUCKET, Key="u/y.parquet", Body=b"PAR1")
    with pytest.raises(duckdb.Error, match="403"):
        db.execute(f"SELECT * FROM 's3://{BUCKET}/u/y.parquet'")
