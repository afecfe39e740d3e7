"""Every message of `make problem` names a way, and the way leads out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.errors import MltrainError
from include.problem import problem_file
from tests.declaring.conftest import Declare

Write = Callable[[dict[str, list[Any]]], Path]
ROWS = range(120)
NUMBERS = [0.5 + row * 37 % 11 for row in ROWS]
DATES = ["05-02-2010", "06-02-2010"]


def refuse(run: Declare, message: str, source: Path | str, target: str = "y", **given: str) -> None:
    """The table is refused with that message, and nothing is written."""
    before = sorted(problem_file.PROBLEMS.rglob("*"))
    with pytest.raises(MltrainError, match=message):
        run(source, target, **given)
    assert sorted(problem_file.PROBLEMS.rglob("*")) == before


def test_name_that_there_is_already_is_not_overwritten(run: Declare, write: Write, problems: Path) -> None:
    table = write({"x": [1.5, 2, 3], "y": NUMBERS})
    first = run(table, NAME="sales")
    refuse(run, "NAME=sales: .* is there already, and nothing is overwritten. Choose another NAME", table, NAME="sales")
    assert (problems / "sales/problem.toml").read_text() == first.text
    assert run(table, NAME="sales_2").problem.name == "sales_2"


def test_name_that_cannot_be_one_is_answered_with_one_that_can(run: Declare, write: Write) -> None:
    table = write({"x": [1.5, 2, 3], "y": NUMBERS})
    refuse(run, r"NAME 'My Sales' is not made of small letters, digits and _ behind a letter: NAME=my_sales is", table,
           NAME="My Sales")  # fmt: skip
    assert run(table, NAME="my_sales").problem.name == "my_sales"


def test_target_that_is_not_there_is_answered_with_the_nearest(run: Declare, write: Write) -> None:
    table = write({"age": [1.5, 2, 3], "charges": NUMBERS})
    refuse(
        run, "SOURCE has no column 'Charges'. TARGET=charges is the nearest; columns: age, charges", table, "Charges"
    )
    refuse(run, "TARGET: name the column to predict; columns: age, charges", table, "")
    assert run(table, "charges").problem.target == "charges"


def test_missing_targets_are_counted_and_refused_above_half(run: Declare, write: Write) -> None:
    some = write({"x": [1.5, 2, 3], "y": ["", *NUMBERS[1:]]})
    assert "TARGET y is missing in 1 of 120 rows (0.8%): they are left out" in run(some).shown
    most = write({"x": [1.5, 2, 3, 4], "y": [3.5, "", "", 7]})
    rest = write({"x": [1.5, 2, 3, 4], "y": [3.5, "", "", ""], "z": NUMBERS})
    assert run(most).problem.target == "y"
    refuse(run, r"TARGET y is missing in 90 of 120 rows \(75.0%\).*Set TARGET to another column", rest)
    assert run(rest, "z").problem.target == "z"


def test_target_of_times_is_no_number(run: Declare, write: Write) -> None:
    table = write({"at": ["2024-01-01", "2024-01-02"], "y": NUMBERS})
    refuse(run, "TARGET at holds times .*Set TARGET to a column of numbers", table, "at")


def test_mark_in_a_target_of_numbers_is_named(run: Declare, write: Write) -> None:
    table = write({"x": [1.5, 2, 3], "y": [*NUMBERS[:9], "none"]})
    refuse(run, "TARGET y holds numbers, but 10.0% of its values are none, for example 'none'.*set MISSING=none", table)
    assert run(table, MISSING="none").problem.missing == ("none",)
    blank = write({"x": [1.5, 2, 3], "y": [*NUMBERS[:9], "not known"]})
    refuse(run, "set MISSING='not known'; if each value is a class, set TASK=classification", blank)
    # With a comma they would be two marks.
    comma = write({"x": [1.5, 2, 3], "y": [*NUMBERS[:9], "3, about"]})
    refuse(run, "for example '3, about'. If each value is a class, set TASK=classification; else correct it", comma)


@pytest.mark.parametrize("values", [[0, 1, 1], [1, 2, 3, 4, 5]])
def test_few_whole_values_may_be_classes(run: Declare, write: Write, values: list[int]) -> None:
    table = write({"x": [1.5, 2, 3], "y": values * 24, "z": NUMBERS})
    refuse(run, r"(?s)TARGET y has \d whole values \(.*\): they may be quantities, or classes.*"
           "TASK=regression  they are quantities.*TASK=classification  they are classes", table)  # fmt: skip
    for task in ("regression", "classification"):
        assert run(table, TASK=task).problem.task == task
    assert run(table, "z").problem.target == "z"


def test_target_of_one_value_teaches_nothing(run: Declare, write: Write) -> None:
    table = write({"x": [1.5, 2, 3], "y": [0], "z": NUMBERS})
    refuse(run, "TARGET y is 0 in every row: there is nothing to learn. Set TARGET to another column", table)
    assert run(table, "z").problem.target == "z"


def test_infinite_targets_are_counted(run: Declare, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": NUMBERS, "y": [float("inf"), *NUMBERS[1:]]}), tmp_path / "a.parquet")
    shown = run(tmp_path / "a.parquet").shown
    assert "TARGET y is infinite (beyond 3.4e+38) in 1 of 120 rows (0.8%): they are left out" in shown


def test_infinite_inputs_are_counted_and_the_way_keeps_their_rows(run: Declare, tmp_path: Path) -> None:
    infinite = [float("inf"), float("-inf"), *NUMBERS[2:]]
    for values in (infinite, list(map(str, infinite)), [1e300, -1e300, *NUMBERS[2:]]):
        pq.write_table(pa.table({"x": values, "y": NUMBERS}), tmp_path / "a.parquet")
        declared = run(tmp_path / "a.parquet")
        assert declared.kinds == {"x": "number"}
        assert "x is infinite (beyond 3.4e+38) in 2 of 120 rows: they are rejected. If such a" in declared.shown
        assert "value means a missing one, set MISSING=inf,-inf" in declared.shown
        assert "are no such numbers" not in declared.shown
        declared = run(tmp_path / "a.parquet", MISSING="inf,-inf")
        assert (declared.problem.missing, "is infinite" in declared.shown) == (("inf", "-inf"), False)


def test_bound_that_leaves_out_every_row_is_refused(run: Declare, write: Write) -> None:
    table = write({"x": [1.5, 2, 3], "y": NUMBERS})
    refuse(run, "TARGET_MIN=60 leaves out every row: the target is from 0.5 to 10.5. Set TARGET_MIN to a number within",
           table, TARGET_MIN="60")  # fmt: skip
    assert "TARGET_MIN=5 leaves out" in run(table, TARGET_MIN="5").shown


def test_dates_that_can_be_read_in_two_ways_are_not_guessed(run: Declare, write: Write) -> None:
    table = write({"Date": DATES, "y": NUMBERS})
    refuse(run, r"(?s)TIME Date: '05-02-2010' can be 5 February 2010 or 2 May 2010, and no value decides.*"
           "TIME_FORMAT=%d-%m-%Y  the day first.*TIME_FORMAT=%m-%d-%Y  the month first", table)  # fmt: skip
    for time_format in ("%d-%m-%Y", "%m-%d-%Y"):
        assert run(table, TIME_FORMAT=time_format).problem.time_format_of("date") == time_format


def test_format_with_a_blank_is_proposed_as_a_shell_reads_it(run: Declare, write: Write) -> None:
    table = write({"at": ["02/01/2024 10:30", "03/01/2024 11:30"], "y": NUMBERS})
    refuse(run, r"(?s)TIME_FORMAT='%d/%m/%Y %H:%M'  the day first.*TIME_FORMAT='%m/%d/%Y %H:%M'  the month", table)


def test_dates_that_are_not_the_time_stop_nothing(run: Declare, write: Write) -> None:
    declared = run(write({"sold": ["2024-01-01", "2024-01-02"], "built": DATES, "y": NUMBERS}), TIME="sold")
    assert declared.kinds["built"] == "ignored"
    assert "'05-02-2010' can be 5 February 2010 or 2 May 2010" in declared.shown


def test_time_that_holds_none_is_refused(run: Declare, write: Write) -> None:
    table = write(
        {"at": ["half past nine", "ten"], "when": ["2024-01-01", "2024-01-02"], "h": ["a", "b"], "y": NUMBERS}
    )
    refuse(run, "TIME at holds no times that can be read, for example .*Set TIME_FORMAT", table, TIME="at")
    refuse(run, "TIME_FORMAT=%d.%m.%Y does not fit at, for example", table, TIME="at", TIME_FORMAT="%d.%m.%Y")
    refuse(run, "TIME h holds no times of day, for example 'a'.*leave it out: TIME=when", table, TIME="when,h")
    empty = write({"when": ["2024-01-01", "2024-01-02"], "h": [""], "y": NUMBERS})
    refuse(run, "TIME h is empty in every row: give hours from 0 to 24 .* or leave it out: TIME=when", empty,
           TIME="when,h")  # fmt: skip
    refuse(run, "TIME=nothing: SOURCE has no such column; columns: at, when, h", table, TIME="nothing")
    refuse(
        run, "TIME=at,when,h: give one column, or a column of dates and one of times of day", table, TIME="at,when,h"
    )
    assert run(table, TIME="when").problem.time == "when"


def test_column_known_later_that_is_not_there_is_refused(run: Declare, write: Write) -> None:
    table = write({"tip": [1.5, 2, 3], "y": NUMBERS})
    refuse(run, "KNOWN_LATER=fare: SOURCE has no such column; columns: tip", table, KNOWN_LATER="fare")
    refuse(run, "KNOWN_LATER=tips: SOURCE has no such column; tip is the nearest", table, KNOWN_LATER="tips")
    assert run(table, KNOWN_LATER="tip").problem.known_later == ("tip",)


def test_months_that_nobody_can_see_are_asked_for(run: Declare, write: Write) -> None:
    table = write({"x": [1.5, 2, 3], "y": NUMBERS})
    month = table.with_name("of_2024-01.csv")
    source = table.with_name("of_{month}.csv")
    refuse(run, "which months there are cannot be seen. Set MONTHS, as in MONTHS=2024-01,2024-02", source)
    month.write_bytes(table.read_bytes())
    assert run(source, MONTHS="2024-01").problem.months == ("2024-01",)


def test_source_that_cannot_be_read_is_named(run: Declare, write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("x,y\n")
    refuse(run, "SOURCE: say where the table is, as in make problem NAME=cars", "")
    refuse(run, "no.csv does not exist: check SOURCE", tmp_path / "no.csv")
    refuse(run, "empty.csv has no rows: check SOURCE", tmp_path / "empty.csv")
    table = tmp_path / "semicolons.csv"
    table.write_text("a;b;y\n" + "".join(f"1.5;2;{value}\n" for value in NUMBERS))
    refuse(run, "one column was found, 'a;b;y': .*Set DELIMITER=';'", table, DELIMITER=",")
    assert run(table, DELIMITER=";").problem.delimiter == ";"


def test_value_that_a_key_cannot_have_is_named_by_the_key(run: Declare, write: Write) -> None:
    table = write({"x": [1.5, 2, 3], "y": NUMBERS})
    refuse(run, "TARGET_MIN: .*number.*not 'low'", table, TARGET_MIN="low")
    refuse(run, "TIMEZONE: 'Asia/Soul' is not a time zone.*did you mean Asia/Seoul", table, TIMEZONE="Asia/Soul")
    refuse(run, "GROUP=shop: SOURCE has no such column; columns: x", table, GROUP="shop")
    refuse(run, "HORIZON: a series needs a time: set TIME", table, HORIZON="1")
    refuse(run, "SPLIT: there is no column for 'time': set TIME, or leave split out", table, SPLIT="time")
