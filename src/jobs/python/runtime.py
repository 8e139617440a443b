"""What a code task of a job finds around it: dbutils (widgets, task values, exit), sys.argv, and its wheels on the path. Sent in front of the
order, run in the task's own interpreter."""
import json as _json
import sys as _sys


class _TarnExit(BaseException):
    def __init__(self, value):
        self.value = value


class _TarnRefused(Exception):
    pass


_tarn_result = {"exit": None, "values": {}}


class _Widgets:
    def __init__(self, values):
        self._values = dict(values)

    def _declare(self, name, default):
        self._values.setdefault(name, default)

    def text(self, name, defaultValue="", label=None):
        self._declare(name, defaultValue)

    def dropdown(self, name, defaultValue, choices, label=None):
        self._declare(name, defaultValue)

    combobox = multiselect = dropdown

    def get(self, name):
        if name not in self._values:
            raise ValueError(f"InputWidgetNotDefined: No input widget named {name} is defined")
        return self._values[name]

    def getAll(self):
        return dict(self._values)

    def getArgument(self, name, default=None):
        return self._values.get(name, default)

    def remove(self, name):
        self._values.pop(name, None)

    def removeAll(self):
        self._values.clear()


class _Notebook:
    def exit(self, value=""):
        raise _TarnExit(str(value))

    def run(self, path, timeout_seconds=0, arguments=None):
        raise _TarnRefused("dbutils.notebook.run is not available on this platform: use a run_job or notebook task")


class _TaskValues:
    def set(self, key, value):
        text = _json.dumps(value)
        if len(text) > 48 * 1024:
            raise ValueError("a task value must have at most 48 KB")
        if len(_tarn_result["values"]) >= 250 and key not in _tarn_result["values"]:
            raise ValueError("a task can set at most 250 values")
        _tarn_result["values"][key] = value

    def get(self, taskKey, key, default=None, debugValue=None):
        raise _TarnRefused("dbutils.jobs.taskValues.get is not available on this platform: pass {{tasks." + taskKey + ".values." + key + "}} as a parameter")


class _Jobs:
    def __init__(self):
        self.taskValues = _TaskValues()


class _Dbutils:
    def __init__(self, widgets):
        self.widgets, self.notebook, self.jobs = _Widgets(widgets), _Notebook(), _Jobs()

    def __getattr__(self, name):
        raise _TarnRefused(f"dbutils.{name} is not available on this platform")


def _tarn_cells(source):
    """A source notebook's cells: (magic or None, text)."""
    lines = source.split("\n")
    if lines and lines[0].strip() == "# Databricks notebook source":
        lines = lines[1:]
    cells, cell = [], []
    for line in lines:
        if line.strip() == "# COMMAND ----------":
            cells.append(cell)
            cell = []
        else:
            cell.append(line)
    cells.append(cell)
    for cell in cells:
        magic = [line[len("# MAGIC"):].removeprefix(" ") for line in cell if line.startswith("# MAGIC")]
        if magic:
            head = magic[0].strip().split()[0] if magic[0].strip() else ""
            yield (head if head.startswith("%") else "%python"), "\n".join(magic)
        else:
            yield None, "\n".join(cell)


def _tarn_notebook(order, space):
    for number, (magic, text) in enumerate(_tarn_cells(order["source"]), 1):
        if magic in ("%md", "%md-sandbox"):
            continue
        if magic == "%python":
            text = text.split("\n", 1)[1] if "\n" in text else ""
        elif magic:
            raise _TarnRefused(f"cell {number}: the magic command {magic} is not available on this platform")
        first = next((line.strip() for line in text.split("\n") if line.strip()), "")
        if first.startswith("%"):
            raise _TarnRefused(f"cell {number}: the magic command {first.split()[0]} is not available on this platform")
        exec(compile(text, f"{order['path']}#{number}", "exec"), space)


def _tarn_wheel(order):
    import importlib.metadata

    name = order["package"].replace("-", "_").lower()
    for distribution in importlib.metadata.distributions():
        if (distribution.metadata["Name"] or "").replace("-", "_").lower() == name:
            for point in distribution.entry_points:
                if point.name == order["entry_point"]:
                    return point.load()()
    module = importlib.import_module(name)
    return getattr(module, order["entry_point"])()


def _tarn_run(text):
    order = _json.loads(bytes.fromhex(text))
    import os
    import tempfile

    folder = tempfile.mkdtemp(prefix="task-")
    for wheel in order["wheels"]:
        path = os.path.join(folder, os.path.basename(wheel["name"]))
        with open(path, "wb") as f:
            f.write(bytes.fromhex(wheel["hex"]))
        _sys.path.insert(0, path)
    _sys.argv = [order.get("path", order.get("package", "task")), *order.get("parameters", [])]
    space = {"__name__": "__main__", "__file__": order.get("path", ""), "dbutils": _Dbutils(order.get("widgets", {}))}
    try:
        if order["kind"] == "notebook":
            _tarn_notebook(order, space)
        elif order["kind"] == "python":
            exec(compile(order["source"], order["path"], "exec"), space)
        else:
            _tarn_wheel(order)
    except _TarnExit as e:
        _tarn_result["exit"] = e.value
    except SystemExit as e:
        if e.code not in (None, 0):
            raise RuntimeError(f"the task ended with exit code {e.code}") from None
    finally:
        from IPython.display import display

        display({"application/vnd.tarn.result+json": _tarn_result, "text/plain": ""}, raw=True)
