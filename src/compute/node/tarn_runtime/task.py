"""A code task of a job, in its own interpreter: a notebook, a Python file or a wheel's entry point, with what the job hands it."""
import importlib
import json
import os
import shlex
import sys
import tempfile
import zipfile

from tarn_runtime import dbutils, door, magics, notebooks


def _wheels(all, space):
    folder = tempfile.mkdtemp(prefix="task-")
    for wheel in all:
        if "pypi" in wheel:
            magics.pip("install " + shlex.quote(wheel["pypi"]) + (f" --index-url {shlex.quote(wheel['repo'])}" if wheel.get("repo") else ""))
            continue
        path = os.path.join(folder, os.path.basename(wheel["name"]))
        with open(path, "wb") as f:
            f.write(space["dbutils"].fs._read(wheel["path"]) if "path" in wheel else bytes.fromhex(wheel["hex"]))
        try:
            with zipfile.ZipFile(path) as z:
                names = z.namelist()
                bad = z.testzip()
        except zipfile.BadZipFile as e:
            raise RuntimeError(f"The library {wheel['name']} is not a wheel: {e}") from None
        if bad or not any(n.endswith(".dist-info/METADATA") for n in names):
            raise RuntimeError(f"The library {wheel['name']} is not a wheel: " + (f"its member {bad} is damaged" if bad else "it has no .dist-info"))
        sys.path.insert(0, path)


def _entry(order):
    import importlib.metadata

    name = order["package"].replace("-", "_").lower()
    for distribution in importlib.metadata.distributions():
        if (distribution.metadata["Name"] or "").replace("-", "_").lower() == name:
            for point in distribution.entry_points:
                if point.name == order["entry_point"]:
                    return point.load()
    function = getattr(importlib.import_module(name), order["entry_point"], None)
    if function is None:
        raise RuntimeError(f"The package {order['package']} has no entry point {order['entry_point']}")
    return function


def run(text, space):
    order = json.loads(bytes.fromhex(text))
    handed = dbutils.HANDED
    handed.task, handed.known = order, order.get("known_values", {})
    sys.argv = [order.get("path", order.get("package", "task")), *order.get("parameters", [])]
    if order.get("path"):
        space["__file__"] = order["path"]
    if order.get("warehouse_id"):
        os.environ["TARN_WAREHOUSE_ID"] = order["warehouse_id"]
    space["dbutils"].widgets._take(order.get("widgets", {}))
    if os.environ.get("MLFLOW_TRACKING_URI") == "databricks":
        door.access()  # MLflow asks for host and token in the environment, and nothing before it
    try:
        _wheels(order["wheels"], space)
        if order["kind"] == "notebook":
            with notebooks.inside(order["path"]):
                notebooks.execute(order["source"], order.get("language", "PYTHON"), views=True)
        elif order["kind"] == "python":
            exec(compile(order["source"], order["path"], "exec"), space)
        else:
            _entry(order)()
    except dbutils.NotebookExit as e:
        handed.exit = e.value
    except SystemExit as e:
        if e.code not in (None, 0):
            raise RuntimeError(f"the task ended with exit code {e.code}") from None
    finally:
        from IPython.display import display

        display({"application/vnd.tarn.result+json": {"exit": handed.exit, "values": handed.values}, "text/plain": ""}, raw=True)
