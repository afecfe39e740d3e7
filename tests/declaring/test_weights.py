"""`make problem` with a column that says how much a row counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from include.problem.naming import name_parts
from tests.declaring.conftest import Declare
from tests.declaring.test_messages import refuse
from tests.declaring.test_prepared import prepare

Write = Callable[[dict[str, list[Any]]], Path]
ROWS = range(120)
TARGET = [0.5 + row * 37 % 101 for row in ROWS]


@pytest.mark.parametrize("given", ["Survey Weight", "survey_weight", "survey weight"])
def test_weight_is_declared_as_it_has_to_be(run: Declare, write: Write, warehouse_url: str, given: str) -> None:
    table = write({"Survey Weight": [1.5, 0, 3], "x": [1.5, 2, 4, 9], "y": TARGET})
    declared = run(table, WEIGHT=given)
    assert declared.document["weight"] == "survey_weight"
    assert declared.document["columns"]["survey_weight"] == {
        "source": "Survey Weight", "kind": "number", "example": 1.5, "required": True, "min": 0,
    }  # fmt: skip
    assert list(declared.problem.dtypes) == ["x"]
    assert "Survey Weight: number, how much a row counts" in declared.shown.partition("Left out")[2]
    assert prepare(warehouse_url, declared.problem) == len(ROWS)


@pytest.mark.parametrize("weights", [[1000 + row for row in ROWS], [2], [0, 1], list(range(24))])
def test_weight_is_a_number_whatever_else_its_values_may_be(run: Declare, write: Write, weights: list[int]) -> None:
    declared = run(write({"day": ["2024-01-05", "2024-01-06"], "hour": weights, "y": TARGET}), WEIGHT="hour")
    assert declared.kinds == {"day": "time", "hour": "number"}


def test_weight_is_not_under_suspicion(run: Declare, write: Write) -> None:
    table = write({"w": TARGET, "x": [1.5, 2, 4], "y": TARGET})
    assert "'w' alone explains" in run(table).shown
    assert "alone explains" not in run(table, WEIGHT="w").shown


def test_rows_without_a_weight_are_counted(run: Declare, write: Write) -> None:
    table = write({"w": [*[1.5, 2] * 58, "", -1, "many", 3], "x": [1.5, 2, 4], "y": TARGET})
    said = "WEIGHT w is no number of 0 or more in 3 of 120 rows (2.5%): they are rejected"
    assert said in run(table, WEIGHT="w").shown
    assert "no number of 0 or more" not in run(table).shown


def test_column_that_cannot_be_a_weight_is_refused(run: Declare, write: Write) -> None:
    table = write({"sort": ["a", "b"], "none": [0], "gap": [""], "x": [1.5, 2, 4], "y": TARGET})
    for name, shown in (("sort", ", for example a, b"), ("none", ", for example 0"), ("gap", "")):
        refuse(run, f"WEIGHT {name} holds no numbers above 0{shown}. Set WEIGHT to a column", table, WEIGHT=name)
    refuse(run, "WEIGHT=wait: SOURCE has no such column", table, WEIGHT="wait")


def test_weight_can_be_named_as_in_the_source() -> None:
    columns = {"people": {"source": "Survey Weight"}}
    assert name_parts({"columns": columns, "weight": "Survey Weight"})["weight"] == "people"
