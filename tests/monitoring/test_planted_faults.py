"""What is planted in the weeks after a champion was judged is found within two of them, and nothing else is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.monitoring.error_watch import _read_judged
from include.monitoring.report import DriftReport
from include.monitoring.watch import find_open_alarms, find_open_errors, measure_drift, raise_alarm
from include.retraining.reasons import find_reasons, look
from include.sets import preparation
from include.settings import Settings
from include.sources import open_batches
from include.tracking import model_logging, registry, runs
from include.warehouse import connect
from tests.published_sets import publish_set, train
from tests.registered import configure
from tests.warehouse_rows import query

LEARNT, WATCHED = ("2024-01", "2024-02"), "2024-03"
ROWS = 6_000
# A clean week, then two with the fault.
BEGINS, FAULTY, ENDS = map(pd.Timestamp, ("2024-03-04", "2024-03-11", "2024-03-25"))
UNKNOWN = 264
PICKUP, DROPOFF = "lpep_pickup_datetime", "lpep_dropoff_datetime"
Fault = Callable[[pd.DataFrame, np.random.Generator], None]
pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")


def stretch(trips: pd.DataFrame, factors: np.ndarray | float) -> None:
    trips[DROPOFF] = trips[PICKUP] + (trips[DROPOFF] - trips[PICKUP]) * factors


def slow_down(trips: pd.DataFrame, draw: np.random.Generator) -> None:
    stretch(trips, 1.2)


def bias(trips: pd.DataFrame, draw: np.random.Generator) -> None:
    stretch(trips, 1.1)


def slow_rush_hour_down(trips: pd.DataFrame, draw: np.random.Generator) -> None:
    """The mean stays, so that the target's distribution hardly changes."""
    lasts = (trips[DROPOFF] - trips[PICKUP]).dt.total_seconds().to_numpy()
    rush = trips[PICKUP].dt.hour.between(14, 19).to_numpy()
    usual = (lasts > 0) & (lasts < 3600)
    others = 1 - 0.3 * lasts[usual & rush].sum() / lasts[usual & ~rush].sum()
    stretch(trips, np.where(rush, 1.3, others))


def shuffle_targets(trips: pd.DataFrame, draw: np.random.Generator) -> None:
    lasts = (trips[DROPOFF] - trips[PICKUP]).to_numpy(copy=True)
    chosen = np.flatnonzero(draw.random(len(trips)) < 0.1)
    lasts[chosen] = lasts[draw.permutation(chosen)]
    trips[DROPOFF] = trips[PICKUP] + lasts


def put_clock_forward(trips: pd.DataFrame, draw: np.random.Generator) -> None:
    for name in (PICKUP, DROPOFF):
        trips[name] += pd.Timedelta(hours=3)


def forget_zones(trips: pd.DataFrame, draw: np.random.Generator) -> None:
    trips.loc[draw.random(len(trips)) < 0.2, "PULocationID"] = UNKNOWN


FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "durations +20 %": (slow_down, {"error", "bias"}),
    "rush hour +30 %, mean kept": (slow_rush_hour_down, {"error"}),
    "10 % of targets shuffled": (shuffle_targets, {"error"}),
    "clock off by 3 h": (put_clock_forward, {"hour"}),
    "20 % unknown zones": (forget_zones, {"pickup_zone"}),
    "+10 % by bias": (bias, {"bias"}),
}


@dataclass(frozen=True)
class Watched:
    """A champion that was trained on two months, and the directory that its source reads."""

    url: str
    settings: Settings
    directory: Path

    def load_weeks(self, fault: Fault | None = None) -> DriftReport:
        """Loads three weeks of the month after, the last two with a fault, and looks at them."""
        trips = make_month(WATCHED).to_pandas()
        trips = trips[(trips[PICKUP] >= BEGINS) & (trips[PICKUP] < ENDS)].reset_index(drop=True)
        if fault:
            faulty = trips[trips[PICKUP] >= FAULTY].copy()
            fault(faulty, np.random.default_rng(5))
            trips = pd.concat([trips[trips[PICKUP] < FAULTY], faulty])
        pq.write_table(pa.Table.from_pandas(trips, preserve_index=False), self.directory / f"{WATCHED}.parquet")
        plan = preparation.plan(self.url, self.settings, {"months": [*LEARNT, WATCHED]}).plan
        preparation.ingest(self.url, self.settings, WATCHED)
        preparation.validate_raw(self.url, self.settings, plan.to_dict())
        report = measure_drift(self.url, self.settings)
        assert report
        assert [str(window.start) for window in report.windows] == ["2024-03-04", "2024-03-11", "2024-03-18"]
        return report


def make_month(month: str) -> pa.Table:
    with open_batches(Settings(sample_rows=ROWS), month) as contents:
        return pa.Table.from_batches(list(contents.read(list(contents.columns))))


