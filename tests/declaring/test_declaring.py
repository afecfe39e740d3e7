"""`make problem` on small tables, a rule each."""

import datetime
import io
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from include.declaring.__main__ import ask_person, declare, strip_secrets
from include.declaring.questions import Answer, ChoiceNeeded
from include.problem import problem_file
from include.sets.plan import make_plan
from include.settings import ROOT, Settings
from tests.declaring.conftest import Declare

Write = Callable[[dict[str, list[Any]]], Path]
ROWS = range(120)
TARGET = [0.5 + 1.7 * (row * 37 % 11) for row in ROWS]
SCHEMA = ROOT / "include/problem/problem.schema.json"


def kind_of(run: Declare, write: Write, values: list[Any], name: str = "x") -> str:
    return run(write({name: values, "y": TARGET})).kinds[name]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2.25, 7], "number"),
        (["$1,234.50", "$2.00", "$17"], "number"),
        (["12.5%", "13%", "99.1 %"], "number"),
        (["23.4 kmpl", "18 kmpl", "20.25 kmpl"], "number"),
        ([1990, 2005, 2014], "number"),
        ([-3, 0, 3], "number"),
        (["yes", "no"], "flag"),
        (["TRUE", "False"], "flag"),
        (["t", "f", "f"], "flag"),
        ([0, 1, 1], "flag"),
        (["yes", "no", "not asked"], "category"),
        (["red", "green", "blue"], "category"),
        (["01067", "80331", "20095"], "category"),
        (["2024-01-01", "2024-02-29"], "time"),
        (["13/02/2024 18:30", "01/02/2024 07:15"], "time"),
        (["", ""], "ignored"),
        ([7], "ignored"),
        (["same"], "ignored"),
        ([f"a sentence of many words that goes on and on, number {row}" for row in ROWS], "text"),
        ([f"ab-{row}" for row in ROWS], "id"),
        (list(ROWS), "id"),
        ([1234567890123456789 + row for row in ROWS], "id"),
        ([1234567890123456789 + row % 7 for row in ROWS], "category"),
        ([0.001 + row for row in ROWS], "number"),
    ],
)
def test_kind_is_guessed_by_the_values(run: Declare, write: Write, values: list[Any], kind: str) -> None:
    assert kind_of(run, write, values) == kind


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("zone_id", [74, 75, 129], "code"),
        ("distance", [74, 75, 129], "number"),
        ("lot_area", [8450, 9600, 11250], "number"),
        ("created_at", [1_700_000_000 + 3_600 * (row % 50) for row in ROWS], "time"),
        ("date", [20_240_101 + row % 28 for row in ROWS], "time"),
        ("price", [20_240_101 + row % 28 for row in ROWS], "number"),
        ("timestamp", [1_700_000_000_000 + 3_600_000 * (row % 50) for row in ROWS], "time"),
        ("salary", [1_700_000_000 + 3_600 * (row % 50) for row in ROWS], "number"),
    ],
)
def test_name_decides_where_the_values_do_not(
    run: Declare, write: Write, name: str, values: list[Any], kind: str
) -> None:
    assert kind_of(run, write, values, name) == kind


def test_file_is_short_commented_valid_and_read_back_as_shown(run: Declare, write: Write) -> None:
    declared = run(
        write({"size": ["$5", "$6", "$8"], "sort": ["a", "b", ""], "note": ["", ""], "y": TARGET}), UNIT="dollars"
    )
    assert declared.text.splitlines()[0] == "#:schema ../../problem/problem.schema.json"
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(declared.document)
    assert declared.document["columns"] == {
        "size": {"kind": "number", "unit": "dollars", "example": 6},
        "sort": {"kind": "category", "example": "a"},
        "note": {"kind": "ignored"},
    }
    assert 'note = { kind = "ignored" } # empty in every row' in declared.text
    assert (declared.problem.unit, declared.problem.target) == ("dollars", "y")
    for name, column in declared.problem.columns.items():
        [row] = [line for line in declared.shown.splitlines() if line.startswith(f"│ {name} ")]
        assert f"│ {column.kind} " in row


