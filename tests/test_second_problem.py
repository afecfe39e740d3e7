"""Another problem, by one small file and no code: from files of another country to the same answer everywhere."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.models.evaluation import measure_slices
from include.monitoring.drift import compare_column
from include.monitoring.live_errors import measure_live_errors
from include.monitoring.windows import list_windows, load_window
from include.prediction import request as rest
from include.prediction.scoring import score_month
from include.problem import problem_file
from include.raw.tables import ensure_columns
from include.sets.examples import load_split
from include.sets.profile import columns_of, list_watched
from include.sets.publish import Published
from include.settings import Settings
from include.tracking import model_logging, registry, runs
from include.tracking.registry import RegisteredVersion
from include.tracking.store import LoadedModel
from tests.published_sets import publish_set, train
from tests.registered import configure
from tests.serving.conftest import run_service
from tests.warehouse_rows import query

DECLARATION = """
title = "Rented bikes"
row = ["hour", "hours"]
model = "bikes"
source = "file://{directory}/{{month}}.csv"
months = ["2024-01", "2024-02"]
target = "Rented Bike Count"
unit = "bikes"
time = "starts_at"
timezone = "Asia/Seoul"
time_format = "%d.%m.%Y %H:%M"

[columns.starts_at]
source = "Date and hour"
kind = "time"
required = true

[columns.temperature]
source = "Temperature(°C)"

[columns.weather]
source = "Weather / sky"
kind = "category"

[columns.holiday]
kind = "flag"

