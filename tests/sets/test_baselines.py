"""What a first model has to beat, made when a training set is built."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.problem import mapped, problem_file
from include.problem.declaration import Problem
from include.promotion import decisions
from include.raw.tables import ensure_columns
from include.sets.baselines import find_best, find_periods, list_baselines, reach
from include.sets.examples import find_target_shape, load_split
from include.sets.holdout import load_held_out
from include.settings import Settings
from tests.published_sets import publish_sample, publish_set

DECLARATION = """
model = "sales"
source = "file://{directory}/sales.csv"
target = "sold"
unit = "crates"
time = "day"
{series}

[columns.day]
kind = "time"

[columns.store]
kind = "category"
"""


def make_sales() -> pd.DataFrame:
    """Two stores, a row a day in no order, as different as stores are."""
    days = pd.date_range("2024-01-01", "2024-02-29")
    draw = np.random.default_rng(7)
    frames = [
        pd.DataFrame({"day": days, "store": store, "sold": level + draw.normal(0, 3, len(days)).cumsum()})
        for store, level in (("north", 100), ("south", 500))
    ]
    return pd.concat(frames).sample(frac=1, random_state=7)


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Writes the problem's file, with the lines that make it a series, and its rows."""
    make_sales().to_csv(tmp_path / "sales.csv", index=False)
    monkeypatch.setattr(problem_file, "PROBLEMS", tmp_path)

    def write(series: str) -> Settings:
        (tmp_path / "sales").mkdir(exist_ok=True)
        (tmp_path / "sales" / "problem.toml").write_text(DECLARATION.format(directory=tmp_path, series=series))
        return Settings(problem="sales", minimum_rows=10)  # type: ignore[arg-type]

    return write


def publish(url: str, settings: Settings) -> None:
    ensure_columns(url, settings.problem)
    publish_set(url, settings, validation_from="2024-02-01", test_from="2024-02-15")


