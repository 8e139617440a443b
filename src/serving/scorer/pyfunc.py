"""A scorer: loads one MLflow model and answers frames on descriptor 3 (serving/scorer.h). Started by `tarn scorer`, confined."""
import io
import json
import os
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

    def frame(self, data):
        """Nothing: MLflow's way."""
        import numpy
        import pandas

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
        out = {}
        for name, dtype in self.types.items():
            column = values.get(name)
            if not isinstance(column, (list, tuple)) or (dtype != "float64" and dtype != "float32" and None in column):
                return None
            out[name] = numpy.array(column, dtype=dtype)
        return pandas.DataFrame(out)


def main():
    folder = sys.argv[1]
    began = time.monotonic()
    try:
        unmet = missing(folder)
        import mlflow.pyfunc
        from mlflow.exceptions import MlflowException
        from mlflow.pyfunc.scoring_server import _split_data_and_params, infer_and_parse_data, predictions_to_json

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
    while True:
        length, id_, _ = HEAD.unpack(read(HEAD.size))
        body = read(length)
        predict = model.predict
        try:
            params, frame = None, columns.frame(json.loads(body))
            if frame is not None:
                predict = model._predict_fn
            else:
                data, params = _split_data_and_params(body.decode())
                for extra in ("client_request_id", "databricks_options"):
                    data.pop(extra, None)
                frame = infer_and_parse_data(data, schema=schema)
        except Exception as e:
            write(id_, BAD_INPUT, f"The input cannot be read: {e}"[:4000].encode())
            continue
        try:
            result = predict(frame, params=params) if params else predict(frame)
            out = io.StringIO()
            predictions_to_json(result, out)
            answer = out.getvalue().encode()
        except MlflowException as e:
            bad = "enforce schema" in e.message or "incompatible" in e.message.lower()
            write(id_, BAD_INPUT if bad else FAILED, f"Failed to predict: {e.message}"[:4000].encode())
            continue
        except Exception as e:
            import traceback

            traceback.print_exc()
            write(id_, FAILED, f"Encountered an unexpected error while evaluating the model: {type(e).__name__}: {e}"[:4000].encode())
            continue
        if len(answer) > MOST:
            write(id_, FAILED, b"The model's answer is larger than 64 MB")
            continue
        write(id_, ANSWER, answer)


main()
