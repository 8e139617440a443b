"""Runs under `tarn rehearse`: the vendor's own Python SDK, its own host names, nothing of Tarn in sight. Prints what it saw as JSON."""
import io
import json
import os

from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.service.catalog import PermissionsChange, Privilege, SecurableType, VolumeType
from databricks.sdk.service.iam import ComplexValue

account = AccountClient(host="https://accounts.cloud.databricks.com", account_id=os.environ["DATABRICKS_ACCOUNT_ID"],
                        client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"])
seen = {}
seen["workspaces"] = sorted(w.deployment_name for w in account.workspaces.list())
seen["statuses"] = sorted({w.workspace_status.value for w in account.workspaces.list()})
seen["networks"] = sorted(n.network_name for n in account.networks.list())
seen["metastores"] = [m.name for m in account.metastores.list()]
seen["groups"] = sorted(g.display_name for g in account.groups.list(filter='displayName sw "ai_"'))
group = account.groups.create(display_name="sdk_made")
user = account.users.create(user_name="sdk@acme.example", display_name="Sdk")
account.groups.update(id=group.id, display_name="sdk_made", members=[ComplexValue(value=user.id)])
seen["members"] = [m.value == user.id for m in account.groups.get(group.id).members]

landing = WorkspaceClient(host="https://acme-landing.cloud.databricks.com", client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"])
seen["me"] = landing.current_user.me().user_name == os.environ["CLIENT_ID"]
seen["catalogs"] = sorted(c.name for c in landing.catalogs.list())
seen["schemas"] = sorted(s.name for s in landing.schemas.list("landing_raw"))
landing.grants.update(SecurableType.CATALOG.value, "landing_raw", changes=[PermissionsChange(principal="sdk_made", add=[Privilege.USE_CATALOG])])
seen["grants"] = {a.principal: sorted(p.value for p in a.privileges) for a in landing.grants.get(SecurableType.CATALOG.value, "landing_raw").privilege_assignments}
try:
    landing.tables.get("landing_raw.flights.nothing")
except NotFound as e:
    seen["missing"] = str(e)
warehouse = next(iter(landing.warehouses.list()))
result = landing.statement_execution.execute_statement("SELECT 1 + 1 AS two, 'x' AS x", warehouse_id=warehouse.id, wait_timeout="30s")
seen["state"] = result.status.state.value
seen["columns"] = [(c.name, c.type_name.value) for c in result.manifest.schema.columns]
seen["rows"] = result.result.data_array
token = landing.tokens.create(comment="sdk", lifetime_seconds=300)
by_token = WorkspaceClient(host="https://acme-landing.cloud.databricks.com", token=token.token_value, auth_type="pat")
seen["by_token"] = by_token.current_user.me().user_name == os.environ["CLIENT_ID"]
nora = WorkspaceClient(host="https://acme-landing.cloud.databricks.com", token=os.environ["NORA"], auth_type="pat")
try:
    nora.catalogs.create("noras_own")
except PermissionDenied as e:
    seen["denied"] = str(e)
landing.schemas.create("python_sdk", "landing_raw")
landing.volumes.create("landing_raw", "python_sdk", "drop", VolumeType.MANAGED)
folder, content = "/Volumes/landing_raw/python_sdk/drop/dir", b"hello " * 1000
landing.files.create_directory(folder)
landing.files.upload(folder + "/hello.txt", io.BytesIO(content))
listed = [[e.name, e.file_size] for e in landing.files.list_directory_contents(folder)]
back = landing.files.download(folder + "/hello.txt").contents.read() == content
landing.files.delete(folder + "/hello.txt")
try:
    landing.files.get_metadata(folder + "/hello.txt")
except NotFound:
    seen["files"] = [*listed, back, True]
landing.schemas.delete("landing_raw.python_sdk", force=True)
account.groups.delete(group.id)
account.users.delete(user.id)
print(json.dumps(seen))
