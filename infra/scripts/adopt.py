#!/usr/bin/env python3
"""Import blocks for what exists already: for a platform that was made by hand, or by `tarn apply`, before this repository owned it.

    DATABRICKS_ACCOUNT_ID=… DATABRICKS_CLIENT_ID=… DATABRICKS_CLIENT_SECRET=… scripts/adopt.py PLATFORM_DIR ADOPT_DIR
    ADOPT_DIR=… terragrunt run-all apply
    ADOPT_DIR=… terragrunt run-all plan            # no changes

Writes ADOPT_DIR/UNIT/imports.tf for every unit. What the YAML names and the account does not have is left out: the apply makes it.
Needs databricks-sdk and PyYAML. Only reads.
"""
import collections
import os
import pathlib
import sys

import yaml
from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import NotFound


def load(folder):
    """All files of the folder as one document, as infra/platform.hcl reads them."""
    out = collections.defaultdict(list)
    for file in sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix in (".yaml", ".yml")):
        for section, value in (yaml.safe_load(file.read_text()) or {}).items():
            if isinstance(value, list):
                out[section] += value
            else:
                out[section] = value
    for grant in out["grants"]:  # YAML 1.1 takes the bare word `on` for a boolean, even as a key
        grant["on"] = grant.pop(True, grant.get("on"))
    return out


class Blocks:
    def __init__(self):
        self.units = collections.defaultdict(list)

    def add(self, unit, address, identifier):
        if identifier:
            self.units[unit].append(f'import {{\n  to = {address}\n  id = "{identifier}"\n}}\n')

    def write(self, folder):
        for unit, blocks in self.units.items():
            target = pathlib.Path(folder) / unit
            target.mkdir(parents=True, exist_ok=True)
            (target / "imports.tf").write_text("\n".join(blocks))
        return sum(len(b) for b in self.units.values())


def keyed(kind, name):
    return f'{kind}.this["{name}"]'


def account_parts(p, a, ids, blocks):
    def pair(identifier):
        return identifier and f"{a.config.account_id}/{identifier}"

    credentials = {c.credentials_name: c.credentials_id for c in a.credentials.list()}
    storage = {s.storage_configuration_name: s.storage_configuration_id for s in a.storage.list()}
    networks = {n.network_name: n.network_id for n in a.networks.list()}
    endpoints = {e.vpc_endpoint_name: e.vpc_endpoint_id for e in a.vpc_endpoints.list()}
    settings = {s.private_access_settings_name: s.private_access_settings_id for s in a.private_access.list()}
    for c in p["credentials"]:
        blocks.add("account/storage", keyed("databricks_mws_credentials", c["name"]), pair(credentials.get(c["name"])))
    for s in p["storage"]:
        blocks.add("account/storage", keyed("databricks_mws_storage_configurations", s["name"]), pair(storage.get(s["name"])))
    for w in p["workspaces"]:
        unit = f"ws-{w['name']}"
        blocks.add(f"{unit}/network", "databricks_mws_networks.this", pair(networks.get(w.get("network"))))
        blocks.add(f"{unit}/workspace", "databricks_mws_workspaces.this", pair(ids.get(w["name"])))
        blocks.add(f"{unit}/private-access", "databricks_mws_private_access_settings.this[0]", pair(settings.get(w.get("private_access"))))
        network = next((n for n in p["networks"] if n["name"] == w.get("network")), {})
        for name in sorted({*network.get("rest_endpoints", []), *network.get("relay_endpoints", [])}):
            blocks.add(f"{unit}/private-access", keyed("databricks_mws_vpc_endpoint", name), pair(endpoints.get(name)))


def metastore_parts(p, a, ids, blocks):
    """The id of the metastore, if there is one."""
    wanted = p["metastore"]
    found = next((m for m in a.metastores.list() if m.name == wanted["name"]), None)
    if not found:
        return None
    blocks.add("account/metastore", "databricks_metastore.this", found.metastore_id)
    access = wanted["name"] + "-metastore-data-access"
    if any(c.name == access for c in a.storage_credentials.list(found.metastore_id)):
        blocks.add("account/metastore", "databricks_metastore_data_access.this[0]", f"{found.metastore_id}|{access}")
    assigned = set(a.metastore_assignments.list(found.metastore_id))
    for name in wanted.get("workspaces", []):
        if ids.get(name) in assigned:
            blocks.add("account/metastore", keyed("databricks_metastore_assignment", name), f"{ids[name]}|{found.metastore_id}")
    return found.metastore_id


