"""Runs under `tarn rehearse`: what lives in a workspace as the vendor's own Python SDK sees it. Prints what it saw as JSON."""
import base64
import io
import json
import os

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import AlreadyExists, BadRequest, NotFound, PermissionDenied, ResourceAlreadyExists
from databricks.sdk.service import workspace as ws

w = WorkspaceClient(host=os.environ["HOST"], client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"])
nora = WorkspaceClient(host=os.environ["HOST"], token=os.environ["NORA"], auth_type="pat")
seen = {}

me = w.current_user.me().user_name
home = f"/Users/{me}"
w.workspace.mkdirs(f"{home}/sdk")
w.workspace.upload(f"{home}/sdk/n.py", io.BytesIO(b"print(1)"), overwrite=True)
w.workspace.upload(f"{home}/sdk/data.bin", io.BytesIO(bytes(range(256)) * 8192), format=ws.ImportFormat.AUTO)
seen["listed"] = sorted((o.path[len(home):], o.object_type.value) for o in w.workspace.list(home, recursive=True))
seen["source"] = w.workspace.download(f"{home}/sdk/n.py").read().decode()
seen["bytes"] = w.workspace.download(f"{home}/sdk/data.bin").read() == bytes(range(256)) * 8192
try:
    w.workspace.upload(f"{home}/sdk/n.py", io.BytesIO(b"x"))
except ResourceAlreadyExists as e:
    seen["taken"] = str(e)
try:
    nora.workspace.get_status(f"{home}/sdk")
except NotFound as e:
    seen["hidden"] = str(e)
seen["shared"] = bool(nora.workspace.upload("/Shared/nora.txt", io.BytesIO(b"hi"), format=ws.ImportFormat.AUTO) or w.workspace.get_status("/Shared/nora.txt"))
try:
    w.workspace.delete(f"{home}/sdk")
except BadRequest as e:
    seen["full"] = str(e)
w.workspace.delete(f"{home}/sdk", recursive=True)

w.secrets.create_scope("sdk")
w.secrets.put_secret("sdk", "k", string_value="v")
seen["secret"] = base64.b64decode(w.secrets.get_secret("sdk", "k").value).decode()
seen["scopes"] = [s.name for s in w.secrets.list_scopes()]
try:
    nora.secrets.get_secret("sdk", "k")
except PermissionDenied as e:
    seen["denied"] = str(e)
w.secrets.put_acl("sdk", "nora@acme.example", ws.AclPermission.READ)
seen["allowed"] = [s.key for s in nora.secrets.list_secrets("sdk")]
w.secrets.delete_scope("sdk")

with w.dbfs.open("/sdk/big.bin", write=True, overwrite=True) as f:
    f.write(b"x" * (2 * 1024 * 1024 + 5))
with w.dbfs.open("/sdk/big.bin", read=True) as f:
    seen["dbfs"] = len(f.read())
w.dbfs.upload("/sdk/a/b.txt", io.BytesIO(b"text"))
w.dbfs.move_("dbfs:/sdk/a", "dbfs:/sdk/c", recursive=True)
seen["dbfs_listed"] = sorted(f.path for f in w.dbfs.list("/sdk", recursive=True))
w.dbfs.delete("/sdk", recursive=True)
seen["dbfs_gone"] = not w.dbfs.exists("/sdk")

volume = "/Volumes/landing_raw/sdk_files/v"
w.schemas.create("sdk_files", "landing_raw")
from databricks.sdk.service.catalog import VolumeType  # noqa: E402

w.volumes.create("landing_raw", "sdk_files", "v", VolumeType.MANAGED)
w.files.create_directory(f"{volume}/d")
w.files.upload(f"{volume}/d/x.txt", io.BytesIO(b"0123456789"))
seen["file"] = w.files.download(f"{volume}/d/x.txt").contents.read().decode()
seen["size"] = w.files.get_metadata(f"{volume}/d/x.txt").content_length
try:
    w.files.upload(f"{volume}/d/x.txt", io.BytesIO(b"again"), overwrite=False)
except AlreadyExists as e:
    seen["exists"] = str(e)
large = os.urandom(1 << 20) * 60
w.files.upload(f"{volume}/large.bin", io.BytesIO(large), overwrite=True)
seen["large"] = w.files.download(f"{volume}/large.bin").contents.read() == large
w.files.upload(f"{volume}/stream.bin", io.BytesIO(large[:1000]), overwrite=True, use_parallel=False)
seen["entries"] = sorted(e.path[len(volume):] for e in w.files.list_directory_contents(volume))
try:
    nora.files.download(f"{volume}/d/x.txt").contents.read()
except PermissionDenied as e:
    seen["no_volume"] = str(e)
try:
    w.files.delete_directory(f"{volume}/d")
except BadRequest as e:
    seen["not_empty"] = [i.reason for i in e.get_error_info()]
w.files.delete(f"{volume}/d/x.txt")
w.files.delete_directory(f"{volume}/d")

credential = w.git_credentials.create("gitHub", git_username="bot", personal_access_token="t")
repo = w.repos.create(os.environ["REPO"], "gitHub")
seen["repo"] = [repo.path, repo.branch]
seen["next"] = (w.repos.update(repo.id, branch="next"), w.workspace.download(f"{repo.path}/README.md", format=ws.ExportFormat.AUTO).read().decode())[1]
seen["repos"] = [r.path for r in w.repos.list()]
w.repos.delete(repo.id)
w.git_credentials.delete(credential.credential_id)
script = w.global_init_scripts.create("sdk", base64.b64encode(b"echo").decode(), enabled=True)
seen["scripts"] = [s.name for s in w.global_init_scripts.list()]
w.global_init_scripts.delete(script.script_id)
try:
    list(nora.global_init_scripts.list())
except PermissionDenied:
    seen["scripts_denied"] = True
print(json.dumps(seen))
