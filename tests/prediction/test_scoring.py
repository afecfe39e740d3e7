from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.errors import SourceInvalid
from include.models.libraries.lightgbm_boosters import MAKING_ROWS
from include.prediction.located import read_schema
from include.prediction.scoring import SCORED_ROWS, SORTED_ROWS, Scoring, find_usable, score_month, sort_rows
from include.problem.declaration import Problem
from include.raw import ingest_month
from include.raw.tables import ensure_columns
from include.settings import Settings
from include.tracking.registry import RegisteredVersion
from include.tracking.store import LoadedModel
from tests.classified import LEAVING, LOGISTIC, SOFTPROB, TIERS, fit_model, load_model, make_customers, make_split
from tests.redeclared import DISTANCE, make_later, remove
from tests.registered import BOOSTER, LASSO, make_model
from tests.rentals import RENTALS
from tests.splits import make_trips
from tests.trip_tables import make_trips as make_table

SETTINGS = Settings()
MONTH = "2024-01"


def load(version: int = 1, model: str = BOOSTER) -> LoadedModel:
    registered = RegisteredVersion("trip-duration", version, {}, datetime(2024, 3, 1, tzinfo=UTC))
    return LoadedModel(registered, {}, make_model(model))


def ingest(url: str, directory: Path, table: pa.Table) -> Settings:
    """Loads a table as the month's trips."""
    pq.write_table(table, directory / "trips.parquet")
    settings = Settings(source=f"file://{directory}/trips.parquet", months=(MONTH,))
    ingest_month(url, settings, MONTH)
    return settings


COLUMNS = "month, model_version, row_number, pickup_at, pickup_zone, dropoff_zone, trip_distance, predicted"


def read_batch(url: str, columns: str = COLUMNS) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            f"SELECT {columns} FROM prediction.batch ORDER BY model_version, row_number"
        ).fetchall()


def test_loaded_month_is_scored_trip_by_trip(warehouse_url: str, tmp_path: Path) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(3))
    scored = score_month(warehouse_url, settings, load(), MONTH)
    trips = make_trips(
        ["2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T02:00"], [(1, 6), (2, 7), (3, 8)], [1.5, 2.5, 3.5]
    )
    expected = make_model(BOOSTER).predict(trips)
    rows = read_batch(warehouse_url)
    assert [row[:7] for row in rows][:2] == [
        (MONTH, 1, 0, datetime(2024, 1, 1, 0), 1, 6, 1.5),
        (MONTH, 1, 1, datetime(2024, 1, 1, 1), 2, 7, 2.5),
    ]
    assert [row[7] for row in rows] == expected.tolist()
    ends = make_model(BOOSTER).outputs.find_intervals(expected, trips)
    assert ends
    assert read_batch(warehouse_url, "predicted_low, predicted_high") == [
        *zip(*map(np.ndarray.tolist, ends), strict=True)
    ]
    assert (scored["month"], scored["version"], scored["rows"], scored["skipped"]) == (MONTH, 1, 3, 0)


def score_customers(url: str, directory: Path, problem: Problem, model: str) -> list[tuple[Any, ...]]:
    """Scores a file of customers; all that is stored of them."""
    make_customers(problem, 40, seed=7).drop(columns=problem.target).to_csv(directory / "customers.csv", index=False)
    ensure_columns(url, problem)
    location = f"file://{directory}/customers.csv"
    assert score_month(url, Settings(problem=problem), load_model(problem, model), MONTH, location)["rows"] == 40
    return read_batch(url, "predicted, predicted_low, predicted_class, probabilities")


@pytest.mark.parametrize(
    ("problem", "model", "order"),
    [(LEAVING, LOGISTIC, ()), (TIERS, SOFTPROB, ("contract", "tenure"))],
    ids=["two", "three"],
)
def test_classes_are_stored_with_the_probabilities_of_all(
    warehouse_url: str, tmp_path: Path, problem: Problem, model: str, order: tuple[str, ...]
) -> None:
    sorted_first = problem.model_copy(update={"batch_order": order})
    stored = score_customers(warehouse_url, tmp_path, sorted_first, model)
    made, rows = fit_model(problem, model), make_split(problem, 40, seed=7).rows
    predicted = made.predict(rows)
    kept = made.outputs.record(predicted)
    assert len({row[2] for row in stored}) == len(problem.labels)
    assert stored == [(None, None, *pair) for pair in zip(*kept.values(), strict=True)]