[[slices]]
column = "weather"
most_frequent = 2
"""
SETTINGS: dict[str, Any] = {"problem": "bikes", "minimum_rows": 100, "threads_per_model": 1, "drift_minimum_rows": 20}
WEATHERS = ("fog", "rain", "sun")
BOOSTER, LINEAR = "gbtree.squarederror", "linear_model.LinearRegression"
HOUR = {"starts_at": "2024-02-20T15:00", "temperature": 21.5, "weather": "sun", "holiday": "no"}
pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")


def write_month(directory: Path, month: str, days: int) -> None:
    """A month of hours as a spreadsheet of Europe saves them; some values are missing."""
    draw = np.random.default_rng(days)
    lines = ["Date and hour;Temperature(°C);Weather / sky;holiday;Rented Bike Count"]
    for number in range(days * 24):
        day, hour = divmod(number, 24)
        temperature, weather, holiday = draw.normal(12, 8), WEATHERS[draw.integers(3)], draw.random() < 0.1
        rented = 200 + 8 * temperature + 60 * (weather == "sun") - 80 * holiday - 5 * abs(hour - 15) + draw.normal(0, 5)
        texts = f"{temperature:.1f}".replace(".", ","), weather, "Yes" if holiday else "No"
        shown = ["" if draw.random() < 0.05 else text for text in texts]
        lines.append(f"{day + 1:02}.{month[5:]}.{month[:4]} {hour:02}:00;{';'.join(shown)};{rented:.0f}")
    (directory / f"{month}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


@pytest.fixture(scope="module", autouse=True)
def bikes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The problem's folder, with its file alone, and its two months."""
    data = tmp_path_factory.mktemp("data")
    write_month(data, "2024-01", 31)
    write_month(data, "2024-02", 29)
    folder = tmp_path_factory.mktemp("problems") / "bikes"
    folder.mkdir()
    (folder / "problem.toml").write_text(DECLARATION.format(directory=data), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(problem_file, "PROBLEMS", folder.parent)
        yield


@pytest.fixture(scope="module")
def published(module_warehouse_url: str) -> Published:
    ensure_columns(module_warehouse_url, Settings(**SETTINGS).problem)
    return publish_set(module_warehouse_url, Settings(**SETTINGS), months=["2024-01", "2024-02"])


def test_every_hour_is_an_example_and_missing_values_stay_missing(
    module_warehouse_url: str, published: Published
) -> None:
    splits = {"train": 31 * 24, "validation": 14 * 24, "test": 15 * 24}
    assert published.counts == {**splits, "rejected": 0, "filtered": 0}
    rows = load_split(module_warehouse_url, published.version, "train").rows
    assert rows["starts_at"][:2].astype(str).tolist() == ["2024-01-01T00:00:00.000000", "2024-01-01T01:00:00.000000"]
    assert 0 < np.isnan(rows["temperature"]).mean() < 0.1
    assert set(rows["weather"]) == {*WEATHERS, None}
    assert set(rows["holiday"][~np.isnan(rows["holiday"])]) == {0.0, 1.0}


@pytest.mark.parametrize("model", [BOOSTER, LINEAR])
def test_models_are_far_better_than_the_mean_in_every_slice(
    module_warehouse_url: str, published: Published, model: str
) -> None:
    made = train(module_warehouse_url, published.version, model, "default")
    validation = load_split(module_warehouse_url, published.version, "validation")
    predicted = made.predict(validation.rows)
    error = float(np.sqrt(np.mean((predicted - validation.target) ** 2)))
    assert error < 0.6 * float(validation.target.std())
    slices = measure_slices(made.problem, validation.rows, validation.target, predicted)
    assert {row["value"]: row["rmse"] < 30 for row in slices} == {"rain": True, "sun": True, "other": True}


def test_its_columns_are_watched_for_drift(module_warehouse_url: str, published: Published) -> None:
    settings = Settings(**SETTINGS)
    problem = settings.problem
    assert list_watched(problem) == ("hour", "temperature", "weather", "holiday", "target")
    [(statistics,)] = query(module_warehouse_url, "SELECT statistics FROM training.sets")
    window = columns_of(
        problem, load_window(module_warehouse_url, problem, list_windows(module_warehouse_url, settings)[-1])
    )
    for name in list_watched(problem):
        measures = compare_column(statistics[name], window[name])
        assert 0 <= measures.js < 0.5
    elsewhere = compare_column(statistics["weather"], np.array(["snow"] * 100, dtype=object))
    assert elsewhere.js > 0.8, "what was never seen is another distribution"


@pytest.mark.slow
def test_rest_service_and_batch_give_the_same_number_and_it_is_compared_with_what_arrived(
    module_warehouse_url: str, published: Published, mlflow_url: str, tmp_path: Path
) -> None:
    settings = configure(mlflow_url, "second-problem", serving_poll_seconds=60, **SETTINGS)
    tracker = runs.open_tracker(settings)
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    made = train(module_warehouse_url, published.version, BOOSTER, "default")
    validation = load_split(module_warehouse_url, published.version, "validation").rows
    example = {name: values[:3] for name, values in validation.items()}
    uri = model_logging.log_model(tracker, run_id, "xgboost", made, metrics={}, tables={}, figures={}, example=example)
    version = registry.register_model(tracker, "second-problem", run_id, uri, {}, "")
    tracker.client.set_registered_model_alias("second-problem", "champion", str(version))
    # The last hour of the newest month, as it was stored.
    [stored] = query(
        module_warehouse_url,
        f"SELECT starts_at, temperature, weather, holiday, target FROM training.examples_{published.version}"
        " WHERE temperature IS NOT NULL AND weather IS NOT NULL AND holiday IS NOT NULL"
        " ORDER BY starts_at DESC LIMIT 1",
    )
    hour = dict(zip(("starts_at", "temperature", "weather", "holiday"), stored, strict=False)) | {
        "starts_at": stored[0].isoformat()
    }
    asked = [hour, {"starts_at": hour["starts_at"], "weather": "hail"}]
    by_rest = rest.predict(module_warehouse_url, settings, asked, "second", store=tmp_path)
    assert by_rest["unit"] == "bikes"
    assert "inputs[1]: weather 'hail' is new: predicted as missing" in by_rest["warnings"]
    assert not [warning for warning in by_rest["warnings"] if warning.startswith("inputs[0]")]
    with run_service(settings, module_warehouse_url, tmp_path) as service:
        service.parts.holder.refresh()
        assert service.predict(asked) == by_rest
        refused = service.client.post("/predict", json=[{**hour, "rented": 3}])
        assert (refused.status_code, "is not a field of an hour" in refused.text) == (422, True)
    loaded = LoadedModel(RegisteredVersion("second-problem", version, {}, datetime.now(UTC)), {}, made)
    scored = score_month(module_warehouse_url, settings, loaded, "2024-02")
    assert (scored["rows"], scored["skipped"]) == (29 * 24, 0)
    [(by_batch,)] = query(
        module_warehouse_url, f"SELECT predicted FROM prediction.batch WHERE starts_at = '{stored[0]}'"
    )
    assert by_batch == by_rest["predictions"][0]
    assert measure_live_errors(module_warehouse_url, settings) == 2
    [(error,)] = query(module_warehouse_url, "SELECT error FROM monitoring.live_errors")
    assert error == pytest.approx(abs(by_rest["predictions"][0] - stored[4]))
