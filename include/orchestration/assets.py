"""Every asset, once: what the DAGs hand each other, and whose change starts which of them."""

from airflow.sdk import Asset, AssetWatcher
from airflow.sdk.definitions.asset import Dataset, Model

from include.models.table import FAMILIES
from include.orchestration.source_watch import SourceWatch

# `extra`: months.
RAW_ROWS = Dataset("raw_rows", "postgres://warehouse:5432/warehouse/raw/rows")

# `extra`: version, fingerprint, months, counts (rows by split).
TRAINING_SET = Dataset("training_set", "postgres://warehouse:5432/warehouse/training/sets")

# `extra`: name, version, family, model, run_id, metrics, training_set_version.
FAMILY_MODELS = {family: Model(f"{family}_model", f"mlflow://registry/{family}") for family in FAMILIES}

# `extra`: name, version, previous_version, family, model.
CHAMPION_MODEL = Model("champion_model", "mlflow://registry/champion")

# `extra`: columns, windows (first days), champion_version.
DRIFT = Asset("drift")

# `extra`: payload with source and months.
NEW_DATA = Asset("new_data", watchers=[AssetWatcher(name="source", trigger=SourceWatch())])

# `extra`: rows.
EXAMPLE_ROWS = Dataset("example_rows", "postgres://warehouse:5432/warehouse/example/rows")
