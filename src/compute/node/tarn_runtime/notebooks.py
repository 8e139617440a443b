"""Source notebooks: their cells, and those of the workspace by path."""
import base64
import json
import posixpath

from tarn_runtime import dbutils, door

_running = []  # paths of notebooks that run inside one another, outermost first


def cells(source, language="PYTHON"):
    """(number, text): a magic command's text begins with its %name; so does every cell of a SQL notebook."""
    mark = "--" if language == "SQL" else "#"
    lines = source.split("\n")
    if lines and lines[0].strip() == mark + " Databricks notebook source":
        lines = lines[1:]
    found, cell = [], []
    for line in lines:
        if line.strip() == mark + " COMMAND ----------":
            found.append(cell)
            cell = []
        else:
            cell.append(line)
    found.append(cell)
    number, magic = 0, mark + " MAGIC"
    for cell in found:
        cell = [line for line in cell if not line.startswith(mark + " DBTITLE")]
        if not any(line.strip() for line in cell):
            continue
        number += 1
        if any(line.startswith(magic) for line in cell):
            yield number, "\n".join(line[len(magic):].removeprefix(" ") for line in cell if line.startswith(magic)).strip("\n")
        else:
            yield number, ("%sql\n" if language == "SQL" else "") + "\n".join(cell).strip("\n")


def absolute(path):
    if path.startswith("/Workspace/"):
        path = path[len("/Workspace"):]
    if path.startswith("/"):
        return path
    here = _running[-1] if _running else dbutils.HANDED.task.get("path") or f"/Users/{door.access()['user']}/x"
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), path))


def load(path):
    """(path, source, language) of a notebook of the workspace, read as the context's owner."""
    path = absolute(path)
    said = door.call("GET", "/api/2.0/workspace/export", params={"path": path, "format": "SOURCE"})
    kind = said.get("file_type", "py")
    if kind not in ("py", "sql"):
        raise door.Refused(f"{path} is a {kind} file: only Python and SQL notebooks can be run from another")
    return path, base64.b64decode(said["content"]).decode(), "SQL" if kind == "sql" else "PYTHON"


class inside:
    """Where relative paths begin, while a notebook runs."""

    def __init__(self, path):
        if len(_running) >= 8:
            raise RecursionError("notebooks that run one another are nested more than 8 deep: " + " -> ".join(_running[-4:]))
        self.path = path

    def __enter__(self):
        _running.append(self.path)

    def __exit__(self, *gone):
        _running.pop()


def execute(source, language="PYTHON", views=False):
    """Runs the cells one after another in the kernel's namespace; the first that fails ends it with its error."""
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    for number, text in cells(source, language):
        if views:
            display({"application/vnd.tarn.cell+json": {"number": number, "source": text}, "text/plain": ""}, raw=True)
        if text.startswith("%md"):
            continue
        done = shell.run_cell(text, store_history=False, silent=False)
        failure = done.error_before_exec or done.error_in_exec
        if failure is not None:
            raise failure


def dumps(value):
    return json.dumps(value, default=str)
