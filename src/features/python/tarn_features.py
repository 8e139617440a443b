"""Feature tables from Python: made, joined point-in-time correctly, remembered by the models that were trained on them.

    from tarn_features import FeatureClient, Lookup
    features = FeatureClient(host, token, warehouse_id)
    features.create_table("gold.flights.carrier_day", keys=["carrier"], timeseries="day", query="SELECT carrier, day, avg_delay FROM …")
    training = features.training_set("gold.flights.labels", label="delayed", timestamp="day",
                                     lookups=[Lookup("gold.flights.carrier_day", ["avg_delay"], timestamp="day")], columns=["distance"])
    rows = training.rows()                       # dictionaries; training.frame() with pandas
    training.write_spec("model_folder")          # before the folder is registered: serving then looks the features up by key

Only the standard library is needed. Values are computed by SQL in the warehouse, under the caller's grants. A feature table is a table of the catalog; its keys are kept as
its properties `tarn.features.keys` and `tarn.features.timeseries`.
"""
import dataclasses
import json
import pathlib
import time
import urllib.error
import urllib.request

KEYS, TIMESERIES = "tarn.features.keys", "tarn.features.timeseries"
SPEC = "feature_spec.json"


class FeatureError(Exception):
    pass


def quoted(name):
    return ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))


def column(name):
    return "`" + name.replace("`", "``") + "`"


@dataclasses.dataclass
class Lookup:
    """Features of a table; `keys` maps the table's key columns to the labels' where they differ, `timestamp` names the labels' time for a time-series table."""

    table: str
    features: list
    keys: dict = dataclasses.field(default_factory=dict)
    timestamp: str = None


class FeatureClient:
    def __init__(self, host, token, warehouse_id, opener=None):
        self.host, self.token, self.warehouse_id = host.rstrip("/"), token, warehouse_id
        self.opener = opener or urllib.request.build_opener()

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.host + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=120) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as e:
            text = e.read().decode(errors="replace")
            try:
                text = json.loads(text).get("message", text)
            except ValueError:
                pass
            raise FeatureError(f"{e.code}: {text}") from None

    def sql(self, statement):
        """(columns with types, rows) of a statement."""
        answer = self.call("POST", "/api/2.0/sql/statements", {"statement": statement, "warehouse_id": self.warehouse_id, "wait_timeout": "30s"})
        while answer["status"]["state"] in ("PENDING", "RUNNING"):
            time.sleep(0.05)
            answer = self.call("GET", "/api/2.0/sql/statements/" + answer["statement_id"])
        if answer["status"]["state"] != "SUCCEEDED":
            raise FeatureError(answer["status"].get("error", {}).get("message", answer["status"]["state"]))
        columns = [(c["name"], c["type_text"].lower()) for c in answer["manifest"]["schema"]["columns"]]
        rows, chunk = [], answer.get("result") or {}
        while True:
            rows += chunk.get("data_array") or []
            if chunk.get("next_chunk_index") is None:
                return columns, rows
            chunk = self.call("GET", f"/api/2.0/sql/statements/{answer['statement_id']}/result/chunks/{chunk['next_chunk_index']}")

    def create_table(self, name, keys, query, timeseries=None):
        """A feature table from a query. Refused (and the table dropped) if two rows have one key."""
        unique = ", ".join(column(k) for k in [*keys, *([timeseries] if timeseries else [])])
        self.sql(f"CREATE TABLE {quoted(name)} AS {query}")
        _, twice = self.sql(f"SELECT count(*) FROM (SELECT {unique} FROM {quoted(name)} GROUP BY {unique} HAVING count(*) > 1)")
        if twice[0][0] != "0":
            self.sql(f"DROP TABLE {quoted(name)}")
            raise FeatureError(f"{twice[0][0]} keys ({unique}) have more than one row: no feature table was made")
        properties = {KEYS: json.dumps(keys), **({TIMESERIES: timeseries} if timeseries else {})}
        self.sql(f"ALTER TABLE {quoted(name)} SET TBLPROPERTIES (" + ", ".join(f"'{k}' = '{v}'" for k, v in properties.items()) + ")")

    def keys_of(self, name):
        """(primary keys, time-series key or None)"""
        properties = self.call("GET", "/api/2.1/unity-catalog/tables/" + name).get("properties", {})
        if KEYS not in properties:
            raise FeatureError(f"{name} is no feature table: it has no property {KEYS}")
        return json.loads(properties[KEYS]), properties.get(TIMESERIES)

    def training_set(self, labels, lookups, label=None, timestamp=None, columns=()):
        """Labels with their features as of each label's time: for a time-series table the newest row at or before `timestamp`, never a later one."""
        return TrainingSet(self, labels, lookups, label, timestamp, list(columns))


