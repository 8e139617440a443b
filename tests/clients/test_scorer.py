"""The pyfunc scorer by itself, over its socket pair: whichever way it takes to a model, it answers as MLflow does, one by one and together."""
import json
import os
import pathlib
import socket
import struct
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")
PYTHON = str(CACHE / "mlflow-venv/bin/python")
HEAD = struct.Struct("<IIB")
ANSWER, BAD_INPUT = 2, 3


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run([PYTHON, str(pathlib.Path(__file__).with_name("scorer_models.py")), str(folder)], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true"))
    assert done.returncode == 0, done.stderr[-4000:]
    return folder, json.loads(done.stdout.splitlines()[-1])


class Scorer:
    def __init__(self, folder, most):
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(120)
        self.process = subprocess.Popen(["bash", "-c", 'fd=$1; shift; exec "$@" 3<&$fd 3>&$fd', "bash", str(theirs.fileno()), PYTHON, str(ROOT / "src/serving/scorer/pyfunc.py"), str(folder), str(most)],
                                        pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", MLFLOW_DISABLE_TELEMETRY="true"))
        theirs.close()
        self.hello = json.loads(self.answer()[2])

    def answer(self):
        def read(n):
            out = b""
            while len(out) < n:
                part = self.ours.recv(n - len(out))
                assert part, "the scorer ended"
                out += part
            return out

        length, id_, kind = HEAD.unpack(read(HEAD.size))
        return id_, kind, read(length)

    def ask(self, *bodies):
        """Sends all before it reads: they may be answered together."""
        frames = b"".join(HEAD.pack(len(b), i, 1) + b for i, b in enumerate(json.dumps(body).encode() for body in bodies))
        self.ours.sendall(frames[:len(frames) // 2])
        self.ours.sendall(frames[len(frames) // 2:])
        got = dict((id_, (kind, payload)) for id_, kind, payload in (self.answer() for _ in bodies))
        return [got[i] for i in range(len(bodies))]

    def end(self):
        self.ours.close()
        said = self.process.communicate(timeout=60)[0].decode()
        assert self.process.returncode == 0
        return said


@pytest.mark.parametrize("name, way", [("named", "matrix"), ("plain", "matrix"), ("scaled", "matrix"), ("words", "columns"), ("sum", "columns")])
def test_answers_are_mlflows_whichever_way_they_come(models, name, way):
    folder, told = models
    columns = ["a", "n", "b", "w"] if name == "words" else ["a", "n", "b"]
    scorer = Scorer(folder / name, 1 if name == "sum" else 32)
    assert scorer.hello.get("ready") and scorer.hello["asked_by"] == way, scorer.hello
    bodies = []
    for i in range(6):
        rows = [{c: r[c] for c in columns} for r in told["rows"][i:i + 1 + i % 2]]
        turned = columns[::-1]
        bodies.append([{"dataframe_records": rows}, {"dataframe_split": {"columns": columns, "data": [[r[c] for c in columns] for r in rows]}},
                       {"dataframe_split": {"columns": turned, "data": [[r[c] for c in turned] for r in rows]}}, {"inputs": {c: [r[c] for r in rows] for c in turned}}, {"instances": rows},
                       {"dataframe_records": rows, "client_request_id": "x"}][i])
    wrong = {"dataframe_split": {"columns": columns, "data": [[None for _ in columns]]}}
    for asked in ([[b] for b in bodies] + [[*bodies[:3], wrong, *bodies[3:]]]):
        answers = scorer.ask(*asked)
        for body, (kind, payload) in zip(asked, answers):
            if body is wrong:  # the server refuses it before; whoever asked beside it is answered
                assert kind != ANSWER, payload
                continue
            got, wanted = json.loads(payload)["predictions"], told["answers"][name][bodies.index(body)]
            assert kind == ANSWER and len(got) == len(wanted), (payload, wanted)
            for one, other in zip(got, wanted):  # a number, or one a class
                assert one == pytest.approx(other, rel=1e-9), (body, payload)
    said = scorer.end()
    assert said.count("UserWarning: X has feature names") <= 1, said[-3000:]
