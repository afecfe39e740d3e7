from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.monitoring.live_errors import measure_live_errors
from include.monitoring.report import Alarm, DriftReport
from include.monitoring.watch import answer_alarms, find_open_alarms, find_open_errors, raise_alarm
from include.monitoring.windows import Window, choose_windows, find_windows, list_windows, load_window
from include.problem.declaration import Problem
from include.settings import Settings
from include.warehouse import connect
from tests.warehouse_rows import RawTrip, query, store_month

MONDAY = date(2024, 2, 5)
WEEKS = (Window(date(2024, 2, 5), 7), Window(date(2024, 2, 12), 7), Window(date(2024, 2, 19), 7))
LAST_DAY = date(2024, 2, 29)
SETTINGS = Settings(drift_minimum_rows=7)


def count_days(start: date, days: int, trips: int = 1) -> dict[date, int]:
    return {start + timedelta(days=number): trips for number in range(days)}


# Windows


def test_windows_are_whole_calendar_weeks() -> None:
    rows = count_days(date(2024, 1, 31), 20)
    assert find_windows(rows, 7, 1) == [Window(MONDAY, 7), Window(date(2024, 2, 12), 7)]


def test_week_with_an_empty_day_or_too_few_rows_is_left_out() -> None:
    rows = count_days(MONDAY, 14)
    rows[date(2024, 2, 14)] = 0
    assert find_windows(rows, 7, 1) == [Window(MONDAY, 7)]
    assert find_windows(count_days(MONDAY, 7, trips=3), 7, 22) == []


def name_week(day: date) -> tuple[int, int]:
    return day.isocalendar()[:2]


def list_days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


@given(st.dictionaries(st.dates(date(2023, 1, 1), date(2023, 3, 1)), st.integers(0, 3)), st.integers(1, 10))
def test_windows_are_complete_and_do_not_overlap(rows: dict[date, int], days: int) -> None:
    windows = find_windows(rows, days, 1)
    for before, after in pairwise(windows):
        assert before.last_day < after.start
    first, last = min(rows, default=MONDAY), max(rows, default=MONDAY)
    # A week counts for each of its days that has rows.
    weights = Counter(name_week(day) for day, number in rows.items() if number)
    for window in windows:
        each = [window.start + timedelta(days=number) for number in range(days)]
        assert any(rows.get(day) for day in each)
        for empty in (day for day in each if not rows.get(day)):
            alike = [day for day in list_days(first, last) if day.weekday() == empty.weekday()]
            found = sum(weights[name_week(day)] for day in alike if rows.get(day))
            assert 2 * found < sum(weights[name_week(day)] for day in alike)


def test_windows_looked_at_are_those_of_the_newest_month_and_at_least_as_many_as_the_alarm_needs() -> None:
    windows = [Window(date(2024, 1, 1) + timedelta(weeks=week), 7) for week in range(8)]
    assert choose_windows(windows, "2024-02", 3) == windows[-4:]
    assert choose_windows(windows[:6], "2024-02", 3) == windows[3:6]
    assert choose_windows([], "2024-02", 3) == []


def store_days(url: str, month: str, days: int, **values: float) -> None:
    trips = [RawTrip(f"{month}-{day + 1:02}T12:00:00", **values) for day in range(days)]  # type: ignore[arg-type]
    store_month(url, month, trips)


def test_window_holds_accepted_trips_of_both_months_that_it_spans(warehouse_url: str) -> None:
    store_days(warehouse_url, "2024-01", 31)
    trips = [RawTrip(f"2024-02-{day + 1:02}T12:00:00", trip_distance=float(day)) for day in range(11)]
    stray, too_long = RawTrip("2024-01-30T12:00:00"), RawTrip("2024-02-01T13:00:00", minutes=500)
    refused = RawTrip("2024-02-02T13:00:00")
    store_month(warehouse_url, "2024-02", [*trips, stray, too_long, refused], rejected=[13])
    windows = list_windows(warehouse_url, SETTINGS)
    assert [window.start for window in windows] == [date(2024, 1, 15), date(2024, 1, 22), date(2024, 1, 29), MONDAY][
        -3:
    ]
    spanning = load_window(warehouse_url, SETTINGS.problem, Window(date(2024, 1, 29), 7))
    assert len(spanning) == 7
    assert set(spanning.target) == {10.0}
    assert sorted(spanning.rows["trip_distance"]) == [0.0, 1.0, 1.5, 1.5, 1.5, 2.0, 3.0]


def test_there_is_no_window_without_data(warehouse_url: str) -> None:
    assert list_windows(warehouse_url, SETTINGS) == []


# The alarm


def test_one_window_is_enough_where_rows_have_no_time() -> None:
    settings = Settings(drift_windows=5, drift_windows_needed=4)
    assert settings.windows_needed == 4
    without = Problem(name="sales", source="file:///sales.csv", target="price", columns={"age": {}})  # type: ignore[call-arg, arg-type]
    assert settings.model_copy(update={"problem": without}).windows_needed == 1


def make_report(*alarming: str, version: int = 4) -> DriftReport:
    flags = {"trip_distance": (False, True, True), "hour": (True, False, False)}
    return DriftReport("trip-duration", version, WEEKS, flags, alarming, {"trip_distance": "9.0% missing, 1.0% learnt"})


