"""Tunes, trains and registers the sklearn model types on the newest training set.

**Starts** when `data_preparation` publishes a training set, or by hand: then it takes the newest published one, and
where there is none that is fresh, it starts `data_preparation` and skips its tasks.

**Produces** one MLflow run for each model type with a child run for each trial, one stored model for each, and the
family's best as `challenger` in the registry; then the asset `sklearn_model` changes.

**Parameters**: `models`, `max_evaluations`, `time_budget` (seconds), `random_state`, `feature_set`, `set_version`;
`requested_at` is for `automatic_retraining`.
"""

from airflow.sdk import DAG

from include.assets import SKLEARN_MODEL
from include.training import build_training_dag

dag: DAG = build_training_dag("sklearn", SKLEARN_MODEL, __doc__)
