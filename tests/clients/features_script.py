"""Runs under `tarn rehearse` with MLflow's own client: trains on rows of a training set and registers the model with its lookups. FOLDER holds rows.json and feature_spec.json."""
import json
import os
import shutil
import sys

import mlflow
import pandas
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sklearn.linear_model import LinearRegression

mlflow.set_tracking_uri("databricks")
mlflow.set_registry_uri("databricks-uc")
folder, name = os.environ["FOLDER"], os.environ["MODEL"]
rows = pandas.DataFrame(json.load(open(f"{folder}/rows.json"))).dropna()
x = rows[["distance", "avg_delay", "flights"]]
model = LinearRegression().fit(x.to_numpy(), rows["dep_delay"])
mlflow.sklearn.save_model(model, f"{folder}/model", signature=infer_signature(x, model.predict(x.to_numpy())), pip_requirements=["mlflow", "scikit-learn"])
shutil.copy(f"{folder}/feature_spec.json", f"{folder}/model")
client = MlflowClient()
client.create_registered_model(name)
client.create_model_version(name, source=f"{folder}/model")
json.dump({"coefficients": list(model.coef_), "intercept": model.intercept_}, sys.stdout)
