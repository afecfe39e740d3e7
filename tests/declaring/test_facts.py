"""What is seen of a column's values."""

import pyarrow as pa
import pytest

from include.declaring.facts import measure
from include.problem.reading import MISSING_MARKS


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        ("2023-01-01T10:00:00Z", ""),
        ("2023-01-01T10:00:00.000Z", ""),
        ("2023-01-01T18Z", ""),
        ("2023-01-01 10:00:00 +0100", ""),
        ("2023-01-01\t10:00:00\u2009+0100", ""),
        ("20230101T100000Z", "%Y%m%dT%H%M%S%z"),
        ("01/Jan/2023:10:00:00 +0100", "%d/%b/%Y:%H:%M:%S %z"),
    ],
)
def test_offset_of_times_is_seen_however_the_clock_is_written(value: str, declared: str) -> None:
    assert measure("at", pa.array([value, "NA"]), MISSING_MARKS, declared).timezone == "UTC"


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        ("2023-01-01", ""),
        ("2023-01-01T10:00:00.000", ""),
        # Read as it is: the letter is not taken for a zone.
        ("20230101T100000Z", "%Y%m%dT%H%M%SZ"),
    ],
)
def test_time_without_an_offset_has_no_zone(value: str, declared: str) -> None:
    assert measure("at", pa.array([value, "NA"]), MISSING_MARKS, declared).timezone == ""


def test_unit_is_seen_as_it_is_written() -> None:
    assert measure("heat", pa.array(["21.5\u00a0°C", "22\u00a0°C"]), MISSING_MARKS).suffix == "°C"
