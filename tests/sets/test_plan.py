from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from include.errors import SettingsError, SourceInvalid, WarehouseUnavailable
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.raw import ingest_month
from include.sets.plan import (
    INCIDENTAL,
    INCIDENTAL_OF_COLUMNS,
    Plan,
    compute_fingerprint,
    find_fresh,
    look_up_sources,
    make_plan,
)
from include.settings import Settings
from tests.conftest import find_free_port
from tests.servers import WebServer
from tests.trip_tables import make_trips

DEFAULTS = Settings()
TWO_MONTHS = ("2024-01", "2024-02")


def configure(**changes: Any) -> Settings:
    return Settings(**changes)


def test_plan_without_a_request_comes_from_the_settings() -> None:
    settings = configure(months="2024-02,2024-01", outdated_after=12)
    assert make_plan(settings) == Plan(
        months=TWO_MONTHS,
        validation_from="2024-02-01",
        test_from="2024-02-15",
        outdated_after=12,
        force=False,
    )


def test_request_wins_over_the_settings() -> None:
    settings = configure(validation_from="2024-02-15", test_from="2024-02-20")
    plan = make_plan(
        settings,
        months=["2023-03", "2023-01", "2023-02", "2023-03"],
        validation_from="2023-02-01",
        test_from="2023-03-01",
        outdated_after=1.5,
        force=True,
    )
    assert plan == Plan(("2023-01", "2023-02", "2023-03"), "2023-02-01", "2023-03-01", 1.5, True)


@pytest.mark.parametrize(
    ("months", "days"),
    [
        (["2024-01", "2024-02"], ("2024-02-01", "2024-02-15")),
        (["2023-12", "2024-01"], ("2024-01-01", "2024-01-16")),
        (["2023-11", "2023-12", "2024-01"], ("2023-12-01", "2024-01-01")),
        (["2023-02", "2023-11", "2023-12", "2024-01"], ("2023-12-01", "2024-01-01")),
        (["2024-02"], ("2024-02-21", "2024-02-26")),
    ],
)
def test_newest_rows_judge_and_those_before_them_choose(months: list[str], days: tuple[str, str]) -> None:
    assert make_plan(DEFAULTS, months=months).days == days


def test_day_that_validates_alone_leaves_no_test_split() -> None:
    assert make_plan(DEFAULTS, months=TWO_MONTHS, validation_from="2024-02-01").days == ("2024-02-01", None)
    assert make_plan(configure(validation_from="2024-02-01")).days == ("2024-02-01", None)


