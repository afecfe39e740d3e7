"""A new column of the source is a change of the problem's file alone: it reaches every place that rows pass."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.monitoring.windows import list_windows, load_window
from include.prediction import request as rest
from include.prediction.form_fields import collect_inputs, make_fields
from include.prediction.inputs import InputFormat, InputsInvalid, describe_row, parse_rows
from include.problem import problem_file
from include.problem.declaration import Problem
from include.raw.tables import ensure_columns
from include.sets.examples import load_split
from include.sets.profile import columns_of, list_watched
from include.sets.publish import Published
from include.settings import Settings
from include.tracking import model_logging, registry, runs
from tests.published_sets import publish_set, train
from tests.registered import configure
from tests.serving.conftest import run_service
from tests.warehouse_rows import query

ADDED = """
[columns.passenger_count]
kind = "number"
title = "Passengers"
example = 2
min = 0
max = 9
"""
SAMPLE: dict[str, Any] = {"source": "sample", "sample_rows": 1_500, "minimum_rows": 100, "threads_per_model": 1}
TRIP = {"pickup_at": "2024-02-20T08:15:00", "pickup_zone": 74, "dropoff_zone": 41, "trip_distance": 1.98}
NEW = "passenger_count"
BOOSTER, LINEAR = "gbtree.squarederror", "linear_model.LinearRegression"
pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Problem]:
    """The shipped problem with one more column in its file; nothing else is changed."""
    folder = tmp_path_factory.mktemp("problems") / "taxi"
    folder.mkdir()
    shipped = (problem_file.PROBLEMS / "taxi" / "problem.toml").read_text(encoding="utf-8")
    (folder / "problem.toml").write_text(shipped.replace("\n[references.zones]", f"{ADDED}\n[references.zones]"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(problem_file, "PROBLEMS", folder.parent)
        yield Settings().problem


@pytest.fixture(scope="module")
def published(module_warehouse_url: str, problem: Problem) -> Published:
    return publish_set(module_warehouse_url, Settings(**SAMPLE), months=["2024-01", "2024-02"])


def test_it_is_ingested_and_kept_with_each_set(module_warehouse_url: str, published: Published) -> None:
    [(rows, known, most)] = query(
        module_warehouse_url, f"SELECT count(*), count({NEW}), max({NEW}) FROM training.examples_{published.version}"
    )
    assert 0.9 < known / rows < 1, "some values of the sample are missing, which rejects no row"
    assert 1 < most <= 9
    assert ensure_columns(module_warehouse_url, Settings().problem) == []


def test_it_is_profiled_and_watched_for_drift(module_warehouse_url: str, published: Published) -> None:
    [(statistics,)] = query(module_warehouse_url, "SELECT statistics FROM training.sets")
    assert statistics[NEW]["missing"] > 0
    assert len(statistics[NEW]["deciles"]) == 11
    settings = Settings(**SAMPLE, drift_minimum_rows=10)
    assert NEW in list_watched(settings.problem)
    window = list_windows(module_warehouse_url, settings)[-1]
    values = columns_of(settings.problem, load_window(module_warehouse_url, settings.problem, window))[NEW]
    assert np.nanmax(values) > 1


@pytest.mark.parametrize("model", [BOOSTER, LINEAR])
def test_models_learn_from_it_and_predict_without_it(
    module_warehouse_url: str, published: Published, model: str
) -> None:
    made = train(module_warehouse_url, published.version, model, "rich")
    assert NEW in made.encoder.feature_names
    rows = parse_rows([{**TRIP, NEW: 1}, {**TRIP, NEW: 8}, TRIP], InputFormat.of(made.problem))
    one, many, unknown = made.predict(rows)
    assert np.isfinite(unknown)
    assert one != many or model == BOOSTER


def test_requests_are_asked_for_it(problem: Problem) -> None:
    form = InputFormat.of(problem)
    assert parse_rows([{**TRIP, NEW: 2}], form)[NEW].tolist() == [2.0]
    with pytest.raises(InputsInvalid, match=rf"inputs\[0\]\.{NEW} must be a number from 0 to 9"):
        parse_rows([{**TRIP, NEW: 12}], form)
    assert describe_row(form)["properties"][NEW]["maximum"] == 9
    [field] = [field for field in make_fields(problem, {}) if field.column.name == NEW]
    assert (field.title, field.to_dict()["placeholder"]) == ("Passengers", "2, may be empty")
    assert NEW in collect_inputs({"inputs": None, **TRIP, NEW: 2}, problem)[0]


@pytest.mark.slow
def test_rest_and_service_take_it_and_log_it(
    module_warehouse_url: str, published: Published, mlflow_url: str, tmp_path: Path
) -> None:
    settings = configure(mlflow_url, "new-column", serving_poll_seconds=60)
    tracker = runs.open_tracker(settings)
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    made = train(module_warehouse_url, published.version, BOOSTER, "rich")
    example = {name: values[:3] for name, values in load_split(module_warehouse_url, 1, "validation").rows.items()}
    uri = model_logging.log_model(tracker, run_id, "xgboost", made, metrics={}, tables={}, figures={}, example=example)
    version = registry.register_model(tracker, "new-column", run_id, uri, {}, "")
    tracker.client.set_registered_model_alias("new-column", "champion", str(version))
    trip = {**TRIP, NEW: 2}
    by_rest = rest.predict(module_warehouse_url, settings, [trip], "new", store=tmp_path)
    with run_service(settings, module_warehouse_url, tmp_path) as service:
        service.parts.holder.refresh()
        assert service.predict([trip]) == by_rest
        assert NEW in json.dumps(service.client.get("/openapi.json").json())
    logged = query(module_warehouse_url, f"SELECT source, {NEW} FROM prediction.log ORDER BY source")
    assert logged == [("rest", 2.0), ("service", 2.0)]