def test_same_version_is_replaced_and_another_stands_beside_it(warehouse_url: str, tmp_path: Path) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(3))
    for loaded in (load(1), load(1, LASSO), load(2)):
        score_month(warehouse_url, settings, loaded, MONTH)
    assert read_batch(warehouse_url, "model_version, row_number") == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    by_lasso, by_booster = (read_batch(warehouse_url, "predicted")[at][0] for at in (0, 3))
    assert by_lasso != by_booster


def test_trips_without_a_value_or_out_of_bounds_are_skipped_and_counted(warehouse_url: str, tmp_path: Path) -> None:
    zones = pa.array([1, None, 0, 4, 5], pa.int32())
    distances = pa.array([1.0, 1.0, 1.0, None, -1.0], pa.float64())
    settings = ingest(warehouse_url, tmp_path, make_table(5, PULocationID=zones, trip_distance=distances))
    scored = score_month(warehouse_url, settings, load(), MONTH)
    assert (scored["rows"], scored["skipped"]) == (1, 4)
    assert read_batch(warehouse_url, "row_number") == [(0,)]


def test_values_that_were_not_learnt_are_predicted_and_counted_by_column(warehouse_url: str, tmp_path: Path) -> None:
    zones = pa.array([1, 99_999, 99_998], pa.int32())
    distances = pa.array([1.0, 1.0, 900_000.0], pa.float64())
    known = pa.array([1, 2, 3], pa.int32())
    table = make_table(3, PULocationID=zones, DOLocationID=known, trip_distance=distances)
    scored = score_month(warehouse_url, ingest(warehouse_url, tmp_path, table), load(), MONTH)
    assert (scored["rows"], scored["unusual"]) == (
        3, {"pickup_zone": {"unseen": 2}, "trip_distance": {"out_of_range": 1}},
    )  # fmt: skip


def test_file_without_dropoffs_is_scored_by_its_address(warehouse_url: str, tmp_path: Path) -> None:
    table = make_table(4).drop_columns(["lpep_dropoff_datetime"])
    text = table.set_column(2, "DOLocationID", table["DOLocationID"].cast(pa.string()))
    pq.write_table(text, tmp_path / "later_2024-01.parquet")
    scored = score_month(warehouse_url, SETTINGS, load(), MONTH, f"file://{tmp_path}/later_{{month}}.parquet")
    assert scored["rows"] == 4
    assert read_batch(warehouse_url, "row_number, pickup_zone, dropoff_zone") == [
        (0, 1, 6), (1, 2, 7), (2, 3, 8), (3, 4, 9),
    ]  # fmt: skip


def score_distances(url: str, directory: Path, unreadable: int) -> dict[str, Any]:
    """Scores a hundred trips from a file, of which so many have a distance that is no number."""
    texts = ["far"] * unreadable + ["1.5"] * (100 - unreadable)
    table = make_table(100, trip_distance=pa.array(texts)).append_column("mood", pa.array(["good"] * 100))
    pq.write_table(table, directory / "later.parquet")
    return score_month(url, SETTINGS, load(), MONTH, f"file://{directory}/later.parquet")


def test_column_whose_type_has_changed_is_an_error_by_its_name_and_share(warehouse_url: str, tmp_path: Path) -> None:
    with pytest.raises(
        SourceInvalid,
        match=r"column 'trip_distance': 6 of its 100 values \(6.0%\), such as 'far', cannot be read as a number.*"
        "REJECTED_MAX_SHARE=0.05",
    ):
        score_distances(warehouse_url, tmp_path, 6)
    assert read_batch(warehouse_url, "row_number") == []


def test_few_values_that_cannot_be_read_are_skipped_and_a_new_column_is_named_once(
    warehouse_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scored = score_distances(warehouse_url, tmp_path, 5)
    assert (scored["rows"], scored["skipped"]) == (95, 5)
    told = [record.getMessage().partition(": ")[2] for record in caplog.records if "does not declare" in record.msg]
    assert told == ["ignored, as the problem does not declare them: fare_amount, mood"]


def test_loaded_month_and_its_file_get_the_same_predictions(warehouse_url: str, tmp_path: Path) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(200))
    score_month(warehouse_url, settings, load(1), MONTH)
    score_month(warehouse_url, settings, load(2), MONTH, settings.problem.source)
    with psycopg.connect(warehouse_url) as connection:
        [(same,)] = connection.execute(
            "SELECT count(*) FROM prediction.batch a JOIN prediction.batch b USING (row_number, predicted)"
            " WHERE a.model_version = 1 AND b.model_version = 2"
        ).fetchall()
    assert same == 200


