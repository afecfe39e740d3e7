"""Tunes, trains and registers the lightgbm model types on the newest training set.

**Starts** when `data_preparation` publishes a training set, by `automatic_retraining`, or by hand: then it takes the
newest published set, and if none is fresh, it starts `data_preparation` and skips its own tasks.

**Produces** an MLflow run per model type with a child run per trial, a stored model per model type, and the family's
best model as `challenger` in the registry; then the asset `lightgbm_model` changes.

**Parameters**: `models`, `max_evaluations`, `time_budget` (seconds), `random_state`, `feature_set`, `set_version`;
`requested_at` is set by `automatic_retraining`.
"""

from airflow.sdk import DAG

from include.orchestration.training_dags import build_training_dag

dag: DAG = build_training_dag("lightgbm", __doc__)
