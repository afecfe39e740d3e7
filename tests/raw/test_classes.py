"""The target of a classification becomes the number of its class when it is loaded, however a file writes it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.errors import SourceInvalid
from include.raw import ingest_month, validate_months
from include.raw.coercion import TARGET, coerce_class, coerce_column, reading_of
from include.raw.ingestion import hash_reading
from include.raw.tables import ensure_columns
from include.settings import Settings
from tests.classified import LEAVING, make_customers
from tests.warehouse_rows import query

WORDS, NUMBERS, FLAGS = ("No", "Yes"), ("0", "1"), ("false", "true")


@pytest.mark.parametrize(
    ("labels", "array"),
    [
        (WORDS, pa.array(["No", "Yes", "", "yes"])),
        (WORDS, pa.array([" No", "Yes ", "NA", "no"])),
        (WORDS, pa.array(["No", "Yes", None, "Maybe"]).dictionary_encode()),
        (NUMBERS, pa.array([0, 1, None, 2])),
        (NUMBERS, pa.array([0.0, 1.0, float("nan"), 0.5])),
        (NUMBERS, pa.array([Decimal("0.00"), Decimal("1.00"), None, Decimal("0.50")])),
        (NUMBERS, pa.array(["0", "1.0", "?", "01"])),
        (("0.0", "1.0"), pa.array([0, 1, None, 10], pa.int8())),
        (NUMBERS, pa.array(["0,0", "1,0", "NA", "0,5"])),
        (("1.5", "2,5"), pa.array(["1,5", "2,5", None, "2.5"])),
        (FLAGS, pa.array(["FALSE", "True", "-", "yes"])),
        (("5", "NA"), pa.array(["5", "NA", "null", "6"])),
    ],
    ids=str,
)
def test_value_becomes_the_number_of_its_class(labels: tuple[str, ...], array: pa.Array) -> None:
    coerced = coerce_class(array, labels)
    assert coerced.array.type == pa.float64()
    assert coerced.array.to_pylist() == [0, 1, None, None]
    assert coerced.failed is not None
    assert coerced.failed.to_pylist() == [False, False, False, True]


@pytest.mark.parametrize("labels", [FLAGS, ("False", "True"), ("FALSE", "TRUE")])
def test_true_and_false_are_classes_in_letters_of_any_case(labels: tuple[str, ...]) -> None:
    assert coerce_class(pa.array([False, True, None]), labels).array.to_pylist() == [0, 1, None]


def test_class_that_is_written_as_another_one_begins_stays_itself() -> None:
    labels = ("1", "1.0", "true", "TRUE")
    assert coerce_class(pa.array(["1.0", "1", "TRUE", "true", "1.00"]), labels).array.to_pylist() == [1, 0, 3, 2, 0]


def test_positive_class_is_the_second_however_they_are_declared() -> None:
    batch = pa.record_batch({"Left": ["No", "Yes"]})
    for classes in (("Yes", "No"), ("No", "Yes")):
        problem = LEAVING.model_copy(update={"classes": classes})
        assert coerce_column(problem, TARGET, batch).array.to_pylist() == [0, 1]


def test_column_of_lists_holds_no_class() -> None:
    failed = coerce_class(pa.array([["No"], None]), WORDS).failed
    assert failed is not None
    assert failed.to_pylist() == [True, False]


def test_marks_of_a_missing_value_are_those_of_the_problem() -> None:
    problem = LEAVING.model_copy(update={"missing": ("not asked",)})
    coerced = coerce_class(pa.array(["not asked", "Yes"]), WORDS, reading_of(problem, TARGET))
    assert (coerced.array.to_pylist(), coerced.failed) == ([None, 1], None)


# Loading


def declare(path: Path, **changes: Any) -> Settings:
    return Settings(problem=LEAVING, minimum_rows=1).change(source=path.as_uri(), **changes)


def write(path: Path, targets: list[Any]) -> None:
    frame = make_customers(LEAVING, len(targets)).assign(Left=targets)
    pq.write_table(pa.Table.from_pandas(frame), path)


def load(url: str, settings: Settings) -> Any:
    ensure_columns(url, settings.problem)
    return ingest_month(url, settings, "all")


def test_value_of_no_class_is_rejected_by_name(warehouse_url: str, tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    write(path, ["Yes", "No", "Maybe", None, "Yes"])
    settings = declare(path)
    assert load(warehouse_url, settings).rejected == 1
    assert query(warehouse_url, "SELECT target FROM raw.rows ORDER BY row_number") == [
        (1,),
        (0,),
        (None,),
        (None,),
        (1,),
    ]
    assert query(warehouse_url, "SELECT row_number, rule, detail FROM raw.rejected") == [
        (2, "target: none of the classes", "Maybe")
    ]
    [validation] = validate_months(warehouse_url, settings.model_copy(update={"rejected_max_share": 0.5}), ["all"])
    assert validation.rejected == {"target: none of the classes": 1}


def test_column_of_other_values_is_refused_with_what_was_found(warehouse_url: str, tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    write(path, ["stayed", "left", "stayed", "Yes", "2", "3", "4", "5"])
    with pytest.raises(SourceInvalid) as refused:
        load(warehouse_url, declare(path))
    assert (
        "7 of the 8 values of column 'Left', the target, are none of the classes Yes, No, but stayed, left, 2, 3, 4"
        " and others. Name all values that are classes in CLASSES, or another column in TARGET"
    ) in str(refused.value)


def test_rows_are_read_again_when_the_numbers_of_classes_change(tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    hashes = {
        hash_reading(declare(path, **changes))
        for changes in (
            {},
            {"positive": "No"},
            {"classes": ("No", "Yes", "Maybe"), "positive": None, "cost_missed": None},
        )
    }
    assert len(hashes) == 3
    assert hash_reading(declare(path, classes=("No", "Yes"))) == hash_reading(declare(path))
