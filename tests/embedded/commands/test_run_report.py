"""What programs read of the main job's end, from a real warehouse and a real registry."""

import json
from dataclasses import replace

import pytest

from include.embedded.commands.run_report import write_report
from include.embedded.stack import Stack
from include.promotion import aliases
from include.sets.baselines import list_baselines
from include.tracking import runs
from tests.embedded.commands.test_outcome import decide, stack, trained
from tests.published_sets import publish_sample
from tests.registered import LASSO, configure, register

__all__ = ["stack"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


def test_the_report_names_models_baselines_the_champion_and_why(stack: Stack, mlflow_url: str) -> None:
    stack = replace(stack, ports={**stack.ports, "serving": 8100})
    settings = configure(mlflow_url, "reported")
    url, tracker = stack.warehouse_url, runs.open_tracker(settings)
    published = publish_sample(url)
    first = register(tracker, "reported", LASSO, alias=None)
    models = [
        trained("1", metrics={"test_rmse": 5.5}, training_set=published.version, aliases=("champion",)),
        trained(
            None, "linear_model.LinearRegression", metrics={"validation_rmse": 6.0}, training_set=published.version
        ),
    ]

    before = json.loads(write_report(stack, settings, models, published.version).read_text())
    assert before["champion"] is None
    aliases.move_aliases(url, tracker, decide(url, first, None, "waiting", "RMSE 5 against 9 of the mean"))
    path = write_report(stack, settings, models, published.version)
    assert (path.parent, path.name) == (stack.home, "run.json")
    assert [file.name for file in stack.home.iterdir() if file.name.startswith("run.")] == ["run.json"]

    report = json.loads(path.read_text())
    baselines = {baseline.name: baseline.errors["test"]["rmse"] for baseline in list_baselines(url, published.version)}
    assert report == {
        "problem": "taxi",
        "unit": "minutes",
        "metric": "RMSE",
        "rows": {split: published.counts[split] for split in ("train", "validation", "test")},
        "baselines": baselines,
        "models": [
            {
                "name": LASSO,
                "family": "sklearn",
                "errors": {"validation": 5.21, "test": 5.5},
                "version": 1,
                "alias": "champion",
            },
            {
                "name": "linear_model.LinearRegression",
                "family": "sklearn",
                "errors": {"validation": 6.0, "test": None},
                "version": None,
                "alias": None,
            },
        ],
        "champion": {"name": LASSO, "version": 1, "errors": {"validation": 5.21, "test": 5.5}},
        "reason": "RMSE 5 against 9 of the mean",
        "addresses": {
            "airflow": stack.airflow_address,
            "mlflow": stack.mlflow_address,
            "predictions": stack.serving_address,
        },
    }
    assert set(baselines) == {"mean", "median"}
