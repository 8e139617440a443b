"""The vendor's own Terraform provider against a running Tarn, under the vendor's host names.

    with platform() as server, Terraform(server) as tf:
        tf.apply('resource "databricks_directory" "home" { path = "/home" }')
        tf.assert_no_changes()
        tf.destroy()

`scripts/clients` builds provider and OpenTofu once. A development override names the provider, so nothing is initialised and no registry is
asked. Each configuration may use these providers (pass `provider = databricks.NAME`):

    databricks            the workspace that the constructor's `default` names (`landing`), or the account with default="account"
    databricks.account    https://accounts.cloud.databricks.com
    databricks.landing    and one for each further workspace that runs when the class is entered (`refresh_providers()` looks again)

All act as the automation service principal (OAuth, client credentials) unless `principal=(client_id, client_secret)` says otherwise.
A refusal raises TerraformError, whose `diagnostics` are the provider's own texts, not wrapped to a terminal's width.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import urllib.parse

from harness import ROOT, TARN
from records import record

TOO_LONG = 600  # seconds; a waiter that never ends is a failure, not a hang of the suite


class TerraformError(AssertionError):
    def __init__(self, command, diagnostics, output):
        self.diagnostics = diagnostics  # "SUMMARY: DETAIL", errors only
        super().__init__(f"{command} failed:\n" + ("\n".join(diagnostics) or output[-6000:]))


def client(name):
    """The path of a built client (deps/clients); building is scripts/clients' business, so a missing one is an error that says what to run."""
    done = subprocess.run([ROOT / "scripts" / "clients", "--path", name], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return pathlib.Path(done.stdout.strip())


class Terraform:
    def __init__(self, server, default="landing", principal=None):
        self.server, self.default = server, default
        self.principal = principal or (server.ready["admin"]["client_id"], server.client_secret)
        self._scratch = tempfile.TemporaryDirectory(prefix="tarn-tf-")
        self.folder = pathlib.Path(self._scratch.name) / "work"
        self.folder.mkdir()
        home = self.folder.parent
        provider = client("terraform-provider-databricks")
        self.provider_version = provider.parent.name.rsplit("-", 1)[1]
        (home / "tofu.rc").write_text(
            'provider_installation {\n  dev_overrides {\n    "databricks/databricks" = "%s"\n  }\n  direct {}\n}\ndisable_checkpoint = true\n'
            % provider.parent)
        self.tofu = client("opentofu")
        self.prefix = [TARN, "rehearse", "--data", str(server.data), "--"]  # what each command is run by
        # No configuration of the person who runs the tests may leak in.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "TF_", "ARM_", "AWS_", "GOOGLE_"))}
        self.env.update(HOME=str(home), TF_CLI_CONFIG_FILE=str(home / "tofu.rc"), TF_IN_AUTOMATION="1", TF_VAR_client_id=self.principal[0],
                        TF_VAR_client_secret=self.principal[1], TF_VAR_account_id=server.ready["account_id"])
        if log := os.environ.get("TARN_TF_LOG"):
            self.env.update(TF_LOG="debug", TF_LOG_PATH=log, DATABRICKS_DEBUG_TRUNCATE_BYTES="4096")
        self.refresh_providers()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._scratch.cleanup()

    def refresh_providers(self):
        hosts = {name: f"https://{urllib.parse.urlsplit(url).hostname.split('.')[0]}.cloud.databricks.com"
                 for name, url in {"account": self.server.ready["accounts_url"], **self.server.status()["workspaces"]}.items()}
        text = 'terraform {\n  required_providers {\n    databricks = {\n      source = "databricks/databricks"\n    }\n  }\n}\n'
        text += "".join(f'variable "{name}" {{\n  type = string\n}}\n' for name in ("client_id", "client_secret", "account_id"))
        for alias, host in [(None, hosts.get(self.default)), *hosts.items()]:
            if not host:
                continue
            text += 'provider "databricks" {\n'
            text += f'  alias = "{alias}"\n' if alias else ""
            text += f'  host = "{host}"\n  client_id = var.client_id\n  client_secret = var.client_secret\n  auth_type = "oauth-m2m"\n'
            # A workspace's provider that names the account would be asked for the account by some resources.
            text += "  account_id = var.account_id\n" if (alias or self.default) == "account" else ""
            text += "}\n"
        (self.folder / "providers.tf").write_text(text)

    def write(self, config, name="main.tf"):
        (self.folder / name).write_text(config)

    def run(self, *arguments, check=True, seconds=TOO_LONG):
        """One OpenTofu command inside a rehearsal; CompletedProcess."""
        done = subprocess.run([*self.prefix, str(self.tofu), *arguments], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds)
        if check and done.returncode not in (0, 2):
            raise TerraformError("tofu " + arguments[0], _errors(done.stdout), done.stdout + done.stderr)
        return done

    def plan(self, *arguments):
        """The plan as `show -json` has it; `plan()["resource_changes"]` are its changes, no-ops included."""
        self.run("plan", "-json", "-input=false", "-out=saved.plan", *arguments)
        return json.loads(self.run("show", "-json", "saved.plan").stdout)

    def apply(self, config=None, *arguments):
        """Applies (a new main.tf, if given); the outputs' values by name."""
        if config is not None:
            self.write(config)
        self.run("apply", "-json", "-input=false", "-auto-approve", *arguments)
        return self.outputs()

    def destroy(self, *arguments):
        there = {address: re.findall(r"databricks_\w+", address)[-1] for address in self.state() if "data." not in address}
        self.run("destroy", "-json", "-input=false", "-auto-approve", *arguments)
        left = self.state()
        for address, kind in there.items():
            self._record(kind, "destroy", address not in left)
        assert left == {} or "-target" in " ".join(arguments), left

    def import_(self, address, identifier):
        self.run("import", "-input=false", "-no-color", address, str(identifier))

    def forget(self, address):
        """Drops an object from the state only: what `import_` then has to find again."""
        self.run("state", "rm", address)

    def _record(self, kind, check, passed):
        record("Terraform provider " + self.provider_version, f"`{kind}`", check, passed)

    def show(self):
        return json.loads(self.run("show", "-json").stdout)

    def state(self):
        """Attributes of every resource by address."""
        root = self.show().get("values", {}).get("root_module", {})
        found, modules = {}, [root]
        while modules:
            module = modules.pop()
            found.update({r["address"]: r["values"] for r in module.get("resources", [])})
            modules += module.get("child_modules", [])
        return found

    def outputs(self):
        return {name: output["value"] for name, output in self.show().get("values", {}).get("outputs", {}).items()}

    def changes(self, *arguments):
        """What a plan would do: {address: actions}, and {"output.NAME": actions}; empty when there is nothing to do."""
        plan = self.plan(*arguments)
        resources = {c["address"]: c["change"]["actions"] for c in plan.get("resource_changes", [])}
        outputs = {f"output.{name}": change["actions"] for name, change in plan.get("output_changes", {}).items()}
        return {name: actions for name, actions in {**resources, **outputs}.items() if actions not in (["no-op"], ["read"])}

    def assert_no_changes(self, after="apply"):
        """After an apply or an import: a plan finds nothing to do. What it looked at is recorded, a row a resource type."""
        plan = self.plan()
        wrong = {c["address"]: _difference(c["change"]) for c in plan.get("resource_changes", []) if c["change"]["actions"] not in (["no-op"], ["read"])}
        for change in plan.get("resource_changes", []):
            if change["mode"] == "managed":
                self._record(change["type"], f"{after}, then plan clean", change["address"] not in wrong)
        drift = {c["address"]: _difference(c["change"]) for c in plan.get("resource_drift", [])} if wrong else {}
        assert not wrong, f"the plan is not empty: {json.dumps(wrong, indent=1)}\ndrift: {json.dumps(drift, indent=1)}"

    def refused(self, config, *arguments):
        """Applies what must be refused; the texts of the refusal, joined."""
        try:
            self.apply(config, *arguments)
        except TerraformError as e:
            return "\n".join(e.diagnostics)
        raise AssertionError("the apply was not refused")

    def prove(self, config, *changed, imports=()):
        """The whole life of resources: apply, plan clean; each changed configuration likewise; forgotten, imported and plan clean; destroyed.

        `imports` names addresses, or maps them to import identifiers (by default the state's `id`).
        """
        for text in (config, *changed):
            self.apply(text)
            self.assert_no_changes()
        state = self.state()
        for address in imports:
            identifier = imports[address] if isinstance(imports, dict) else state[address]["id"]
            self.forget(address)
            self.import_(address, identifier)
        if imports:
            self.assert_no_changes(after="import")
        self.destroy()
        shutil.rmtree(self.folder / ".terraform", ignore_errors=True)
        return state


def _errors(output):
    found = []
    for line in output.splitlines():
        try:
            diagnostic = json.loads(line).get("diagnostic", {}) if line.startswith("{") else {}
        except ValueError:
            continue
        if diagnostic.get("severity") == "error":
            where = f" [{diagnostic['address']}]" if diagnostic.get("address") else ""
            found.append(f"{diagnostic['summary']}: {diagnostic['detail']}{where}" if diagnostic.get("detail") else diagnostic["summary"] + where)
    return found


def _difference(change):
    before, after = change.get("before") or {}, change.get("after") or {}
    return {"actions": change["actions"], "replace": change.get("replace_paths"),
            **{k: [before.get(k), after.get(k)] for k in {**before, **after} if before.get(k) != after.get(k)}}
