"""Which rows are looked at together, where they are not divided into months."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from include.monitoring.windows import Window, find_new, list_windows, load_window
from include.problem.declaration import Problem
from include.sets import preparation
from include.settings import Settings
from include.warehouse import connect


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