def test_alarm_is_raised_once_for_a_champion_and_newest_week(warehouse_url: str) -> None:
    report = make_report("trip_distance")
    alarm = raise_alarm(warehouse_url, report, "model_monitoring/1")
    assert alarm == Alarm(4, ("trip_distance",), ("2024-02-12", "2024-02-19"))
    assert raise_alarm(warehouse_url, report, "model_monitoring/2") is None
    assert raise_alarm(warehouse_url, make_report("trip_distance", version=5), "model_monitoring/3") is not None


def test_run_that_is_tried_again_raises_its_alarm_again(warehouse_url: str) -> None:
    report = make_report("trip_distance")
    first = raise_alarm(warehouse_url, report, "model_monitoring/1")
    assert raise_alarm(warehouse_url, report, "model_monitoring/1") == first


def test_no_alarm_without_a_column_that_calls_for_it(warehouse_url: str) -> None:
    assert raise_alarm(warehouse_url, make_report(), "model_monitoring/1") is None
    assert query(warehouse_url, "SELECT count(*) FROM monitoring.alarms") == [(0,)]


def test_alarm_is_open_until_a_retraining_with_that_data_answers_it(warehouse_url: str) -> None:
    raise_alarm(warehouse_url, make_report("trip_distance"), "model_monitoring/1")
    answer_alarms(warehouse_url, "trip-duration", date(2024, 1, 31), "automatic_retraining/1")
    assert find_open_alarms(warehouse_url, "trip-duration", 4, LAST_DAY) == ["trip_distance"]
    assert find_open_alarms(warehouse_url, "trip-duration", 5, LAST_DAY) == []
    answer_alarms(warehouse_url, "trip-duration", LAST_DAY, "automatic_retraining/2")
    assert find_open_alarms(warehouse_url, "trip-duration", 4, LAST_DAY) == []


@pytest.mark.parametrize("last_day", [date(2024, 1, 31), date(2024, 2, 25), date.max])
def test_alarm_is_open_to_those_alone_who_can_answer_it(warehouse_url: str, last_day: date) -> None:
    report = replace(make_report("trip_distance"), errors=("RMSE 5",))
    raise_alarm(warehouse_url, report, "model_monitoring/1")
    can_answer = last_day >= WEEKS[-1].last_day
    assert find_open_alarms(warehouse_url, "trip-duration", 4, last_day) == ["trip_distance"] * can_answer
    assert find_open_errors(warehouse_url, "trip-duration", 4, last_day) == ["RMSE 5"] * can_answer
    answer_alarms(warehouse_url, "trip-duration", last_day, "automatic_retraining/1")
    assert find_open_alarms(warehouse_url, "trip-duration", 4, date.max) == ["trip_distance"] * (not can_answer)


def test_report_survives_being_handed_on_as_json() -> None:
    report = make_report("trip_distance")
    assert DriftReport.from_dict(report.to_dict()) == report


def test_report_tells_an_alarm_from_a_single_odd_week() -> None:
    text = make_report("trip_distance").describe()
    assert "trip_distance drifts in the windows from 2024-02-12, 2024-02-19: alarm (9.0% missing, 1.0% learnt)." in text
    assert "hour drifts in the windows from 2024-02-05: no alarm." in text


# Live error


def log_prediction(url: str, pickup_at: str, predicted: float, distance: float = 1.5, version: int = 3) -> None:
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO prediction.log (at, source, model_version, pickup_at, pickup_zone, dropoff_zone,"
            " trip_distance, predicted) VALUES (now(), 'rest', %s, %s, 1, 2, %s, %s)",
            [version, datetime.fromisoformat(pickup_at), distance, predicted],
        )


def test_live_error_is_that_of_predictions_whose_trips_have_arrived(warehouse_url: str) -> None:
    store_month(warehouse_url, "2024-02", [RawTrip("2024-02-06T12:00:00", 10), RawTrip("2024-02-07T12:00:00", 20)])
    log_prediction(warehouse_url, "2024-02-06T12:00:00", 13)
    log_prediction(warehouse_url, "2024-02-07T12:00:00", 16)
    log_prediction(warehouse_url, "2024-02-07T12:00:00", 16, distance=9.9)
    log_prediction(warehouse_url, "2024-03-07T12:00:00", 16)
    for _ in range(2):
        assert measure_live_errors(warehouse_url, SETTINGS) == 2
        stored = query(warehouse_url, "SELECT model_version, week, rows, error FROM monitoring.live_errors")
        assert stored == [("3", MONDAY, 2, pytest.approx(12.5**0.5))]


def test_rides_that_look_alike_are_compared_with_their_mean(warehouse_url: str) -> None:
    store_month(warehouse_url, "2024-02", [RawTrip("2024-02-06T12:00:00", 10), RawTrip("2024-02-06T12:00:00", 20)])
    log_prediction(warehouse_url, "2024-02-06T12:00:00", 15)
    assert measure_live_errors(warehouse_url, SETTINGS) == 1
    assert query(warehouse_url, "SELECT error FROM monitoring.live_errors") == [(0.0,)]


def test_live_error_waits_until_something_was_predicted(warehouse_url: str) -> None:
    assert measure_live_errors(warehouse_url, SETTINGS) == 0
