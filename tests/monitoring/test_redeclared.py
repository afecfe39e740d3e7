"""A champion whose problem was changed since: windows are counted by what is declared, compared as it learnt them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from include.monitoring import watch
from include.problem.declaration import Problem
from include.raw.tables import ensure_columns
from include.settings import Settings
from include.tracking.registry import RegisteredVersion
from tests.warehouse_rows import RawTrip, store_month

MONDAYS = [date(2024, 3, 4) + timedelta(weeks=week) for week in range(3)]
# Trips of over an hour are no examples of the champion's.
LONG, USUAL = 90, 10


@pytest.fixture
def settings(published_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Trips of any length, after a champion that has learnt from those of up to an hour."""
    champion = RegisteredVersion("trip-duration", 1, {"training_set_version": "1"}, datetime.now(UTC))
    monkeypatch.setattr(watch.registry, "find_version", lambda *_: champion)
    monkeypatch.setattr(watch.runs, "open_tracker", lambda *_: None)
    monkeypatch.setattr(watch, "load_served", lambda *_: None)
    return Settings(drift_minimum_rows=7).change(target_max=500)


def store_weeks(url: str, *minutes: float) -> None:
    """A trip a day, in each week one of so many minutes."""
    days = [
        (monday + timedelta(days=day), each) for monday, each in zip(MONDAYS, minutes, strict=True) for day in range(7)
    ]
    store_month(url, "2024-03", [RawTrip(f"{day}T12:00:00", each) for day, each in days])


def test_window_without_a_row_for_the_champion_is_left_out(published_url: str, settings: Settings) -> None:
    store_weeks(published_url, USUAL, LONG, USUAL)
    report = watch.measure_drift(published_url, settings)
    assert report
    assert [window.start for window in report.windows] == [MONDAYS[0], MONDAYS[2]]
    assert {len(flags) for flags in report.drifted.values()} == {2}


def test_nothing_is_compared_where_no_window_has_a_row_for_the_champion(published_url: str, settings: Settings) -> None:
    store_weeks(published_url, LONG, LONG, LONG)
    assert watch.measure_drift(published_url, settings) is None
    assert "has rows as the champion's problem declares them" in watch.NOTHING_TO_COMPARE


def test_nothing_is_compared_once_the_champions_time_is_of_another_kind(published_url: str, settings: Settings) -> None:
    store_weeks(published_url, USUAL, USUAL, USUAL)
    columns = {"pickup_at": {"kind": "category"}}
    problem = Problem(name="trips", source="file:///s.csv", target="price", columns=columns)  # type: ignore[call-arg, arg-type]
    ensure_columns(published_url, problem)
    assert watch.measure_drift(published_url, settings.model_copy(update={"problem": problem})) is None