def test_every_given_key_is_written(run: Declare, write: Write) -> None:
    table = write({"when": ["2024-01-05", "2024-01-06"], "shop": ["a", "b"], "tip": [1, 2, 4], "y": TARGET})
    declared = run(
        table, TITLE="Sales", UNIT="dollars", TARGET_MIN="0.5", TIME="when", KNOWN_LATER="tip", GROUP="shop",
        SPLIT="group", TEST_SHARE="0.2", MISSING="-200,x", MODEL="sales", ROW="sale", TASK="regression",
    )  # fmt: skip
    given = {
        "title": "Sales", "unit": "dollars", "target_min": 0.5, "time": "when", "known_later": ["tip"], "group": "shop",
        "split": "group", "test_share": 0.2, "missing": ["-200", "x"], "model": "sales", "row": ["sale", "sales"],
        "task": "regression",
    }  # fmt: skip
    assert {key: declared.document[key] for key in given} == given


def test_names_of_any_spelling_become_neutral_ones(run: Declare, write: Write) -> None:
    names = [
        "select",
        "Temperature (°C)",
        "temperature C",
        "target",
        "1st/2nd",
        "価格",
        "é" * 200,
        'say "x"',
        "month",
        "#",
    ]
    declared = run(write({**{name: [1.5, 2.5, 4] for name in names}, "y": TARGET}))
    assert [column.source for column in declared.problem.columns.values()] == names
    assert list(declared.problem.columns) == [
        "select", "temperature_c", "temperature_c_2", "target_column", "c_1st_2nd", "column_6", "e" * 40, "say_x",
        "month_column", "column_10",
    ]  # fmt: skip


def test_column_gives_way_to_the_features_of_a_time(run: Declare, write: Write) -> None:
    declared = run(write({"start_hour": [1.5, 2, 3], "start": ["2024-01-01 08:00", "2024-01-02 09:00"], "y": TARGET}))
    assert list(declared.problem.columns) == ["start_hour_2", "start"]


def test_what_models_do_not_learn_from_is_listed_with_the_reason(run: Declare, write: Write) -> None:
    shown = run(write({"no": list(ROWS), "gap": [""], "x": [1.5, 2, 4], "y": TARGET})).shown
    left_out = shown.partition("Left out")[2].partition("Please check")[0].splitlines()
    assert [line.strip() for line in left_out if line.strip().startswith("-")] == [
        "- no: id, whole numbers that all differ",
        "- gap: ignored, empty in every row",
    ]


def test_wide_table_is_declared_whole(run: Declare, write: Write) -> None:
    declared = run(write({**{f"c{number}": [number, 0.5, 3] for number in range(150)}, "y": TARGET}))
    assert len(declared.problem.inputs) == 150


# Times


def test_only_column_of_times_is_taken_and_said(run: Declare, write: Write) -> None:
    declared = run(write({"sold": ["2024-01-01", "2024-01-02"], "y": TARGET}))
    assert (declared.problem.time, declared.problem.split_by) == ("sold", "time")
    assert "Time: sold: the only column of times" in declared.shown


def test_several_columns_of_times_are_all_left_to_a_person(run: Declare, write: Write) -> None:
    declared = run(write({"sold": ["2024-01-01", "2024-01-02"], "built": ["1990-01-05", "1999-02-01"], "y": TARGET}))
    assert declared.problem.time is None
    assert "several columns hold times (sold, built). TIME=sold would split by that one" in declared.shown


def test_time_with_gaps_is_not_taken(run: Declare, write: Write) -> None:
    declared = run(write({"sold": ["2024-01-01", "2024-01-02", ""], "y": TARGET}))
    assert declared.problem.time is None
    assert "none taken: sold is missing in 33% of the rows" in declared.shown


