import json
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from include.problem.kinds import MISSING_CODE, KindName
from include.problem.values import from_arrow, from_json_values, to_json_values, to_plain

AT = datetime(1969, 12, 31, 23, 59, 59, 5)
CASES: list[tuple[KindName, list, list]] = [
    ("number", [0.1 + 0.2, float("nan")], [0.1 + 0.2, None]),
    ("code", [7, MISSING_CODE], [7, None]),
    ("flag", [1.0, float("nan")], [True, None]),
    ("category", ["Größe", None], ["Größe", None]),
    ("time", [np.datetime64(AT), np.datetime64("NaT")], [AT, None]),
]
DTYPES = {"number": "float64", "code": "int64", "flag": "float64", "category": "object", "time": "datetime64[us]"}


@pytest.mark.parametrize(("kind", "values", "plain"), CASES, ids=[case[0] for case in CASES])
def test_missing_value_of_each_kind_is_none_for_postgres(kind: KindName, values: list, plain: list) -> None:
    assert to_plain(kind, np.array(values, DTYPES[kind])) == plain


@pytest.mark.parametrize(("kind", "values", "plain"), CASES, ids=[case[0] for case in CASES])
def test_values_of_each_kind_come_back_from_json(kind: KindName, values: list, plain: list) -> None:
    column = np.array(values, DTYPES[kind])
    written = json.loads(json.dumps(to_json_values(kind, column), allow_nan=False))
    back = from_json_values(kind, written)
    assert back.dtype == column.dtype
    assert to_plain(kind, back) == plain


@pytest.mark.parametrize(("kind", "values", "plain"), CASES, ids=[case[0] for case in CASES])
def test_values_of_each_kind_come_from_arrow(kind: KindName, values: list, plain: list) -> None:
    types = {"number": pa.float64(), "code": pa.int32(), "flag": pa.bool_(), "category": pa.string()}
    found = from_arrow(kind, pa.array(plain, types.get(kind, pa.timestamp("us"))))
    assert found.dtype == np.dtype(DTYPES[kind])
    assert to_plain(kind, found) == plain
