"""Which rows are looked at together, where they are not divided into months."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.monitoring.windows import Window, find_new, find_windows, list_windows, load_requests, load_window
from include.problem.declaration import Problem
from include.raw.tables import ensure_columns
from include.sets import preparation
from include.settings import Settings
from include.warehouse import connect
from tests.warehouse_rows import RawTrip, store_month


def load(url: str, directory: Path, lines: list[str], **declared: Any) -> Settings:
    path = directory / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    problem = Problem(name="sales", source=path.as_uri(), target="price", **declared)  # type: ignore[call-arg]
    settings = Settings(problem=problem, drift_minimum_rows=5)  # type: ignore[arg-type]
    planned = preparation.plan(url, settings, {}).plan
    preparation.ingest(url, settings, "all")
    preparation.validate_raw(url, settings, planned.to_dict())
    return settings


def test_rows_without_time_are_one_window_of_the_day_they_were_loaded(warehouse_url: str, tmp_path: Path) -> None:
    lines = ["age,price", *(f"{age},{age * 2}" for age in range(50)), "1,", "2,900"]
    settings = load(warehouse_url, tmp_path, lines, columns={"age": {}}, target_max=500)
    [window] = list_windows(warehouse_url, settings)
    assert abs((window.start - datetime.now(UTC).date()).days) <= 1
    found = load_window(warehouse_url, settings.problem, window)
    assert sorted(found.rows["age"].tolist()) == list(range(50)), (
        "rows without a target, or out of bounds, are no examples"
    )


def test_nothing_loaded_is_no_window(warehouse_url: str) -> None:
    problem = Problem(name="sales", source="file:///none.csv", target="price", columns={"age": {}})  # type: ignore[call-arg]
    assert list_windows(warehouse_url, Settings(problem=problem)) == []  # type: ignore[arg-type]


def test_rows_with_time_but_without_months_have_their_complete_weeks(warehouse_url: str, tmp_path: Path) -> None:
    # From a Monday on: four weeks, and a day of the fifth.
    days = np.arange("2024-01-01", "2024-01-30", dtype="datetime64[D]")
    lines = ["day,price", *(f"{day},{number}" for number, day in enumerate(days))]
    settings = load(warehouse_url, tmp_path, lines, columns={"day": {"kind": "time"}}, time="day")
    windows = list_windows(warehouse_url, settings)
    assert [str(window.start) for window in windows] == ["2024-01-08", "2024-01-15", "2024-01-22"]
    assert load_window(warehouse_url, settings.problem, windows[0]).target.tolist() == [7, 8, 9, 10, 11, 12, 13]


@pytest.mark.parametrize(("days", "windows"), [(7, 3), (30, 3), (90, 2), (366, 3)])
def test_there_are_as_many_windows_as_an_alarm_looks_at_however_long_they_are(
    warehouse_url: str, days: int, windows: int
) -> None:
    settings = Settings(drift_minimum_rows=5, drift_window_days=days, drift_windows=windows)
    every = np.arange("2019-01-01", "2024-03-02", dtype="datetime64[D]")
    for month in np.unique(every.astype("datetime64[M]")):
        of_month = every[every.astype("datetime64[M]") == month]
        store_month(warehouse_url, str(month), [RawTrip(f"{day}T12:00:00") for day in of_month])
    found = list_windows(warehouse_url, settings)
    assert len(found) == windows
    assert [len(load_window(warehouse_url, settings.problem, window)) for window in found] == [days] * windows


MONDAY = date(2024, 1, 1)


def test_of_a_window_with_many_rows_an_even_sample_is_loaded(warehouse_url: str) -> None:
    hours = [f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:30:00" for hour in range(7 * 24)]
    trips = [RawTrip(hour, minutes) for hour in hours for minutes in range(1, 21)]
    store_month(warehouse_url, "2024-01", trips, rejected=range(0, len(trips), 2))
    problem, week, rows = Settings().problem, Window(MONDAY, 7), len(trips) // 2
    assert len(load_window(warehouse_url, problem, week, rows)) == rows
    for most in (300, rows - 1):
        found, again = (load_window(warehouse_url, problem, week, most) for _ in range(2))
        assert len(found) == most
        assert np.array_equal(found.rows["pickup_at"], again.rows["pickup_at"])
        _, by_day = np.unique(found.rows["pickup_at"].astype("datetime64[D]"), return_counts=True)
        assert len(by_day) == 7
        assert np.abs(by_day - most / 7).max() < 4 * np.sqrt(most / 7)


def test_of_many_rows_without_time_a_sample_is_loaded(warehouse_url: str, tmp_path: Path) -> None:
    lines = ["age,price", *(f"{age},{age}" for age in range(1_000))]
    settings = load(warehouse_url, tmp_path, lines, columns={"age": {}})
    [window] = list_windows(warehouse_url, settings)
    found = load_window(warehouse_url, settings.problem, window, 100)
    assert len(set(found.rows["age"])) == 100
    assert abs(found.target.mean() - 500) < 4 * 289 / 10, "of all that is loaded"


def test_of_many_requests_a_sample_is_loaded_also_where_they_are_for_the_same_row(warehouse_url: str) -> None:
    problem, day = Settings().problem, Window(MONDAY, 1)
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO prediction.log (at, source, model_version, trip_distance, predicted)"
            " SELECT '2024-01-01T12:00:00', 'service', 1, n % 2, 5 FROM generate_series(1, 1000) n"
        )
    assert len(load_requests(warehouse_url, problem, day, 1_000)["trip_distance"]) == 1_000
    found, again = (load_requests(warehouse_url, problem, day, 100)["trip_distance"] for _ in range(2))
    assert len(found) == 100
    assert found.tolist() == again.tolist()
    assert 30 <= found.sum() <= 70


@pytest.mark.parametrize(
    ("weekdays", "days", "complete"),
    [
        ((0, 1, 2, 3, 4, 5, 6), 56, 8),
        ((0, 1, 2, 3, 4), 54, 8),
        ((4,), 54, 8),
        # The second Sunday has not come.
        ((0, 1, 2, 3, 4, 5, 6), 13, 1),
        # Nobody knows yet whether the weekend will have rows.
        ((0, 1, 2, 3, 4), 5, 0),
        ((0, 1, 2, 3, 4), 8, 1),
    ],
)
def test_weeks_are_complete_without_the_days_that_never_have_rows(
    weekdays: tuple[int, ...], days: int, complete: int
) -> None:
    all_days = [MONDAY + timedelta(days=number) for number in range(days)]
    windows = find_windows({day: 10 for day in all_days if day.weekday() in weekdays}, 7, 1)
    assert [window.start for window in windows] == [MONDAY + timedelta(weeks=week) for week in range(complete)]


def test_week_in_which_a_usual_day_has_no_rows_is_not_complete() -> None:
    weeks = [MONDAY + timedelta(days=number) for number in range(28)]
    # One Sunday of four has rows, and one Wednesday has none.
    rows = {day: 10 for day in weeks if (day.weekday() != 6 or day == date(2024, 1, 7)) and day != date(2024, 1, 10)}
    assert [window.start.day for window in find_windows(rows, 7, 1)] == [1, 15, 22]
    assert find_windows({}, 7, 1) == []


def list_days(first: date, count: int, rows: int = 100) -> dict[date, int]:
    return {first + timedelta(days=number): rows for number in range(count)}


def test_weeks_without_any_row_do_not_make_days_unusual() -> None:
    # A month, and the same month of the next year: the weeks at their ends are cut off.
    windows = find_windows(list_days(date(2023, 1, 1), 31) | list_days(date(2024, 1, 1), 31), 7, 200)
    starts = [str(window.start) for window in windows]
    assert starts == ["2023-01-02", "2023-01-09", "2023-01-16", "2023-01-23",
                      "2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22"]  # fmt: skip


@pytest.mark.parametrize("strays", [1, 20])
def test_stray_rows_do_not_make_days_unusual(strays: int) -> None:
    # Up to a Tuesday, whose week is not complete.
    rows = list_days(MONDAY, 86)
    rows |= {date(2023, 1, 1) + timedelta(days=9 * number): 1 for number in range(strays)}
    windows = find_windows(rows, 7, 200)
    assert [window.start for window in windows] == [MONDAY + timedelta(weeks=week) for week in range(12)]


def test_stray_rows_do_not_make_a_day_usual_that_is_none() -> None:
    rows = {day: 100 for day in list_days(MONDAY, 26) if day.weekday() != 6}
    sundays = {date(2023, 1, 1) + timedelta(weeks=number): 1 for number in range(6)}
    assert [window.start.day for window in find_windows(rows | sundays, 7, 200)] == [1, 8, 15]


def test_where_no_day_of_the_week_is_usual_all_must_have_rows() -> None:
    # In each week another day.
    rows = {MONDAY + timedelta(days=8 * number): 500 for number in range(7)}
    assert find_windows(rows, 7, 200) == []
    assert find_windows(rows | list_days(MONDAY, 7), 7, 200) == [Window(MONDAY, 7)]


def test_what_is_loaded_of_rows_without_time_is_new_if_a_month_of_the_set_has_changed(published_url: str) -> None:
    problem = Problem(name="rents", source="file:///{month}.csv", target="rent", columns={"area": {}})  # type: ignore[call-arg, arg-type]
    today = [Window(datetime.now(UTC).date(), 1)]

    def change(statement: str) -> list[bool]:
        with connect(published_url) as connection:
            connection.execute(statement.encode())
        return find_new(published_url, problem, 1, today)

    assert change("SELECT 1") == [False]
    copy = "INSERT INTO raw.sources SELECT (jsonb_populate_record(s, '{}')).* FROM raw.sources s ORDER BY month LIMIT 1"
    older, newer = (copy.format(f'{{"month": "{month}", "sha256": "x"}}') for month in ("2001-01", "2099-01"))
    assert change(older) == [False], "the set has rolled beyond it"
    assert change(newer) == [True]


def test_what_a_set_of_months_has_learnt_is_not_new_whether_or_not_its_source_has_months(published_url: str) -> None:
    problem = Settings().problem
    known, later = Window(date(2024, 2, 19), 7), Window(date(2024, 3, 4), 7)
    with connect(published_url) as connection:
        connection.execute("""UPDATE training.sets SET sources = '{"all": "x"}' WHERE version = 1""")
    assert find_new(published_url, problem, 1, [known, later]) == [False, True]


def test_there_is_no_window_until_the_column_of_the_time_is_there(warehouse_url: str) -> None:
    store_month(warehouse_url, "2024-02", [RawTrip(f"2024-02-{day:02}T12:00:00") for day in range(1, 29)])
    columns = {"sold_at": {"kind": "time"}, "age": {}}
    problem = Problem(name="sales", source="file:///{month}.csv", target="price", time="sold_at", columns=columns)  # type: ignore[call-arg, arg-type]
    settings = Settings(problem=problem, drift_minimum_rows=5)
    assert list_windows(warehouse_url, settings) == []
    ensure_columns(warehouse_url, problem)
    with connect(warehouse_url) as connection:
        connection.execute("UPDATE raw.rows SET sold_at = pickup_at")
    assert list_windows(warehouse_url, settings)
