"""The session of spark.py: where Spark Connect's own client meets names of the catalog."""
import os
import re
import threading
import time
import uuid

import grpc
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import sqlglot
from pyspark.sql.connect import dataframe, readwriter
from pyspark.sql.connect import session as connect
from pyspark.sql.connect.client import ChannelBuilder
from sqlglot import exp

from tarn_runtime import door

_FILES = {"delta", "parquet", "csv", "json", "text", "orc", "avro", "binaryfile"}


class _Channel(ChannelBuilder):
    def __init__(self, path):
        super().__init__()
        self._path = path
        self.set("session_id", str(uuid.uuid4()))

    def toChannel(self):
        most = 1 << 30
        return grpc.insecure_channel("unix:" + self._path, options=[("grpc.default_authority", "localhost"), ("grpc.max_receive_message_length", most), ("grpc.max_send_message_length", most)])

    host = property(lambda self: "localhost")
    endpoint = property(lambda self: "unix:" + self._path)
    secure = property(lambda self: False)
    token = property(lambda self: None)
    userId = property(lambda self: "owner")


def refused(what, instead=""):
    return door.Refused(f"{what} is not available on this platform" + (f": {instead}" if instead else ""))


class Warehouse:
    """Statements as the context's owner, results as Arrow."""

    def __init__(self):
        self.id, self.catalog, self.schema = os.environ.get("TARN_WAREHOUSE_ID", ""), None, None

    def choose(self):
        if not self.id:
            all = door.call("GET", "/api/2.0/sql/warehouses").get("warehouses", [])
            if not all:
                raise door.Refused("Spark's SQL needs a SQL warehouse that you may use, and this workspace has none for you: ask for CAN_USE on one")
            self.id = next((w for w in all if w.get("state") == "RUNNING"), all[0])["id"]
        return self.id

    def run(self, statement, parameters=None):
        """A pyarrow table, or None for a statement without rows."""
        body = {"statement": statement, "warehouse_id": self.choose(), "format": "ARROW_STREAM", "disposition": "EXTERNAL_LINKS", "wait_timeout": "30s"}
        if self.catalog:
            body["catalog"] = self.catalog
        if self.schema:
            body["schema"] = self.schema
        if parameters:
            body["parameters"] = [{"name": k, "value": None if v is None else str(v)} for k, v in parameters.items()]
        said = door.call("POST", "/api/2.0/sql/statements", body)
        where, pause = "/api/2.0/sql/statements/" + said["statement_id"], 0.02
        try:
            while said["status"]["state"] in ("PENDING", "RUNNING"):
                time.sleep(pause)
                pause = min(1.0, pause * 1.5)
                said = door.call("GET", where)
        except KeyboardInterrupt:
            door.call("POST", where + "/cancel")
            raise
        if said["status"]["state"] != "SUCCEEDED":
            error = said["status"].get("error", {})
            raise door.Refused(error.get("message", said["status"]["state"]), error.get("error_code", ""))
        if not said.get("manifest", {}).get("schema", {}).get("columns"):
            return None
        pieces, page = [], said.get("result", {})
        while page:
            following = None
            for link in page.get("external_links", []):
                pieces.append(pyarrow.ipc.open_stream(door.fetch(link["external_link"])).read_all())
                following = link.get("next_chunk_internal_link")
            page = door.call("GET", following) if following else None
        if pieces:
            return pyarrow.concat_tables(pieces, promote_options="permissive")
        return pyarrow.table({c["name"]: pyarrow.array([], pyarrow.string()) for c in said["manifest"]["schema"]["columns"]})

    def current(self):
        if not (self.catalog and self.schema):
            row = self.run("SELECT current_catalog() AS c, current_schema() AS s").to_pylist()[0]
            self.catalog, self.schema = self.catalog or row["c"], self.schema or row["s"] or "default"
        return self.catalog, self.schema