@pytest.mark.parametrize("clocks", [[8, 9, 17], ["18.00.00", "07.30.00"], ["8:15", "17:00"]])
def test_date_and_time_of_day_are_joined(run: Declare, write: Write, clocks: list[Any]) -> None:
    declared = run(write({"Day": ["13/02/2024", "14/02/2024"], "Time": clocks, "y": TARGET}))
    assert declared.document["time"] == ["Day", "Time"]
    assert declared.problem.columns["day"].clock == "Time"


def test_given_date_and_hour_are_joined(run: Declare, write: Write) -> None:
    table = write({"a": ["2024-02-13", "2024-02-14"], "b": ["2024-02-13", "2024-02-14"], "h": [1, 2], "y": TARGET})
    problem = run(table, TIME="a,h").problem
    assert (problem.time, problem.columns["a"].clock) == ("a", "h")


def test_zone_is_never_guessed(run: Declare, write: Write) -> None:
    table = write({"at": ["2024-02-13T18:00:00Z", "2024-02-14T18:00:00Z"], "y": TARGET})
    said = "TIME at has a time zone (UTC). Set TIMEZONE, whose clock gives hours and weekdays"
    without, given = run(table), run(table, TIMEZONE="Asia/Seoul")
    assert said in without.shown
    assert without.problem.timezone == "UTC"
    assert said not in given.shown
    assert given.document["timezone"] == "Asia/Seoul"
    # A request gives times as the clocks of the zone show them.
    examples = [each.document["columns"]["at_column"]["example"] for each in (without, given)]
    assert examples == ["2024-02-13T18:00:00", "2024-02-14T03:00:00"]


def test_given_format_is_that_of_the_times(run: Declare, write: Write) -> None:
    declared = run(write({"at": ["02-01-2024", "03-01-2024"], "y": TARGET}), TIME_FORMAT="%m-%d-%Y")
    assert declared.problem.time_format_of("at_column") == "%m-%d-%Y"


