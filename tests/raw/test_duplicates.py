from datetime import date, datetime, time

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from include.raw.duplicates import find_duplicates, hash_rows

ROWS = st.lists(st.tuples(st.none() | st.integers(0, 2), st.none() | st.sampled_from("ab"), st.none() | st.just(0.5)))


def make_batch(rows: list[tuple]) -> pa.RecordBatch:
    types = (pa.int64(), pa.string(), pa.float64())
    return pa.record_batch(
        [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(types)], names=list("abc")
    )


@given(ROWS, st.integers(0, 10))
def test_duplicates_are_the_rows_that_came_before_in_any_batch(rows: list[tuple], cut: int) -> None:
    repeats, firsts = find_duplicates([hash_rows(make_batch(rows[:cut])), hash_rows(make_batch(rows[cut:]))])
    expected = [(number, rows.index(row)) for number, row in enumerate(rows) if rows.index(row) < number]
    assert list(zip(repeats.tolist(), firsts.tolist(), strict=True)) == expected


def test_rows_of_every_type_differ_where_their_values_differ() -> None:
    pairs = [
        pa.array([1, 2], pa.uint8()),
        pa.array([0.0, None], pa.float32()),
        pa.array([True, False]),
        pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
        pa.array([time(1), time(2)], pa.time32("s")),
        pa.array([datetime(2024, 1, 1), datetime(2024, 1, 2)], pa.timestamp("us", "UTC")),
        pa.array(["a", "b"], pa.large_string()),
        pa.array([["a"], ["b"]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array([pa.MonthDayNano([1, 2, 3]), pa.MonthDayNano([1, 2, 4])]),
        pa.RunEndEncodedArray.from_arrays([1, 2], ["a", "b"]),
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16), bytes(range(16))], pa.binary(16))),
    ]
    for pair in pairs:
        assert len(set(hash_rows(pa.record_batch([pair], ["a"])).tolist())) == 2, pair.type


def test_the_same_values_in_other_columns_are_another_row() -> None:
    batch = pa.record_batch([pa.array([1, 2]), pa.array([2, 1])], ["a", "b"])
    assert len(np.unique(hash_rows(batch))) == 2
