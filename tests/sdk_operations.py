"""Every operation of the vendor's Python SDK, read from its source (nothing of it runs): which service, method, HTTP method and path.

The SDK is generated from the vendor's API description, so its calls are the published list of what there is. Paths come as the SDK builds
them, with `{name}` where it puts a value, `{account_id}` where it puts the account, and `{name*}` where a value may contain slashes.
"""
import ast
import dataclasses
import importlib.util
import pathlib
import re

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
# What a literal segment of a route stands for when the SDK puts a value there: one route for each kind, where the SDK has one call.
KINDS = re.compile(r"^\{(request_)?(object_type|securable_type|asset_type|artifact_type|entity_type)\}$")


@dataclasses.dataclass(frozen=True)
class Operation:
    surface: str  # account or workspace
    service: str  # as a caller of the SDK names it: `warehouses`, `storage_credentials`
    name: str     # the method of the service
    method: str
    path: str


def sdk_folder():
    return pathlib.Path(importlib.util.find_spec("databricks.sdk").origin).parent


def _text(node):
    """A path expression as a pattern; None if it is not one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    out = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            out += part.value
            continue
        value, suffix = part.value, ""
        if isinstance(value, ast.Call):  # _escape_multi_segment_path_parameter(file_path)
            value, suffix = value.args[0], "*"
            out += "" if out.endswith("/") else "/"  # the value brings its slash along
        if isinstance(value, ast.Attribute) and value.attr == "value":
            value = value.value
        out += "{" + (value.attr if isinstance(value, ast.Attribute) else value.id) + suffix + "}"
    return out


def _calls(function):
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "do" and len(node.args) >= 2:
            method, path = node.args[:2]
            if isinstance(method, ast.Constant) and method.value in METHODS and (text := _text(path)):
                yield method.value, text


def _services():
    """(package, API class) -> [(surface, property)], from the two clients' constructors; `Ext` classes stand for what they extend."""
    found = {}
    tree = ast.parse((sdk_folder() / "__init__.py").read_text())
    for client in (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name in ("WorkspaceClient", "AccountClient")):
        surface = "account" if client.name == "AccountClient" else "workspace"
        for node in ast.walk(client):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Attribute):
                made = node.value.func
                package = made.value.id.removeprefix("pkg_") if isinstance(made, ast.Attribute) and isinstance(made.value, ast.Name) else ""
                name = re.sub(r"Ext$", "API", made.attr if isinstance(made, ast.Attribute) else getattr(made, "id", ""))
                found.setdefault((package, name), []).append((surface, node.targets[0].attr.lstrip("_")))
    return found


def operations():
    services, found = _services(), set()
    for file in sorted((sdk_folder() / "service").glob("*.py")):
        for api in (n for n in ast.parse(file.read_text()).body if isinstance(n, ast.ClassDef) and n.name.endswith("API")):
            for function in (n for n in api.body if isinstance(n, ast.FunctionDef)):
                for method, path in _calls(function):
                    account = "/accounts/{account_id}" in path
                    places = services.get((file.stem, api.name)) or services.get(("", api.name)) or [("account" if account else "workspace", re.sub(r"(?<!^)(?=[A-Z])", "_", api.name[:-3]).lower())]
                    for surface, service in places:
                        found.add(Operation(surface, service, function.name, method, path))
    return sorted(found, key=lambda o: (o.surface, o.service, o.name, o.method, o.path))


def _segments(path):
    return path.split("?")[0].strip("/").split("/")


def serves(route, operation):
    """Whether a row of the server's route table answers the operation."""
    if route["method"] != operation.method and not (operation.method == "HEAD" and route["method"] == "GET"):
        return False
    if route["surface"] not in (operation.surface, "both"):
        return False
    have, want = _segments(route["pattern"]), _segments(operation.path)
    if have and have[-1].endswith("*}"):
        head = have[:-1]
        return len(want) > len(head) - 1 and all(_segment(h, w) for h, w in zip(head, want)) and len(want) > len(head)
    if want and want[-1].endswith("*}"):
        return False
    return len(have) == len(want) and all(_segment(h, w) for h, w in zip(have, want))


def _segment(have, want):
    if have == want:
        return True
    if have.startswith("{") and have.endswith("}"):
        return ":" not in want
    if "{" in have and "{" in want:  # {name}:rename
        return re.sub(r"\{[^}]*\}", "{}", have) == re.sub(r"\{[^}]*\}", "{}", want)
    return bool(KINDS.match(want)) and "{" not in have


if __name__ == "__main__":
    for o in operations():
        print(o.surface, o.service, o.name, o.method, o.path)
