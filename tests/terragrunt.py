"""infra/ as a platform team runs it: Terragrunt over the pinned provider, against a running Tarn under the vendor's host names.

    with running() as server, Infra(server, tmp_path) as infra:
        infra.apply()
        assert infra.changes() == {}

Works on copies of infra/ and platform/ in a folder of the test's own, so a test may edit a line of YAML. Plugins come from a filesystem mirror
that holds exactly the built provider; states lie in a bucket behind the server's own S3 endpoint (`state="s3"`) or in a folder ("local").
"""
import json
import os
import pathlib
import re
import shutil
import subprocess

from harness import ROOT, TARN
from terraform import client

TOO_LONG = 840  # seconds, for everything at once; below the bound of a suite
BUCKET = "acme-terraform-state"


class InfraError(AssertionError):
    pass


def mirror(folder):
    """A provider installation with the built provider, for OpenTofu and for Terraform; the path of its CLI configuration."""
    provider = client("terraform-provider-databricks")
    for registry in ("registry.opentofu.org", "registry.terraform.io"):
        place = folder / "mirror" / registry / "databricks/databricks/1.80.0/linux_amd64"
        place.mkdir(parents=True)
        (place / "terraform-provider-databricks_v1.80.0").symlink_to(provider)
    (folder / "cli.rc").write_text('provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\ndisable_checkpoint = true\n' % (folder / "mirror"))
    return folder / "cli.rc"


def environment(server, folder, principal=None):
    """A clean environment with the automation principal's credentials; nothing of the person who runs the tests leaks in."""
    client_id, secret = principal or (server.ready["admin"]["client_id"], server.client_secret)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "TF_", "TERRAGRUNT_", "AWS_", "STATE_"))}
    env.update(HOME=str(folder), TF_CLI_CONFIG_FILE=str(mirror(folder)), TF_IN_AUTOMATION="1", DATABRICKS_ACCOUNT_ID=server.ready["account_id"],
               DATABRICKS_CLIENT_ID=client_id, DATABRICKS_CLIENT_SECRET=secret)
    return env


class Infra:
    def __init__(self, server, folder, state="s3"):
        self.server, self.folder = server, pathlib.Path(folder)
        for name in ("infra", "platform"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns(".terragrunt-cache", ".terraform*"))
        self.units = self.folder / "infra"
        home = self.folder / "home"
        home.mkdir()
        self.env = environment(server, home)
        self.env.update(TERRAGRUNT_TFPATH=str(client("opentofu")), TERRAGRUNT_NON_INTERACTIVE="true")
        self.bucket = ["--bucket", BUCKET] if state == "s3" else []
        if state == "local":
            self.env["STATE_FOLDER"] = str(self.folder / "states")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def command(self, *arguments):
        return [TARN, "rehearse", "--data", str(self.server.data), *self.bucket, "--", *arguments]

    def run(self, *arguments, unit=None, check=True, seconds=TOO_LONG, **env):
        """One Terragrunt command, in one unit or over all."""
        done = subprocess.run(self.command(str(client("terragrunt")), *arguments), cwd=self.units / (unit or ""), env={**self.env, **env},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
        if check and done.returncode != 0:
            raise InfraError(f"terragrunt {' '.join(arguments)} ended with {done.returncode}:\n{errors(done.stdout) or done.stdout[-6000:]}")
        return done

    def all(self, *arguments, **kwargs):
        return self.run("run-all", *arguments, "-no-color", "--terragrunt-include-module-prefix", "--terragrunt-parallelism", "3", **kwargs)

    def apply(self, **kwargs):
        return self.all("apply", "-auto-approve", **kwargs).stdout

    def destroy(self, **kwargs):
        return self.all("destroy", "-auto-approve", **kwargs).stdout

    def every_unit(self):
        return sorted(str(f.parent.relative_to(self.units)) for f in self.units.rglob("terragrunt.hcl") if f.parent != self.units and ".terragrunt-cache" not in f.parts)

    def changes(self, *units, **kwargs):
        """What a plan would do, of everything or of some units: {"unit address": what}. Every unit must have planned."""
        if units:
            output = "".join(self.prefixed(unit, self.run("plan", "-no-color", unit=unit, **kwargs).stdout) for unit in units)
        else:
            output = self.all("plan", **kwargs).stdout
        found, planned = {}, set()
        for line in output.splitlines():
            prefixed = re.match(r"\[(\S+)\] (.*)", line)
            if not prefixed:
                continue
            unit, text = os.path.relpath(prefixed[1], self.units), prefixed[2].strip()
            if text.startswith(("No changes.", "Plan: ", "You can apply this plan", "Changes to Outputs")):
                planned.add(unit)
            if change := re.match(r"# (\S.*?) (will be|must be) (.*)", text):
                if "read during apply" not in change[3]:
                    found[f"{unit} {change[1]}"] = change[3]
            elif text.startswith("Changes to Outputs"):
                found[f"{unit} outputs"] = "changed"
        missing = set(units or self.every_unit()) - planned
        assert not missing, f"no plan of {sorted(missing)} in:\n{output[-4000:]}"
        return found

    def prefixed(self, unit, output):
        return "".join(f"[{self.units / unit}] {line}\n" for line in output.splitlines())

    def apply_units(self, *units):
        for unit in units:
            self.run("apply", "-auto-approve", "-no-color", unit=unit)

    def yaml(self, file, old, new):
        """Changes one line of the platform."""
        path = self.folder / "platform" / file
        text = path.read_text()
        assert text.count(old) == 1, f"{text.count(old)} times {old!r} in {file}"
        path.write_text(text.replace(old, new))

    def tarn(self, verb):
        """`tarn plan` and its kind on the same YAML: exit code and changes."""
        done = self.server.tarn(verb, "--data", str(self.server.data), "--json", str(self.folder / "platform"), check=False)
        answer = json.loads(done.stdout)
        return done.returncode, [f"{c['action']} {c['kind']}.{c['name']}" for c in answer.get("changes", [])] or answer.get("error", [])


def errors(output):
    """The paragraphs of a run that begin with Error."""
    lines = [re.sub(r"^\[\S+\] ", "", line) for line in output.splitlines()]
    out = []
    for i, line in enumerate(lines):
        if re.match(r"^[│\s]*Error: ", line):
            out += lines[i:i + 12] + [""]
    return "\n".join(out)
