import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.errors import DataQualityError, NoTrainingSet, StaleInput, WarehouseUnavailable
from include.problem import mapped
from include.raw.ingestion import READER_VERSION
from include.raw.rules import RULES_VERSION
from include.sets import build, examples, publish
from include.sets.examples import StoredRows, find_newest, get_training_set, load_references, load_split, open_rows
from include.sets.left_out import TARGET_ABOVE, TARGET_BELOW, describe, sum_by_rule
from include.sets.plan import PREPARATION_VERSION, Plan, find_fresh
from include.sets.split import choose_days_of_months
from include.settings import Settings
from tests.bikes import BIKES
from tests.conftest import find_free_port
from tests.published_sets import publish_sample, publish_set
from tests.trip_tables import make_trips
from tests.warehouse_rows import RawTrip, query, store_month, store_zones

SETTINGS = Settings(minimum_rows=1)
PLAN = Plan(("2024-01", "2024-02"), "2024-02-01", None, outdated_after=168)
JANUARY = [RawTrip("2024-01-10 08:00", 10, 1, 2), RawTrip("2024-01-31 23:59:59", 20, 3, 2)]
FEBRUARY = [RawTrip("2024-02-01 00:00", 30, 1, 2), RawTrip("2024-02-20 12:00", 40, 1, 5)]


@pytest.fixture
def url(warehouse_url: str) -> str:
    """A warehouse that holds two trips in January and two in February."""
    store_month(warehouse_url, "2024-01", JANUARY)
    store_month(warehouse_url, "2024-02", FEBRUARY)
    return warehouse_url


def make_version(url: str, plan: Plan = PLAN, settings: Settings = SETTINGS, by: str = "run") -> int:
    """A version that is built and checked, but not published."""
    version = build.transform(url, settings, plan, by)
    build.build(url, version)
    build.validate(url, settings, version)
    return version


def publish_version(url: str, plan: Plan = PLAN, by: str = "run", keep: int = 5) -> int:
    version = make_version(url, plan, by=by)
    assert publish.publish(url, version, keep)
    return version


def read_targets(url: str, version: int) -> dict[str, list[float]]:
    return {split: load_split(url, version, split).target.tolist() for split in build.SPLITS}


def read_state(url: str) -> dict[int, str]:
    return dict(query(url, "SELECT version, state FROM training.sets ORDER BY version"))


def list_tables(url: str) -> list[str]:
    """The tables of examples that there are."""
    statement = "SELECT relname FROM pg_class WHERE relname ~ '^examples_' AND relkind = 'r' ORDER BY relname"
    return [name for (name,) in query(url, statement)]


# Reading


@pytest.mark.parametrize("wanted", [[], [0], [1, 2], [0, 1, 2, 3]])
@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
def test_wanted_rows_of_a_split_are_read_bit_by_bit(
    url: str, monkeypatch: pytest.MonkeyPatch, wanted: list[int], rows_at_once: int
) -> None:
    version = build.transform(url, SETTINGS, replace(PLAN, validation_from="2024-02-29"), "run")
    build.build(url, version)
    whole = load_split(url, version, "train")
    read_frames = examples._read_frames

    def read_less_at_once(*arguments: Any) -> Iterator[Any]:
        for frame in read_frames(*arguments):
            for start in range(0, len(frame), rows_at_once):
                yield frame.iloc[start : start + rows_at_once]

    monkeypatch.setattr(examples, "_read_frames", read_less_at_once)
    rows = open_rows(url, version, ["train"])
    assert len(rows) == len(whole) == 4
    assert rows.columns(["pickup_at"])["pickup_at"].tolist() == whole.rows["pickup_at"].tolist()
    assert [value for piece in rows.pieces() for value in piece.target.tolist()] == rows.target.tolist()
    assert rows.target.tolist() == whole.target.tolist()
    chosen = rows.take(np.array(wanted, dtype=np.intp))
    assert chosen.target.tolist() == whole.target[wanted].tolist()
    for name, values in whole.rows.items():
        assert (chosen.rows[name].dtype, chosen.rows[name].tolist()) == (values.dtype, values[wanted].tolist())


