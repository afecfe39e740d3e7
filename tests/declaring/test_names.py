"""Columns can be called anything, and what `make problem` proposes to call them by can be given to it."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.problem.checks import RESERVED
from tests.declaring.conftest import Declare
from tests.declaring.test_messages import refuse
from tests.declaring.test_prepared import prepare

Write = Callable[[dict[str, list[Any]]], Path]
ROWS = range(120)
TARGET = [0.5 + 1.7 * (row * 37 % 11) for row in ROWS]
COPY = [2 * value for value in TARGET]
UNLIKE = [0.1 + row * 3 for row in ROWS]
NO_BREAK = "Preis\u00a0(netto)"


def test_names_of_columns_that_every_table_of_postgres_has_are_reserved(
    run: Declare, write: Write, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_class'::regclass AND attnum < 0"
        ).fetchall()
    names = sorted(name for (name,) in found)
    assert len(names) == 6
    assert RESERVED.issuperset(names)
    declared = run(write({**{name: [1.5, 2, 4] for name in names}, "y": TARGET}))
    assert list(declared.problem.columns) == [f"{name}_column" for name in names]


def test_every_row_of_a_table_whose_names_spreadsheets_broke_becomes_an_example(
    run: Declare, write: Write, warehouse_url: str
) -> None:
    rows = range(300)
    names = ["Sales\n(EUR)", NO_BREAK, "soft\u00adhyphen", "xmin"]
    table = write(
        {
            **{name: [1.5, 2, 4, 8.25] for name in names},
            "net\nworth": [0.5 + row * 37 % 101 for row in rows],
            "n": list(rows),
        }
    )
    declared = run(table, "net worth")
    assert [column.source for column in declared.problem.columns.values()] == [*names, "n"]
    assert list(declared.problem.columns)[:2] == ["sales_eur", "preis_netto"]
    assert declared.problem.target == "net\nworth"
    assert declared.problem.label == "net worth"
    assert prepare(warehouse_url, declared.problem) == len(rows)


def test_name_with_a_control_character_is_refused_before_anything_is_guessed(run: Declare, write: Write) -> None:
    table = write({"a\x01b": [1.5, 2, 4], "y": TARGET})
    refuse(run, r"SOURCE: the name 'a\\x01b' has a control character in it: rename it in the source", table)


def test_target_with_a_line_break_in_its_name_is_proposed_in_one_line(run: Declare, write: Write) -> None:
    table = write({"x": [1.5, 2, 4], "net\nworth": TARGET})
    refuse(run, "SOURCE has no column 'networth'. TARGET='net worth' is the nearest; columns: x, net worth$", table,
           "networth")  # fmt: skip


@pytest.mark.parametrize("name", ["Balance, USD", "Balance\n(USD)", "Balance\u00a0USD", "Balance USD", "it's", "月"])
def test_what_is_proposed_for_a_suspect_can_be_pasted(run: Declare, write: Write, name: str) -> None:
    table = write({name: COPY, "y": TARGET, "z": UNLIKE})
    [setting] = re.findall(r"\((KNOWN_LATER=.*)\)", run(table).shown)
    [given] = shlex.split(setting)
    declared = run(table, KNOWN_LATER=given.partition("=")[2])
    assert [declared.problem.columns[later].source for later in declared.problem.known_later] == [name]
    assert "alone explains" not in declared.shown


def test_names_that_differ_in_signs_alone_are_told_apart_by_their_neutral_ones(run: Declare, write: Write) -> None:
    table = write({"Balance, USD": COPY, "Balance (USD)": COPY, "month": COPY, "y": TARGET, "z": UNLIKE})
    shown = run(table).shown
    assert "(KNOWN_LATER=balance_usd)" in shown
    assert "(KNOWN_LATER='Balance (USD)')" in shown
    problem = run(table, KNOWN_LATER="balance_usd,month_column").problem
    assert problem.known_later == ("balance_usd", "month_column")
    assert run(table, KNOWN_LATER="balance_usd_2").problem.columns["balance_usd_2"].source == "Balance (USD)"


@pytest.mark.parametrize("key", ["group", "series", "known_later"])
def test_column_that_is_spelt_otherwise_is_written_by_its_neutral_name(run: Declare, write: Write, key: str) -> None:
    table = write({"shop-id": ["a", "b", "c"], "x": [1.5, 2, 4], "y": TARGET})
    named = run(table, **{key.upper(): "Shop ID"}).document[key]
    assert named == (["shop_id"] if key == "known_later" else "shop_id")


def test_group_of_whole_numbers_that_no_code_can_hold_is_a_category(run: Declare, write: Write) -> None:
    table = write({"account": [12345678901 + row % 7 for row in ROWS], "y": TARGET})
    assert run(table, GROUP="account").kinds == {"account": "category"}


def test_several_times_are_proposed_so_that_they_can_be_given(run: Declare, write: Write) -> None:
    table = write({"Sold\nat": ["2024-01-01", "2024-01-02"], "Built at": ["1990-01-05", "1999-02-01"], "y": TARGET})
    assert "TIME=sold_at would split by that one" in run(table).shown
    assert run(table, TIME="sold_at").problem.time == "sold_at"


# Examples


@pytest.mark.parametrize(
    ("name", "values", "example"),
    [
        ("zip", ["00040", "00041", "00040"], "00040"),
        ("account id", [12345678901, 12345678905, 12345678901], "12345678901"),
        ("number", [1234567890123456789, 1234567890123456790, 1234567890123456789], "1234567890123456789"),
        ("lap", ["1:02.0", "1:03.5", "1:02.0"], "1:02.0"),
        ("x", [2.5, 1.5, 12345678901.5], 2.5),
        ("x", [1, 2, 12345678901], 2),
    ],
)
def test_example_is_a_value_as_the_source_writes_it(
    run: Declare, write: Write, name: str, values: list[Any], example: Any
) -> None:
    declared = run(write({name: values * 40, "y": TARGET}))
    [column] = declared.problem.columns.values()
    assert column.example == example
    assert "the others are not" not in declared.shown


def test_example_of_numbers_that_are_often_infinite_is_a_finite_one(run: Declare, write: Write) -> None:
    declared = run(write({"x": ["1e999", 1.5, 2.5], "y": TARGET}))
    assert declared.problem.columns["x"].example in (1.5, 2.5)


def test_words_among_numbers_are_named(run: Declare, write: Write) -> None:
    shown = run(write({"x": [1.5, 2, 4, "many"], "y": TARGET})).shown
    assert "75% of the values are numbers, the others are not: 'many'" in shown
