from itertools import count

import pytest

from include.dashboards.reading import kept
from include.dashboards.reading.kept import keep
from include.errors import WarehouseUnavailable


def test_what_was_read_is_kept_until_it_is_too_old() -> None:
    numbers = count()
    assert [keep("numbers", lambda: next(numbers)) for _ in range(3)] == [0, 0, 0]
    assert keep("numbers", lambda: next(numbers), seconds=-1) == 1


def test_error_is_raised_again_without_another_try() -> None:
    tries = []

    def fail() -> None:
        tries.append(1)
        raise WarehouseUnavailable("away")

    for _ in range(3):
        with pytest.raises(WarehouseUnavailable, match="away"):
            keep("failing", fail)
    assert tries == [1]


def test_no_more_is_kept_than_is_allowed() -> None:
    for number in range(kept.MOST_KEPT + 10):
        keep(("many", number), lambda: 0)
    assert len(kept._kept) <= kept.MOST_KEPT