class Governed:
    """What this session knows of names: the catalog's tables that it opened, its own temporary views, and what each was made from."""

    def __init__(self, engine):
        self.engine, self.warehouse = engine, Warehouse()
        self.opened = {}  # url -> full name
        self.sources = {}  # temporary view or file -> full names of what it was made from
        self.views = set()
        self.lock, self.count = threading.RLock(), 0
        self.session = None

    def full(self, name):
        parts = exp.to_table(name, dialect="databricks") if isinstance(name, str) else name
        parts = [p.name for p in (parts.args.get("catalog"), parts.args.get("db"), parts.this) if p is not None]
        if len(parts) < 3:
            catalog, schema = self.warehouse.current()
            if not catalog:
                raise door.Refused(f"[TABLE_OR_VIEW_NOT_FOUND] '{'.'.join(parts)}' names no catalog, and this workspace has no default one: use three parts, or USE CATALOG")
            parts = [catalog, *([schema] if len(parts) == 1 else []), *parts]
        return parts

    def is_view(self, name):
        return name.strip("`").lower() in self.views

    def ask(self, parts, operation, sources=()):
        question = {"what": "table", "catalog": parts[0], "schema": parts[1], "table": parts[2], "operation": operation}
        answer = door.ask({**question, "sources": sorted(sources)} if sources else question)
        if answer["through"] == "files":
            self.engine.grant(answer, question)
            self.opened[answer["url"]] = answer["full_name"]
        return answer

    def table(self, name):
        if isinstance(name, str) and self.is_view(name):
            return self.own_table(self.session, name)
        parts = self.full(name)
        answer = self.ask(parts, "READ")
        if answer["through"] == "files":
            return self.session.read.format("delta").load(answer["url"])
        return self.query("SELECT * FROM " + ".".join(f"`{p}`" for p in parts), {".".join(parts)})

    def query(self, statement, sources, parameters=None):
        """Rows of a warehouse, as a frame of the engine."""
        found = self.warehouse.run(statement, parameters)
        if found is None:
            return self.session.createDataFrame([], "num_affected_rows bigint")
        with self.lock:
            self.count += 1
            path = os.path.join(self.engine.folder, f"result-{self.count}.parquet")
        names = found.column_names
        unique = [n if names.index(n) == i else f"{n}_{i}" for i, n in enumerate(names)]
        pyarrow.parquet.write_table(found.rename_columns(unique), path)
        self.sources["file://" + path] = set(sources)
        frame = self.session.read.parquet("file://" + path)
        return frame.toDF(*names) if names != unique else frame

    # What a frame was made from ------------------------------------------------------------------------------------------------------------

    def lineage(self, frame):
        found = set()

        def visit(message):
            kind = message.DESCRIPTOR.name
            if kind == "DataSource":
                for path in message.paths:
                    found.update({self.opened[path]} if path in self.opened else self.sources.get(path, set()))
            elif kind == "NamedTable":
                found.update(self.sources.get(message.unparsed_identifier.strip("`").lower(), set()))
            elif kind == "SQL":
                for word in re.findall(r"[\w]+", message.query):
                    if word.lower() in self.views:
                        found.update(self.sources.get(word.lower(), set()))
            for field, value in message.ListFields():
                if field.message_type is None:
                    continue
                for one in value if hasattr(value, "__len__") and not hasattr(value, "DESCRIPTOR") else [value]:
                    if hasattr(one, "DESCRIPTOR"):
                        visit(one)

        visit(frame._plan.to_proto(self.session.client))
        return found

    def remember(self, name, frame):
        self.views.add(name.strip("`").lower())
        self.sources[name.strip("`").lower()] = self.lineage(frame)

    # SQL -----------------------------------------------------------------------------------------------------------------------------------

    def sql(self, text, parameters=None):
        if isinstance(parameters, (list, tuple)):
            raise refused("spark.sql with positional parameters", "name them as :name")
        try:
            tree = sqlglot.parse_one(text, read="databricks")
        except sqlglot.errors.ParseError:
            tree = None
        if tree is None or isinstance(tree, exp.Command):
            return self.query(text, set(), parameters)  # the warehouse says what is wrong with it
        if isinstance(tree, exp.Use):
            return self.use(tree)
        if isinstance(tree, exp.Set):
            return self.own_sql(self.session, text)
        if isinstance(tree, exp.Create) and tree.find(exp.TemporaryProperty):
            return self.temporary_view(tree)
        if isinstance(tree, exp.Drop) and isinstance(tree.this, exp.Table) and not tree.this.args.get("db") and self.is_view(tree.this.name):
            self.session.catalog.dropTempView(tree.this.name)
            return self.session.createDataFrame([], "num_affected_rows bigint")
        ours, theirs = [], []
        bound = {c.alias_or_name.lower() for c in tree.find_all(exp.CTE)}
        for t in tree.find_all(exp.Table):
            if not t.args.get("db") and (t.name.lower() in bound or not isinstance(t.this, exp.Identifier)):
                continue
            (ours if not t.args.get("db") and self.is_view(t.name) else theirs).append(t)
        if not ours and (theirs or not isinstance(tree, (exp.Query, exp.Values))):
            return self.query(text, {".".join(self.full(t)) for t in theirs if isinstance(tree, exp.Query) and t.args.get("db") and t.args["db"].name.lower() not in _FILES}, parameters)
        if parameters:
            raise refused("spark.sql with parameters over temporary views", "put the values into the text, or filter the frame")
        if isinstance(tree, (exp.Query, exp.Values)):
            return self.own_sql(self.session, self.localized(tree, theirs))
        if isinstance(tree, exp.Insert):
            return self.insert(tree)
        if isinstance(tree, exp.Merge):
            return self.merge(tree, theirs)
        if isinstance(tree, exp.Create) and isinstance(tree.expression, exp.Query) and str(tree.args.get("kind")).upper() == "TABLE":
            inner = [t for t in tree.expression.find_all(exp.Table) if t in theirs]
            frame = self.own_sql(self.session, self.localized(tree.expression, inner))
            target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
            self.save(frame, target, "overwrite" if tree.args.get("replace") else "ignore" if tree.args.get("exists") else "error")
            return self.session.createDataFrame([], "num_affected_rows bigint")
        raise refused(f"{tree.key.upper()} over temporary views of a session", "use INSERT or MERGE, or write the frame to a table first")

    def localized(self, tree, theirs):
        """The query with the catalog's tables as views of the engine."""
        for t in theirs:
            if t.args.get("db") and t.args["db"].name.lower() in _FILES and not t.args.get("catalog"):
                continue
            frame = self.table(t)
            with self.lock:
                self.count += 1
                name = f"_tarn_{self.count}"
            self.own_view(frame, name)
            self.views.add(name)
            self.sources[name] = {".".join(self.full(t))}
            alias = t.alias or t.name
            t.replace(exp.alias_(exp.to_table(name), alias, table=True))
        return tree.sql(dialect="spark")

    def use(self, tree):
        kind = str(tree.args.get("kind") or "").upper()
        parts = [p.name for p in (tree.this.args.get("catalog"), tree.this.args.get("db"), tree.this.this) if p is not None]
        if kind == "CATALOG":
            self.warehouse.catalog, self.warehouse.schema = parts[-1], "default"
        else:
            self.warehouse.catalog = parts[-2] if len(parts) > 1 else self.warehouse.current()[0]
            self.warehouse.schema = parts[-1]
        return self.session.createDataFrame([], "result string")

    def temporary_view(self, tree):
        if str(tree.args.get("kind")).upper() != "VIEW" or not isinstance(tree.expression, exp.Query):
            raise refused("CREATE TEMPORARY " + str(tree.args.get("kind")).upper(), "use CREATE TEMPORARY VIEW name AS SELECT …")
        name = tree.this.this.name if isinstance(tree.this, exp.Schema) else tree.this.name
        self.sql(tree.expression.sql(dialect="databricks")).createOrReplaceTempView(name)
        return self.session.createDataFrame([], "result string")

    def insert(self, tree):
        target = tree.this
        columns = None
        if isinstance(target, exp.Schema):
            columns, target = [c.name for c in target.expressions], target.this
        inner = [t for t in tree.expression.find_all(exp.Table) if t.args.get("db") or not self.is_view(t.name)]
        frame = self.own_sql(self.session, self.localized(tree.expression, inner))
        self.append(frame, target, bool(tree.args.get("overwrite")), columns)
        return self.session.createDataFrame([], "num_affected_rows bigint")

    def merge(self, tree, theirs):
        target = tree.this
        if self.is_view(target.name) and not target.args.get("db"):
            raise refused("MERGE INTO a temporary view")
        sources = {s for t in tree.find_all(exp.Table) if not t.args.get("db") for s in self.sources.get(t.name.lower(), set())}
        sources |= {".".join(self.full(t)) for t in theirs if t is not target}
        answer = self.ask(self.full(target), "READ_WRITE", sources)
        if answer["through"] != "files":
            raise door.Refused(f"MERGE into {target.name} needs a warehouse ({answer['why']}), and a warehouse does not see this session's views: write the source to a table first")
        with self.lock:
            self.count += 1
            name = f"_tarn_target_{self.count}"
        self.own_sql(self.session, f"CREATE TABLE {name} USING delta LOCATION '{answer['url']}'").collect()
        alias = target.alias or target.name
        tree.set("this", exp.alias_(exp.to_table(name), alias, table=True))
        try:
            return self.own_sql(self.session, self.localized(tree, [t for t in theirs if t is not target]))
        finally:
            self.own_sql(self.session, f"DROP TABLE IF EXISTS {name}").collect()

    # Writing -------------------------------------------------------------------------------------------------------------------------------

    def exists(self, parts):
        try:
            door.call("GET", "/api/2.1/unity-catalog/tables/" + ".".join(parts))
            return True
        except door.Refused as e:
            if e.status == 404:
                return False
            raise

    def save(self, frame, name, mode, options=None, partitions=()):
        parts = self.full(name)
        quoted = ".".join(f"`{p}`" for p in parts)
        there = self.exists(parts)
        if there and mode in ("error", "errorifexists", "default", None):
            raise door.Refused(f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view {quoted} because it already exists.")
        if there and mode == "ignore":
            return
        if not there or (mode == "overwrite" and str((options or {}).get("overwriteSchema", "false")).lower() == "true"):
            columns = ", ".join(f"`{f.name}` {f.dataType.simpleString()}" + ("" if f.nullable else " NOT NULL") for f in frame.schema.fields)
            by = f" PARTITIONED BY ({', '.join(f'`{p}`' for p in partitions)})" if partitions else ""
            self.warehouse.run(f"CREATE {'OR REPLACE ' if there else ''}TABLE {quoted} ({columns}) USING DELTA{by}")
            there = False
        self.append(frame, name, mode == "overwrite" and there)

    def append(self, frame, name, overwrite=False, columns=None):
        parts = self.full(name)
        answer = self.ask(parts, "READ_WRITE", self.lineage(frame))
        if answer["through"] != "files":
            raise door.Refused(f"{'.'.join(parts)} cannot be written by spark: {answer['why']}")
        schema = self.session.read.format("delta").load(answer["url"]).schema
        given = [c.lower() for c in (columns or frame.columns)]
        wanted = [f.name for f in schema.fields]
        if columns is not None and len(columns) != len(frame.columns):
            raise ValueError(f"The insert names {len(columns)} columns and its query has {len(frame.columns)}")
        extra = [c for c in given if c not in [w.lower() for w in wanted]]
        if extra and len(frame.columns) == len(wanted) and columns is None:
            given = [w.lower() for w in wanted]  # by position, as INSERT does
            extra = []
        if extra:
            raise door.Refused(f"A schema mismatch detected when writing to the Delta table {'.'.join(parts)}: it has no column {extra[0]}. Add it first (ALTER TABLE … ADD COLUMN).")
        from pyspark.sql.connect import functions as f

        frame = frame.toDF(*[f"c{i}" for i in range(len(given))])
        fields = [(f.col(f"c{given.index(one.name.lower())}") if one.name.lower() in given else f.lit(None)).cast(one.dataType).alias(one.name) for one in schema.fields]
        self.own_save(frame.select(*fields).write.format("delta").mode("overwrite" if overwrite else "append"), answer["url"])


class Catalog:
    """spark.catalog: names of the platform's catalog, and this session's views."""

    def __init__(self, governed, own):
        self._g, self._own = governed, own

    def currentCatalog(self):
        return self._g.warehouse.current()[0]

    def setCurrentCatalog(self, catalogName):
        self._g.warehouse.catalog, self._g.warehouse.schema = catalogName, "default"

    def currentDatabase(self):
        return self._g.warehouse.current()[1]

    def setCurrentDatabase(self, dbName):
        self._g.warehouse.current()
        parts = dbName.replace("`", "").split(".")
        self._g.warehouse.schema = parts[-1]
        if len(parts) > 1:
            self._g.warehouse.catalog = parts[0]

    def tableExists(self, tableName, dbName=None):
        if self._g.is_view(tableName) and dbName is None:
            return True
        return self._g.exists(self._g.full(f"{dbName}.{tableName}" if dbName else tableName))

    def listTables(self, dbName=None, pattern=None):
        catalog, schema = self._g.warehouse.current()
        parts = dbName.replace("`", "").split(".") if dbName else [catalog, schema]
        found = door.call("GET", "/api/2.1/unity-catalog/tables", params={"catalog_name": parts[-2] if len(parts) > 1 else catalog, "schema_name": parts[-1]}).get("tables", [])
        from pyspark.sql.catalog import Table

        return [Table(t["name"], t["catalog_name"], [t["schema_name"]], t.get("comment"), t.get("table_type"), False) for t in found] + [Table(v, None, [], None, "TEMPORARY", True) for v in sorted(self._g.views) if not v.startswith("_tarn_")]

    def dropTempView(self, viewName):
        self._g.views.discard(viewName.lower())
        self._g.sources.pop(viewName.lower(), None)
        return self._own.dropTempView(viewName)

    def __getattr__(self, name):
        if name in ("cacheTable", "uncacheTable", "isCached", "clearCache", "listColumns", "getTable", "createTable", "createExternalTable", "recoverPartitions", "refreshTable",
                    "refreshByPath", "dropGlobalTempView", "registerFunction", "getDatabase", "databaseExists", "listDatabases", "listCatalogs", "listFunctions", "functionExists", "getFunction"):
            raise refused(f"spark.catalog.{name}", "ask with SQL, as in spark.sql('SHOW SCHEMAS')")
        raise AttributeError(name)


def open_session(engine):
    g = Governed(engine)
    made = connect.SparkSession.builder.channelBuilder(_Channel(engine.socket)).create()
    g.session = made
    g.own_table = connect.SparkSession.table
    g.own_sql = connect.SparkSession.sql
    own_catalog = made.catalog
    own_save = readwriter.DataFrameWriter.save
    g.own_save = lambda writer, url: own_save(writer, url)
    frame = dataframe.DataFrame
    g.own_view = frame.createOrReplaceTempView
    catalog = Catalog(g, own_catalog)

    connect.SparkSession.table = lambda self, tableName: g.table(tableName)
    connect.SparkSession.sql = lambda self, sqlQuery, args=None, **kwargs: g.sql(sqlQuery.format(**kwargs) if kwargs else sqlQuery, args)
    connect.SparkSession.catalog = property(lambda self: catalog)
    connect.SparkSession.stop = lambda self: None
    readwriter.DataFrameReader.table = lambda self, tableName: g.table(tableName)

    def temporary(own):
        def make(self, name):
            own(self, name)
            g.remember(name, self)

        return make

    frame.createOrReplaceTempView = temporary(frame.createOrReplaceTempView)
    frame.createTempView = temporary(frame.createTempView)
    frame.registerTempTable = frame.createOrReplaceTempView

    def whole(writer):
        return frame(writer._df, writer._spark)

    def save_as_table(self, name, format=None, mode=None, partitionBy=None, **options):
        kind = format or self._write.source or "delta"
        if kind != "delta":
            raise refused(f"saveAsTable in format {kind}", "tables of the catalog are Delta")
        g.save(whole(self), name, mode or self._write.mode or "error", {**self._write.options, **options},
               ([partitionBy] if isinstance(partitionBy, str) else partitionBy) or self._write.partitioning_cols or ())

    readwriter.DataFrameWriter.saveAsTable = save_as_table
    readwriter.DataFrameWriter.insertInto = lambda self, tableName, overwrite=None: g.append(
        whole(self).toDF(*[f.name for f in g.table(tableName).schema.fields]), tableName, bool(overwrite) or self._write.mode == "overwrite")

    def table_writer(name):
        def make(self, *arguments):
            modes = {"create": "error", "createOrReplace": "overwrite", "replace": "overwrite", "append": "append"}
            g.save(whole(self), self._write.table_name, modes[name], {"overwriteSchema": "true"} if name in ("createOrReplace", "replace") else {})

        return make

    for name in ("create", "createOrReplace", "replace", "append"):
        setattr(readwriter.DataFrameWriterV2, name, table_writer(name))

    def absent(what, instead=""):
        def refuse(*arguments, **options):
            raise refused(what, instead)

        return refuse

    for name in ("overwrite", "overwritePartitions"):
        setattr(readwriter.DataFrameWriterV2, name, absent(f"DataFrame.writeTo().{name}", "use saveAsTable with mode overwrite"))
    frame.mergeInto = absent("DataFrame.mergeInto", "use spark.sql('MERGE INTO …')")
    frame.createGlobalTempView = frame.createOrReplaceGlobalTempView = absent("A global temporary view", "use a temporary view or a table")
    frame.writeStream = property(absent("DataFrame.writeStream"))
    connect.SparkSession.readStream = property(absent("spark.readStream"))
    connect.SparkSession.sparkContext = property(absent("spark.sparkContext", "Spark Connect has no RDDs"))
    for name in ("jdbc",):
        setattr(readwriter.DataFrameReader, name, absent(f"spark.read.{name}"))
        setattr(readwriter.DataFrameWriter, name, absent(f"DataFrame.write.{name}"))
    return made
