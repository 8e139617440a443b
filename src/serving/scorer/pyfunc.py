"""A scorer: loads one MLflow model and answers frames on descriptor 3 (serving/scorer.h). Started by `tarn scorer`, confined.

    pyfunc.py MODEL_FOLDER [MOST]    MOST: so many requests that wait may be answered from one call of the model
"""
import io
import json
import os
import select
import struct
import sys
import time

HEAD = struct.Struct("<IIB")
HELLO, SCORE, ANSWER, BAD_INPUT, FAILED = range(5)
MOST = 64 << 20


def read(size):
    parts, left = [], size
    while left:
        part = os.read(3, min(left, 1 << 20))
        if not part:
            sys.exit(0)
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def write(id_, kind, payload):
    data = memoryview(HEAD.pack(len(payload), id_, kind) + payload)
    while data:
        data = data[os.write(3, data):]


def missing(folder):
    """Requirements of the model that this environment does not meet."""
    import importlib.metadata

    from packaging.requirements import InvalidRequirement, Requirement

    out = []
    try:
        lines = open(os.path.join(folder, "requirements.txt")).read().splitlines()
    except OSError:
        return out
    for line in lines:
        try:
            wanted = Requirement(line.split("#")[0].strip())
        except InvalidRequirement:
            continue
        if wanted.marker and not wanted.marker.evaluate():
            continue
        try:
            there = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            out.append(f"{line} (not installed)")
            continue
        if not wanted.specifier.contains(there, prereleases=True):
            out.append(f"{line} (installed: {there})")
    return out


DTYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool", "string": "object"}


class Columns:
    """The way of a request to a data frame where the signature has plain named columns, all of them required. The server has held names and types against the
    signature already, so MLflow's own enforcement (2 ms a request) has nothing left to find; what this way cannot do goes MLflow's."""

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

    def frame(self, requests):
        """One data frame of several requests' rows, one after the other."""
        import numpy
        import pandas

        if len(requests) == 1:
            return pandas.DataFrame({name: numpy.array(requests[0][name], dtype=dtype) for name, dtype in self.types.items()})
        return pandas.DataFrame({name: numpy.concatenate([numpy.array(r[name], dtype=dtype) for r in requests]) for name, dtype in self.types.items()})


def answered_together(model, columns, asked):
    """Answers to several requests from one call of a model whose rows do not know of each other; nothing: each is asked by itself."""
    import numpy

    rows = [n for _, (_, n) in asked]
    try:
        result = model._predict_fn(columns.frame([values for _, (values, _) in asked]))
    except Exception:  # noqa: whose it was is found out one by one
        return None
    if not isinstance(result, numpy.ndarray) or len(result) != sum(rows) or result.dtype.kind not in "fiub":
        return None
    out, at = [], 0
    for (id_, _), n in zip(asked, rows):
        out.append((id_, json.dumps({"predictions": result[at:at + n].tolist()}).encode()))
        at += n
    return out


def main():
    folder = sys.argv[1]
    began = time.monotonic()
    try:
        unmet = missing(folder)
        import mlflow.pyfunc
        import mlflow.pyfunc.scoring_server  # noqa: F401  here, so that no request waits for it

        model = mlflow.pyfunc.load_model(folder)
        schema = model.metadata.get_input_schema()
        columns = Columns(model)
    except BaseException as e:  # noqa: the server must hear of it, whatever it is
        why = f"the model cannot be loaded: {type(e).__name__}: {e}"
        if unmet:
            why += "; requirements that this environment does not meet: " + ", ".join(unmet)
        write(0, HELLO, json.dumps({"error": why[:4000]}).encode())
        raise
    for line in unmet:
        print("requirement not met:", line, flush=True)
    write(0, HELLO, json.dumps({"ready": True, "python": sys.version.split()[0], "mlflow": mlflow.__version__, "unmet": unmet,
                                "load_ms": round((time.monotonic() - began) * 1000)}).encode())
    together = len(sys.argv) > 2 and int(sys.argv[2]) > 1 and columns.types
    ready = select.poll()
    ready.register(3, select.POLLIN)

    def one():
        length, id_, _ = HEAD.unpack(read(HEAD.size))
        return id_, read(length)

    def parsed(body):
        try:
            return columns.values(json.loads(body))
        except Exception:  # noqa: MLflow says what is wrong with it
            return None

    while True:
        waiting = [one()]
        while together and len(waiting) < int(sys.argv[2]) and ready.poll(0):
            waiting.append(one())
        if len(waiting) > 1:
            asked = [(id_, parsed(body)) for id_, body in waiting]
            answers = answered_together(model, columns, [a for a in asked if a[1] is not None]) if sum(a[1] is not None for a in asked) > 1 else None
            if answers is not None:
                for id_, answer in answers:
                    write(id_, ANSWER, answer)
                done = {id_ for id_, _ in answers}
                waiting = [w for w in waiting if w[0] not in done]
        for id_, body in waiting:
            reply(id_, body, model, columns, schema, parsed)


def reply(id_, body, model, columns, schema, parsed):
    """One request by itself."""
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.scoring_server import _split_data_and_params, infer_and_parse_data, predictions_to_json

    predict, params = model.predict, None
    try:
        mine = parsed(body)
        if mine is not None:
            frame, predict = columns.frame([mine[0]]), model._predict_fn
        else:
            data, params = _split_data_and_params(body.decode())
            for extra in ("client_request_id", "databricks_options"):
                data.pop(extra, None)
            frame = infer_and_parse_data(data, schema=schema)
    except Exception as e:
        return write(id_, BAD_INPUT, f"The input cannot be read: {e}"[:4000].encode())
    try:
        result = predict(frame, params=params) if params else predict(frame)
        out = io.StringIO()
        predictions_to_json(result, out)
        answer = out.getvalue().encode()
    except MlflowException as e:
        bad = "enforce schema" in e.message or "incompatible" in e.message.lower()
        return write(id_, BAD_INPUT if bad else FAILED, f"Failed to predict: {e.message}"[:4000].encode())
    except Exception as e:
        import traceback

        traceback.print_exc()
        return write(id_, FAILED, f"Encountered an unexpected error while evaluating the model: {type(e).__name__}: {e}"[:4000].encode())
    if len(answer) > MOST:
        return write(id_, FAILED, b"The model's answer is larger than 64 MB")
    write(id_, ANSWER, answer)


main()
