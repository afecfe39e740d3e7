from concurrent.futures import ThreadPoolExecutor
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


def test_error_is_kept_for_a_moment_however_long_an_answer_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise WarehouseUnavailable("away")
        return len(tries)

    tries: list[int] = []
    monkeypatch.setattr(kept, "SECONDS_KEPT", -1)
    with pytest.raises(WarehouseUnavailable, match="away"):
        keep("away for a moment", answer, seconds=900)
    assert [keep("away for a moment", answer, seconds=900) for _ in range(3)] == [2, 2, 2]


def test_what_would_be_read_again_is_not_kept() -> None:
    keep("old", lambda: 0, seconds=-1)
    keep("recent", lambda: 0, seconds=900)
    assert {"old", "recent"} & {*kept._kept} == {"recent"}
    assert "old" not in kept._locks


def test_what_is_being_read_again_is_read_once_for_all() -> None:
    reads: list[int] = []

    def read() -> int:
        # Meanwhile, another card reads something else.
        if not reads:
            with ThreadPoolExecutor() as other:
                other.submit(keep, "else", lambda: 0, -1).result()
        reads.append(1)
        return len(reads)

    keep("slow", lambda: 0, seconds=-1)
    lock = kept._locks["slow"]
    assert keep("slow", read, seconds=-1) == 1
    assert kept._locks["slow"] is lock, "whoever else asks waits for it"


def test_no_more_is_kept_than_is_allowed() -> None:
    for number in range(kept.MOST_KEPT + 10):
        keep(("many", number), lambda: 0)
    assert len(kept._kept) <= kept.MOST_KEPT