@pytest.fixture(scope="module")
def watched(module_warehouse_url: str, mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("months")
    for month in LEARNT:
        pq.write_table(make_month(month), directory / f"{month}.parquet")
    settings = configure(
        mlflow_url, "watched", source=f"file://{directory}/{{month}}.parquet", zones_source="sample",
        months=(*LEARNT, WATCHED), minimum_rows=100,
    )  # fmt: skip
    published = publish_set(module_warehouse_url, settings, months=list(LEARNT))
    model = train(module_warehouse_url, published.version, "gbtree.squarederror", "rich")
    tracker = runs.open_tracker(settings)
    run_id = tracker.client.create_run(tracker.experiment_id).info.run_id
    example = model_example(module_warehouse_url)
    uri = model_logging.log_model(tracker, run_id, "xgboost", model, metrics={}, tables={}, figures={}, example=example)
    tags = {"run_id": run_id, "training_set_version": str(published.version)}
    version = registry.register_model(tracker, "watched", run_id, uri, tags, "")
    registry.set_alias(tracker, "watched", registry.CHAMPION, version)
    return Watched(module_warehouse_url, settings, directory)


def model_example(url: str) -> dict[str, np.ndarray]:
    from include.sets.examples import load_split

    return {name: values[:3] for name, values in load_split(url, 1, "validation").rows.items()}


def name_signs(report: DriftReport) -> set[str]:
    signs = {"RMSE": "error", "predictions": "bias"}
    errors = {signs.get(phrase.partition(" ")[0], "coverage") for phrase in report.errors}
    return {*report.alarming, *errors}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_in_two_weeks_by_what_it_changes(watched: Watched, name: str) -> None:
    fault, signs = FAULTS[name]
    report = watched.load_weeks(fault)
    assert name_signs(report) >= signs, report.describe()


def test_clean_weeks_are_silent(watched: Watched) -> None:
    report = watched.load_weeks()
    assert name_signs(report) == set(), report.describe()
    assert raise_alarm(watched.url, report, "model_monitoring/clean") is None
    stored = query(
        watched.url,
        "SELECT count(*), bool_or(is_high), bool_or(has_moved), bool_or(is_uncovered),"
        " min(coverage) > 0.85, max(coverage) < 0.95 FROM monitoring.errors",
    )
    assert stored == [(3, False, False, False, True, True)]


def test_weeks_that_the_champion_was_judged_on_are_measured_and_never_an_alarm(watched: Watched) -> None:
    with connect(watched.url) as connection:
        connection.execute("DELETE FROM raw.sources WHERE month = %s", [WATCHED])
    report = measure_drift(watched.url, watched.settings.change(error_ratio=1.0001))
    assert report
    assert report.errors == ()
    assert report.windows[-1].last_day.month == 2


def test_changed_error_is_a_reason_to_train_again_and_says_which(watched: Watched) -> None:
    report = watched.load_weeks(shuffle_targets)
    alarm = raise_alarm(watched.url, report, "model_monitoring/faulty")
    assert alarm
    assert alarm.errors == report.errors
    assert find_open_alarms(watched.url, "watched", 1, date.max) == []
    assert find_open_errors(watched.url, "watched", 1, date.max) == list(report.errors)
    [reason] = [
        reason
        for reason in find_reasons(look(watched.url, watched.settings, datetime.now().astimezone()), 1e9, force=False)
        if "error has changed" in reason
    ]
    assert reason == f"the champion's error has changed: {'; '.join(report.errors)}"
    assert " of the judged " in reason


def test_judged_error_is_that_of_the_decision_where_there_was_one(watched: Watched) -> None:
    watched.load_weeks()
    with connect(watched.url) as connection:
        connection.execute(
            "INSERT INTO training.promotions (kind, name, version, challenger_error, reason, state, run_key)"
            " VALUES ('judgement', 'watched', 1, 1.0, 'It wins', 'promoted', 'model_promotion/1')"
        )
    report = measure_drift(watched.url, watched.settings)
    assert report
    assert report.errors[0].endswith(" of the judged 1")


def test_judged_error_is_exact_however_small(watched: Watched) -> None:
    tracker = runs.open_tracker(watched.settings)
    registry.tag_version(tracker, "watched", 1, {"judged_rmse": "0.0001"})
    champion = registry.get_version(tracker, "watched", 1)
    with connect(watched.url) as connection:
        connection.execute("DELETE FROM training.promotions WHERE name = 'watched'")
    assert _read_judged(watched.url, champion, watched.settings.problem.objective) == 0.0001
    with connect(watched.url) as connection:
        connection.execute(
            "INSERT INTO training.promotions (kind, name, version, challenger_error, reason, state, run_key)"
            " VALUES ('judgement', 'watched', 1, 0.000141, 'It wins', 'promoted', 'model_promotion/1')"
        )
    assert _read_judged(watched.url, champion, watched.settings.problem.objective) == 0.000141
    with connect(watched.url) as connection:
        connection.execute("DELETE FROM training.promotions WHERE name = 'watched'")
    registry.tag_version(tracker, "watched", 1, {"judged_rmse": ""})


def test_what_is_asked_for_is_compared_without_waiting_for_what_happens(watched: Watched) -> None:
    watched.load_weeks()
    insert = (
        "INSERT INTO prediction.log (at, source, model_version, pickup_at, pickup_zone, dropoff_zone, trip_distance,"
        " predicted) SELECT now(), 'service', 1, pickup_at, pickup_zone, dropoff_zone, trip_distance * 3, 10"
        " FROM raw.rows WHERE month = '2024-02' AND trip_distance < 100 LIMIT 400"
    )
    with connect(watched.url) as connection:
        connection.execute(insert)
    report = measure_drift(watched.url, watched.settings)
    assert report
    assert "400 trips from prediction.log" in report.requests
    assert "trip_distance" in report.requests.rpartition(": ")[2]
    assert report.requests in report.describe()
    assert report.alarming == (), "what is asked for starts no retraining"
    stored = query(watched.url, "SELECT DISTINCT column_name FROM monitoring.drift WHERE source = 'requests'")
    assert {name for (name,) in stored} == {"hour", "pickup_zone", "dropoff_zone", "trip_distance"}
    # Of more rows than memory is to hold, so many.
    report = measure_drift(watched.url, watched.settings.change(in_memory_rows=300))
    assert report
    assert "300 of 400 trips from prediction.log" in report.requests
    compared = query(
        watched.url,
        "SELECT DISTINCT source, rows FROM monitoring.drift WHERE name = 'watched'"
        f" AND (source = 'requests' OR window_start >= '{report.windows[0].start}')",
    )
    assert set(compared) == {("requests", 300), ("rows", 300)}
