"""What a model says of values that are not as those it learnt from."""

import json

import numpy as np
import pytest

from include.models.learnt import MOST_WARNINGS, Learning, Learnt, Unusual, describe_unusual
from include.problem.data import columns_of_records
from include.problem.kinds import MISSING_CODE
from tests.bikes import BIKES

AT = np.datetime64("2024-01-01T08:00")
ROWS = [
    {"rented_at": AT, "weather": "sun", "station": 3, "holiday": 1.0, "temperature": -2.5, "note": "wet"},
    {"rented_at": AT, "weather": "rain", "station": 3, "holiday": 0.0, "temperature": 30.0},
    {"rented_at": AT, "weather": "sun", "station": 5, "holiday": 0.0, "temperature": 4.0},
    {"rented_at": AT, "weather": "rain", "station": 1, "temperature": 5.0},
    {"rented_at": AT, "weather": "sun", "holiday": 0.0, "temperature": 6.0},
]


def learn(*pieces: list[dict[str, object]]) -> Learnt:
    learning = Learning(BIKES)
    for records in pieces:
        learning.add(columns_of_records(BIKES, records))
    return learning.settle()


LEARNT = learn(ROWS)
USUAL = {"rented_at": AT, "weather": "sun", "station": 3, "holiday": 0.0, "temperature": 5.0}


def find(*records: dict[str, object]) -> list[Unusual]:
    return LEARNT.find_unusual(columns_of_records(BIKES, [{**USUAL, **record} for record in records]))


def test_row_as_those_learnt_is_without_a_warning() -> None:
    assert find({}, {"temperature": -2.5}, {"temperature": 30.0}, {"station": None}, {"holiday": None}) == []


@pytest.mark.parametrize(
    ("record", "reason", "message"),
    [
        ({"temperature": 80.0}, "out_of_range", "temperature 80 is above all values learnt (30)"),
        ({"temperature": -3.25}, "out_of_range", "temperature -3.25 is below all values learnt (-2.5)"),
        ({"weather": "hail"}, "unseen", "weather 'hail' is new: predicted as missing"),
        ({"station": 4}, "unseen", "station 4 is new: predicted as missing"),
        ({"weather": None}, "missing", "weather is missing, as in no row learnt"),
        ({"temperature": None}, "missing", "temperature is missing, as in no row learnt"),
    ],
)
def test_unusual_value_is_named_with_what_was_learnt(record: dict[str, object], reason: str, message: str) -> None:
    [unusual] = find(record)
    assert (unusual.column, unusual.reason, unusual.message) == (next(iter(record)), reason, message)


@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_pieces_are_learnt_as_the_whole(at: int) -> None:
    assert json.dumps(learn(ROWS[:at], ROWS[at:]).to_dict()) == json.dumps(LEARNT.to_dict())


def test_several_rows_are_named_and_few_are_listed() -> None:
    assert describe_unusual(find({}, {"weather": "hail", "temperature": 80.0}, {"station": 9}), 3) == [
        "inputs[1]: temperature 80 is above all values learnt (30)",
        "inputs[1]: weather 'hail' is new: predicted as missing",
        "inputs[2]: station 9 is new: predicted as missing",
    ]
    told = describe_unusual(find(*[{"weather": "hail"}] * (MOST_WARNINGS + 1_000)), MOST_WARNINGS + 1_000)
    assert len(told) == MOST_WARNINGS + 1
    assert told[-1] == "and 1,000 more"


def test_many_rows_are_counted_as_they_are_found() -> None:
    records = [
        {**USUAL, "weather": "hail", "temperature": 31.0},
        {**USUAL, "weather": None, "station": 7},
        {**USUAL, "weather": "snow", "station": MISSING_CODE, "temperature": None},
    ]
    rows = columns_of_records(BIKES, records)
    assert LEARNT.count_unusual(rows) == {
        "temperature": {"out_of_range": 1, "missing": 1},
        "weather": {"unseen": 2, "missing": 1},
        "station": {"unseen": 1},
    }
    assert len(LEARNT.find_unusual(rows)) == 6


def test_column_without_one_value_has_nothing_to_compare_with() -> None:
    nothing = learn([{"rented_at": AT}])
    assert nothing.find_unusual(columns_of_records(BIKES, [USUAL])) == []


def test_restored_from_json_finds_the_same() -> None:
    restored = Learnt.from_dict(json.loads(json.dumps(LEARNT.to_dict(), allow_nan=False)))
    rows = columns_of_records(BIKES, [{**USUAL, "weather": "hail", "station": 9, "temperature": 99.0}, {}])
    assert restored.find_unusual(rows) == LEARNT.find_unusual(rows)
    assert restored.to_dict() == LEARNT.to_dict()
