"""The checks of stored examples, as the database answers them."""

from typing import Any

import psycopg
import pytest

from include.problem.declaration import Problem
from include.sets.sql_checks import list_example_checks

# Names that are words of SQL, and one that is a function of Postgres without parentheses.
PROBLEM = Problem(
    name="visits",
    source="file:///visits.csv",
    target="price",
    target_min=0,
    time="end",
    columns={
        "end": {"kind": "time"},
        "order": {"minimum": 0, "maximum": 10},
        "user": {"kind": "category", "required": True},
    },
)  # type: ignore[call-arg, arg-type]
SOUND = [
    {"row_number": 1, "split": "train", "end": "2024-01-01", "order": 0, "user": "ann", "target": 0},
    {"row_number": 2, "split": "train", "end": "2024-01-02", "order": 10, "user": "ann", "target": 2},
    {"row_number": 3, "split": "validation", "end": "2024-01-03", "order": None, "user": "bob", "target": 3},
]


def find_failed(url: str, examples: list[dict[str, Any]]) -> set[str]:
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TABLE examples (month text DEFAULT '2024-01', row_number bigint, split text, \"end\" timestamptz,"
            ' "order" float8, "user" text, target float8)'
        )
        for example in examples:
            values = [example[name] for name in SOUND[0]]
            connection.execute(
                'INSERT INTO examples (row_number, split, "end", "order", "user", target)'
                " VALUES (%s, %s, %s, %s, %s, %s)",
                values,
            )
        answers = {
            name: connection.execute(f"SELECT {check['check_statement']} FROM examples").fetchone()
            for name, check in list_example_checks(PROBLEM).items()
        }
        connection.rollback()
    return {name for name, answer in answers.items() if answer != (True,)}


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, set()),
        ({"row_number": 2}, {"has_distinct_rows"}),
        ({"split": "other"}, {"knows_its_splits", "validates_after_training"}),
        ({"end": "2024-01-01"}, {"validates_after_training"}),
        ({"end": None}, {"end_is_as_declared", "validates_after_training"}),
        ({"order": -1}, {"order_is_as_declared"}),
        ({"order": 11}, {"order_is_as_declared"}),
        ({"order": float("nan")}, {"order_is_as_declared"}),
        ({"user": None}, {"user_is_as_declared"}),
        ({"target": None}, {"target_is_as_declared"}),
        ({"target": -1}, {"target_is_as_declared"}),
    ],
)
def test_database_finds_examples_that_are_not_as_declared(
    warehouse_url: str, change: dict[str, Any], failed: set[str]
) -> None:
    assert find_failed(warehouse_url, [*SOUND[:2], {**SOUND[2], **change}]) == failed


def test_column_that_is_empty_throughout_may_have_bounds(warehouse_url: str) -> None:
    assert find_failed(warehouse_url, [{**example, "order": None} for example in SOUND]) == set()