def test_types_of_a_file_are_taken_as_they_are(run: Declare, tmp_path: Path) -> None:
    day = datetime.datetime(2024, 1, 1, 6, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "at": [day + datetime.timedelta(hours=row) for row in ROWS],
            "day": [day.date() + datetime.timedelta(days=row // 24) for row in ROWS],
            "open": [row % 3 == 0 for row in ROWS],
            "sort": pa.array([f"s{row % 5}" for row in ROWS]).dictionary_encode(),
            "list": [[row] for row in ROWS],
            "code": pa.array([row % 9 for row in ROWS], pa.int16()),
            "y": TARGET,
        }
    )
    pq.write_table(table, tmp_path / "table.parquet")
    declared = run(tmp_path / "table.parquet")
    assert declared.kinds == {
        "at": "time", "day": "ignored", "open": "flag", "sort": "category", "list": "ignored", "code": "code",
    }  # fmt: skip
    assert declared.problem.time == "at_column"


# Doubts


def test_column_that_explains_the_target_alone_is_named_and_kept(run: Declare, write: Write) -> None:
    declared = run(write({"copy": [2 * value for value in TARGET], "y": TARGET, "z": [0.1 + row * 3 for row in ROWS]}))
    assert "'copy' alone explains 100% of y" in declared.shown
    assert "(KNOWN_LATER=copy)" in declared.shown
    assert declared.kinds == {"copy": "number", "z": "number"}
    assert "copy" in declared.problem.dtypes


def test_columns_known_later_are_not_under_suspicion(run: Declare, write: Write) -> None:
    table = write({"copy": [2 * value for value in TARGET], "y": TARGET, "z": [0.1 + row * 3 for row in ROWS]})
    declared = run(table, KNOWN_LATER="copy")
    assert "alone explains" not in declared.shown
    assert declared.problem.known_later == ("copy",)


def test_number_that_may_mean_a_missing_one_is_named(run: Declare, write: Write) -> None:
    declared = run(write({"x": [-200, *range(1, 30)], "y": TARGET}))
    assert "-200 lies far from all other values: if it means a missing one, set MISSING=-200" in declared.shown


def test_values_that_are_no_numbers_are_named(run: Declare, write: Write) -> None:
    declared = run(write({"x": ["unknown", *[f"{row}.5" for row in range(40)]], "y": TARGET}))
    assert "of the values are no such numbers, for example 'unknown'" in declared.shown


@pytest.fixture
def orders(postgres_url: str) -> Iterator[str]:
    """The address, password included, of a table."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT n AS id, now() + n * interval '1 day' AS placed, n % 3 = 0 AS gift,"
            " (n % 7)::numeric / 2 AS weight, 'sort ' || n % 5 AS sort, n % 11 + 0.5 AS y FROM generate_series(1, 90) n"
        )
        yield f"{postgres_url}/public.orders"
        connection.execute("DROP TABLE orders")


# Addresses


def test_table_of_postgres_is_declared_without_its_password(run: Declare, orders: str) -> None:
    declared = run(orders, TIMEZONE="Europe/Berlin")
    assert declared.kinds == {"id": "id", "placed": "time", "gift": "flag", "weight": "number", "sort": "category"}
    assert declared.problem.time == "placed"
    assert "test-password" not in declared.text + declared.shown
    assert declared.document["source"] == orders.replace("taxi:test-password@", "")


def test_months_of_a_table_of_postgres_are_those_that_are_given(run: Declare, orders: str) -> None:
    assert run(orders, MONTHS="2024-01,2024-02").problem.months == ("2024-01", "2024-02")


def test_what_is_secret_in_an_address_is_found() -> None:
    address = "postgresql://ann:secret@db.example.org:5432/sales/public.orders"
    assert strip_secrets(address) == "postgresql://db.example.org:5432/sales/public.orders"
    assert strip_secrets("https://h/a.csv?sig=abc&year=3") == "https://h/a.csv?year=3"
    assert strip_secrets("https://h/a.csv?year=3") == "https://h/a.csv?year=3"


def test_path_becomes_an_absolute_one(
    run: Declare, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write({"x": [1.5, 2, 3], "y": TARGET})
    monkeypatch.chdir(tmp_path)
    assert run(table.name).document["source"] == str(table)


def test_months_are_those_that_there_are_files_of(run: Declare, write: Write) -> None:
    table = write({"x": [1.5, 2, 3], "y": TARGET})
    for month in ("2024-01", "2024-02"):
        table.with_name(f"of_{month}.csv").write_bytes(table.read_bytes())
    assert run(table.with_name("of_{month}.csv")).problem.months == ("2024-01", "2024-02")


@pytest.mark.parametrize(
    ("months", "split", "days"),
    [
        (
            ("2024-01",),
            "the days from the 26th on test, those from the 21st on before them validate",
            ("2024-01-21", "2024-01-26"),
        ),
        (
            ("2024-01", "2024-02"),
            "the second half of the newest month tests, its first half validates",
            ("2024-02-01", "2024-02-15"),
        ),
        (
            ("2024-01", "2024-02", "2024-03", "2024-04"),
            "the newest month tests, the one before it validates",
            ("2024-03-01", "2024-04-01"),
        ),
    ],
)
def test_split_of_months_is_the_one_that_a_set_of_them_has(
    run: Declare, write_months: Callable[..., Path], months: tuple[str, ...], split: str, days: tuple[str, str]
) -> None:
    rows = {
        month: [{"day": f"{month}-{1 + row % 28:02}", "x": row % 7, "y": row} for row in range(60)] for month in months
    }
    declared = run(write_months(**{f"m{month[5:]}": of_month for month, of_month in rows.items()}), TIME="day")
    assert declared.problem.months == months
    assert f"Split: by day: {split}\n" in declared.shown
    assert make_plan(Settings(problem=declared.problem)).days == days


def test_split_of_a_table_without_months_is_by_shares(run: Declare, write: Write) -> None:
    table = write({"day": [f"2024-01-{1 + row % 28:02}" for row in ROWS], "x": [row % 7 for row in ROWS], "y": TARGET})
    assert "Split: by day: the newest 15% of the rows test, the 15% before them validate" in run(table).shown


@pytest.fixture
def write_months(tmp_path: Path) -> Callable[..., Path]:
    """Writes the records of each month as JSON lines, and gives the address of them all."""

    def write(**months: list[dict[str, Any]]) -> Path:
        for month, records in months.items():
            lines = "".join(json.dumps(record) + "\n" for record in records)
            (tmp_path / f"s_2024-{month.removeprefix('m')}.jsonl").write_text(lines, encoding="utf-8")
        return tmp_path / "s_{month}.jsonl"

    return write


@pytest.mark.parametrize("with_promo", ["m01", "m02", "m03"])
def test_column_that_some_months_are_without_is_missing_there_and_said(
    run: Declare, write_months: Callable[..., Path], with_promo: str
) -> None:
    rows = [{"x": row / 7, "y": value} for row, value in zip(ROWS, TARGET, strict=True)]
    promo = [{**row, "promo": number % 3 / 2} for number, row in enumerate(rows)]
    source = write_months(**{month: promo if month == with_promo else rows for month in ("m01", "m02", "m03")})
    declared = run(source, MISSING="")
    assert declared.kinds == {"x": "number", "promo": "number"}
    others = ", ".join(f"2024-{month[1:]}" for month in ("m01", "m02", "m03") if month != with_promo)
    assert f"column 'promo' is not in {others}, which cannot be loaded like this: add it there, or" in declared.shown


def test_records_whose_keys_differ_are_ignored_as_all_records_are(
    run: Declare, write_months: Callable[..., Path]
) -> None:
    tags: list[Any] = [{"a": 1}, {"b": "red"}, ["a", "b"], "none", None]
    months = {
        f"m{number:02}": [{"x": row / 7, "tags": tag, "y": value} for row, value in zip(ROWS, TARGET, strict=True)]
        for number, tag in enumerate(tags, 1)
    }
    declared = run(write_months(**months))
    assert declared.kinds == {"x": "number", "tags": "ignored"}
    assert "lists or records, which no kind can hold" in declared.shown


# Questions


CHOICE = ChoiceNeeded(
    "Which is it?", (Answer("TASK", "regression", "a number"), Answer("TASK", "classification", "a class"))
)


def test_person_is_asked_until_the_answer_is_one() -> None:
    output = io.StringIO()
    console = Console(file=output, width=200)
    assert ask_person(CHOICE, console, io.StringIO("9\n2\n")).line == "TASK=classification"
    assert "  1  TASK=regression  a number" in output.getvalue()


def test_answer_of_a_person_is_written(problems: Path, write: Write) -> None:
    table = write({"at": ["02-01-2024", "03-01-2024"], "y": TARGET})
    environment = {"NAME": "sales", "SOURCE": str(table), "TARGET": "y"}
    path = declare(environment, Console(file=io.StringIO()), lambda choice: choice.answers[1])
    assert tomllib.loads(path.read_text())["time_format"] == "%m-%d-%Y"
    assert path == problem_file.PROBLEMS / "sales/problem.toml"


@pytest.mark.parametrize(
    ("bound", "is_said"), [({}, True), ({"TARGET_MAX": "1000"}, False), ({"TARGET_MIN": "0"}, True)]
)
def test_target_with_values_far_from_all_others_is_doubted(
    run: Declare, write: Write, bound: dict[str, str], is_said: bool
) -> None:
    values = [800_000.0, 90_000.0, *(float(100 + row % 50) for row in range(298))]
    declared = run(write({"size": list(range(300)), "y": values}), **bound)
    said = "TARGET y: 2 of 300 values are far from the others, such as 800,000, where those are from 100 to 149"
    assert (said in " ".join(declared.shown.split())) == is_said