def test_mean_and_median_of_the_training_split_are_always_there(warehouse_url: str) -> None:
    publish_sample(warehouse_url)
    held_out = load_held_out(warehouse_url, [])
    baselines = list_baselines(warehouse_url, 1)
    assert [(each.name, each.lag) for each in baselines] == [("mean", None), ("median", None)]
    for each in baselines:
        errors = held_out.actual - each.value
        assert each.errors["test"]["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
        assert each.errors["test"]["mae"] == pytest.approx(np.abs(errors).mean())
        assert each.errors.keys() == {"validation", "test"}
        assert np.array_equal(held_out.baselines[each.name], np.full(len(held_out.actual), each.value))


def test_held_out_rows_in_files_are_those_in_memory(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_sample(warehouse_url)
    held = load_held_out(warehouse_url, [])
    monkeypatch.setattr(mapped, "MOST_BYTES", 0)
    found = load_held_out(warehouse_url, [])
    assert len(held.actual) > 0
    for before, after in ((held.rows, found.rows), (held.baselines, found.baselines)):
        assert after.keys() == before.keys()
        for name, values in before.items():
            assert (after[name].dtype, after[name].tolist()) == (values.dtype, values.tolist())
    assert found.actual.tolist() == held.actual.tolist()
    assert np.array_equal(found.places, held.places, equal_nan=True)


def test_series_also_has_the_last_value_known_and_that_of_a_week_earlier(warehouse_url: str, declare: Any) -> None:
    settings = declare('series = "store"\nhorizon = 3')
    publish(warehouse_url, settings)
    sales = make_sales().sort_values("day", kind="stable").reset_index(drop=True)
    tested = sales["day"] >= "2024-02-15"
    errors = {each.name: each.errors["test"]["rmse"] for each in list_baselines(warehouse_url, 1)}
    assert list(errors) == ["mean", "median", "value of 3 rows earlier", "value of 7 rows earlier"]
    for lag in (3, 7):
        missed = (sales["sold"] - sales.groupby("store")["sold"].shift(lag))[tested]
        assert errors[f"value of {lag} rows earlier"] == pytest.approx(np.sqrt(np.mean(missed**2)))
    best = find_best(settings.problem.objective, list_baselines(warehouse_url, 1), "test")
    assert best and best.name == "value of 3 rows earlier"


def test_without_a_series_all_rows_are_one_and_a_row_without_an_earlier_one_gets_the_mean(
    warehouse_url: str, declare: Any
) -> None:
    publish(warehouse_url, declare("horizon = 100"))
    [earlier] = [each for each in list_baselines(warehouse_url, 1) if each.lag == 100]
    held_out = load_held_out(warehouse_url, [])
    # Two rows a day: 90 of them are before the first tested one, and 100 before the sixth day's.
    predicted = held_out.baselines[earlier.name]
    order = np.argsort(held_out.rows["day"], kind="stable")
    assert (predicted[order][:10] == earlier.value).all()
    assert (predicted[order][10:] != earlier.value).all()


def test_series_that_no_model_takes_is_refused_with_the_kind_to_give_it() -> None:
    columns = {"day": {"kind": "time"}, "store": {"kind": "id"}}
    with pytest.raises(ValueError, match=r"series: store is no input.* give columns\.store the kind category"):
        Problem(
            name="sales", model="sales", source="file:///sales.csv", target="sold", time="day", series="store",
            horizon=1, columns=columns,
        )  # fmt: skip


def test_baselines_of_a_pruned_set_are_still_known(warehouse_url: str) -> None:
    publish_sample(warehouse_url)
    assert list_baselines(warehouse_url, 2) == []
    assert find_best(Settings().problem.objective, list_baselines(warehouse_url, 1), "train") is None


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_shape_of_the_target_is_that_of_the_training_rows_but_its_lowest_is_of_all_splits(
    warehouse_url: str, declare: Any, tmp_path: Path, split: str
) -> None:
    day = {"train": "2024-01-05", "validation": "2024-02-10", "test": "2024-02-28"}[split]
    settings, sales = declare(""), pd.read_csv(tmp_path / "sales.csv")
    sales.loc[sales.index[sales["day"] == day][0], "sold"] = -1_000
    sales.to_csv(tmp_path / "sales.csv", index=False)
    publish(warehouse_url, settings)
    assert load_split(warehouse_url, 1, split).target.min() == -1_000
    target = load_split(warehouse_url, 1, "train").target
    shape = find_target_shape(warehouse_url, 1)
    assert shape.lowest == -1_000
    assert shape.skewness == pytest.approx(np.mean((target - target.mean()) ** 3) / target.std() ** 3)


@pytest.mark.parametrize(
    ("step", "periods"),
    [
        (timedelta(minutes=30), [48, 336]),
        (timedelta(hours=1), [24, 168]),
        (timedelta(minutes=11), []),
        (timedelta(days=1), [7]),
        (timedelta(days=7), [52]),
        (timedelta(days=31), [12]),
        (timedelta(days=91), [4]),
        (timedelta(days=365), []),
    ],
)
def test_step_between_rows_says_what_a_season_is(step: timedelta, periods: list[int]) -> None:
    assert find_periods(step) == periods


@pytest.mark.parametrize(
    ("period", "horizon", "rows"), [(7, 1, 7), (7, 7, 7), (7, 8, 14), (48, 336, 336), (52, 60, 104)]
)
def test_season_reaches_back_to_a_value_that_is_known(period: int, horizon: int, rows: int) -> None:
    assert reach(period, horizon) == rows


def test_sentence_says_which_baseline_no_model_beats(warehouse_url: str) -> None:
    settings = Settings()

    def describe() -> str | None:
        return decisions.describe_unbeaten(warehouse_url, settings.problem, "trip-duration")

    def judge(version: int, model: str, rmse: float, state: str = "rejected", high: float = 0.5) -> None:
        promotion = decisions.Promotion(
            "judgement", "trip-duration", version, "sklearn", model, 1, None, None, state, "r", "d/1", "median"
        )
        figures = {"judged_on": 1, "challenger_error": rmse, "champion_error": 9.5, "interval_high": high}
        decisions.save(warehouse_url, promotion, figures)

    assert describe() is None
    judge(1, "gbtree.gamma", 11.25)
    judge(2, "linear_model.Lasso", 10.5)
    judge(3, "gbtree.tweedie", 12)
    assert describe() == (
        "No model beats the best baseline, the median: RMSE 9.5 minutes against 10.5 minutes of linear_model.Lasso,"
        " version 2; nothing is promoted."
    )
    judge(2, "linear_model.Lasso", 9.4)
    assert "version 2, which may be chance; nothing is promoted." in str(describe())
    judge(4, "gbtree.gamma", 8, "waiting", -0.5)
    assert describe() is None