def test_month_larger_than_a_batch_is_scored_to_its_end(warehouse_url: str, tmp_path: Path) -> None:
    rows = SORTED_ROWS + 10
    settings = ingest(warehouse_url, tmp_path, make_table(rows))
    assert score_month(warehouse_url, settings, load(model=LASSO), MONTH)["rows"] == rows
    with psycopg.connect(warehouse_url) as connection:
        query = "SELECT count(*), count(DISTINCT row_number) FROM prediction.batch"
        assert connection.execute(query).fetchone() == (rows, rows)


def test_rows_of_many_small_batches_are_sorted_and_predicted_by_the_many() -> None:
    problem, count, skipped = SETTINGS.problem, SCORED_ROWS // 8, 3
    schema = read_schema(problem)
    values = {
        "row_number": range(count),
        "pickup_at": [datetime(2024, 1, 1)] * count,
        "pickup_zone": [number % 260 + 1 for number in range(count)],
        "dropoff_zone": [1] * count,
        "trip_distance": [1.5] * count,
    }
    trips = pa.RecordBatch.from_pydict(values, schema)
    unusable = pa.RecordBatch.from_pylist([{**trips.slice(0, 1).to_pylist()[0], "trip_distance": None}], schema)
    scoring = Scoring(MONTH, load(model=LASSO), problem)
    scored = list(scoring.score(iter([trips, *[unusable] * skipped, *[trips] * 9])))
    assert [batch.num_rows for batch in scored] == [SCORED_ROWS, 2 * count]
    assert (scoring.rows, scoring.skipped) == (10 * count, skipped)
    zones = pa.Table.from_batches(scored)["pickup_zone"].to_pylist()
    assert zones == sorted(zones)
    # Only of so many rows LightGBM's boosters make their masks.
    assert SCORED_ROWS >= MAKING_ROWS


def test_month_that_is_not_loaded_is_an_error_that_says_what_to_start(warehouse_url: str) -> None:
    with pytest.raises(SourceInvalid, match=r"raw.rows has no trips of 2024-01: start data_preparation"):
        score_month(warehouse_url, SETTINGS, load(), MONTH)


@pytest.mark.parametrize(
    ("months", "month", "message"),
    [
        (("all",), MONTH, r'no trips of 2024-01, because the source is loaded whole.*: give `months` as \["all"\]'),
        ((MONTH,), "all", r"no trips of all, because the source is loaded by month: name months, as YYYY-MM"),
    ],
)
def test_month_that_the_source_does_not_have_is_an_error_that_says_what_to_give(
    warehouse_url: str, months: tuple[str, ...], month: str, message: str
) -> None:
    with pytest.raises(SourceInvalid, match=message):
        score_month(warehouse_url, Settings(months=months), load(), month)


def test_earlier_predictions_stay_where_the_source_is_damaged(warehouse_url: str, tmp_path: Path) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(3))
    score_month(warehouse_url, settings, load(), MONTH)
    (tmp_path / "broken.parquet").write_bytes((tmp_path / "trips.parquet").read_bytes()[:-20])
    with pytest.raises(SourceInvalid, match="is damaged or cut short"):
        score_month(warehouse_url, settings, load(), MONTH, f"file://{tmp_path}/broken.parquet")
    assert len(read_batch(warehouse_url)) == 3


def test_earlier_predictions_stay_where_no_trip_can_be_used(warehouse_url: str, tmp_path: Path) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(3))
    score_month(warehouse_url, settings, load(), MONTH)
    pq.write_table(make_table(3, trip_distance=pa.array([-1.0] * 3)), tmp_path / "backwards.parquet")
    with pytest.raises(SourceInvalid, match="None of the 3 trips of 2024-01 can be predicted"):
        score_month(warehouse_url, settings, load(), MONTH, f"file://{tmp_path}/backwards.parquet")
    assert len(read_batch(warehouse_url)) == 3


def change(settings: Settings, make: Callable[[Problem], Problem]) -> Settings:
    """The settings after the declaration was changed; the warehouse has the columns of the new one, too."""
    return settings.model_copy(update={"problem": make(settings.problem)})


@pytest.mark.parametrize("make", [make_later, remove])
def test_model_scores_by_what_it_was_trained_with_though_the_declaration_has_changed(
    warehouse_url: str, tmp_path: Path, make: Callable[[Problem], Problem]
) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(3))
    score_month(warehouse_url, settings, load(1), MONTH)
    changed = change(settings, make)
    ensure_columns(warehouse_url, changed.problem)
    score_month(warehouse_url, changed, load(2), MONTH)
    score_month(warehouse_url, changed, load(3), MONTH, settings.problem.source)
    rows = read_batch(warehouse_url, "row_number, trip_distance, predicted")
    assert rows[:3] == rows[3:6] == rows[6:]


