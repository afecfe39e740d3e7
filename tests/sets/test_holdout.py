"""Held-out rows of a set, beside a model that has learnt from one with other months."""

from pathlib import Path
from typing import Any

import pytest

from include.problem.declaration import Problem
from include.sets.holdout import load_held_out
from include.settings import Settings
from tests.published_sets import publish_set

MONTHS = ("2024-01", "2024-02")
ROWS = 400


def write_cars(directory: Path) -> dict[str, Settings]:
    """The same cars in one file and in one of each month, as sources."""
    cars = [f"{number / 7},{100 - number / 3}" for number in range(ROWS)]
    parts = {"all": cars, **dict(zip(MONTHS, (cars[::2], cars[1::2]), strict=True))}
    for part, lines in parts.items():
        (directory / f"{part}.csv").write_text("\n".join(["age,price", *lines]) + "\n", encoding="utf-8")
    problem = {"name": "cars", "target": "price", "columns": {"age": {}}}
    return {
        "one file": Settings(problem=Problem(source=f"file://{directory}/all.csv", **problem), minimum_rows=20),
        "months": Settings(
            problem=Problem(source=f"file://{directory}/{{month}}.csv", **problem), minimum_rows=20, months=MONTHS
        ),
    }


@pytest.mark.parametrize(("before", "after"), [("one file", "months"), ("months", "one file")])
def test_no_row_is_left_beside_one_that_knows_them_all_whether_or_not_its_source_has_months(
    warehouse_url: str, tmp_path: Path, before: str, after: str
) -> None:
    sources = write_cars(tmp_path)
    first, second = (publish_set(warehouse_url, sources[name]) for name in (before, after))
    assert first.months != second.months
    test = second.counts["test"]
    assert len(load_held_out(warehouse_url, [first.version]).actual) == test, "each row keeps its split"
    assert len(load_held_out(warehouse_url, [second.version], [first.version]).actual) == 0


@pytest.mark.parametrize(
    ("change", "is_newest"),
    [
        pytest.param({}, True, id="older months"),
        pytest.param({"target_max": 99}, False, id="declared in another way"),
        pytest.param({"source": "other"}, False, id="from another source"),
    ],
)
def test_models_are_compared_on_the_newest_month_that_the_present_source_gave(
    warehouse_url: str, tmp_path: Path, change: dict[str, Any], is_newest: bool
) -> None:
    settings = write_cars(tmp_path)["months"]
    if "source" in change:
        (tmp_path / "other").mkdir()
        write_cars(tmp_path / "other")
        change = {"source": f"file://{tmp_path}/other/{{month}}.csv"}
    newest = publish_set(warehouse_url, settings, months=MONTHS[1:])
    older = publish_set(warehouse_url, settings.change(**change), months=MONTHS[:1])
    expected = newest if is_newest else older
    assert load_held_out(warehouse_url, []).set_version == expected.version
    again = publish_set(warehouse_url, settings, months=MONTHS[1:], force=True)
    assert load_held_out(warehouse_url, []).set_version == again.version