def test_columns_in_files_are_those_in_memory(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_version(url)
    built = "SELECT statistics, suspects FROM training.sets"
    rows, before = open_rows(url, version, ["train", "validation"]), query(url, built)
    whole = rows.load()
    monkeypatch.setattr(mapped, "MOST_BYTES", 0)
    found = rows.map()
    assert found.target.tolist() == whole.target.tolist() == [10, 20, 30, 40]
    for name, values in whole.rows.items():
        assert (found.rows[name].dtype, found.rows[name].tolist()) == (values.dtype, values.tolist())
    build.build(url, version)
    assert query(url, built) == before


def test_texts_that_are_the_same_are_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [pd.DataFrame({"weather": ["".join("sun"), None, "fog"]}), pd.DataFrame({"weather": ["".join("sun")]})]
    monkeypatch.setattr(examples, "_read_frames", lambda *_: iter(frames))
    found = StoredRows("", 1, ("train",), BIKES, 4).columns(["weather"])["weather"]
    assert found.tolist() == ["sun", None, "fog", "sun"]
    assert found[0] is found[3]


# Transform


def test_examples_are_split_by_the_day_of_pickup(url: str) -> None:
    version = make_version(url)
    assert read_targets(url, version) == {"train": [10, 20], "validation": [30, 40], "test": []}


def test_third_split_begins_on_its_day(url: str) -> None:
    version = make_version(url, replace(PLAN, test_from="2024-02-20"))
    assert read_targets(url, version) == {"train": [10, 20], "validation": [30], "test": [40]}


def test_split_follows_the_pickup_and_not_the_month_of_the_file(url: str) -> None:
    store_month(url, "2024-02", [*FEBRUARY, RawTrip("2024-01-31 23:00", 5)])
    assert read_targets(url, make_version(url))["train"] == [10, 20, 5]


def test_examples_hold_the_trips_columns_in_the_sources_order(url: str) -> None:
    trips = load_split(url, make_version(url), "train").rows
    assert {name: values.tolist() for name, values in trips.items() if name != "pickup_at"} == {
        "pickup_zone": [1, 3],
        "dropoff_zone": [2, 2],
        "trip_distance": [1.5, 1.5],
    }
    assert trips["pickup_at"].tolist() == np.array(["2024-01-10T08:00", "2024-01-31T23:59:59"], "M8[us]").tolist()


def read_left_out(url: str, version: int) -> dict[tuple[str, str], int]:
    [(entries,)] = query(url, f"SELECT left_out FROM training.sets WHERE version = {version}")
    return {(entry["month"], entry["rule"]): entry["rows"] for entry in entries}


def test_trips_outside_of_the_target_range_are_left_out_and_counted_by_rule(url: str) -> None:
    minutes = [0.99, 1, 60, 60.01]
    store_month(url, "2024-01", [RawTrip("2024-01-10 08:00", duration) for duration in minutes])
    version = build.transform(url, SETTINGS, PLAN, "run")
    counts = build.build(url, version)
    assert read_targets(url, version)["train"] == [1, 60]
    assert (counts["train"], counts["filtered"], counts["rejected"]) == (2, 2, 0)
    assert read_left_out(url, version) == {("2024-01", TARGET_BELOW): 1, ("2024-01", TARGET_ABOVE): 1}


UNBOUNDED = Settings(
    problem=SETTINGS.problem.model_copy(update={"target_min": None, "target_max": None}), minimum_rows=1
)


@pytest.mark.parametrize("settings", [SETTINGS, UNBOUNDED], ids=["bounded", "unbounded"])
@pytest.mark.parametrize("target", [float("nan"), float("inf"), float("-inf")])
def test_target_that_is_not_finite_is_left_out_and_counted(url: str, settings: Settings, target: float) -> None:
    store_month(url, "2024-01", [*JANUARY, RawTrip("2024-01-10 08:00", target=target)])
    version = build.transform(url, settings, PLAN, "run")
    assert (build.build(url, version)["filtered"], read_targets(url, version)["train"]) == (1, [10, 20])


def test_rejected_trips_are_left_out_and_each_counted_once(url: str) -> None:
    store_month(url, "2024-01", JANUARY, rejected=[0, 0])  # broke two rules
    version = build.transform(url, SETTINGS, PLAN, "run")
    counts = build.build(url, version)
    assert read_targets(url, version)["train"] == [20]
    assert counts == {"train": 1, "validation": 2, "test": 0, "rejected": 1, "filtered": 0}
    assert read_left_out(url, version) == {("2024-01", "pickup_zone: below 1"): 1}


def test_account_of_a_set_stays_what_it_was_when_its_months_are_loaded_again(url: str) -> None:
    store_month(url, "2024-01", JANUARY, rejected=[0])
    version = build.transform(url, SETTINGS, PLAN, "run")
    store_month(url, "2024-01", JANUARY * 5)
    assert build.build(url, version)["rejected"] == 1
    assert describe(url, version) == (
        f"Training set {version}: of 4 rows, examples: 1 train, 2 validation; left out: 1 by 'pickup_zone: below 1'."
    )


def test_column_that_alone_explains_the_target_is_named_and_kept(url: str) -> None:
    trips = [RawTrip("2024-01-10 08:00", 1 + number % 50, trip_distance=(1 + number % 50) / 2) for number in range(90)]
    store_month(url, "2024-01", trips)
    version = make_version(url)
    [(suspects,)] = query(url, f"SELECT suspects FROM training.sets WHERE version = {version}")
    assert set(suspects) == {"trip_distance"}
    assert describe(url, version).endswith(
        "'trip_distance' alone explains 95% of the target. If it is not known when you predict, add it to known_later"
        " (KNOWN_LATER=trip_distance)."
    )
    assert "trip_distance" in load_split(url, version, "train").rows


def test_every_row_of_the_sample_is_an_example_or_is_counted_by_rule(warehouse_url: str) -> None:
    settings = Settings(_env_file=None, source="sample", sample_rows=2_000, target_min=5)
    counts = publish_set(warehouse_url, settings).counts
    [(version, loaded)] = query(
        warehouse_url, "SELECT version, (SELECT sum(rows)::int FROM raw.sources) FROM training.sets"
    )
    left_out = read_left_out(warehouse_url, version)
    assert loaded == 4_000 == sum(counts[split] for split in build.SPLITS) + sum(left_out.values())
    refused = {rule for (rule,) in query(warehouse_url, "SELECT DISTINCT rule FROM raw.rejected")}
    assert {rule for _, rule in left_out} == refused | {TARGET_BELOW, TARGET_ABOVE}


def test_target_that_the_source_has_wins_over_the_duration(url: str) -> None:
    store_month(url, "2024-01", [RawTrip("2024-01-10 08:00", 10, target=12.5)])
    assert read_targets(url, make_version(url))["train"] == [12.5]


@pytest.mark.parametrize("form", ["timestamps", "text"])
def test_target_is_the_time_between_instants_when_clocks_change_during_the_trip(
    warehouse_url: str, tmp_path: Path, form: str
) -> None:
    rides = {"2024-03": ("2024-03-10T06:50", "2024-03-10T07:10"), "2024-11": ("2024-11-03T05:50", "2024-11-03T06:10")}
    settings = Settings(
        _env_file=None, source=f"{tmp_path}/{{month}}.parquet", months=tuple(rides),
        minimum_rows=1,
    )  # fmt: skip
    for month, instants in rides.items():
        columns = {
            name: pa.array([datetime.fromisoformat(instant)], pa.timestamp("us", "UTC"))
            if form == "timestamps"
            else pa.array([f"{instant}:00+00:00"])
            for name, instant in zip(("lpep_pickup_datetime", "lpep_dropoff_datetime"), instants, strict=True)
        }
        pq.write_table(make_trips(1, month, **columns), settings.problem.source.replace("{month}", month))
    version = publish_set(warehouse_url, settings, validation_from="2024-11-01").version
    assert read_targets(warehouse_url, version) == {"train": [20], "validation": [20], "test": []}
    assert query(warehouse_url, "SELECT pickup_at::text FROM training.examples_1 ORDER BY 1") == [
        ("2024-03-10 01:50:00",),
        ("2024-11-03 01:50:00",),
    ]
    assert query(warehouse_url, "SELECT target FROM raw.accepted") == [(20.0,), (20.0,)]


def test_months_that_the_plan_leaves_out_are_not_in_the_set(url: str) -> None:
    store_month(url, "2023-12", [RawTrip("2023-12-10 08:00", 55)])
    assert 55 not in read_targets(url, make_version(url))["train"]


@pytest.mark.parametrize("state", ["missing", "not validated"])
def test_month_that_is_missing_or_not_validated_is_stale_and_leaves_nothing(url: str, state: str) -> None:
    if state == "not validated":
        store_month(url, "2024-03", FEBRUARY, validated=False)
    with pytest.raises(StaleInput, match="Not validated in raw.rows: 2024-03. Run the preparation again."):
        build.transform(url, SETTINGS, replace(PLAN, months=("2024-01", "2024-03")), "run")
    assert (read_state(url), list_tables(url)) == ({}, [])


def test_broken_off_transform_leaves_nothing(url: str) -> None:
    store_month(url, "2024-01", [*JANUARY, RawTrip("2024-01-10 08:00", pickup_zone=None)])
    with pytest.raises(psycopg.errors.NotNullViolation):
        build.transform(url, SETTINGS, PLAN, "run")
    assert (read_state(url), list_tables(url)) == ({}, [])


def test_transform_again_by_the_same_run_starts_over(url: str) -> None:
    first = build.transform(url, SETTINGS, PLAN, "run")
    second = build.transform(url, SETTINGS, PLAN, "run")
    assert read_state(url) == {second: "building"}
    assert list_tables(url) == [f"examples_{second}"]
    assert first != second


# Build


def test_building_twice_gives_the_same(url: str) -> None:
    version = build.transform(url, SETTINGS, PLAN, "run")
    assert build.build(url, version) == build.build(url, version)
    assert read_targets(url, version)["train"] == [10, 20]


def test_statistics_describe_the_training_split(url: str) -> None:
    version = make_version(url)
    ((statistics,),) = query(url, f"SELECT statistics FROM training.sets WHERE version = {version}")
    assert (statistics["target"]["mean"], statistics["target"]["count"]) == (15, 2)
    assert statistics["pickup_zone"]["frequent"] == {"1": 1, "3": 1}
    assert (statistics["hour"]["frequent"], statistics["weekday"]["frequent"]) == ({"8": 1, "23": 1}, {"2": 2})


def test_set_without_training_rows_can_be_built_and_is_then_refused(url: str) -> None:
    store_month(url, "2024-01", [RawTrip("2024-01-10 08:00", 99)])
    version = build.transform(url, SETTINGS, PLAN, "run")
    assert build.build(url, version)["train"] == 0
    message = "train: no rows of its days, before 2024-02-01, as the rows of the set are of 2024-02-01 to 2024-02-20: "
    with pytest.raises(DataQualityError, match=message):
        build.validate(url, SETTINGS, version)


def test_set_without_any_rows_can_be_built_and_is_then_refused(url: str) -> None:
    store_month(url, "2024-01", [RawTrip("2024-01-10 08:00", 99)])
    store_month(url, "2024-02", [RawTrip("2024-02-10 08:00", 99)])
    version = build.transform(url, SETTINGS, PLAN, "run")
    build.build(url, version)
    with pytest.raises(
        DataQualityError, match=r"train: 0 rows, but at least 1 are needed \(MINIMUM_ROWS\); validation"
    ):
        build.validate(url, SETTINGS, version)


# Validate


def build_and_spoil(url: str, statement: str) -> int:
    """A built version whose stored examples were changed behind the code's back."""
    version = build.transform(url, SETTINGS, PLAN, "run")
    build.build(url, version)
    with psycopg.connect(url) as connection:
        connection.execute(f"UPDATE training.examples_{version} SET {statement}".encode())
    return version


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("pickup_at = '2024-02-05' WHERE target = 20", "train: pickup_at leak from the split after: 1 rows"),
        ("pickup_at = '2024-01-05' WHERE target = 30", "validation: pickup_at leak from the split before: 1 rows"),
        ("target = 61 WHERE target = 10", r"train: target outside TARGET_MIN\.\.TARGET_MAX: 1 rows"),
        ("trip_distance = -1", r"train: trip_distance outside TRIP_DISTANCE_MIN\.\.TRIP_DISTANCE_MAX: 2 rows"),
        ("pickup_zone = 0 WHERE target = 40", "validation: pickup_zone below 1: 1 rows"),
    ],
)
def test_set_that_breaks_a_rule_is_refused_by_name_and_not_published(url: str, statement: str, message: str) -> None:
    before = publish_version(url, by="before")
    version = build_and_spoil(url, statement)
    with pytest.raises(DataQualityError, match=f"Training set version {version} is not published: .*{message}"):
        build.validate(url, SETTINGS, version)
    assert read_state(url) == {before: "published", version: "failed"}
    newest = find_newest(url, 1)
    assert newest
    assert newest.version == before