def test_splits_may_start_on_any_day_within_the_months() -> None:
    plan = make_plan(DEFAULTS, months=TWO_MONTHS, validation_from="2024-01-02", test_from="2024-02-29")
    assert (plan.validation_from, plan.test_from) == ("2024-01-02", "2024-02-29")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"months": ["2024-13"]}, r"'2024-13' is not a month; write it as YYYY-MM\."),
        ({"months": ["24-01"]}, r"'24-01' is not a month; write it as YYYY-MM\."),
        ({"months": ["2024-01\n"]}, "is not a month; write it as YYYY-MM"),
        (
            {"months": ["\uff12\uff10\uff12\uff14-01"]},
            "is not a month; write it as YYYY-MM",
        ),  # digits, but no ASCII ones
        ({"validation_from": "1 Feb"}, r"validation_from '1 Feb' is not a day; write it as YYYY-MM-DD\."),
        ({"test_from": "2024-02-30"}, r"test_from '2024-02-30' is not a day; write it as YYYY-MM-DD\."),
        (
            {"validation_from": "2024-01-01"},
            (
                "validation_from 2024-01-01 leaves a split without rows: the months start on 2024-01-01 and end before "
                r"2024-03-01\. Choose a day between, or add months\."
            ),
        ),
        ({"validation_from": "2024-03-01"}, "validation_from 2024-03-01 leaves a split without rows"),
        (
            {"test_from": "2024-02-01"},
            r"test_from 2024-02-01 must lie after validation_from 2024-02-01 and before 2024-03-01\.",
        ),
        ({"test_from": "2024-03-01"}, "must lie after validation_from 2024-02-01 and before 2024-03-01"),
    ],
)
def test_request_that_cannot_be_met_is_an_error_that_says_why(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_plan(DEFAULTS, **request_)


def test_split_day_of_the_settings_is_named_as_the_setting() -> None:
    with pytest.raises(SettingsError, match="VALIDATION_FROM 2023-01-01 leaves a split without rows"):
        make_plan(configure(validation_from="2023-01-01"))


def test_plan_survives_being_handed_on_as_json() -> None:
    plan = make_plan(DEFAULTS, test_from="2024-02-20", force=True)
    assert Plan.from_dict(plan.to_dict()) == plan
    assert plan.to_dict()["months"] == ["2024-01", "2024-02"]


PLAN = make_plan(DEFAULTS, months=TWO_MONTHS, test_from="2024-02-20")
SOURCES = {"2024-01": "a", "2024-02": "b"}


def fingerprint(
    settings: Settings = DEFAULTS, plan: Plan = PLAN, sources: dict[str, str] = SOURCES, zones: str | None = "z"
) -> str:
    return compute_fingerprint(settings, plan, sources, {"zones": zones})


INGREDIENTS: dict[str, Callable[[], str]] = {
    "a source": lambda: fingerprint(sources={"2024-01": "a", "2024-02": "changed"}),
    "the months": lambda: fingerprint(plan=replace(PLAN, months=("2024-01",))),
    "the zones": lambda: fingerprint(zones="changed"),
    "no zones": lambda: fingerprint(zones=None),
    "the validation split": lambda: fingerprint(plan=replace(PLAN, validation_from="2024-02-02")),
    "the test split": lambda: fingerprint(plan=replace(PLAN, test_from="2024-02-21")),
    "no test split": lambda: fingerprint(plan=replace(PLAN, test_from=None)),
    "a column": lambda: fingerprint(configure(column_pickup_at="tpep_pickup_datetime")),
    "the target column": lambda: fingerprint(configure(target="minutes")),
    "the time zone": lambda: fingerprint(configure(timezone="Europe/Berlin")),
    "the month tolerance": lambda: fingerprint(configure(month_tolerance_days=1)),
    "the shortest distance": lambda: fingerprint(configure(trip_distance_min=0.1)),
    "the longest distance": lambda: fingerprint(configure(trip_distance_max=100)),
    "the shortest trip": lambda: fingerprint(configure(target_min=2)),
    "the longest trip": lambda: fingerprint(configure(target_max=90)),
}
NO_INGREDIENTS: dict[str, Callable[[], str]] = {
    "a month that the plan leaves out": lambda: fingerprint(sources=SOURCES | {"2023-12": "c"}),
    "the order of the sources": lambda: fingerprint(sources=dict(reversed(SOURCES.items()))),
    "the age limit": lambda: fingerprint(plan=replace(PLAN, outdated_after=1)),
    "force": lambda: fingerprint(plan=replace(PLAN, force=True)),
    "where the source is": lambda: fingerprint(configure(source="/elsewhere/{month}.parquet")),
    "what is refused to publish": lambda: fingerprint(configure(minimum_rows=5, rejected_max_share=0.5)),
    "how models are trained": lambda: fingerprint(configure(max_evaluations=99, random_state=1, threads_per_model=1)),
}


@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_fingerprint_changes_with(ingredient: str) -> None:
    assert INGREDIENTS[ingredient]() != fingerprint()


@pytest.mark.parametrize("ingredient", NO_INGREDIENTS)
def test_fingerprint_does_not_change_with(ingredient: str) -> None:
    assert NO_INGREDIENTS[ingredient]() == fingerprint()


def test_fingerprints_of_different_sets_all_differ() -> None:
    assert len({fingerprint(), *(make() for make in INGREDIENTS.values())}) == len(INGREDIENTS) + 1


VISITS: dict[str, Any] = {
    "name": "visits",
    "source": "/visits.csv",
    "target": "paid",
    "time": "came_at",
    "columns": {
        "came_at": {"kind": "time"}, "left_at": {"kind": "time"}, "shop": {"kind": "category"}, "age": {"max": 99},
        "count": {"required": True, "min": 0},
    },
    "slices": [{"column": "age", "bands": {"young": [0, 30]}}],
    "references": {"shops": {"table": "shop_table:SHOPS", "value": "features:Shops"}},
}  # fmt: skip
CLASSES: dict[str, Any] = {"task": "classification", "classes": ["left", "stayed"]}
# Each key of a declaration -> what else is declared, and another value of the key.
KEYS: dict[str, tuple[dict[str, Any], Any]] = {
    "name": ({}, "calls"),
    "title": ({}, "What a visitor pays"),
    "row": ({}, "visit"),
    "model": ({}, "payments"),
    "source": ({}, "/elsewhere.csv"),
    "sources": ({}, {"other": "/elsewhere.csv"}),
    "sample": ({}, "sample"),
    "target": ({}, "spent"),
    "elapsed": ({"target": None, "elapsed": ["came_at", "left_at"], "unit": "hours"}, ["left_at", "came_at"]),
    "unit": ({}, "EUR"),
    "target_min": ({}, 1),
    "target_max": ({}, 100),
    "months": ({}, ["2024-01"]),
    "time": ({}, "left_at"),
    "timezone": ({}, "Europe/Berlin"),
    "time_format": ({}, "unix"),
    "delimiter": ({}, ";"),
    "decimal": ({}, ","),
    "encoding": ({}, "latin-1"),
    "missing": ({}, ["-200"]),
    "group": ({}, "shop"),
    "split": ({}, "time"),
    "validation_share": ({}, 0.2),
    "test_share": ({}, 0.2),
    "series": ({"horizon": 7}, "shop"),
    "horizon": ({}, 7),
    "task": ({}, CLASSES),
    "classes": (CLASSES, ["stayed", "left"]),
    "positive": (CLASSES, "left"),
    "cost_missed": (CLASSES, 20),
    "cost_false_alarm": (CLASSES, 20),
    "least_precision": (CLASSES, 0.9),
    "least_recall": (CLASSES, 0.9),
    "class_weights": (CLASSES, "balanced"),
    "weight": ({}, "count"),
    "known_later": ({}, ["left_at"]),
    "batch_order": ({}, ["age"]),
    "columns": ({}, {**VISITS["columns"], "distance": {}}),
    "references": ({}, {"shops": {"table": "shop_table:SHOPS", "value": "features:Places"}}),
    "feature_sets": ({}, {"rich": "features:RICH"}),
    "slices": ({}, [{"column": "age", "bands": {"young": [0, 40]}}]),
}
# The same of the column `age`.
COLUMN_KEYS: dict[str, tuple[dict[str, Any], Any]] = {
    "source": ({}, "Age"),
    "kind": ({}, "code"),
    "title": ({}, "Age of the visitor"),
    "description": ({}, "In whole years"),
    "unit": ({}, "years"),
    "example": ({}, 30),
    "required": ({}, True),
    "minimum": ({}, 18),
    "maximum": ({}, 80),
    "after": ({"kind": "time", "max": None}, "came_at"),
    "reference": ({"kind": "code"}, "shops"),
    "when_missing": ({"kind": "time", "max": None}, "now"),
    "time_format": ({"kind": "time", "max": None}, "unix"),
    "clock": ({"kind": "time", "max": None}, "Hour"),
    "estimated_by": ({}, ["shop"]),
    "missing": ({}, ["-200"]),
}


def fingerprint_of(**changes: Any) -> str:
    """Of visits on declared days, whose declaration says something else."""
    settings = Settings(problem=Problem(**{**VISITS, **changes}))  # type: ignore[arg-type]
    return compute_fingerprint(settings, Plan(("all",), "2024-02-01", None, 1), {"all": "a"}, {})


@pytest.mark.parametrize("key", Problem.model_fields)
def test_fingerprint_changes_with_all_that_is_declared_but_what_is_incidental(key: str) -> None:
    others, value = KEYS[key]
    change = value if key == "task" else {key: value}
    assert (fingerprint_of(**others) == fingerprint_of(**{**others, **change})) == (key in INCIDENTAL)


@pytest.mark.parametrize("key", sorted(Column.model_fields.keys() - {"name"}))
def test_fingerprint_changes_with_all_that_is_declared_of_a_column_but_texts_for_people(key: str) -> None:
    others, value = COLUMN_KEYS[key]

    def declare(column: dict[str, Any]) -> str:
        age = {**VISITS["columns"]["age"], **others, **column}
        return fingerprint_of(columns={**VISITS["columns"], "age": age}, slices=[])

    assert (declare({}) == declare({Column.model_fields[key].alias or key: value})) == (key in INCIDENTAL_OF_COLUMNS)


@pytest.mark.parametrize(
    "version", ["raw.ingestion.READER_VERSION", "raw.rules.RULES_VERSION", "sets.plan.PREPARATION_VERSION"]
)
def test_fingerprint_changes_with_the_version_of(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint()
    monkeypatch.setattr(f"include.{version}", 1_000)
    assert fingerprint() != before


@pytest.fixture
def files(tmp_path: Path) -> Settings:
    """A source of two months of Parquet files."""
    for month in TWO_MONTHS:
        pq.write_table(make_trips(month=month), tmp_path / f"{month}.parquet")
    return configure(source=f"{tmp_path}/{{month}}.parquet")


def test_files_are_known_by_their_contents(warehouse_url: str, files: Settings) -> None:
    loaded = {month: ingest_month(warehouse_url, files, month).sha256 for month in TWO_MONTHS}
    assert look_up_sources(warehouse_url, files, PLAN) == loaded
    pq.write_table(make_trips(9, month="2024-02"), files.problem.source.replace("{month}", "2024-02"))
    changed = look_up_sources(warehouse_url, files, PLAN)
    assert changed
    assert (changed["2024-01"] == loaded["2024-01"], changed["2024-02"] == loaded["2024-02"]) == (True, False)


def test_web_pages_are_known_once_loaded_and_while_their_tag_stays(
    warehouse_url: str, files: Settings, web_server: WebServer
) -> None:
    for month in TWO_MONTHS:
        web_server.pages[f"/{month}.parquet"] = Path(files.problem.source.replace("{month}", month)).read_bytes()
    web_server.headers["ETag"] = '"first"'
    web = configure(source=f"{web_server.url}/{{month}}.parquet")
    assert look_up_sources(warehouse_url, web, PLAN) is None
    loaded = {month: ingest_month(warehouse_url, web, month).sha256 for month in TWO_MONTHS}
    web_server.requests.clear()
    assert look_up_sources(warehouse_url, web, PLAN) == loaded
    assert {method for method, _ in web_server.requests} == {"HEAD"}
    web_server.headers["ETag"] = '"second"'
    assert look_up_sources(warehouse_url, web, PLAN) is None


def test_sample_is_known_without_being_read(warehouse_url: str) -> None:
    found = look_up_sources(warehouse_url, configure(source="sample"), PLAN)
    assert found is not None
    assert set(found) == set(TWO_MONTHS)


def test_month_that_is_not_there_is_an_error_before_anything_is_read(warehouse_url: str, files: Settings) -> None:
    with pytest.raises(SourceInvalid, match="2023-05"):
        look_up_sources(warehouse_url, files, replace(PLAN, months=("2023-05",)))


def publish_set(url: str, fingerprint: str, hours_ago: float, state: str = "published") -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "INSERT INTO training.sets (fingerprint, state, months, validation_from, declaration, settings, sources,"
            " published_at) VALUES (%s, %s, '{}', '2024-02-01', '{}', '{}', '{}', now() - make_interval(secs => %s))"
            " RETURNING version",
            [fingerprint, state, hours_ago * 3600],
        ).fetchone()
    assert row
    return row[0]


def test_published_set_is_fresh_until_it_is_too_old(warehouse_url: str) -> None:
    version = publish_set(warehouse_url, "same", hours_ago=2)
    assert find_fresh(warehouse_url, replace(PLAN, outdated_after=2.1), "same") == version
    assert find_fresh(warehouse_url, replace(PLAN, outdated_after=1.9), "same") is None


def test_set_with_another_fingerprint_or_not_published_is_not_fresh(warehouse_url: str) -> None:
    for state in ("building", "failed", "superseded"):
        publish_set(warehouse_url, "same", 0, state)
    publish_set(warehouse_url, "other", 0)
    assert find_fresh(warehouse_url, PLAN, "same") is None


def test_forced_plan_finds_nothing_fresh(warehouse_url: str) -> None:
    publish_set(warehouse_url, "same", hours_ago=0)
    assert find_fresh(warehouse_url, replace(PLAN, force=True), "same") is None


def test_unreachable_warehouse_is_said_to_be_so() -> None:
    url = f"postgresql://taxi@127.0.0.1:{find_free_port()}/warehouse"
    for use in (lambda: look_up_sources(url, DEFAULTS, PLAN), lambda: find_fresh(url, PLAN, "same")):
        with pytest.raises(WarehouseUnavailable, match="could not be reached"):
            use()
