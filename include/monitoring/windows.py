"""Windows of the raw trips: weeks, by default, that are complete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from include.problem.data import Split
from include.problems.taxi.features import rows_of_frame
from include.settings import Settings
from include.warehouse import connect, connect_bulk

# A Monday: windows of seven days are calendar weeks, whatever day the data begins on.
FIRST_DAY = date(1970, 1, 5)
# A trip belongs to its file's month; strays outside of it make no window.
_TRIPS = """
    FROM raw.accepted
    WHERE to_char(pickup_at, 'YYYY-MM') = month
"""


@dataclass(frozen=True)
class Window:
    """Days that are looked at together, the first one and how many."""

    start: date
    days: int

    @property
    def last_day(self) -> date:
        """Its last day."""
        return self.start + timedelta(days=self.days - 1)


def find_windows(rows: Mapping[date, int], days: int, least_rows: int) -> list[Window]:
    """The complete windows, oldest first: trips on every day, and not fewer than `least_rows` of them in all.

    Args:
        rows: Day of pickup -> number of trips.
    """
    starts = sorted({day - timedelta(days=(day - FIRST_DAY).days % days) for day in rows})
    windows = [(Window(start, days), [rows.get(start + timedelta(days=n), 0) for n in range(days)]) for start in starts]
    return [window for window, counts in windows if all(counts) and sum(counts) >= least_rows]


def choose_windows(windows: Sequence[Window], newest_month: str, least: int) -> list[Window]:
    """The windows that end in the newest month, and at least the last `least`."""
    of_month = [window for window in windows if window.last_day.isoformat()[:7] >= newest_month]
    return list(windows[-max(least, len(of_month)) :])


def list_windows(url: str, settings: Settings) -> list[Window]:
    """The complete windows of the newest loaded month, and at least as many as the alarm looks at; oldest first."""
    with connect(url) as connection:
        months = [m for (m,) in connection.execute("SELECT month FROM raw.sources ORDER BY month DESC LIMIT 2")]
        if not months:
            return []
        rows = connection.execute(
            f"SELECT pickup_at::date, count(*) {_TRIPS} AND target BETWEEN %s AND %s AND month = ANY(%s) GROUP BY 1",
            [settings.problem.target_min, settings.problem.target_max, months],
        ).fetchall()
    windows = find_windows(dict(rows), settings.drift_window_days, settings.drift_minimum_rows)
    return choose_windows(windows, months[0], settings.drift_windows)


def load_window(url: str, settings: Settings, window: Window) -> Split:
    """The accepted trips of a window with their targets."""
    with connect_bulk(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pickup_at, pickup_zone, dropoff_zone, trip_distance, target {_TRIPS}"
            " AND target BETWEEN $1 AND $2 AND pickup_at >= $3::date AND pickup_at < $3::date + $4::integer"
            " AND month IN (to_char($3::date, 'YYYY-MM'), to_char($3::date + $4::integer - 1, 'YYYY-MM'))",
            (settings.problem.target_min, settings.problem.target_max, window.start, window.days),
        )
        frame = cursor.fetch_arrow_table().to_pandas()
    return Split(rows_of_frame(frame), frame["target"].to_numpy(dtype="float64"))