def test_set_with_too_few_rows_is_refused_with_its_figures(url: str) -> None:
    version = build.transform(url, SETTINGS, PLAN, "run")
    build.build(url, version)
    message = r"train: 2 rows, but at least 3 are needed \(MINIMUM_ROWS\); validation: 2 rows"
    with pytest.raises(DataQualityError, match=message):
        build.validate(url, SETTINGS.model_copy(update={"minimum_rows": 3}), version)
    assert find_newest(url, 1) is None


def test_third_split_needs_rows_too(url: str) -> None:
    version = build.transform(url, SETTINGS, replace(PLAN, test_from="2024-02-21"), "run")
    build.build(url, version)
    message = (
        r"test: no rows of its days, from 2024-02-21 on, as .* to 2024-02-20: choose other days \(VALIDATION_FROM,"
    )
    with pytest.raises(DataQualityError, match=message):
        build.validate(url, SETTINGS, version)


def test_month_that_ends_before_its_days_validate_is_refused_with_the_last_day_that_is_there(url: str) -> None:
    plan = Plan(("2024-02",), *choose_days_of_months(["2024-02"]), outdated_after=168)
    version = build.transform(url, SETTINGS, plan, "run")
    build.build(url, version)
    with pytest.raises(DataQualityError) as error:
        build.validate(url, SETTINGS, version)
    way_out = (
        "as the rows of the set are of 2024-02-01 to 2024-02-20: choose other days (VALIDATION_FROM, TEST_FROM), or"
    )
    assert str(error.value) == (
        f"Training set version {version} is not published:"
        f" validation: no rows of its days, from 2024-02-21 on and before 2024-02-26, {way_out} load more;"
        f" test: no rows of its days, from 2024-02-26 on, {way_out} load more."
    )