def test_strict_bounds_of_today_leave_no_row_out_that_the_model_accepts(warehouse_url: str, tmp_path: Path) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(3))
    scored = score_month(warehouse_url, settings.change(trip_distance_min=100.0), load(), MONTH)
    assert (scored["rows"], scored["skipped"]) == (3, 0)


@pytest.mark.parametrize(
    "statement",
    [
        f"ALTER TABLE raw.rows DROP COLUMN {DISTANCE} CASCADE",
        f"ALTER TABLE raw.rows DROP COLUMN {DISTANCE} CASCADE, ADD COLUMN {DISTANCE} text",
        f"UPDATE raw.rows SET {DISTANCE} = NULL",
    ],
    ids=["gone", "of another kind", "empty since"],
)
def test_column_that_raw_rows_no_longer_have_is_an_error_by_its_name(
    warehouse_url: str, tmp_path: Path, statement: str
) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(3))
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(statement)
    with pytest.raises(SourceInvalid, match=r"raw.rows does not have trip_distance for 2024-01.*train a new model"):
        score_month(warehouse_url, change(settings, remove), load(), MONTH)


def test_column_that_is_neither_declared_nor_in_the_file_is_an_error_by_its_name(
    warehouse_url: str, tmp_path: Path
) -> None:
    pq.write_table(make_table(3).drop_columns([DISTANCE]), tmp_path / "later.parquet")
    with pytest.raises(SourceInvalid, match=r"no column 'trip_distance', which the model was trained with.*new model"):
        score_month(warehouse_url, change(SETTINGS, remove), load(), MONTH, f"file://{tmp_path}/later.parquet")


def test_missing_column_is_named_with_what_gives_it_its_name(warehouse_url: str, tmp_path: Path) -> None:
    pq.write_table(make_table(3).drop_columns(["PULocationID"]), tmp_path / "trips.parquet")
    with pytest.raises(SourceInvalid, match=r"no column 'PULocationID'.*columns\.pickup_zone\.source of include"):
        score_month(warehouse_url, SETTINGS, load(), MONTH, f"file://{tmp_path}/trips.parquet")


def test_two_runs_at_once_leave_each_trip_once(warehouse_url: str, tmp_path: Path) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(2000))
    together = Barrier(2)

    def score() -> None:
        together.wait()
        score_month(warehouse_url, settings, load(), MONTH)

    threads = [Thread(target=score) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_batch(warehouse_url)) == 2000


@pytest.mark.parametrize("model", [BOOSTER, LASSO])
def test_sorting_changes_nothing_but_the_time(warehouse_url: str, tmp_path: Path, model: str) -> None:
    settings = ingest(warehouse_url, tmp_path, make_table(300))
    assert settings.problem.batch_order
    problem = settings.problem.model_copy(update={"batch_order": ()})
    unordered = settings.model_copy(update={"problem": problem})
    assert unordered.problem.batch_order == ()
    score_month(warehouse_url, settings, load(1, model), MONTH)
    score_month(warehouse_url, unordered, load(2, model), MONTH)
    rows = read_batch(warehouse_url, "row_number, predicted, predicted_low, predicted_high")
    assert rows[:300] == rows[300:]
    assert [row[0] for row in rows[:300]] == list(range(300))


def test_rows_are_sorted_whole_by_columns_that_may_be_texts_with_missing_ones() -> None:
    columns = {"row_number": [0, 1, 2, 3], "weather": ["wet", None, "dry", "dry"], "temperature": [1.0, 2.0, 4.0, 3.0]}
    batch = pa.RecordBatch.from_pydict(columns)
    ordered = RENTALS.model_copy(update={"batch_order": ("weather", "temperature")})
    assert sort_rows(batch, ordered).to_pydict() == {
        "row_number": [3, 2, 0, 1],
        "weather": ["dry", "dry", "wet", None],
        "temperature": [3.0, 4.0, 1.0, 2.0],
    }
    assert sort_rows(batch, RENTALS.model_copy(update={"batch_order": ()})) is batch


def test_only_what_is_required_or_out_of_bounds_makes_a_row_unusable() -> None:
    schema = read_schema(RENTALS)
    good = {"row_number": 0, "at_hour": datetime(2024, 5, 1), "weather": "dry", "holiday": False, "temperature": 20.0}
    changes = [{}, {"temperature": None}, {"temperature": 51.0}, {"weather": None}, {"holiday": None}, {"station": -1}]
    rows = pa.RecordBatch.from_pylist([{**dict.fromkeys(schema.names), **good, **each} for each in changes], schema)
    assert find_usable(rows, RENTALS).to_pylist() == [True, True, False, False, False, False]
