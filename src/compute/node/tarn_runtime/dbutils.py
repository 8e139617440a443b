"""dbutils: widgets, secrets, fs, notebook, jobs, as the vendor's notebooks use them. What is not here is refused by name."""
import base64
import collections
import json
import os
import shutil
import time
import urllib.parse

from tarn_runtime import door

FileInfo = collections.namedtuple("FileInfo", "path name size modificationTime")
SecretScope = collections.namedtuple("SecretScope", "name")
SecretMetadata = collections.namedtuple("SecretMetadata", "key")


class NotebookExit(BaseException):
    """dbutils.notebook.exit: ends the notebook, which succeeds with a value."""

    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Handed:
    """What a job's task hands on, and what tasks before it did."""

    def __init__(self):
        self.exit, self.values, self.known, self.task = None, {}, {}, {}


HANDED = Handed()


class _Part:
    _what = ""

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        raise door.Refused(f"dbutils.{self._what}.{name} is not available on this platform")

    def help(self, method=None):
        print(f"dbutils.{self._what}: " + ", ".join(sorted(n for n in dir(type(self)) if not n.startswith("_") and n != "help")))


class Widgets(_Part):
    _what = "widgets"

    def __init__(self):
        self._given, self._declared = {}, {}

    def _take(self, values):
        self._given = {str(k): str(v) for k, v in values.items()}

    def text(self, name, defaultValue="", label=None):
        self._declared.setdefault(name, str(defaultValue))

    def dropdown(self, name, defaultValue, choices, label=None):
        if defaultValue not in list(choices):
            raise ValueError(f"The default value '{defaultValue}' of the widget {name} is not one of its choices")
        self._declared.setdefault(name, str(defaultValue))

    def combobox(self, name, defaultValue, choices=(), label=None):
        self._declared.setdefault(name, str(defaultValue))

    def multiselect(self, name, defaultValue, choices, label=None):
        self.dropdown(name, defaultValue, choices, label)

    def get(self, name):
        if name in self._given:
            return self._given[name]
        if name not in self._declared:
            raise ValueError(f"InputWidgetNotDefined: No input widget named {name} is defined")
        return self._declared[name]

    def getAll(self):
        return {**self._declared, **self._given}

    def getArgument(self, name, default=None):
        return self.getAll().get(name, default)

    def remove(self, name):
        self._declared.pop(name, None)

    def removeAll(self):
        self._declared.clear()


class Secrets(_Part):
    _what = "secrets"

    def getBytes(self, scope, key):
        value = base64.b64decode(door.call("GET", "/api/2.0/secrets/get", params={"scope": scope, "key": key})["value"])
        try:
            door.redact(value.decode())
        except UnicodeDecodeError:
            pass  # no text: nothing prints it as it is
        return value

    def get(self, scope, key):
        return self.getBytes(scope, key).decode()

    def list(self, scope):
        return [SecretMetadata(s["key"]) for s in door.call("GET", "/api/2.0/secrets/list", params={"scope": scope}).get("secrets", [])]

    def listScopes(self):
        return [SecretScope(s["name"]) for s in door.call("GET", "/api/2.0/secrets/scopes/list").get("scopes", [])]


def _place(path):
    """(kind, path): dbfs, volume or local."""
    if path.startswith("file:"):
        return "local", "/" + path[5:].lstrip("/")
    plain = path[5:] if path.startswith("dbfs:") else path
    if "://" in plain or not plain.startswith("/"):
        raise door.Refused(f"dbutils.fs does not reach '{path}' on this platform: name a path of DBFS (dbfs:/…), a volume (/Volumes/…) or the node (file:/…)")
    plain = "/" + plain.strip("/")
    return ("volume" if plain == "/Volumes" or plain.startswith("/Volumes/") else "dbfs"), plain