def catalog_parts(p, w, metastore_id, ids, blocks):
    def there(get, name):
        try:
            return get(name)
        except NotFound:
            return None

    for c in p["storage_credentials"]:
        blocks.add("account/locations", keyed("databricks_storage_credential", c["name"]), there(w.storage_credentials.get, c["name"]) and c["name"])
    for x in p["external_locations"]:
        blocks.add("account/locations", keyed("databricks_external_location", x["name"]), there(w.external_locations.get, x["name"]) and x["name"])
    for c in p["catalogs"]:
        if not there(w.catalogs.get, c["name"]):
            continue
        blocks.add("account/catalogs", keyed("databricks_catalog", c["name"]), c["name"])
        bound = {b.workspace_id for b in w.workspace_bindings.get_bindings("catalog", c["name"])} if c.get("workspaces") else set()
        for name in c.get("workspaces", []):
            if ids.get(name) in bound:
                blocks.add("account/catalogs", keyed("databricks_workspace_binding", f"{c['name']}/{name}"), f"{ids[name]}|catalog|{c['name']}")
        for s in c.get("schemas", []):
            full = f"{c['name']}.{s['name']}"
            blocks.add("account/schemas", keyed("databricks_schema", full), there(w.schemas.get, full) and full)
    for on in sorted({g["on"] for g in p["grants"]}):
        kind, _, name = on.partition(" ")
        name = metastore_id if kind == "metastore" else name
        found = there(lambda n, k=kind: w.grants.get(k, n), name)
        if found and found.privilege_assignments:
            blocks.add("account/grants", keyed("databricks_grants", "metastore" if kind == "metastore" else on), f"{kind}/{name}")


def people_parts(p, a, ids, blocks):
    users = {u.user_name: u.id for u in a.users.list(attributes="id,userName")}
    groups = {g.display_name: a.groups.get(g.id) for g in a.groups.list(attributes="id,displayName")}
    of = {**users, **{name: g.id for name, g in groups.items()}}
    for u in p["users"]:
        blocks.add("account/groups", keyed("databricks_user", u["name"]), users.get(u["name"]))
    for g in p["groups"]:
        have = groups.get(g["name"])
        if not have:
            continue
        blocks.add("account/groups", keyed("databricks_group", g["name"]), have.id)
        members = {m.value for m in have.members or []}
        for m in g.get("members", []):
            if of.get(m) in members:
                blocks.add("account/groups", keyed("databricks_group_member", f"{g['name']}/{m}"), f"{have.id}|{of[m]}")
    for workspace, identifier in ids.items():
        assigned = {str(x.principal.principal_id) for x in a.workspace_assignment.list(identifier)}
        for g in p["groups"]:
            if workspace in g.get("workspaces", {}) and of.get(g["name"]) in assigned:
                blocks.add(f"ws-{workspace}/access", keyed("databricks_mws_permission_assignment", g["name"]), f"{identifier}|{of[g['name']]}")
    return {name: g.id for name, g in groups.items()}


def workspace_parts(p, name, w, groups, blocks):
    for e in p["entitlements"]:
        if e["workspace"] == name and e["group"] in groups:
            blocks.add(f"ws-{name}/entitlements", keyed("databricks_entitlements", e["group"]), f"group/{groups[e['group']]}")
    wanted = {x["name"] for x in p["pools"] if x["workspace"] == name}
    for pool in w.instance_pools.list() if wanted else []:
        if pool.instance_pool_name in wanted:
            blocks.add(f"ws-{name}/pools", keyed("databricks_instance_pool", pool.instance_pool_name), pool.instance_pool_id)
    wanted = {x["name"] for x in p["policies"] if x["workspace"] == name}
    for policy in w.cluster_policies.list() if wanted else []:
        if policy.name in wanted:
            blocks.add(f"ws-{name}/policies", keyed("databricks_cluster_policy", policy.name), policy.policy_id)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    p, blocks = load(sys.argv[1]), Blocks()
    host = os.environ.get("DATABRICKS_ACCOUNTS_URL", "https://accounts.cloud.databricks.com")
    a = AccountClient(host=host, account_id=os.environ["DATABRICKS_ACCOUNT_ID"])
    every = {w.workspace_name: w for w in a.workspaces.list()}
    ids = {w["name"]: every[w["name"]].workspace_id for w in p["workspaces"] if w["name"] in every}
    account_parts(p, a, ids, blocks)
    metastore_id = metastore_parts(p, a, ids, blocks)
    groups = people_parts(p, a, ids, blocks)
    doors = {
        name: WorkspaceClient(host=host.replace("accounts", every[name].deployment_name, 1), client_id=a.config.client_id, client_secret=a.config.client_secret)
        for name in ids
    }
    if metastore_id and doors:
        catalog_parts(p, next(iter(doors.values())), metastore_id, ids, blocks)
    for name, w in doors.items():
        workspace_parts(p, name, w, groups, blocks)
    print(f"{blocks.write(sys.argv[2])} objects to adopt, in {sys.argv[2]}")


if __name__ == "__main__":
    main()
