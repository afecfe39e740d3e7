from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from include.problem.data import Columns, columns_of_frame, columns_of_records, count_rows, make_any_rows
from include.problem.kinds import MISSING_CODE
from include.raw.coercion import COERCIONS
from tests.bikes import BIKES
from tests.splits import PROBLEM

AT = datetime(2024, 1, 1, 8)
ROW: dict[str, Any] = {
    "rented_at": AT, "inspected_at": AT, "weather": "sun", "station": 3, "holiday": True, "temperature": 12.5,
    "note": "none",
}  # fmt: skip
EMPTY: dict[str, Any] = dict.fromkeys(ROW) | {"rented_at": AT}


def make_trip_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "pickup_at": pd.Series([AT], dtype="datetime64[ns]"),
            "pickup_zone": pd.Series([1], dtype="int32"),
            "dropoff_zone": pd.Series([2], dtype="int16"),
            "trip_distance": pd.Series([1.5], dtype="float32"),
            "fare": [10.0],
        }
    )


def test_frame_becomes_columns_of_the_expected_types_and_no_others() -> None:
    columns: Columns = columns_of_frame(PROBLEM, make_trip_frame())
    assert {name: str(values.dtype) for name, values in columns.items()} == {
        "pickup_at": "datetime64[us]",
        "pickup_zone": "int64",
        "dropoff_zone": "int64",
        "trip_distance": "float64",
    }
    assert columns["pickup_at"][0] == np.datetime64("2024-01-01T08:00")


def test_frame_without_a_column_is_an_error_that_names_it() -> None:
    with pytest.raises(KeyError, match="dropoff_zone"):
        columns_of_frame(PROBLEM, make_trip_frame().drop(columns="dropoff_zone"))


def check_types_and_missing_values(columns: Columns) -> None:
    """Of `ROW` and `EMPTY`."""
    assert {name: str(values.dtype) for name, values in columns.items()} == BIKES.dtypes
    assert {name: values[0] for name, values in columns.items()} == ROW | {
        "rented_at": np.datetime64(AT), "inspected_at": np.datetime64(AT), "holiday": 1.0,
    }  # fmt: skip
    assert np.isnan([columns["temperature"][1], columns["holiday"][1]]).all()
    assert (columns["weather"][1], columns["note"][1], columns["station"][1]) == (None, None, MISSING_CODE)
    assert np.isnat(columns["inspected_at"][1])


# Types that libraries hold one and the same column in.
FRAMES: dict[str, dict[str, Any]] = {
    "as pandas chooses": {},
    "objects": dict.fromkeys(ROW, object),
    "with a place for missing values": {
        "weather": "string", "station": "Int32", "holiday": "boolean", "temperature": "Float64",
    },
    "codes as fractions": {"station": "float64"},
}  # fmt: skip


@pytest.mark.parametrize("types", FRAMES)
def test_missing_values_of_a_frame_become_those_of_their_kinds(types: str) -> None:
    check_types_and_missing_values(columns_of_frame(BIKES, pd.DataFrame([ROW, EMPTY]).astype(FRAMES[types])))


def test_missing_values_of_records_become_those_of_their_kinds() -> None:
    check_types_and_missing_values(columns_of_records(BIKES, [ROW, EMPTY]))
    check_types_and_missing_values(columns_of_records(BIKES, [ROW, {"rented_at": AT}]))


# Codes as pandas and JSON hold them, the same as floats where some are missing.
NUMBERS: list[list[Any]] = [[7, "sun"], [7, 8], [5.0, None], [2.5, 0.1 + 0.2], [-0.0, 2.0**53 - 1], [-3.0, 1e6]]


@pytest.mark.parametrize("numbers", NUMBERS, ids=str)
def test_number_in_the_place_of_a_text_is_read_as_in_training(numbers: list[Any]) -> None:
    types = {type(number) for number in numbers} - {type(None)}
    arrays = [pa.array(numbers)] if len(types) == 1 else [pa.array([number]) for number in numbers]
    trained = [text for array in arrays for text in COERCIONS[pa.string()](array).array.to_pylist()]
    frame = pd.DataFrame([ROW, ROW]).assign(weather=numbers)
    assert columns_of_frame(BIKES, frame)["weather"].tolist() == trained
    read = BIKES.columns["weather"].of_kind.read(BIKES.columns["weather"], ZoneInfo(BIKES.timezone))
    assert [None if number is None else read(number) for number in numbers] == trained


def test_time_with_an_offset_becomes_wall_time_of_the_problem() -> None:
    frame = make_trip_frame().assign(pickup_at=pd.Series([AT]).dt.tz_localize("UTC"))
    assert columns_of_frame(PROBLEM, frame)["pickup_at"][0] == np.datetime64("2024-01-01T03:00")


def test_columns_without_rows_keep_their_types() -> None:
    columns = columns_of_records(BIKES, [])
    assert count_rows(columns) == 0
    assert {name: str(values.dtype) for name, values in columns.items()} == BIKES.dtypes


def test_any_rows_have_the_types_of_the_problem() -> None:
    rows = make_any_rows(BIKES, 3)
    assert {name: (len(values), str(values.dtype)) for name, values in rows.items()} == {
        name: (3, dtype) for name, dtype in BIKES.dtypes.items()
    }
