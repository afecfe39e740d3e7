"""`make problem` on targets that are classes: what is written, what is guessed, and what is refused."""

import datetime
import io
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from include.declaring.__main__ import declare
from include.errors import SettingsError
from include.raw.coercion import TARGET, coerce_column
from include.settings import Settings
from include.sources import open_batches
from tests.classified import LEAVING, TIERS, make_customers
from tests.declaring.conftest import Declare
from tests.declaring.test_messages import refuse
from tests.declaring.test_prepared import prepare
from tests.warehouse_rows import query

Write = Callable[[dict[str, list[Any]]], Path]
NUMBERS = [0.5 + row * 37 % 11 for row in range(120)]


def test_numbers_with_decimal_commas_are_classes_that_are_loaded(run: Declare, tmp_path: Path) -> None:
    # As pandas writes whole numbers of which some are missing.
    path = tmp_path / "left.csv"
    path.write_text("x;y\n" + "".join(f"{row},25;{row % 3 % 2},0\n" for row in range(60)), encoding="utf-8")
    problem = run(path, TASK="classification").problem
    assert problem.labels == ("0", "1")
    with open_batches(Settings(problem=problem), "all") as contents:  # type: ignore[arg-type]
        [batch] = contents.read(list(contents.columns))
    coerced = coerce_column(problem, TARGET, batch)
    assert (coerced.array.to_pylist(), coerced.failed) == ([row % 3 % 2 for row in range(60)], None)


def of_two(write: Write, rare: Any, usual: Any) -> Path:
    return write({"x": NUMBERS, "y": [rare, usual, usual, usual]})


@pytest.mark.parametrize(
    ("rare", "usual", "classes", "positive"),
    [
        ("Yes", "No", ["No", "Yes"], "Yes"),
        ("No", "Yes", ["No", "Yes"], "Yes"),
        ("false", "TRUE", ["false", "TRUE"], "TRUE"),
        ("left", "stayed", ["left", "stayed"], "left"),
        ("stayed", "left", ["left", "stayed"], "stayed"),
        ("no", "Not asked", ["no", "Not asked"], "no"),
        ("01", "02", ["01", "02"], "01"),
    ],
)
def test_words_are_classes_and_one_of_two_is_looked_for(
    run: Declare, write: Write, rare: str, usual: str, classes: list[str], positive: str
) -> None:
    declared = run(of_two(write, rare, usual))
    assert {key: declared.document[key] for key in ("task", "classes", "positive")} == {
        "task": "classification",
        "classes": classes,
        "positive": positive,
    }
    assert declared.problem.labels[1] == positive
    other = rare if positive == usual else usual
    assert f"'{positive}' is taken for the class that is looked for" in declared.shown
    assert f"set POSITIVE={shlex.quote(other)}" in declared.shown
    assert f'positive = "{positive}" # guessed: the class that is looked for' in declared.text
    assert "a first model must beat the share of each class" in declared.shown


def test_true_and_false_are_two_classes_however_they_are_written(run: Declare, write: Write) -> None:
    declared = run(write({"x": NUMBERS, "y": ["true", "True", "True", "FALSE", "false", "false"]}))
    assert (declared.document["classes"], declared.document["positive"]) == (["false", "True"], "True")
    assert "Classes: false (50.0%), True (50.0%); True is the one that is looked for" in declared.shown


def test_only_keys_that_are_needed_are_written(run: Declare, write: Write) -> None:
    two, three = run(of_two(write, "Yes", "No")), run(write({"x": NUMBERS, "y": ["b", "c", "A"]}))
    assert set(two.document) == {"source", "target", "task", "classes", "positive", "columns"}
    assert set(three.document) == {"source", "target", "task", "classes", "columns"}
    assert three.document["classes"] == ["A", "b", "c"]
    assert "Classes: A (33.3%), b (33.3%), c (33.3%)" in three.shown
    assert "looked for" not in three.shown


