"""Models in MLflow: a final model with its metrics, tables and figures, and what it needs anywhere."""

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from include.models.artifact import Model
from include.models.libraries.table import LIBRARIES
from include.models.manifest import read_digest
from include.models.table import Family
from include.problem.data import Columns, Values
from include.tracking.model_code import LOADER, MODEL_PACKAGE, stage_code
from include.tracking.registry import JUDGED_FOLDER
from include.tracking.runs import Tracker, translate_errors

# The problem names a time zone, and not every machine knows them.
_REQUIRED = ("mlflow", "numpy", "pandas", "pydantic", "scipy", "tzdata")


def log_model(
    tracker: Tracker,
    run_id: str,
    family: Family,
    model: Model,
    *,
    metrics: Mapping[str, float],
    tables: Mapping[str, list[dict[str, Any]]],
    figures: Mapping[str, Any],
    example: Columns,
) -> str:
    """Writes a final model with its metrics, tables (as JSON) and figures, and ends the run.

    Args:
        figures: File name -> matplotlib figure.
        example: A few rows that show what the model takes.

    Returns:
        The model's URI.
    """
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    frame = pd.DataFrame(dict(example))
    predicted: Values = model.predict(example)
    requirements = [f"{name}=={version(name)}" for name in (*_REQUIRED, *LIBRARIES[family].packages)]
    with translate_errors("store the model", tracker.uri), tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "model"
        data.mkdir()
        model.save(data)
        with mlflow.start_run(run_id=run_id):
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module=f"{MODEL_PACKAGE}.{LOADER}",
                data_path=str(data),
                code_paths=[str(stage_code(model.problem, Path(directory)))],
                signature=infer_signature(frame, predicted),
                input_example=frame,
                # Given, because inferring them loads the model in another process, which takes ten seconds.
                pip_requirements=requirements,
            )
            mlflow.log_params(dict(model.metadata["parameters"].items()))
            mlflow.log_metrics(dict(metrics))
            for name, rows in tables.items():
                mlflow.log_dict({"rows": rows}, f"{name}.json")
            for name, figure in figures.items():
                mlflow.log_figure(figure, name)
    return str(logged.model_uri)


def log_twin(tracker: Tracker, run_id: str, twin: Model) -> str:
    """Writes the twin of the run's final model, which has not learnt from the rows that judge.

    Returns:
        The digest of its files, see `manifest.read_digest`.
    """
    with translate_errors("store the model's twin", tracker.uri), tempfile.TemporaryDirectory() as directory:
        twin.save(Path(directory))
        tracker.client.log_artifacts(run_id, directory, JUDGED_FOLDER)
        return read_digest(Path(directory))
