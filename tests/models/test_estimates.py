"""Columns that are only estimated when one predicts."""

from typing import Any

import numpy as np
import pytest

from include.models.estimates import learn_estimates
from include.problem.data import columns_of_records
from include.problem.declaration import Problem
from tests.bikes import BIKES

COLUMNS: dict[str, Any] = {
    "shop": {"kind": "code"},
    "city": {"kind": "category"},
    "weight": {"kind": "number", "estimated_by": ["shop", "city"]},
}


def make_problem(**weight: Any) -> Problem:
    columns = {**COLUMNS, "weight": {**COLUMNS["weight"], **weight}}
    return Problem(name="parcels", model="parcels", source="file:///p.csv", target="cost", columns=columns)  # type: ignore[arg-type]


def test_value_becomes_the_median_of_the_rows_that_are_equal_in_the_declared_columns() -> None:
    problem = make_problem()
    learnt = [(1, "Ulm", 2.0), (1, "Ulm", 4.0), (1, "Ulm", 90.0), (2, "Ulm", 7.0), (1, None, 1.0)]
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in learnt]
    estimate = learn_estimates(problem, columns_of_records(problem, rows))
    assert estimate
    others = [(1, "Ulm", 50.0), (2, "Ulm", 50.0), (1, None, 50.0), (9, "Bonn", 50.0)]
    asked = columns_of_records(problem, [dict(zip(COLUMNS, values, strict=True)) for values in others])
    found = estimate(asked)
    assert found["weight"].tolist() == [4.0, 7.0, 1.0, 4.0], "the last is unlike all: the median of all"
    assert found["city"] is asked["city"]
    assert asked["weight"].tolist() == [50.0] * 4


def test_problem_without_such_a_column_has_no_estimate() -> None:
    assert learn_estimates(BIKES, {"temperature": np.array([1.0])}) is None


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({"estimated_by": ["sho"]}, "columns.weight.estimated_by: there is no column 'sho'.*shop"),
        ({"kind": "category"}, "columns.weight.estimated_by: only a number is estimated"),
    ],
)
def test_declaration_that_cannot_be_used_is_refused_by_its_key(weight: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_problem(**weight)
