from datetime import date

import pyarrow as pa
import pytest

from include.problem.declaration import Problem
from include.problem.reading import MISSING_MARKS
from include.raw.coercion import COERCIONS, ColumnReading, coerce_column

FLAG, TEXT = COERCIONS[pa.bool_()], COERCIONS[pa.string()]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["yes", "No", None]),
        pa.array(["TRUE", "false", "NA"]),
        pa.array([" T ", "f", ""]),
        pa.array(["Y", "n", "?"]).dictionary_encode(),
        pa.array(["1", "0", "-"]),
        pa.array([1, 0, None]),
        pa.array([1, 0, None], pa.uint8()),
        pa.array([1.0, 0.0, float("nan")]),
        pa.array([True, False, None]),
    ],
    ids=str,
)
def test_pair_of_words_or_numbers_becomes_true_and_false(array: pa.Array) -> None:
    coerced = FLAG(array, "UTC")
    assert coerced.array.to_pylist() == [True, False, None]
    assert coerced.failed is None


@pytest.mark.parametrize(
    "array", [pa.array(["yes", "No internet service"]), pa.array([1, 2]), pa.array([1.0, 0.5]), pa.array(["1", "2"])]
)
def test_value_that_is_neither_is_reported(array: pa.Array) -> None:
    coerced = FLAG(array, "UTC")
    assert (coerced.array.to_pylist(), coerced.failed.to_pylist()) == ([True, None], [False, True])


def test_column_of_another_type_holds_no_flag() -> None:
    assert FLAG(pa.array([date(2024, 1, 1)]), "UTC").failed.to_pylist() == [True]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([" a ", "", "NA", "°/select"]), ["a", None, None, "°/select"]),
        (pa.array(["a", None, "b"]).dictionary_encode(), ["a", None, "b"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array([9_007_199_254_740_993, None]), ["9007199254740993", None]),
        (pa.array([1_234_567_890_123_456_789]), ["1234567890123456789"]),
        (pa.array([5.0, float("nan"), 2.5, None]), ["5", None, "2.5", None]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([date(2024, 1, 31)]), ["2024-01-31"]),
        (pa.array(["0526301100", "007"]), ["0526301100", "007"]),
    ],
    ids=str,
)
def test_text_is_made_of_any_simple_type(array: pa.Array, expected: list[str | None]) -> None:
    coerced = TEXT(array, "UTC")
    assert coerced.array.type == pa.string()
    assert coerced.array.to_pylist() == expected
    assert coerced.failed is None


@pytest.mark.parametrize("array", [pa.array([[1, 2]]), pa.array([{"a": 1}]), pa.array([b"\xff"]), pa.array(["a\0b"])])
def test_value_that_no_text_can_hold_is_reported(array: pa.Array) -> None:
    coerced = TEXT(array, "UTC")
    assert (coerced.array.to_pylist(), coerced.failed.to_pylist()) == ([None], [True])


def test_mark_that_is_a_category_here_is_kept() -> None:
    garage = pa.array(["NA", "Attchd", ""])
    assert TEXT(garage, "UTC", ColumnReading(MISSING_MARKS - {"NA"})).array.to_pylist() == ["NA", "Attchd", None]


def test_declared_mark_is_missing_in_texts_and_flags_too() -> None:
    how = ColumnReading(MISSING_MARKS | {"none", "9"})
    assert TEXT(pa.array(["none", "some"]), "UTC", how).array.to_pylist() == [None, "some"]
    assert TEXT(pa.array([9, 1]), "UTC", how).array.to_pylist() == [None, "1"]
    assert FLAG(pa.array([9, 1]), "UTC", how).array.to_pylist() == [None, True]
    assert FLAG(pa.array(["9", "1"]), "UTC", how).array.to_pylist() == [None, True]


def test_marks_that_a_column_declares_as_values_are_kept_and_an_empty_text_is_missing() -> None:
    columns = {"garage": {"kind": "category", "missing": []}, "fence": {"kind": "category", "missing": ["none"]}}
    problem = Problem(
        name="houses", model="houses", source="file:///houses.csv", target="price", missing=["-200"], columns=columns
    )  # type: ignore[arg-type]
    texts = pa.array(["NA", "", "none", None, "-200"])
    batch = pa.record_batch({"garage": texts, "fence": texts, "price": texts})
    found = {name: coerce_column(problem, name, batch).array.to_pylist() for name in columns}
    assert found["garage"] == ["NA", None, "none", None, "-200"]
    assert found["fence"] == ["NA", None, None, None, "-200"]
    assert coerce_column(problem, "target", batch).array.to_pylist()[-1] is None
    assert Problem.from_dict(problem.to_dict()).marks_of("garage") == frozenset(("",))