# Publish


def test_published_version_says_what_it_holds(url: str) -> None:
    published = publish.publish(url, version := make_version(url), keep=5)
    assert published
    found = get_training_set(url, version)
    assert published.to_dict() == {
        "version": version,
        "fingerprint": found.fingerprint,
        "months": ["2024-01", "2024-02"],
        "counts": {"train": 2, "validation": 2, "test": 0, "rejected": 0, "filtered": 0},
    }
    assert (found.months, found.validation_from, found.has_test_split) == (PLAN.months, "2024-02-01", False)
    assert find_fresh(url, PLAN, found.fingerprint) == version


@pytest.mark.parametrize("stage", ["building", "failed"])
def test_readers_do_not_see_a_version_that_is_not_published(url: str, stage: str) -> None:
    version = make_version(url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE training.sets SET state = %s, published_at = now()", [stage])
    assert find_newest(url, 1) is None
    with pytest.raises(NoTrainingSet, match=f"version {version} no longer exists; start data_preparation"):
        get_training_set(url, version)


def test_newest_published_version_is_found_unless_it_is_too_old(url: str) -> None:
    publish_version(url, by="first")
    second = publish_version(url, replace(PLAN, validation_from="2024-02-10"), by="second")
    newest = find_newest(url, outdated_after=1)
    assert newest
    assert newest.version == second
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE training.sets SET published_at = now() - interval '2 hours'")
    assert find_newest(url, outdated_after=1) is None


@pytest.fixture(scope="module")
def published(module_warehouse_url: str) -> tuple[str, int]:
    """A warehouse with a published version, which no test changes, as that is what the tests try."""
    store_month(module_warehouse_url, "2024-01", JANUARY)
    store_month(module_warehouse_url, "2024-02", FEBRUARY)
    return module_warehouse_url, publish_version(module_warehouse_url)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {table} SET target = 1",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "INSERT INTO {table} SELECT month, 99, split, place, pickup_at, 1, 1, 1, 1 FROM {table} LIMIT 1",
    ],
)
def test_published_examples_cannot_be_changed(published: tuple[str, int], change: str) -> None:
    url, version = published
    statement = change.format(table=f"training.examples_{version}")
    with (
        psycopg.connect(url) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="cannot be changed; build a new version"),
    ):
        connection.execute(statement.encode())
    assert read_targets(url, version) == {"train": [10, 20], "validation": [30, 40], "test": []}


