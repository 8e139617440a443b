"""Runs under `tarn rehearse`: identity as the vendor's own Python SDK sees it. Prints what it saw as JSON."""
import json
import os

from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied, ResourceConflict, Unauthenticated
from databricks.sdk.service import iam, provisioning

account = AccountClient(host="https://accounts.cloud.databricks.com", account_id=os.environ["DATABRICKS_ACCOUNT_ID"],
                        client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"])
seen = {}
credentials = account.credentials.create(credentials_name="c", aws_credentials=provisioning.CreateCredentialAwsCredentials(
    sts_role=provisioning.CreateCredentialStsRole(role_arn="arn:aws:iam::123456789012:role/cross-account")))
storage = account.storage.create(storage_configuration_name="root", root_bucket_info=provisioning.RootBucketInfo(bucket_name="acme-root"))
landing = account.workspaces.create(workspace_name="landing", aws_region=os.environ["REGION"], credentials_id=credentials.credentials_id,
                                    storage_configuration_id=storage.storage_configuration_id).result()
ann = account.users.create(user_name="ann@acme.example", display_name="Ann", emails=[iam.ComplexValue(value="ann@acme.example", primary=True)])
robot = account.service_principals.create(display_name="robot")
inner = account.groups.create(display_name="inner", members=[iam.ComplexValue(value=robot.id)])
outer = account.groups.create(display_name="outer", members=[iam.ComplexValue(value=inner.id)])


def add(group, member):
    account.groups.patch(group.id, schemas=[iam.PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP],
                         operations=[iam.Patch(op=iam.PatchOp.ADD, path="members", value=[{"value": member.id}])])


add(outer, ann)
seen["members"] = sorted(m.display for m in account.groups.get(outer.id).members)
try:
    add(inner, outer)
except BadRequest as e:
    seen["ring"] = str(e)
try:
    account.groups.create(display_name="OUTER")
except ResourceConflict as e:
    seen["taken"] = str(e)
try:
    account.users.get("42")
except NotFound as e:
    seen["missing"] = str(e)
for i in range(5):
    account.groups.create(display_name=f"page {i}")
seen["pages"] = [g.display_name for g in account.groups.list(filter='displayName sw "page"', count=2, sort_by="displayName")]

secret = account.service_principal_secrets.create(int(robot.id))
as_robot = AccountClient(host="https://accounts.cloud.databricks.com", account_id=os.environ["DATABRICKS_ACCOUNT_ID"],
                         client_id=robot.application_id, client_secret=secret.secret)
try:
    list(as_robot.users.list())
except PermissionDenied as e:
    seen["not_admin"] = str(e)

name = f"accounts/{account.config.account_id}/groups/{inner.id}/ruleSets/default"
rules = account.access_control.get_rule_set(name=name, etag="")
grant = iam.GrantRule(role="roles/group.manager", principals=[f"servicePrincipals/{robot.application_id}"])
account.access_control.update_rule_set(name=name, rule_set=iam.RuleSetUpdateRequest(name=name, etag=rules.etag, grant_rules=[grant]))
try:
    account.access_control.update_rule_set(name=name, rule_set=iam.RuleSetUpdateRequest(name=name, etag=rules.etag, grant_rules=[]))
except ResourceConflict:
    seen["stale"] = True
seen["managed"] = as_robot.groups.get(inner.id).display_name
seen["roles"] = [r.name for r in account.access_control.get_assignable_roles_for_resource(resource=name.removesuffix("/ruleSets/default")).roles]

host = f"https://{landing.deployment_name}.cloud.databricks.com"
try:
    WorkspaceClient(host=host, client_id=robot.application_id, client_secret=secret.secret).current_user.me()
except Exception as e:
    seen["stranger"] = str(e)
account.workspace_assignment.update(landing.workspace_id, int(outer.id), permissions=[iam.WorkspacePermission.USER])
seen["assigned"] = [a.permissions[0].value for a in account.workspace_assignment.list(landing.workspace_id) if a.principal.principal_id == int(outer.id)]
there = WorkspaceClient(host=host, client_id=robot.application_id, client_secret=secret.secret)
me = there.current_user.me()
seen["me"] = me.user_name == robot.application_id
seen["workspace_id"] = there.get_workspace_id() == landing.workspace_id
seen["groups"] = sorted(g.display for g in me.groups)
token = there.tokens.create(comment="mine", lifetime_seconds=600)
by_token = WorkspaceClient(host=host, token=token.token_value, auth_type="pat")
seen["by_token"] = by_token.current_user.me().user_name == robot.application_id
admin = WorkspaceClient(host=host, client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"])
seen["managed_tokens"] = [t.comment for t in admin.token_management.list(created_by_username=robot.application_id)]
local = admin.groups.create(display_name="friends", members=[iam.ComplexValue(value=ann.id)])
seen["local"] = admin.groups.get(local.id).meta.resource_type
there.tokens.delete(token.token_info.token_id)
try:
    by_token.current_user.me()
except Unauthenticated:
    seen["revoked"] = True
account.service_principal_secrets.delete(int(robot.id), secret.id)
try:
    there.current_user.me()
except Unauthenticated:
    seen["secret_gone"] = True
account.workspace_assignment.delete(landing.workspace_id, int(outer.id))
admin.groups.delete(local.id)
account.service_principals.delete(robot.id)
print(json.dumps(seen))