def test_positive_class_that_is_given_is_no_guess(run: Declare, write: Write) -> None:
    declared = run(of_two(write, "Yes", "No"), POSITIVE="No")
    assert declared.problem.labels == ("Yes", "No")
    assert "guessed" not in declared.text
    assert "is taken for" not in declared.shown
    assert "Classes: No (75.0%), Yes (25.0%); No is the one that is looked for" in declared.shown


def test_flags_of_a_file_are_classes(run: Declare, tmp_path: Path) -> None:
    flags = [row % 4 > 0 for row in range(120)]
    pq.write_table(pa.table({"x": NUMBERS, "y": flags}), tmp_path / "table.parquet")
    assert run(tmp_path / "table.parquet").problem.labels == ("false", "true")


@pytest.mark.parametrize(
    ("values", "classes", "positive"),
    [
        ([1, 0, 0, 0], ("0", "1"), "1"),
        ([-1, 1, 1, 1], ("-1", "1"), "1"),
        ([1, 2, 2, 2], ("1", "2"), "1"),
        ([2, 1, 1, 1], ("1", "2"), "2"),
        (["1.0", "0.0", "", "0.0"], ("0", "1"), "1"),
        ([10, 9, 2, 2], ("2", "9", "10"), None),
        ([0.5, 0.25, 0.25, 0.25], ("0.25", "0.5"), "0.5"),
    ],
)
def test_numbers_are_classes_where_a_person_says_so(
    run: Declare, write: Write, values: list[Any], classes: tuple[str, ...], positive: str | None
) -> None:
    problem = run(write({"x": NUMBERS, "y": values}), TASK="Classification").problem
    assert (problem.task, problem.classes, problem.positive) == ("classification", classes, positive)


def test_person_is_asked_what_few_whole_values_are(problems: Path, write: Write) -> None:
    environment = {"NAME": "sales", "SOURCE": str(write({"x": NUMBERS, "y": [0, 1, 1]})), "TARGET": "y"}
    path = declare(environment, Console(file=io.StringIO()), lambda choice: choice.answers[1])
    assert tomllib.loads(path.read_text())["classes"] == ["0", "1"]


def test_classes_that_are_named_are_those_in_their_order(run: Declare, write: Write) -> None:
    table = write({"x": NUMBERS, "y": ["low", "high", "medium", "low"]})
    assert run(table, CLASSES="low,medium,high").problem.labels == ("low", "medium", "high")
    part = run(table, CLASSES="low,high")
    assert part.problem.labels == ("low", "high")
    assert "30 of 120 rows (25.0%) are of none of the CLASSES, such as 'medium': they are rejected" in part.shown
    most = write({"x": NUMBERS, "y": ["low", "low", "low", "high", "medium"]})
    refuse(run, "72 of 120 rows .* are of none of the CLASSES, such as 'low'", most, CLASSES="high,medium")
    refuse(run, "CLASSES: TARGET y has no value 'hihg'; did you mean high", table, CLASSES="low,hihg,medium")


def test_mark_of_a_missing_value_can_be_named_a_class(run: Declare, write: Write) -> None:
    table = write({"x": NUMBERS, "y": ["EU", "NA", "NA", "EU"]})
    assert run(table, CLASSES="EU,NA").problem.labels == ("EU", "NA")
    refuse(
        run, "TARGET y is EU in every row.* If 'NA' is a class rather than a missing value, set CLASSES=EU,NA", table
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["+", "-"], "TARGET y is + in every row"),
        (["+", "-", "-", "-"], "TARGET y is missing in 90 of 120 rows (75.0%)"),
        (["?", "-"], "TARGET y is missing in all 120 rows"),
        ([1, 1, "-"], "TARGET y is 1 in every row"),
    ],
)
def test_what_is_proposed_for_marks_of_missing_values_makes_them_classes(
    run: Declare, write: Write, values: list[Any], said: str
) -> None:
    table = write({"x": NUMBERS, "y": values})
    with pytest.raises(SettingsError) as refused:
        run(table)
    assert str(refused.value).startswith(said)
    [given] = shlex.split(str(refused.value).rpartition(" set ")[2])
    classes = given.removeprefix("CLASSES=")
    assert set(run(table, CLASSES=classes).problem.labels) == set(map(str, values))