def test_examples_stay_the_same_when_their_month_is_replaced(url: str) -> None:
    version = publish_version(url)
    store_month(url, "2024-01", [RawTrip("2024-01-10 08:00", 59)], sha256="changed")
    assert read_targets(url, version)["train"] == [10, 20]


def test_publishing_is_all_or_nothing(url: str) -> None:
    before = publish_version(url, by="before")
    version = make_version(url, replace(PLAN, force=True), by="after")
    with psycopg.connect(url) as connection:  # breaks the step after the old version was superseded
        connection.execute("ALTER FUNCTION training.refuse_change() RENAME TO gone")
    with pytest.raises(psycopg.errors.UndefinedFunction):
        publish.publish(url, version, keep=1)
    assert read_state(url) == {before: "published", version: "building"}
    assert list_tables(url) == [f"examples_{before}", f"examples_{version}"]
    with psycopg.connect(url) as connection:
        connection.execute("ALTER FUNCTION training.gone() RENAME TO refuse_change")
    assert publish.publish(url, version, keep=5)


def test_publishing_again_after_the_answer_was_lost_says_the_same(url: str) -> None:
    version = make_version(url)
    assert publish.publish(url, version, keep=5) == publish.publish(url, version, keep=5)
    assert read_state(url) == {version: "published"}


