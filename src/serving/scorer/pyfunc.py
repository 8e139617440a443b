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
import warnings

import tables

HEAD = struct.Struct("<IIB")
HELLO, SCORE, ANSWER, BAD_INPUT, FAILED = range(5)
MOST = 64 << 20

ready, held = select.poll(), bytearray()


def requests(most):
    """The frames that are there, at least one and at most so many: (id, body)."""
    out = []
    while True:
        at = 0
        while len(out) < most and len(held) - at >= HEAD.size:
            length, id_, _ = HEAD.unpack_from(held, at)
            if len(held) - at - HEAD.size < length:
                break
            out.append((id_, bytes(held[at + HEAD.size:at + HEAD.size + length])))
            at += HEAD.size + length
        del held[:at]
        if out and (len(out) == most or not ready.poll(0)):
            return out
        part = os.read(3, 1 << 18)
        if not part:
            sys.exit(0)
        held.extend(part)


def write(*answers):
    """Frames (id, kind, payload), together."""
    data = memoryview(b"".join(HEAD.pack(len(payload), id_, kind) + payload for id_, kind, payload in answers))
    while data:
        data = data[os.write(3, data):]


def warn_once():
    """A model that warns with each call would fill its log with one line: each warning is told once."""
    seen, tell = set(), warnings.showwarning

    def told(message, category, filename, lineno, file=None, line=None):
        what = (str(message), category, filename, lineno)
        if what not in seen and len(seen) < 1000:
            seen.add(what)
            tell(message, category, filename, lineno, file, line)

    warnings.showwarning = told


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


def answered_together(model, way, asked):
    """Answers to several requests from one call of a model whose rows do not know of each other; nothing: each is asked by itself."""
    import numpy

    rows = [n for _, (_, n) in asked]
    try:
        result = model._predict_fn(way.table([values for _, (values, _) in asked]))
    except Exception:  # noqa: whose it was is found out one by one
        return None
    if not isinstance(result, numpy.ndarray) or len(result) != sum(rows) or result.dtype.kind not in "fiub":
        return None
    out, at, result = [], 0, result.tolist()
    for (id_, _), n in zip(asked, rows):
        out.append((id_, ANSWER, json.dumps({"predictions": result[at:at + n]}).encode()))
        at += n
    return None if any(len(payload) > MOST for _, _, payload in out) else out


def main():
    folder, most = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began = time.monotonic()
    warn_once()
    try:
        unmet = missing(folder)
        import mlflow.pyfunc
        import mlflow.pyfunc.scoring_server  # noqa: F401  here, so that no request waits for it

        model = mlflow.pyfunc.load_model(folder)
        schema = model.metadata.get_input_schema()
        way = tables.shortest(model)
    except BaseException as e:  # noqa: the server must hear of it, whatever it is
        why = f"the model cannot be loaded: {type(e).__name__}: {e}"
        if unmet:
            why += "; requirements that this environment does not meet: " + ", ".join(unmet)
        write((0, HELLO, json.dumps({"error": why[:4000]}).encode()))
        raise
    for line in unmet:
        print("requirement not met:", line, flush=True)
    write((0, HELLO, json.dumps({"ready": True, "python": sys.version.split()[0], "mlflow": mlflow.__version__, "unmet": unmet,
                                 "asked_by": type(way).__name__.lower() if way else "mlflow",
                                 "load_ms": round((time.monotonic() - began) * 1000)}).encode()))
    ready.register(3, select.POLLIN)

    def parsed(body):
        try:
            return way.values(json.loads(body)) if way else None
        except Exception:  # noqa: MLflow says what is wrong with it
            return None

    while True:
        waiting = [(id_, body, parsed(body)) for id_, body in requests(most if way else 1)]
        asked = [(id_, values) for id_, _, values in waiting if values is not None]
        # What takes a matrix answers row by row: a single request takes the same way.
        answers = answered_together(model, way, asked) if len(asked) > (0 if isinstance(way, tables.Matrix) else 1) else None
        if answers is not None:
            write(*answers)
            done = {id_ for id_, _, _ in answers}
            waiting = [w for w in waiting if w[0] not in done]
        for id_, body, values in waiting:
            write(reply(id_, body, values if type(way) is tables.Columns else None, model, way, schema))


def reply(id_, body, mine, model, way, schema):
    """The answer to one request by itself; `mine`: its columns, where MLflow need not read it."""
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.scoring_server import _split_data_and_params, infer_and_parse_data, predictions_to_json

    predict, params = model.predict, None
    try:
        if mine is not None:
            frame, predict = way.table([mine[0]]), model._predict_fn
        else:
            data, params = _split_data_and_params(body.decode())
            for extra in ("client_request_id", "databricks_options"):
                data.pop(extra, None)
            frame = infer_and_parse_data(data, schema=schema)
    except Exception as e:
        return id_, BAD_INPUT, f"The input cannot be read: {e}"[:4000].encode()
    try:
        result = predict(frame, params=params) if params else predict(frame)
        out = io.StringIO()
        predictions_to_json(result, out)
        answer = out.getvalue().encode()
    except MlflowException as e:
        bad = "enforce schema" in e.message or "incompatible" in e.message.lower()
        return id_, BAD_INPUT if bad else FAILED, f"Failed to predict: {e.message}"[:4000].encode()
    except Exception as e:
        import traceback

        traceback.print_exc()
        return id_, FAILED, f"Encountered an unexpected error while evaluating the model: {type(e).__name__}: {e}"[:4000].encode()
    if len(answer) > MOST:
        return id_, FAILED, b"The model's answer is larger than 64 MB"
    return id_, ANSWER, answer


main()