def test_marks_beside_classes_are_asked_for_unless_a_person_has_said_what_they_are(run: Declare, write: Write) -> None:
    table = write({"x": NUMBERS, "y": ["EU", "NA", "US", "EU", "US"]})
    asked = "If 'NA' is a class rather than a missing value, set CLASSES=EU,NA,US"
    assert f"TARGET y is missing in 24 of 120 rows (20.0%): they are left out. {asked}" in run(table).shown
    assert asked not in run(table, MISSING="NA").shown
    assert asked not in run(table, CLASSES="EU,US").shown
    numbers = write({"x": NUMBERS, "y": [*NUMBERS[:-1], "NA"], "z": ["a", "b", ""]})
    assert "is a class rather" not in run(numbers).shown + run(numbers, "z").shown


def test_classes_that_differ_in_capitals_or_blanks_alone_are_named(run: Declare, write: Write) -> None:
    table = write({"x": NUMBERS, "y": ["Yes", "YES", "not sure", "No", "no", "not\u00a0 sure"]})
    said = (
        "Classes that differ in capitals or blanks alone: 'No', 'no'; 'not sure', 'not\\xa0 sure'; 'YES', 'Yes'. If"
        " they are the same, write them alike in the source"
    )
    assert said in run(table).shown
    assert "differ in capitals" not in run(table, CLASSES="Yes,YES,no,No,not sure,not\u00a0 sure").shown
    assert "differ in capitals" not in run(write({"x": NUMBERS, "y": ["TRUE", "true", "false"]})).shown


def test_proposed_class_and_mark_can_be_pasted_into_a_shell(run: Declare, write: Write) -> None:
    shown = run(of_two(write, ">50K", "<=50K")).shown
    assert "set POSITIVE='<=50K'" in shown
    table = write({"x": NUMBERS, "y": ["a", "b", "b", "not asked"]})
    assert "MISSING='not asked' leaves them out" in run(table, CLASSES="a,b").shown
    several = write({"x": NUMBERS, "y": ["a", "b", "b", "no, never"]})
    shown = run(several, CLASSES="a,b").shown
    assert "such as 'no, never': they are rejected" in shown
    assert "MISSING=" not in shown


def test_keys_of_classes_are_written_in_their_types(run: Declare, write: Write) -> None:
    table = of_two(write, "Not sure", "No")
    declared = run(table, CLASS_WEIGHTS="Not sure=2", LEAST_RECALL="0.8")
    assert declared.document["class_weights"] == {"Not sure": 2.0}
    assert declared.document["least_recall"] == 0.8
    refuse(run, "COST_MISSED: costs, least_precision and least_recall exclude each other", table,
           LEAST_PRECISION="0.5", COST_MISSED="3")  # fmt: skip
    refuse(run, "POSITIVE: 'Maybe' is none of the classes", table, POSITIVE="Maybe")
    refuse(run, "a class has no unit and no bounds", table, UNIT="dollars")


# Refusals, and doubts


def test_texts_that_are_no_classes_are_refused(run: Declare, write: Write) -> None:
    many = write({"x": NUMBERS, "y": [f"name {row % 55}" for row in range(120)], "z": NUMBERS})
    refuse(run, "TARGET y holds 55 different values in 120 rows .* at most 50, each in several rows.*another column",
           many)  # fmt: skip
    once = write({"x": NUMBERS[:40], "y": [f"name {row % 25}" for row in range(40)], "z": NUMBERS[:40]})
    refuse(run, "TARGET y holds 25 different values in 40 rows", once)
    assert run(many, "z").problem.task == run(once, "z").problem.task == "regression"


