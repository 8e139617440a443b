"""From requests to what a model takes, by the shortest way that gives the same answers. The server has held names and types against the signature already, so
MLflow's own enforcement (1 ms a request) has nothing left to find; what these ways cannot do goes MLflow's."""

DTYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool", "string": "object"}
WHOLE = ("int64", "int32")

# Estimators of scikit-learn that take a table as a matrix of numbers, whatever its columns are called. Not those that pick columns by name or hand the table on
# as it is (ColumnTransformer, FunctionTransformer, encoders, ensembles of other models).
MATRIX = ("sklearn.linear_model.", "sklearn.tree.", "sklearn.svm.", "sklearn.neighbors.", "sklearn.naive_bayes", "sklearn.neural_network.", "sklearn.cluster.",
          "sklearn.decomposition.", "sklearn.discriminant_analysis", "sklearn.ensemble._forest", "sklearn.ensemble._gb", "sklearn.ensemble._hist_gradient_boosting.",
          "sklearn.preprocessing._data", "sklearn.preprocessing._polynomial", "sklearn.impute._base")


class Columns:
    """A signature of plain named columns, all of them required. `types` is empty where it is another."""

    def __init__(self, model):
        schema = model.metadata.get_input_schema()
        self.types = {}
        if schema is None or schema.is_tensor_spec() or not schema.has_input_names() or model.metadata.get_params_schema() is not None:
            return
        hinted = getattr(model.metadata, "_is_signature_from_type_hint", None)
        if hinted is not None and hinted():
            return
        types = {c.name: DTYPES.get(getattr(c.type, "name", ""), None) for c in schema.inputs if c.required}
        if len(types) == len(schema.inputs) and all(types.values()):
            self.types = types

    def values(self, data):
        """A request's columns as lists of one length, and that length. Nothing: MLflow's way."""
        if not self.types or "params" in data:
            return None
        split, records, inputs = data.get("dataframe_split"), data.get("dataframe_records") or data.get("instances"), data.get("inputs")
        if split:
            values = dict(zip(split["columns"], zip(*split["data"])))
        elif records and isinstance(records[0], dict):
            values = {name: [r.get(name) for r in records] for name in self.types}
        elif isinstance(inputs, dict):
            values = inputs
        else:
            return None
        out, rows = {}, None
        for name, dtype in self.types.items():
            column = values.get(name)
            if not isinstance(column, (list, tuple)) or (dtype != "float64" and dtype != "float32" and None in column):
                return None
            if rows is not None and len(column) != rows:
                return None
            out[name], rows = column, len(column)
        return out, rows

    def table(self, requests):
        """One data frame of several requests' rows, one after the other."""
        import numpy
        import pandas

        if len(requests) == 1:
            return pandas.DataFrame({name: numpy.array(requests[0][name], dtype=dtype) for name, dtype in self.types.items()})
        return pandas.DataFrame({name: numpy.concatenate([numpy.array(r[name], dtype=dtype) for r in requests]) for name, dtype in self.types.items()})


class Matrix:
    """Columns for an estimator that takes a matrix of numbers: rows without a data frame, of which scikit-learn would make the same matrix (0.5 ms a call)."""

    def __init__(self, columns, dtype):
        self.names, self.dtype, self.types = list(columns.types), dtype, columns.types
        self.whole = [i for i, t in enumerate(columns.types.values()) if t in WHOLE] if dtype.kind == "f" else []

    def values(self, data):
        """A request's rows in the signature's order, and their number. Nothing: MLflow's way."""
        if "params" in data:
            return None
        split, records, inputs = data.get("dataframe_split"), data.get("dataframe_records") or data.get("instances"), data.get("inputs")
        if split:
            rows = split["data"]
            if split["columns"] != self.names:
                places = [split["columns"].index(n) for n in self.names]
                rows = [[row[p] for p in places] for row in rows]
        elif records and isinstance(records[0], dict):
            rows = [[r[n] for n in self.names] for r in records]
        elif isinstance(inputs, dict) and all(isinstance(v, list) for v in inputs.values()):
            rows = list(zip(*[inputs[n] for n in self.names], strict=True))
        else:
            return None
        return rows, len(rows)

    def table(self, requests):
        import numpy

        out = numpy.array([row for rows in requests for row in rows] if len(requests) > 1 else requests[0], dtype=self.dtype)
        if out.ndim != 2 or out.shape[1] != len(self.names):
            raise ValueError("rows of other lengths than the signature's")
        if self.whole and numpy.isnan(out[:, self.whole]).any():
            raise ValueError("a missing value in a column of whole numbers")
        return out


def of_numbers(estimator):
    """Whether an estimator takes matrices and nothing else."""
    steps = getattr(estimator, "steps", None) if type(estimator).__module__ == "sklearn.pipeline" else [("", estimator)]
    return bool(steps) and all(s in (None, "passthrough") or (type(s).__module__ + ".").startswith(MATRIX) for _, s in steps)


def shortest(model):
    """The shortest way of requests to this model: a Matrix, Columns, or nothing (MLflow's)."""
    columns = Columns(model)
    if not columns.types:
        return None
    try:
        return matrix_of(model, columns) or columns
    except Exception:  # noqa: a model that is odd in whichever way is asked as MLflow asks it
        return columns


def matrix_of(model, columns):
    """Held against the data frame's way by a few rows first: what differs, or refuses them, takes data frames."""
    import numpy
    import pandas

    estimator = getattr(getattr(model, "_model_impl", None), "sklearn_model", None)
    kinds = set(columns.types.values())
    if estimator is None or not of_numbers(estimator) or not (kinds <= {"float64", *WHOLE} or kinds == {"float32"}):
        return None
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is not None and list(fitted) != list(columns.types):
        return None
    way = Matrix(columns, numpy.result_type(*kinds))
    rows = [[(1 + i * k) % 7 for i in range(len(columns.types))] for k in range(4)]
    frame = pandas.DataFrame({n: numpy.array([r[i] for r in rows], dtype=t) for i, (n, t) in enumerate(columns.types.items())})
    wanted, got = model._predict_fn(frame), model._predict_fn(way.table([rows]))
    same = type(wanted) is numpy.ndarray and type(got) is numpy.ndarray and wanted.dtype == got.dtype and wanted.shape == got.shape
    if not same or wanted.dtype.kind not in "fiub" or not numpy.allclose(wanted, got, rtol=1e-9, atol=0, equal_nan=True):
        return None
    return way
