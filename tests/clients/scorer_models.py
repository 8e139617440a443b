"""Saves the models that test_scorer.py asks, in the folder that is its argument, and prints MLflow's own answers to the same rows."""
import json
import sys

import mlflow
import numpy
import pandas
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

folder = sys.argv[1]
rng = numpy.random.default_rng(1)
x = pandas.DataFrame({"a": rng.random(60), "n": rng.integers(0, 9, 60), "b": rng.random(60) * 5})
y = x["a"] * 3 - x["n"] + x["b"]
words = x.assign(w=[("red", "green", "blue")[i % 3] for i in range(60)])


class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return (model_input["a"] + len(model_input)).tolist()  # it looks at all rows that it is given


models = {"named": (LinearRegression().fit(x, y), x),
          "plain": (LinearRegression().fit(x.to_numpy(), y), x),
          "scaled": (make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=1)).fit(x, (y > 0).astype(int)), x),
          "words": (make_pipeline(ColumnTransformer([("w", OneHotEncoder(), ["w"]), ("n", StandardScaler(), ["a", "n"])]), LinearRegression()).fit(words, y), words),
          "sum": (Sum(), x)}
out = {}
for name, (model, rows) in models.items():
    path = f"{folder}/{name}"
    signature = infer_signature(rows, numpy.array([1.0]))
    if name == "sum":
        mlflow.pyfunc.save_model(path, python_model=model, signature=signature, pip_requirements=["mlflow"])
    else:
        mlflow.sklearn.save_model(model, path, signature=signature, pip_requirements=["mlflow", "scikit-learn"], serialization_format="cloudpickle", **({"pyfunc_predict_fn": "predict_proba"} if name == "scaled" else {}))
    loaded = mlflow.pyfunc.load_model(path)
    out[name] = [numpy.asarray(loaded.predict(rows.iloc[i:i + 1 + i % 2])).tolist() for i in range(6)]
print(json.dumps({"rows": words.to_dict(orient="records"), "answers": out}))