def test_of_two_runs_that_build_the_same_at_once_one_is_published(url: str) -> None:
    versions = [make_version(url, by=f"run {number}") for number in range(2)]
    together = threading.Barrier(2)

    def publish_one(version: int) -> publish.Published | None:
        together.wait()
        return publish.publish(url, version, keep=5)

    with ThreadPoolExecutor(2) as pool:
        published = [found for found in pool.map(publish_one, versions) if found]
    assert [found.version for found in published] == list(read_state(url))
    assert list_tables(url) == [f"examples_{published[0].version}"]


def test_runs_that_build_different_sets_at_once_are_both_published(url: str) -> None:
    plans = [replace(PLAN, test_from=day) for day in (None, "2024-02-10")]
    with ThreadPoolExecutor(2) as pool:
        versions = list(pool.map(lambda plan: publish_version(url, plan, by=str(plan.test_from)), plans))
    assert read_state(url) == dict.fromkeys(sorted(versions), "published")
    assert all(read_targets(url, version)["train"] == [10, 20] for version in versions)


def test_forced_rebuild_supersedes_the_version_before(url: str) -> None:
    first = publish_version(url, by="first")
    second = publish_version(url, replace(PLAN, force=True), by="second")
    assert read_state(url) == {first: "superseded", second: "published"}
    assert find_newest(url, 1).version == second
    # A training that began on it can go on.
    assert get_training_set(url, first).version == first


