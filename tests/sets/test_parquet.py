"""Training sets that are also kept as Parquet files: the same rows, from wherever they are read."""

import multiprocessing
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest

from include.errors import SettingsError, SourceUnavailable, TrainingSetDamaged
from include.problem.declaration import Problem
from include.sets import build, parquet_copy, preparation
from include.sets.examples import load_split, open_rows, stream_share
from include.sets.plan import Plan
from include.settings import Settings
from tests.bikes import make_hours
from tests.published_sets import publish_set, train
from tests.warehouse_rows import RawTrip, query, store_month

ROWS, AT_ONCE = 700, 100
KINDS = {"rented_at": "time", "inspected_at": "time", "weather": "category", "station": "code", "holiday": "flag",
         "temperature": "number", "note": "text", "operator": "id"}  # fmt: skip
SPLITS = ("train", "validation", "test")
TRIPS = Settings(minimum_rows=1, parquet_minimum_rows=4)
PLAN = Plan(("2024-01", "2024-02"), "2024-02-01", None, outdated_after=168)


@dataclass(frozen=True)
class Twice:
    """The same set in two versions, one of which has files."""

    url: str
    in_postgres: int
    in_files: int


@pytest.fixture(scope="module")
def twice(module_warehouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Twice:
    """Rows with missing values in columns of every kind, and with weights; of one version in files of 100 rows."""
    directory = tmp_path_factory.mktemp("bikes")
    rows = make_hours(ROWS).assign(operator=[f"operator {row % 90}" for row in range(ROWS)], people=np.arange(ROWS) % 7)
    rows.to_csv(directory / "bikes.csv", index=False)
    columns = {name: {"kind": kind} for name, kind in KINDS.items()}
    columns |= {"rented_at": {"kind": "time", "required": True}}
    columns |= {"people": {"kind": "number", "required": True, "min": 0}}
    address = (directory / "bikes.csv").as_uri()
    problem = Problem(name="bikes", source=address, target="rented", time="rented_at", weight="people", columns=columns)  # type: ignore[call-arg]
    settings = Settings(problem=problem, minimum_rows=20, parquet_minimum_rows=ROWS)  # type: ignore[arg-type]
    first = publish_set(module_warehouse_url, settings, "first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_copy, "stream_batches", cut(parquet_copy.stream_batches))
        kept = settings.change(parquet_location=str(directory / "sets"))
        second = publish_set(module_warehouse_url, kept, "second", force=True)
    assert first.fingerprint == second.fingerprint
    return Twice(module_warehouse_url, first.version, second.version)


def cut(stream: Any) -> Any:
    def stream_less_at_once(*arguments: Any) -> Iterator[Any]:
        for batch in stream(*arguments):
            for start in range(0, len(batch), AT_ONCE):
                yield batch.slice(start, AT_ONCE)

    return stream_less_at_once


def show(columns: Any) -> dict[str, tuple[str, bytes | list[Any]]]:
    """Type and every bit of some columns."""
    return {
        name: (str(values.dtype), values.tolist() if values.dtype == object else values.tobytes())
        for name, values in columns.items()
    }


def list_files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*.parquet"))


def list_versions(url: str, directory: Path) -> list[int]:
    """The versions that have files, as the warehouse and the directory say alike."""
    known = [version for (version,) in query(url, "SELECT version FROM training.files ORDER BY version")]
    assert sorted(int(path.name.split("_")[1]) for path in directory.iterdir()) == known
    return known


# Reading


def test_every_split_read_from_files_is_the_same_bit_by_bit(twice: Twice) -> None:
    for name in SPLITS:
        expected, found = (load_split(twice.url, version, name) for version in (twice.in_postgres, twice.in_files))
        assert len(found) > 1
        assert show(found.rows) == show(expected.rows)
        assert show({"target": found.target, "weights": found.weights}) == show(
            {"target": expected.target, "weights": expected.weights}
        )


def test_rows_and_columns_of_several_splits_are_read_from_files_in_their_order(twice: Twice) -> None:
    expected, found = (
        open_rows(twice.url, version, ["train", "validation"]) for version in (twice.in_postgres, twice.in_files)
    )
    chosen = np.array([0, 1, AT_ONCE - 1, AT_ONCE, len(expected) - 1], dtype=np.intp)
    assert show(found.take(chosen).rows) == show(expected.take(chosen).rows)
    assert show(found.columns(["note", "station"])) == show(expected.columns(["note", "station"]))
    assert found.target.tolist() == expected.target.tolist()
    assert max(len(piece) for piece in found.pieces()) == AT_ONCE


def test_shares_read_from_files_are_the_rows_that_postgres_gives(twice: Twice) -> None:
    counts = []
    for share in range(3):
        expected, found = (
            [row for rows in stream_share(twice.url, version, "train", share, 3) for row in rows.rows["rented_at"]]
            for version in (twice.in_postgres, twice.in_files)
        )
        assert found == expected
        counts.append(len(found))
    assert sum(counts) == len(load_split(twice.url, twice.in_files, "train"))
    assert min(counts) > 0


@pytest.mark.parametrize("name", ["gbdt.squarederror", "gbtree.squarederror"])
def test_model_that_is_fitted_to_files_is_the_same_byte_by_byte(twice: Twice, tmp_path: Path, name: str) -> None:
    saved = []
    for version in (twice.in_postgres, twice.in_files):
        directory = tmp_path / str(version)
        directory.mkdir()
        train(twice.url, version, name, "default").save(directory)
        saved.append({path.name: path.read_bytes() for path in directory.iterdir()})
    assert saved[0] == saved[1]


# Writing


@pytest.fixture
def url(warehouse_url: str) -> str:
    """A warehouse that holds two trips in January and two in February."""
    store_month(warehouse_url, "2024-01", [RawTrip("2024-01-10 08:00", 10), RawTrip("2024-01-31 23:59:59", 20)])
    store_month(warehouse_url, "2024-02", [RawTrip("2024-02-01 00:00", 30), RawTrip("2024-02-20 12:00", 40)])
    return warehouse_url


def make_version(url: str, settings: Settings, by: str) -> int:
    version = build.transform(url, settings, replace(PLAN, force=True), by)
    build.build(url, version)
    build.validate(url, settings, version)
    return version


def publish(url: str, settings: Settings, by: str = "run") -> int:
    version = make_version(url, settings, by)
    assert preparation.publish(url, settings, version)
    return version


def keep_in(directory: Path | str, **values: Any) -> Settings:
    return TRIPS.change(parquet_location=str(directory), **values)


def test_files_hold_what_leads_back_to_the_source(url: str, tmp_path: Path) -> None:
    publish(url, keep_in(tmp_path / "sets"))
    assert list_files(tmp_path) == ["train-00000.parquet", "validation-00000.parquet"]
    [file] = tmp_path.rglob("validation-*")
    assert pq.read_table(file).select(["month", "row_number", "target"]).to_pylist() == [
        {"month": "2024-02", "row_number": 0, "target": 30},
        {"month": "2024-02", "row_number": 1, "target": 40},
    ]


@pytest.mark.parametrize(("place", "least"), [("", 1), ("{directory}", 5)])
def test_small_set_or_one_without_a_place_has_no_files(url: str, tmp_path: Path, place: str, least: int) -> None:
    version = publish(url, keep_in(place.format(directory=tmp_path), parquet_minimum_rows=least))
    assert list_files(tmp_path) == query(url, "SELECT * FROM training.files") == []
    assert load_split(url, version, "train").target.tolist() == [10, 20]


def test_interrupted_copy_is_not_read_and_the_next_attempt_begins_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = keep_in(tmp_path)
    version = make_version(url, settings, "run")
    with monkeypatch.context() as patch:
        patch.setattr(parquet_copy, "_store", fail_after(1, parquet_copy._store))
        with pytest.raises(SourceUnavailable):
            preparation.publish(url, settings, version)
    assert list_files(tmp_path) == ["train-00000.parquet"]
    assert query(url, "SELECT state FROM training.sets") == [("building",)]
    assert query(url, "SELECT version, parts FROM training.files") == [(version, None)]
    # What is written is what is published.
    with pytest.raises(psycopg.errors.RaiseException, match="cannot be changed"), psycopg.connect(url) as connection:
        connection.execute(f"UPDATE training.examples_{version} SET target = 0".encode())
    assert preparation.publish(url, settings, version)
    assert list_files(tmp_path) == ["train-00000.parquet", "validation-00000.parquet"]
    assert load_split(url, version, "validation").target.tolist() == [30, 40]


def fail_after(calls: int, function: Any) -> Any:
    made = []

    def call(*arguments: Any) -> None:
        made.append(arguments)
        if len(made) > calls:
            raise SourceUnavailable("the store does not answer")
        function(*arguments)

    return call


def test_what_an_interrupted_run_wrote_is_deleted_a_day_later(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = keep_in(tmp_path)
    left = make_version(url, settings, "killed")
    with monkeypatch.context() as patch:
        patch.setattr(parquet_copy, "_store", fail_after(1, parquet_copy._store))
        with pytest.raises(SourceUnavailable):
            preparation.publish(url, settings, left)
    # It may still be at work.
    meanwhile = publish(url, settings, "meanwhile")
    assert list_versions(url, tmp_path) == [left, meanwhile]
    query(url, "UPDATE training.sets SET created_at = now() - interval '25 hours' RETURNING 1")
    later = publish(url, settings, "later")
    assert list_versions(url, tmp_path) == [meanwhile, later]


# Pruning


def test_files_go_with_their_version_in_any_store(url: str) -> None:
    settings = keep_in("memory://sets/", keep_versions=2)
    store = fsspec.filesystem("memory")
    versions = [publish(url, settings, f"run {number}") for number in range(3)]
    directories = dict(query(url, "SELECT version, directory FROM training.files"))
    assert list(directories) == versions[1:]
    assert {f"memory:/{path}" for path in store.ls("/sets", detail=False)} == set(directories.values())
    assert load_split(url, versions[1], "train").target.tolist() == [10, 20]
    assert len(open_rows(url, versions[0], ["train"])) == 0


def test_files_in_a_bucket_are_read_by_several_tasks_at_once_and_go_with_their_version(
    url: str, object_store: str
) -> None:
    settings = keep_in("s3://trips/sets", keep_versions=1)
    publish(url, settings, "first")
    second = publish(url, settings, "second")
    [(directory,)] = query(url, "SELECT directory FROM training.files")
    store = fsspec.filesystem("s3", use_listings_cache=False)
    assert [f"s3://{path}" for path in store.ls("trips/sets", detail=False)] == [directory]
    # Tasks are forked from a process that may have spoken to the store itself.
    with multiprocessing.get_context("fork").Pool(2) as tasks:
        found = tasks.map(read_targets, [(url, second, "train"), (url, second, "validation")] * 4, chunksize=1)
    assert found == [[10, 20], [30, 40]] * 4
    [file, _] = store.ls(directory, detail=False)
    store.pipe_file(file, b"changed")
    with pytest.raises(TrainingSetDamaged, match=f"s3://{file} of training set version {second} was changed"):
        load_split(url, second, "train")


def read_targets(split: tuple[str, int, str]) -> list[float]:
    return load_split(*split).target.tolist()


def test_files_that_cannot_be_deleted_now_are_deleted_with_the_next_set(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = keep_in(tmp_path, keep_versions=1)
    first = publish(url, settings, "first")
    with monkeypatch.context() as patch:
        patch.setattr(fsspec.implementations.local.LocalFileSystem, "rm", fail_after(0, None))
        second = publish(url, settings, "second")
    assert f"Old files of a training set are left until the next set is published: {tmp_path}" in caplog.text
    assert list_versions(url, tmp_path) == [first, second]
    third = publish(url, settings, "third")
    assert list_versions(url, tmp_path) == [third]


# Damage


def damage(file: Path) -> None:
    contents = bytearray(file.read_bytes())
    contents[len(contents) // 2] ^= 1
    file.write_bytes(contents)


@pytest.mark.parametrize(("harm", "what"), [(damage, "was changed after the set was published"),
                                            (Path.unlink, "is missing")])  # fmt: skip
def test_damaged_file_is_an_error_whose_ways_out_lead_to_the_rows(
    url: str, tmp_path: Path, harm: Any, what: str
) -> None:
    settings = keep_in(tmp_path)
    version = publish(url, settings)
    [file] = tmp_path.rglob("train-*")
    harm(file)
    with pytest.raises(TrainingSetDamaged) as raised:
        load_split(url, version, "train")
    assert str(raised.value).startswith(f"{file} of training set version {version} {what}. Start data_preparation")
    # The other split is whole.
    assert load_split(url, version, "validation").target.tolist() == [30, 40]
    way_out = re.search(r"in the warehouse, (UPDATE .*;)", str(raised.value))
    assert way_out
    with psycopg.connect(url) as connection:
        connection.execute(way_out[1].encode())
    assert load_split(url, version, "train").target.tolist() == [10, 20]
    forced = publish(url, settings, "forced")
    assert load_split(url, forced, "train").target.tolist() == [10, 20]
    # What nobody reads any more is deleted.
    assert list_versions(url, tmp_path) == [forced]


@pytest.mark.parametrize(("place", "error", "what"), [
    ("nowhere://sets", SettingsError, "nowhere://sets.* needs a package or protocol"),
    ("{directory}/file/sets", SourceUnavailable, "/file/sets/examples_1_.*Not a directory"),
])  # fmt: skip
def test_place_that_cannot_be_written_leaves_the_set_unpublished_until_the_setting_is_right(
    url: str, tmp_path: Path, place: str, error: type[Exception], what: str
) -> None:
    (tmp_path / "file").touch()
    wrong, right = keep_in(place.format(directory=tmp_path)), keep_in(tmp_path / "sets")
    version = make_version(url, wrong, "run")
    with pytest.raises(error, match=what):
        preparation.publish(url, wrong, version)
    assert query(url, "SELECT state FROM training.sets") == [("building",)]
    assert preparation.publish(url, right, version)
    assert list_files(tmp_path) == ["train-00000.parquet", "validation-00000.parquet"]
    assert query(url, "SELECT count(*) FROM training.files") == [(1,)]
