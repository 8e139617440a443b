"""Runs under `tarn rehearse`: Unity Catalog's own Python client, under a workspace's host name; then boto3 with what it vended, against AWS' host names.

Each check is a line of JSON: {"group": …, "check": …, "passed": …, "detail": …}.
"""
import asyncio
import json
import os
import sys
import traceback

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from unitycatalog import client as uc

HOST = "https://acme-landing.cloud.databricks.com"
failed = False


async def check(group, name, step):
    global failed
    line = {"group": group, "check": name, "passed": True}
    try:
        await step()
    except Exception:
        failed = True
        line.update(passed=False, detail=traceback.format_exc(limit=-2))
    print(json.dumps(line), flush=True)


def equal(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


async def refused(status, awaitable):
    try:
        await awaitable
    except uc.ApiException as e:
        equal(e.status, status)
        return e
    raise AssertionError("it was not refused")


def rows(token, statement):
    answer = requests.post(f"{HOST}/api/2.0/sql/statements", headers={"Authorization": f"Bearer {token}"},
                           json={"statement": statement, "warehouse_id": os.environ["WAREHOUSE"], "wait_timeout": "30s"}).json()
    assert answer["status"]["state"] == "SUCCEEDED", answer
    return answer.get("result", {}).get("data_array")


async def main():
    token = requests.post(f"{HOST}/oidc/v1/token", data={"grant_type": "client_credentials", "scope": "all-apis"},
                          auth=(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])).json()["access_token"]
    api = uc.ApiClient(uc.Configuration(host=HOST + "/api/2.1/unity-catalog"))
    api.set_default_header("Authorization", "Bearer " + token)  # its own `access_token` is not sent: the description names no security scheme
    catalogs, schemas, tables, volumes = uc.CatalogsApi(api), uc.SchemasApi(api), uc.TablesApi(api), uc.VolumesApi(api)

    async def list_catalogs():
        found = await catalogs.list_catalogs()
        names = {c.name for c in found.catalogs}
        assert {"landing_raw", "pipeline_gold"} <= names, names

    async def make_schema():
        made = await schemas.create_schema(uc.CreateSchema(catalog_name="landing_raw", name="uc_client", comment="by its own client"))
        equal(made.full_name, "landing_raw.uc_client")
        equal((await schemas.get_schema("landing_raw.uc_client")).comment, "by its own client")

    async def change_schema():
        await schemas.update_schema("landing_raw.uc_client", uc.UpdateSchema(comment="changed"))
        equal((await schemas.get_schema("landing_raw.uc_client")).comment, "changed")

    async def make_volume():
        made = await volumes.create_volume(uc.CreateVolumeRequestContent(catalog_name="landing_raw", schema_name="uc_client", name="drop",
                                                                         volume_type=uc.VolumeType.MANAGED))
        equal((await volumes.get_volume("landing_raw.uc_client.drop")).volume_id, made.volume_id)

    async def read_table():
        rows(token, "CREATE TABLE landing_raw.uc_client.t (a INT, b STRING)")
        rows(token, "INSERT INTO landing_raw.uc_client.t VALUES (1, 'x'), (2, 'y')")
        table = await tables.get_table("landing_raw.uc_client.t")
        equal([(c.name, c.type_name.value) for c in table.columns], [("a", "INT"), ("b", "STRING")])
        equal([t.name for t in (await tables.list_tables("landing_raw", "uc_client")).tables], ["t"])

    async def missing_table():
        await refused(404, tables.get_table("landing_raw.uc_client.nothing"))

    async def vended():
        table = await tables.get_table("landing_raw.uc_client.t")
        got = await uc.TemporaryCredentialsApi(api).generate_temporary_table_credentials(
            uc.GenerateTemporaryTableCredential(table_id=table.table_id, operation=uc.TableOperation.READ))
        aws = got.aws_temp_credentials
        bucket, _, prefix = table.storage_location.removeprefix("s3://").partition("/")
        return bucket, prefix.rstrip("/"), dict(aws_access_key_id=aws.access_key_id, aws_secret_access_key=aws.secret_access_key,
                                                aws_session_token=aws.session_token)

    async def vend():
        e = await refused(403, vended())  # reading the table is not enough: bytes leave the platform
        assert "EXTERNAL USE SCHEMA" in e.body, e.body
        requests.patch(f"{HOST}/api/2.1/unity-catalog/permissions/schema/landing_raw.uc_client", headers={"Authorization": f"Bearer {token}"},
                       json={"changes": [{"principal": os.environ["CLIENT_ID"], "add": ["EXTERNAL_USE_SCHEMA"]}]}).raise_for_status()
        _, _, keys = await vended()
        assert all(keys.values()), keys.keys()

    async def read_storage(style):
        bucket, prefix, keys = await vended()
        s3 = boto3.client("s3", **keys, config=Config(s3={"addressing_style": style}, retries={"max_attempts": 1}))
        listed = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix=prefix + "/")["Contents"]]
        log = next(k for k in listed if k.endswith("_delta_log/00000000000000000000.json"))
        assert b"metaData" in s3.get_object(Bucket=bucket, Key=log)["Body"].read()
        for call in (lambda: s3.put_object(Bucket=bucket, Key=prefix + "/x", Body=b"x"), lambda: s3.list_objects_v2(Bucket=bucket, Prefix="")):
            try:
                call()
            except ClientError as e:
                equal(e.response["Error"]["Code"], "AccessDenied")
                continue
            raise AssertionError("what was not vended was allowed")

    async def token_service():
        # The name is answered here, in the service's own protocol: nothing goes to AWS, and what is not offered is refused by name.
        _, _, keys = await vended()
        sts = boto3.client("sts", **keys, config=Config(retries={"max_attempts": 1}))
        assert sts.get_caller_identity()["Arn"].startswith("arn:aws:sts::000000000000:assumed-role/tarn/")
        try:
            sts.get_session_token()
        except ClientError as e:
            equal(e.response["Error"]["Code"], "InvalidAction")
            return
        raise AssertionError("it was not refused")

    await check("catalogs", "list", list_catalogs)
    await check("schemas", "create and get", make_schema)
    await check("schemas", "update", change_schema)
    await check("volumes", "create and get", make_volume)
    await check("tables", "get and list", read_table)
    await check("tables", "a missing one is 404", missing_table)
    await check("temporary_table_credentials", "refused, granted, vended", vend)
    await check("S3", "read with vended credentials, bucket in the host name", lambda: read_storage("virtual"))
    await check("S3", "read with vended credentials, bucket in the path", lambda: read_storage("path"))
    await check("STS", "answered here, by name", token_service)
    await check("schemas", "delete, forced", lambda: schemas.delete_schema("landing_raw.uc_client", force=True))
    await api.close()


asyncio.run(main())
sys.exit(1 if failed else 0)