def test_rebuild_from_a_changed_source_leaves_the_version_before_published(url: str) -> None:
    first = publish_version(url, by="first")
    store_month(url, "2024-02", FEBRUARY, sha256="changed")
    second = publish_version(url, by="second")
    assert read_state(url) == {first: "published", second: "published"}


def test_oldest_versions_lose_their_examples_and_stay_as_history(url: str) -> None:
    versions = []
    for number in range(4):
        store_month(url, "2024-02", FEBRUARY, sha256=f"contents {number}")
        versions.append(publish_version(url, by=f"run {number}", keep=2))
    assert list_tables(url) == [f"examples_{version}" for version in versions[2:]]
    assert list(read_state(url).values()) == ["superseded", "superseded", "published", "published"]
    with pytest.raises(NoTrainingSet):
        get_training_set(url, versions[0])


def promote(url: str, version: int, set_version: int, previous: int | None = None, *, usable: bool = True) -> None:
    """A champion that was trained on a set, and what it replaced."""
    query(
        url,
        "INSERT INTO training.promotions (kind, name, version, set_version, champion_version, rival_version, reason,"
        f" state, run_key, moved_at) VALUES ('judgement', 'trip-duration', {version}, {set_version},"
        f" {previous or 'NULL'}, {previous if previous and usable else 'NULL'}, '', 'promoted', 'run',"
        " clock_timestamp()) RETURNING version",
    )


@pytest.mark.parametrize("usable", [True, False])
def test_sets_of_the_champion_and_of_what_a_rollback_restores_are_kept(url: str, usable: bool) -> None:
    versions = []
    for number in range(7):
        store_month(url, "2024-02", FEBRUARY, sha256=f"contents {number}")
        versions.append(publish_version(url, by=f"run {number}", keep=1 if number > 2 else 9))
        # The second and the third are peers: both replace the first.
        if number < 3:
            promote(url, number + 1, versions[number], previous=1 if number else None, usable=usable)
    kept = [versions[0], versions[2], versions[6]]
    assert list_tables(url) == [f"examples_{version}" for version in kept]
    assert [version for version, state in read_state(url).items() if state == "published"] == kept


def test_set_that_others_have_overtaken_is_kept_when_it_is_published(url: str) -> None:
    first = make_version(url, by="slow")
    for number in range(2):
        store_month(url, "2024-02", FEBRUARY, sha256=f"contents {number}")
        last = publish_version(url, by=f"run {number}", keep=2)
    assert publish.publish(url, first, keep=2)
    assert list_tables(url) == [f"examples_{version}" for version in (first, last)]


def test_what_a_killed_run_left_behind_is_removed_a_day_later(url: str) -> None:
    left = [build.transform(url, SETTINGS, PLAN, by) for by in ("killed yesterday", "running")]
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE training.sets SET created_at = now() - interval '25 hours' WHERE version = %s", [left[0]]
        )
    version = publish_version(url, by="now")
    assert read_state(url) == {left[1]: "building", version: "published"}
    assert list_tables(url) == sorted([f"examples_{left[1]}", f"examples_{version}"])


# Zones, and a warehouse that is away


