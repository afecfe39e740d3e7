from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from include.errors import SourceInvalid
from include.sets import preparation
from include.sets.examples import read_problem_of
from include.settings import Settings
from tests.published_sets import publish_set
from tests.trip_tables import make_trips
from tests.warehouse_rows import query

MONTHS = ["2024-01", "2024-02"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two months of Parquet files of a few trips each, too few for a test split."""
    for month in MONTHS:
        pq.write_table(make_trips(30, month=month), tmp_path / f"{month}.parquet")
    return Settings(source=f"{tmp_path}/{{month}}.parquet", zones_source="none", minimum_rows=1,
                    validation_from="2024-02-01")  # fmt: skip


def find_fresh(url: str, settings: Settings, **request: Any) -> int | None:
    return preparation.plan(url, settings, request).fresh_version


def test_set_that_was_never_built_is_not_fresh(warehouse_url: str, settings: Settings) -> None:
    planned = preparation.plan(warehouse_url, settings, {"months": MONTHS})
    assert (planned.plan.months, planned.fresh_version) == (("2024-01", "2024-02"), None)


def test_same_request_finds_the_published_set_fresh(warehouse_url: str, settings: Settings) -> None:
    version = publish_set(warehouse_url, settings, months=MONTHS).version
    assert find_fresh(warehouse_url, settings, months=MONTHS) == version
    assert find_fresh(warehouse_url, settings, months=MONTHS, outdated_after=1e-9) is None
    assert find_fresh(warehouse_url, settings, months=MONTHS, force=True) is None
    assert find_fresh(warehouse_url, settings, months=MONTHS, test_from="2024-02-02") is None


def test_changed_source_makes_a_set_stale(warehouse_url: str, settings: Settings) -> None:
    publish_set(warehouse_url, settings, months=MONTHS)
    pq.write_table(make_trips(31, month="2024-02"), settings.problem.source.replace("{month}", "2024-02"))
    assert find_fresh(warehouse_url, settings, months=MONTHS) is None


def test_changed_zones_make_a_set_stale(warehouse_url: str, settings: Settings) -> None:
    publish_set(warehouse_url, settings, months=MONTHS)
    with_zones = settings.change(zones_source="sample")
    version = publish_set(warehouse_url, with_zones, months=MONTHS).version
    assert find_fresh(warehouse_url, with_zones, months=MONTHS) == version == 2


def test_declaration_that_models_are_made_by_otherwise_makes_a_set_stale(
    warehouse_url: str, settings: Settings
) -> None:
    publish_set(warehouse_url, settings, months=MONTHS)
    changed = settings.change(horizon=7)
    assert find_fresh(warehouse_url, changed, months=MONTHS) is None
    version = publish_set(warehouse_url, changed, "changed", months=MONTHS).version
    assert read_problem_of(warehouse_url, version).horizon == 7
    assert find_fresh(warehouse_url, changed, months=MONTHS) == version


def test_changed_title_leaves_a_set_fresh(warehouse_url: str, settings: Settings) -> None:
    version = publish_set(warehouse_url, settings, months=MONTHS).version
    assert find_fresh(warehouse_url, settings.change(title="How long it takes"), months=MONTHS) == version


def test_what_was_loaded_can_turn_out_to_be_what_a_fresh_set_holds(warehouse_url: str, settings: Settings) -> None:
    version = publish_set(warehouse_url, settings, months=MONTHS).version
    plan = preparation.plan(warehouse_url, settings, {"months": MONTHS}).plan.to_dict()
    assert preparation.find_fresh_version(warehouse_url, settings, plan) == version
    assert preparation.find_fresh_version(warehouse_url, settings, plan | {"months": ["2024-01", "2024-03"]}) is None
    assert preparation.find_fresh_version(warehouse_url, settings, plan | {"force": True}) is None


def test_month_without_a_file_stops_the_preparation_before_anything_is_written(
    warehouse_url: str, settings: Settings
) -> None:
    with pytest.raises(SourceInvalid, match="2024-03"):
        publish_set(warehouse_url, settings, months=["2024-01", "2024-03"])
    assert query(warehouse_url, "SELECT count(*) FROM raw.sources") == [(0,)]


def test_failed_preparation_leaves_the_published_set_in_place(warehouse_url: str, settings: Settings) -> None:
    version = publish_set(warehouse_url, settings, months=MONTHS).version
    Path(settings.problem.source.replace("{month}", "2024-02")).write_bytes(b"PAR1 and then nothing")
    with pytest.raises(SourceInvalid):
        publish_set(warehouse_url, settings, months=MONTHS)
    assert query(warehouse_url, "SELECT version, state FROM training.sets") == [(version, "published")]
    assert query(warehouse_url, "SELECT count(*) FROM raw.rows WHERE month = '2024-02'") == [(30,)]
