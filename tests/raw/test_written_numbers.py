"""Numbers as people write them, of the shapes that real tables have."""

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.problem.reading import MISSING_MARKS
from include.raw.coerced import ColumnReading, NumberForm
from include.raw.numbers import coerce_float, coerce_integer


def read(values: list[str | None], **how) -> list[float | None]:
    return coerce_float(pa.array(values, pa.string()), how=ColumnReading(**how)).array.to_pylist()


def count_failures(values: list[str | None], **how) -> int:
    failed = coerce_float(pa.array(values, pa.string()), how=ColumnReading(**how)).failed
    return sum(failed.to_pylist()) if failed is not None else 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["$16,884.92", "$1,725.55", "$999"], [16884.92, 1725.55, 999]),
        (["-$5.00", "$-5.00", "\u2212$5", "+$5", "- $5"], [-5, -5, -5, 5, -5]),
        (["US$ 1,000", "us$2"], [1000, 2]),
        (["12.50\u00a0€", "3\u202f€"], [12.5, 3]),
        (["$\u00a05", "-\u00a0$\u00a01,250"], [5, -1250]),
        (["5\u00a0km", "7 km", "1\u2009250\u2009km"], [5, 7, 1250]),
        (["Rs. 500", "Rs.1,23,456"], [500, 123456]),
        (["12 €", "1.5€"], [12, 1.5]),
        (["27.900 kg/m²", "33 kg/m²"], [27.9, 33]),
        (["1248 cc", "999cc"], [1248, 999]),
        (["12%", "-3.5 %"], [12, -3.5]),
        (["1,234,567", "12", "1,000.5"], [1234567, 12, 1000.5]),
        (["1 234 567", "1\u00a0234", "1\u202f234.5"], [1234567, 1234, 1234.5]),
        (["1'234'567.5", "1\u2019234"], [1234567.5, 1234]),
        (["1e3", "-.5", "5."], [1000, -0.5, 5]),
        ([" 7 ", "\t8"], [7, 8]),
        (["-7 °C", "3.5 °C"], [-7, 3.5]),
    ],
)
def test_number_is_read_whatever_all_have_around_it(values: list[str], expected: list[float]) -> None:
    assert read(values) == expected
    assert count_failures(values) == 0


@pytest.mark.parametrize(
    "values",
    [
        ["10 kg", "20 lb"],
        ["5 MW", "5 mW"],
        ["$5", "€5"],
        ["$5"] * 9 + ["5 kg"] * 1,
        ["190Nm@ 2000rpm", "250Nm@ 1500-2500rpm"],
        ["12,5", "27,25"],
        ["0,125", "0,250"],
        ["1,23", "12,345,67"],
        ["--5", "$$5", "5-"],
        ["05-02-2010", "12:30"],
        ["1.2.3", "1 2 3"],
        ["kmpl", "$"],
    ],
)
def test_text_of_no_form_that_all_share_is_no_number(values: list[str]) -> None:
    assert read(values) == [None] * len(values)
    assert count_failures(values) == len(values)


def test_unit_of_a_few_is_not_taken_off() -> None:
    values = ["23.4 kmpl"] * 97 + ["17.3 km/kg"] * 2 + ["18"]
    assert read(values) == [23.4] * 97 + [None] * 2 + [18]
    assert count_failures(["1"] * 97 + ["1 kg"] * 3) == 3
    assert count_failures(["12,5"] * 6 + ["1,500"] * 94) == 100


def test_unit_of_the_values_before_holds_for_those_that_come_after() -> None:
    first = coerce_float(pa.array(["23.4 kmpl", "12 kmpl"]))
    assert first.form == NumberForm(suffix="kmpl")
    later = coerce_float(pa.array(["17.3 km/kg", "9kmpl", "5", None]), how=ColumnReading(form=first.form))
    assert later.array.to_pylist() == [None, 9, 5, None]
    assert later.failed.to_pylist() == [True, False, False, False]
    plain = coerce_float(pa.array(["1", "2"])).form
    assert (plain, count_failures(["5 kg"] * 9, form=plain)) == (NumberForm(), 9)
    assert coerce_float(pa.array([None, "NA"])).form is None


def test_unit_is_kept_as_it_is_written_and_in_other_letters_it_is_another_one() -> None:
    first = coerce_float(pa.array(["21.5 °C", "22 °C"]))
    assert first.form == NumberForm(suffix="°C")
    assert count_failures(["5 mW", "5 MW"], form=NumberForm(suffix="MW")) == 1


@pytest.mark.parametrize("coerce", [coerce_float, coerce_integer])
def test_marks_of_missing_values_become_null_and_do_not_fail(coerce) -> None:
    values = [*sorted(MISSING_MARKS), " NA ", "7", None]
    coerced = coerce(pa.array(values))
    assert coerced.array.to_pylist() == [None] * (len(values) - 2) + [7, None]
    assert coerced.failed is None


@pytest.mark.parametrize(
    "array",
    [
        pa.array([-200, 5]),
        pa.array([-200, 5], pa.int32()),
        pa.array([-200, 5], pa.int16()),
        pa.array([-200.0, 5.0]),
        pa.array(["-200", "5"]),
        pa.array(["-200.0", "5"]),
        pa.array(["unknown", "5"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("coerce", [coerce_float, coerce_integer])
def test_declared_mark_of_a_missing_value_becomes_null_in_columns_of_any_type(coerce, array: pa.Array) -> None:
    coerced = coerce(array, how=ColumnReading(missing=MISSING_MARKS | {"-200", "unknown"}))
    assert coerced.array.to_pylist() == [None, 5]
    assert coerced.failed is None


INFINITE = [
    pa.array([float("inf"), 5.0, float("-inf"), None]),
    pa.array([float("inf"), 5.0, float("-inf"), None], pa.float32()),
    pa.array(["1e999", "5", "-1e999", ""]),
    pa.array(["inf", "5", "-inf", "NA"]),
    pa.array(["9" * 400, "5", "-" + "9" * 400, ""]),
    # To a model, which sees floats of 32 bits.
    pa.array([1e300, 5.0, -3.5e38, None]),
    pa.array(["1e300", "5", "-3.5e38", ""]),
    pa.array([Decimal(10) ** 40, Decimal(5), -(Decimal(10) ** 40), None]),
]


@pytest.mark.parametrize("array", INFINITE, ids=lambda array: f"{array.type} {array[0]}"[:20])
@pytest.mark.parametrize("coerce", [coerce_float, coerce_integer])
def test_infinite_number_is_none_and_can_be_declared_to_mean_a_missing_one(coerce, array: pa.Array) -> None:
    coerced = coerce(array)
    assert coerced.array.to_pylist() == [None, 5, None, None]
    assert coerced.failed.to_pylist() == [True, False, True, False]
    coerced = coerce(array, how=ColumnReading(missing=MISSING_MARKS | {"inf", "-inf"}))
    assert (coerced.array.to_pylist(), coerced.failed) == ([None, 5, None, None], None)


def test_small_integers_do_not_wrap_around_to_a_declared_mark() -> None:
    how = ColumnReading(missing=MISSING_MARKS | {"-200"})
    assert coerce_integer(pa.array([56], pa.uint8()), how=how).array.to_pylist() == [56]


@given(st.lists(st.integers(-(10**12), 10**12)), st.sampled_from(["{:,}", "${:,}", "{:,} km", "{:_}"]))
def test_whole_numbers_written_with_separators_come_back_as_they_were(values: list[int], form: str) -> None:
    texts = [form.replace("_", ",").format(value).replace(",", " " if "_" in form else ",") for value in values]
    assert read(texts) == values