class Fs(_Part):
    _what = "fs"

    def ls(self, dir):
        kind, path = _place(dir)
        if kind == "local":
            entries = sorted(os.scandir(path), key=lambda e: e.name)
            return [FileInfo("file:" + e.path + ("/" if e.is_dir() else ""), e.name + ("/" if e.is_dir() else ""), 0 if e.is_dir() else e.stat().st_size, int(e.stat().st_mtime * 1000)) for e in entries]
        if kind == "dbfs":
            files = door.call("GET", "/api/2.0/dbfs/list", params={"path": path}).get("files", [])
            return [self._info("dbfs:" + f["path"], f.get("is_dir"), f.get("file_size", 0), f.get("modification_time", 0)) for f in files]
        out, token = [], None
        while True:
            page = door.call("GET", "/api/2.0/fs/directories" + urllib.parse.quote(path), params={"page_token": token})
            out += [self._info("dbfs:" + f["path"], f.get("is_directory"), f.get("file_size", 0), f.get("last_modified", 0)) for f in page.get("contents", [])]
            token = page.get("next_page_token")
            if not token:
                return out

    @staticmethod
    def _info(path, folder, size, modified):
        path = path.rstrip("/") + ("/" if folder else "")
        return FileInfo(path, path.rstrip("/").rsplit("/", 1)[-1] + ("/" if folder else ""), 0 if folder else size, modified)

    def _read(self, file, most=None):
        kind, path = _place(file)
        if kind == "local":
            with open(path, "rb") as f:
                return f.read(most)
        if kind == "volume":
            return door.call("GET", "/api/2.0/fs/files" + urllib.parse.quote(path), raw=True)[:most]
        whole = b""
        while most is None or len(whole) < most:
            piece = door.call("GET", "/api/2.0/dbfs/read", params={"path": path, "offset": len(whole), "length": min(1 << 20, most - len(whole) if most else 1 << 20)})
            if not piece.get("bytes_read"):
                break
            whole += base64.b64decode(piece["data"])
        return whole

    def head(self, file, max_bytes=65536):
        return self._read(file, max_bytes).decode("utf-8", "replace")

    def _write(self, file, data, overwrite):
        kind, path = _place(file)
        if kind == "local":
            if os.path.exists(path) and not overwrite:
                raise FileExistsError(f"{file} already exists")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(data)
        elif kind == "volume":
            door.call("PUT", "/api/2.0/fs/files" + urllib.parse.quote(path), data, params={"overwrite": str(bool(overwrite)).lower()})
        else:
            handle = door.call("POST", "/api/2.0/dbfs/create", {"path": path, "overwrite": bool(overwrite)})["handle"]
            for at in range(0, len(data), 700_000):
                door.call("POST", "/api/2.0/dbfs/add-block", {"handle": handle, "data": base64.b64encode(data[at:at + 700_000]).decode()})
            door.call("POST", "/api/2.0/dbfs/close", {"handle": handle})

    def put(self, file, contents, overwrite=False):
        data = contents.encode()
        self._write(file, data, overwrite)
        print(f"Wrote {len(data)} bytes.")
        return True

    def mkdirs(self, dir):
        kind, path = _place(dir)
        if kind == "local":
            os.makedirs(path, exist_ok=True)
        elif kind == "volume":
            door.call("PUT", "/api/2.0/fs/directories" + urllib.parse.quote(path))
        else:
            door.call("POST", "/api/2.0/dbfs/mkdirs", {"path": path})
        return True

    def rm(self, dir, recurse=False):
        kind, path = _place(dir)
        if kind == "local":
            if os.path.isdir(path):
                shutil.rmtree(path) if recurse else os.rmdir(path)
            else:
                os.remove(path)
        elif kind == "dbfs":
            door.call("POST", "/api/2.0/dbfs/delete", {"path": path, "recursive": bool(recurse)})
        elif self._is_folder(dir):
            if recurse:
                for one in self.ls(dir):
                    self.rm(one.path, True)
            door.call("DELETE", "/api/2.0/fs/directories" + urllib.parse.quote(path))
        else:
            door.call("DELETE", "/api/2.0/fs/files" + urllib.parse.quote(path))
        return True

    def _is_folder(self, name):
        kind, path = _place(name)
        if kind == "local":
            return os.path.isdir(path)
        try:
            if kind == "dbfs":
                return bool(door.call("GET", "/api/2.0/dbfs/get-status", params={"path": path}).get("is_dir"))
            door.call("GET", "/api/2.0/fs/directories" + urllib.parse.quote(path), params={"page_size": 1})
            return True
        except door.Refused as e:
            if e.status == 404:
                return False
            raise

    def cp(self, source, destination, recurse=False):
        if self._is_folder(source):
            if not recurse:
                raise door.Refused(f"{source} is a folder: set recurse to copy it")
            self.mkdirs(destination)
            for one in self.ls(source):
                self.cp(one.path, destination.rstrip("/") + "/" + one.name.rstrip("/"), True)
        else:
            self._write(destination, self._read(source), True)
        return True

    def mv(self, source, destination, recurse=False):
        self.cp(source, destination, recurse)
        return self.rm(source, recurse)


