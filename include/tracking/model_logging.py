"""Models in MLflow: a final model with its metrics, tables and figures, and the code that it needs anywhere."""

import re
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from include.models.artifact import Model
from include.problem.data import Columns, Values
from include.tracking.runs import Tracker, translate_errors

# What a model needs of this code to be loaded anywhere; it travels with the model.
MODEL_CODE = (
    "errors", "problem/data",
    "models/artifact", "models/encoder", "models/evaluation", "models/fitting", "models/manifest", "models/table",
    "problems/taxi/features",
)  # fmt: skip
# Under a name that nobody else's code has: `include` is in many a project of Airflow's.
MODEL_PACKAGE = "mltrain_model"
_REQUIREMENTS = {"sklearn": ("scikit-learn", "skops"), "xgboost": ("xgboost",)}


def log_model(
    tracker: Tracker,
    run_id: str,
    family: str,
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
        example: A few trips that show what the model takes.

    Returns:
        The model's URI.
    """
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    frame = pd.DataFrame(dict(example))
    predicted: Values = model.predict(example)
    requirements = [
        f"{name}=={version(name)}" for name in ("mlflow", "numpy", "pandas", "scipy", *_REQUIREMENTS[family])
    ]
    with translate_errors("store the model", tracker.uri), tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "model"
        data.mkdir()
        model.save(data)
        with mlflow.start_run(run_id=run_id):
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module=f"{MODEL_PACKAGE}.models.artifact",
                data_path=str(data),
                code_paths=[str(_stage_code(Path(directory)))],
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


def _stage_code(directory: Path) -> Path:
    """Copies the model's own code into a package of `MODEL_PACKAGE`'s name; returns its folder."""
    source, package = Path(__file__).parents[1], directory / MODEL_PACKAGE
    for name in MODEL_CODE:
        target = package / f"{name}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        code = (source / f"{name}.py").read_text(encoding="utf-8")
        code = re.sub(r"^(\s*from )include\.", rf"\1{MODEL_PACKAGE}.", code, flags=re.MULTILINE)
        target.write_text(code, encoding="utf-8")
    return package