def test_numbers_of_many_values_are_no_classes(run: Declare, write: Write) -> None:
    table = write({"x": NUMBERS, "y": list(range(60)) * 2})
    refuse(run, "TASK=classification: TARGET y holds 60 different numbers, from 0 to 59, but at most 50 values can be"
           " classes. Set TASK=regression", table, TASK="classification")  # fmt: skip
    assert run(table, TASK="regression").problem.task == "regression"


def test_task_that_there_is_not_or_that_does_not_fit_is_refused(run: Declare, write: Write) -> None:
    table = of_two(write, "Yes", "No")
    refuse(run, "TASK=ranking: set TASK=regression to predict a number, or TASK=classification", table, TASK="ranking")
    refuse(run, "TASK=regression: TARGET y holds no numbers, for example No, Yes", table, TASK="regression")


@pytest.mark.parametrize(
    ("values", "what", "way"),
    [
        ([["a"], ["b"]], "lists or records", ""),
        ([datetime.timedelta(minutes=3), datetime.timedelta(hours=1)], "durations", ", or write it as numbers"),
        ([b"a", b"b"], "bytes", ""),
    ],
)
def test_what_no_kind_can_hold_is_called_by_its_name(
    run: Declare, tmp_path: Path, values: list[Any], what: str, way: str
) -> None:
    pq.write_table(pa.table({"x": NUMBERS, "y": values * 60, "z": NUMBERS}), tmp_path / "table.parquet")
    refuse(run, f"TARGET y holds {what}: .* Set TARGET to another column{way}", tmp_path / "table.parquet")
    declared = run(tmp_path / "table.parquet", "z")
    assert declared.kinds["y"] == "ignored"
    assert f"y: ignored, {what}, which no kind can hold" in declared.shown


def test_word_among_numbers_can_be_a_class(run: Declare, write: Write) -> None:
    table = write({"x": NUMBERS, "y": [1, 2, 3, "none"]})
    refuse(run, "TARGET y holds numbers, but 25.0% of its values are none.*TASK=classification", table)
    assert run(table, TASK="classification").problem.labels == ("1", "2", "3", "none")


def test_missing_classes_and_rare_ones_are_named(run: Declare, write: Write) -> None:
    declared = run(write({"x": NUMBERS, "y": ["a", "b", "b", ""] * 29 + ["a", "b", "c", ""]}))
    assert "TARGET y is missing in 30 of 120 rows (25.0%): they are left out" in declared.shown
    assert "Classes of few rows: c (1). A training set without one of them is refused" in declared.shown


def test_column_that_says_the_class_is_under_suspicion(run: Declare, write: Write) -> None:
    draw = np.random.default_rng(3)
    reached = draw.integers(0, 3, 300)
    table = write(
        {
            "reason": [("", "moved", "price")[number] for number in reached],
            "x": draw.normal(size=300).tolist(),
            "y": [("stayed", "left", "left")[number] for number in reached],
        }
    )
    declared = run(table)
    assert "'reason' alone explains 100% of y" in declared.shown
    assert "'x' alone explains" not in declared.shown


# What becomes of it


@pytest.mark.parametrize("problem", [LEAVING, TIERS], ids=lambda problem: problem.name)
def test_every_row_of_a_declared_table_of_classes_becomes_an_example(
    run: Declare, tmp_path: Path, warehouse_url: str, problem: Any
) -> None:
    path = tmp_path / "table.csv"
    make_customers(problem, 400).to_csv(path, index=False)
    declared = run(path, str(problem.target))
    assert prepare(warehouse_url, declared.problem) == 400
    [(found,)] = query(warehouse_url, "SELECT statistics #> '{target,frequent}' FROM training.sets")
    assert set(found) == set(problem.classes)