class TrainingSet:
    def __init__(self, client, labels, lookups, label, timestamp, columns):
        self.client, self.labels, self.label, self.lookups, self.spec = client, labels, label, lookups, {"lookups": []}
        ctes, picked, joins = [], [f"l.{column(c)} AS {column(c)}" for c in columns], []
        for i, lookup in enumerate(lookups):
            keys, timeseries = client.keys_of(lookup.table)
            names = {k: lookup.keys.get(k, k) for k in keys}
            same = [f"f.{column(k)} = l.{column(n)}" for k, n in names.items()]
            if timeseries:
                # Once for each key and time of the labels: the newest row that was there by then.
                at = lookup.timestamp or timestamp
                if not at:
                    raise FeatureError(f"{lookup.table} is a time series: say which column of {labels} is the time")
                by = [*names.values(), at]
                wanted = ", ".join(f"l.{column(c)} AS {column(f'by{n}')}" for n, c in enumerate(by))
                values = ", ".join(f"f.{column(c)} AS {column(c)}" for c in lookup.features)
                ctes.append(f"f{i} AS (SELECT * FROM (SELECT {wanted}, {values}, row_number() OVER (PARTITION BY {', '.join(f'l.{column(c)}' for c in by)} "
                            f"ORDER BY f.{column(timeseries)} DESC) AS tarn_newest FROM (SELECT DISTINCT {', '.join(column(c) for c in by)} FROM {quoted(labels)}) l "
                            f"JOIN {quoted(lookup.table)} f ON {' AND '.join(same)} AND f.{column(timeseries)} <= l.{column(at)}) WHERE tarn_newest = 1)")
                joins.append(f"LEFT JOIN f{i} ON " + " AND ".join(f"f{i}.{column(f'by{n}')} = l.{column(c)}" for n, c in enumerate(by)))
            else:
                joins.append(f"LEFT JOIN {quoted(lookup.table)} f{i} ON " + " AND ".join(f"f{i}.{column(k)} = l.{column(n)}" for k, n in names.items()))
            picked += [f"f{i}.{column(c)} AS {column(c)}" for c in lookup.features]
            self.spec["lookups"].append({"table": lookup.table, "keys": names, "features": list(lookup.features), **({"timeseries": timeseries} if timeseries else {})})
        if label:
            picked.append(f"l.{column(label)} AS {column(label)}")
        # Ordered, so that the same data give the same rows in the same order, and a seed the same model.
        self.sql = (f"WITH {', '.join(ctes)} " if ctes else "") + (f"SELECT {', '.join(picked)} FROM {quoted(labels)} l {' '.join(joins)} "
                                                                   f"ORDER BY {', '.join(str(n + 1) for n in range(len(picked)))}")

    def rows(self):
        columns, rows = self.client.sql(self.sql)
        return [{name: typed(value, type_) for (name, type_), value in zip(columns, row)} for row in rows]

    def frame(self):
        import pandas

        return pandas.DataFrame(self.rows())

    def write_spec(self, folder):
        """Beside the model's MLmodel file, before the folder is registered."""
        pathlib.Path(folder, SPEC).write_text(json.dumps(self.spec))


def typed(value, type_):
    if value is None or type_.startswith(("string", "date", "timestamp", "binary", "interval")):
        return value
    if type_ == "boolean":
        return value == "true"
    if type_ in ("tinyint", "smallint", "int", "bigint"):
        return int(value)
    return float(value)