def test_set_keeps_the_positions_of_the_zones_that_it_was_made_with(url: str) -> None:
    without = make_version(url, by="without")
    store_zones(url, [(1, "A", -74.0, 40.7), (3, "C", None, None)])
    version = make_version(url, by="with")
    query(url, "UPDATE raw.zones SET longitude = -70 RETURNING 1")
    assert load_references(url, without)["zones"].to_dict() == {"longitude": [], "latitude": []}
    longitudes = load_references(url, version)["zones"].of(np.array([1, 2, 3]))[0]
    assert np.degrees(longitudes[0]) == pytest.approx(-74.0)
    assert np.isnan(longitudes[1:]).all()


def test_zones_are_part_of_the_fingerprint(url: str) -> None:
    without = get_training_set(url, publish_version(url, by="without"))
    store_zones(url, [(1, "A", -74.0, 40.7)])
    with_zones = get_training_set(url, publish_version(url, by="with"))
    assert without.fingerprint != with_zones.fingerprint


STEPS: dict[str, Callable[[str], Any]] = {
    "transform": lambda url: build.transform(url, SETTINGS, PLAN, "run"),
    "build": lambda url: build.build(url, 1),
    "validate": lambda url: build.validate(url, SETTINGS, 1),
    "publish": lambda url: publish.publish(url, 1, 5),
    "find_newest": lambda url: find_newest(url, 1),
    "get_training_set": lambda url: get_training_set(url, 1),
    "load_split": lambda url: load_split(url, 1, "train"),
    "load_references": lambda url: load_references(url, 1),
}


@pytest.mark.parametrize("step", STEPS)
def test_unreachable_warehouse_is_said_to_be_so_at(step: str) -> None:
    port = find_free_port()
    with pytest.raises(WarehouseUnavailable, match=f"could not be reached, or was lost: .*{port}"):
        STEPS[step](f"postgresql://taxi@127.0.0.1:{port}/warehouse")


def test_warehouse_that_breaks_off_during_a_step_leaves_nothing_half_written(url: str) -> None:
    before = publish_version(url, by="before")
    with psycopg.connect(url) as blocker:
        # The transform waits for this lock with its rows half-written; then its connection is cut.
        blocker.execute("LOCK TABLE raw.rejected IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(build.transform, url, SETTINGS, replace(PLAN, force=True), "after")
            cut_connection(blocker)
            with pytest.raises(WarehouseUnavailable, match="was lost"):
                running.result()
    assert read_state(url) == {before: "published"}
    assert list_tables(url) == [f"examples_{before}"]


def cut_connection(connection: psycopg.Connection) -> None:
    """Ends the connection that waits for a lock, as soon as there is one."""
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(1000):
        connection.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")
        if connection.execute(cut).fetchone():
            return
    pytest.fail("nobody waited for the lock")


def test_contents_of_a_set_are_those_that_its_versions_stand_for(warehouse_url: str) -> None:
    """Other contents from the same source need a higher version in `VERSIONS`, else stored sets pass for fresh."""
    publish_sample(warehouse_url)
    [contents] = query(
        warehouse_url,
        """
        SELECT md5(string_agg(row, chr(10) ORDER BY row)), count(*) FROM (
            SELECT concat_ws(' ', split, pickup_at, pickup_zone, dropoff_zone, round(trip_distance::numeric, 6),
                             round(target::numeric, 6)) AS row
            FROM training.examples_1
        ) examples
        """,
    )
    [(left_out,)] = query(warehouse_url, "SELECT left_out FROM training.sets")
    versions = (READER_VERSION, RULES_VERSION, PREPARATION_VERSION)
    assert (versions, contents) == ((5, 1, 1), ("80936915ea9ed5efe57a52a7832c2868", 2769))
    assert sum_by_rule(left_out) == {
        "dropoff_at: not after pickup_at": 7,
        "dropoff_zone: missing": 4,
        "trip_distance: outside the allowed range": 9,
        "target: above TARGET_MAX": 211,
    }