class Notebook(_Part):
    _what = "notebook"

    def exit(self, value=""):
        raise NotebookExit(str(value))

    def run(self, path, timeout_seconds=0, arguments=None):
        """A run of its own on this cluster, as the caller; its exit value."""
        from tarn_runtime import notebooks

        me = door.access()
        path = notebooks.absolute(path)
        task = {"task_key": "notebook", "existing_cluster_id": me["cluster_id"], "notebook_task": {"notebook_path": path, "base_parameters": {k: str(v) for k, v in (arguments or {}).items()}}}
        if timeout_seconds:
            task["timeout_seconds"] = int(timeout_seconds)
        run = door.call("POST", "/api/2.2/jobs/runs/submit", {"run_name": f"dbutils.notebook.run {path}"[:200], "tasks": [task]})["run_id"]
        pause = 0.1
        try:
            while True:
                state = door.call("GET", "/api/2.2/jobs/runs/get", params={"run_id": run})
                if state["state"]["life_cycle_state"] in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR"):
                    break
                time.sleep(pause)
                pause = min(2.0, pause * 1.5)
        except BaseException:
            door.call("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run})
            raise
        out = door.call("GET", "/api/2.2/jobs/runs/get-output", params={"run_id": state["tasks"][-1]["run_id"]})
        if state["state"].get("result_state") != "SUCCESS":
            raise RuntimeError(f"The notebook {path} ended as {state['state'].get('result_state')}: {out.get('error') or state['state'].get('state_message', '')}")
        return out.get("notebook_output", {}).get("result", "")


class TaskValues(_Part):
    _what = "jobs.taskValues"

    def set(self, key, value):
        text = json.dumps(value)
        if len(text) > 48 * 1024:
            raise ValueError("a task value must have at most 48 KB")
        if len(HANDED.values) >= 250 and key not in HANDED.values:
            raise ValueError("a task can set at most 250 values")
        HANDED.values[key] = value

    def get(self, taskKey, key, default=None, debugValue=None):
        if not HANDED.task:
            if debugValue is None:
                raise TypeError("Must pass debugValue when calling get outside of a job context.")
            return debugValue
        values = HANDED.known.get(taskKey)
        if values is not None and key in values:
            return values[key]
        if default is not None:
            return default
        if values is None:
            raise ValueError(f"No task with key {taskKey} has ended before this one in this run")
        raise ValueError(f"The task {taskKey} set no value with key {key}")


class Jobs(_Part):
    _what = "jobs"

    def __init__(self):
        self.taskValues = TaskValues()


class Dbutils:
    def __init__(self):
        self.widgets, self.secrets, self.fs, self.notebook, self.jobs = Widgets(), Secrets(), Fs(), Notebook(), Jobs()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        raise door.Refused(f"dbutils.{name} is not available on this platform")
