"""spark in an execution context: Spark Connect to the engine of the cluster's runtime (sail.py), with every name of the catalog governed by the control plane.

A table by name is opened with credentials that the catalog vends to its reader for its files alone; one that is never handed out (row filters, column
masks, views) is read by a SQL warehouse as the caller. SQL whose tables are all the catalog's runs on a warehouse whole; with temporary views of this
session among them the engine runs it over both. What is written is written with the writer's own vended credentials. docs/decisions/0012 says why.
"""
import atexit
import importlib.abc
import importlib.machinery
import json
import os
import subprocess
import sys
import threading
import warnings

from tarn_runtime import door


class _Hook(importlib.abc.MetaPathFinder):
    """SparkSession.builder.getOrCreate() gives this session too, whenever the code imports it."""

    def find_spec(self, name, path, target=None):
        if name not in ("pyspark.sql.connect.session", "pyspark.sql.session"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, own):
        self.own = own

    def create_module(self, spec):
        return self.own.create_module(spec)

    def exec_module(self, module):
        self.own.exec_module(module)
        builder = module.SparkSession.Builder
        own = builder.create
        builder.getOrCreate = lambda self: session()
        builder.create = lambda self: own(self) if getattr(self, "_channel_builder", None) is not None else session()


sys.meta_path.insert(0, _Hook())
_lock = threading.RLock()
_session = None


def session():
    global _session
    with _lock:
        if _session is None:
            warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")
            from tarn_runtime import governed

            _session = governed.open_session(Engine())
        return _session


class Engine:
    """The engine's process, and the word that it is given a table's credentials."""

    def __init__(self):
        folder = os.path.join(os.path.dirname(os.environ["TARN_DOOR"]), "sail")
        self.folder, self.lock = folder, threading.Lock()
        os.makedirs(folder, mode=0o700, exist_ok=True)
        log = open(os.path.join(folder, "log"), "wb")
        kind = ["apache"] if os.environ.get("TARN_SPARK") == "apache" else []
        self.process = subprocess.Popen([sys.executable, "-m", "tarn_runtime.sail", folder, *kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        said = self.process.stdout.readline().strip()
        if said != "ready":
            raise door.Refused(said or "The engine could not start")
        atexit.register(self.process.kill)

    def grant(self, answer, question):
        with self.lock:
            self.process.stdin.write(json.dumps({"grant": answer, "question": question}) + "\n")
            self.process.stdin.flush()
            if self.process.stdout.readline().strip() != "ok":
                raise door.Refused("The engine ended. Restart the context.")

    @property
    def socket(self):
        return os.path.join(self.folder, "spark")


class LazySpark:
    """spark, until it is first used."""

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return getattr(session(), name)

    def __repr__(self):
        return f"<SparkSession: {'Apache Spark' if os.environ.get('TARN_SPARK') == 'apache' else 'embedded engine'}>" if _session is None else repr(_session)
