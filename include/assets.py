"""Every asset, once: what the DAGs hand each other, and whose change starts which of them."""

from airflow.sdk.definitions.asset import Dataset, Model

# `extra`: version, fingerprint, months, counts (rows by split), feature_set.
TRAINING_SET = Dataset("training_set", "postgres://warehouse:5432/warehouse/training/sets")

# `extra`: name, version, family, model, run_id, metrics, training_set_version.
SKLEARN_MODEL = Model("sklearn_model", "mlflow://registry/trip-duration/sklearn")
XGBOOST_MODEL = Model("xgboost_model", "mlflow://registry/trip-duration/xgboost")

# `extra`: rows.
EXAMPLE_TRIPS = Dataset("example_trips", "postgres://warehouse:5432/warehouse/example/trips")
