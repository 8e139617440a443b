"""Runs under `tarn rehearse` with MLflow's own client: registers the models that test_serving.py serves. FOLDER is a scratch folder."""
import json
import os
import sys

import mlflow
import numpy
import pandas
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient

mlflow.set_tracking_uri("databricks")
mlflow.set_registry_uri("databricks-uc")
client = MlflowClient()
schema = os.environ.get("MODEL_SCHEMA", "pipeline_gold.flights")
folder = os.environ["FOLDER"]
wanted = os.environ.get("WANTED", "odd,odd2,odd3,odd4,linear,onnx,old").split(",")


class Odd(mlflow.pyfunc.PythonModel):
    """Multiplies; does as it is told by the first value, as models that hang, leak or die do by themselves."""

    def __init__(self, factor, slow=0.0, fails=False):
        self.factor, self.slow, self.fails = factor, slow, fails

    def predict(self, context, model_input, params=None):
        import os
        import time

        first = float(model_input["x"].iloc[0])
        time.sleep(self.slow)
        if self.fails:
            raise ValueError("this version is broken")
        if first == 1001:
            time.sleep(1000)
        if first == 1002:
            os._exit(7)
        if first == 1003:
            held = []
            while True:
                held.append(bytearray(os.urandom(64 << 20)))
        if first == 1004:
            raise ValueError("no such value")
        if first == 1005:
            time.sleep(0.5)
        if first == 1006:
            seen = []
            for what in (lambda: open("/etc/shadow").read(), lambda: os.listdir(os.environ.get("HOST_FOLDER", "/root")), lambda: open("/mnt/model/MLmodel", "a"),
                         lambda: __import__("socket").create_connection(("127.0.0.1", 22), 1), lambda: os.kill(os.getppid(), 0)):
                try:
                    what()
                    seen.append("allowed")
                except OSError as e:
                    seen.append(type(e).__name__)
            return [",".join(seen)]
        return (model_input["x"] * self.factor).tolist()


def version(name, path):
    full = f"{schema}.{name}"
    try:
        client.create_registered_model(full)
    except mlflow.exceptions.MlflowException as e:
        if e.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(full, source=path).version


made = {}
frame = pandas.DataFrame({"x": [1.0, 2.0]})
for which, model in (("odd", Odd(2)), ("odd2", Odd(3)), ("odd3", Odd(5, fails=True)), ("odd4", Odd(7, slow=0.3))):
    if which in wanted:
        path = f"{folder}/{which}"
        mlflow.pyfunc.save_model(path, python_model=model, signature=infer_signature(frame, numpy.array([2.0])), pip_requirements=["mlflow", "pandas"])
        made[which] = version("odd", path)
if "linear" in wanted or "onnx" in wanted:
    from sklearn.linear_model import LinearRegression

    x = pandas.DataFrame({"a": numpy.arange(20, dtype=float), "b": numpy.arange(20, dtype=float)[::-1], "n": numpy.arange(20)})
    model = LinearRegression().fit(x.to_numpy(), x["a"] * 2 + x["n"])
    signature = infer_signature(x, model.predict(x.to_numpy()))
    if "linear" in wanted:
        mlflow.sklearn.save_model(model, f"{folder}/linear", signature=signature, pip_requirements=["mlflow", "scikit-learn"])
        made["linear"] = version("linear", f"{folder}/linear")
    if "onnx" in wanted:
        import mlflow.onnx
        from skl2onnx import to_onnx

        mlflow.onnx.save_model(to_onnx(model, x.to_numpy().astype("float32")[:1]), f"{folder}/onnx", signature=signature, pip_requirements=["mlflow", "onnx"])
        made["onnx"] = version("linear_onnx", f"{folder}/onnx")
if "old" in wanted:
    path = f"{folder}/old"
    mlflow.pyfunc.save_model(path, python_model=Odd(1), signature=infer_signature(frame, numpy.array([2.0])), pip_requirements=["mlflow"])
    text = open(f"{path}/MLmodel").read()
    at = text.index("python_version: ") + len("python_version: ")
    open(f"{path}/MLmodel", "w").write(text[:at] + "3.8.10" + text[text.index("\n", at):])
    made["old"] = version("old", path)
json.dump(made, sys.stdout)
