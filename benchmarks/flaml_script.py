"""One search of FLAML, run by its own interpreter: a directory with the splits, and the job as JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from flaml import AutoML


def main(directory: Path, job: dict) -> None:
    """Prints the learner and its RMSE on the test split as JSON."""
    train, validation, test = (
        pd.read_parquet(directory / f"{name}.parquet") for name in ("train", "validation", "test")
    )
    whole = pd.concat([train, validation, test])
    for name in job["categories"]:
        codes = pd.CategoricalDtype(sorted(whole[name].dropna().unique()))
        for frame in (train, validation, test):
            frame[name] = frame[name].astype(codes)
    if job["validates"]:
        split = {"X_val": validation.drop(columns="target"), "y_val": validation["target"]}
    else:
        # It divides few rows into folds itself.
        train, split = pd.concat([train, validation], ignore_index=True), {}
    search = AutoML()
    search.fit(
        X_train=train.drop(columns="target"),
        y_train=train["target"],
        task="regression",
        metric="rmse",
        time_budget=job["seconds"],
        n_jobs=job["threads"],
        seed=job["seed"],
        verbose=0,
        **split,
    )
    predicted = search.predict(test.drop(columns="target"))
    error = float(np.sqrt(np.mean((predicted - test["target"].to_numpy()) ** 2)))
    print(json.dumps([search.best_estimator, error]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
