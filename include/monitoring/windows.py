"""Windows of the raw rows: weeks, by default, that are complete."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import psycopg
from psycopg import sql

from include.configuration.values import ALL
from include.problem.data import Columns, Split
from include.problem.declaration import Problem
from include.raw.tables import ROWS, has_columns
from include.sets.examples import TARGET, list_columns, read_rows, split_of_columns, table_of, target_bounds
from include.settings import Settings
from include.warehouse import connect

# A Monday: windows of seven days are calendar weeks, whatever day the data begins on.
FIRST_DAY = date(1970, 1, 5)
# A row belongs to its file's month; strays outside of it make no window.
_ROWS = """
    FROM raw.accepted
    WHERE month IN ('all', to_char({time}, 'YYYY-MM')) AND target BETWEEN {low} AND {high}
"""
# The rows with the lowest hashes; those of the others are left out before what is left is sorted.
_SAMPLE = "{rows} AND mod({identity}, {shares}) = 0 ORDER BY {identity} LIMIT {most}"
_ROW = sql.SQL("hashint8extended(row_number, 0)")
# Nothing else tells two requests for the same row apart, and a request is never changed.
_REQUEST = sql.SQL("hashtidextended(ctid, 0)")


@dataclass(frozen=True)
class Window:
    """Days that are looked at together, the first one and how many."""

    start: date
    days: int

    @property
    def last_day(self) -> date:
        """Its last day."""
        return self.start + timedelta(days=self.days - 1)

    @property
    def months(self) -> set[str]:
        """The months, YYYY-MM, that its days are in."""
        return {(self.start + timedelta(days=number)).isoformat()[:7] for number in range(self.days)}


def find_windows(rows: Mapping[date, int], days: int, least_rows: int) -> list[Window]:
    """The complete windows, oldest first: rows on each day that has any in most weeks, and not fewer than `least_rows`.

    A shop that is closed on Sundays has complete weeks, too.

    Args:
        rows: Day -> number of rows.
    """
    if not rows:
        return []
    starts = sorted({day - timedelta(days=(day - FIRST_DAY).days % days) for day in rows})
    usual = _find_usual_weekdays(rows)
    windows = []
    for window in (Window(start, days) for start in starts):
        each = [window.start + timedelta(days=number) for number in range(days)]
        is_complete = all(rows.get(day) for day in each if day.weekday() in usual)
        if is_complete and sum(rows.get(day, 0) for day in each) >= least_rows:
            windows.append(window)
    return windows


def _find_usual_weekdays(rows: Mapping[date, int]) -> set[int]:
    """The days of the week that have rows in most of the weeks with rows; all seven where no day has.

    A week counts once for each of its days with rows: one with nothing but a stray row hardly weighs.
    """
    first, last = min(rows), max(rows)
    weights = Counter(day - timedelta(days=day.weekday()) for day, number in rows.items() if number)
    passed, found = Counter[int](), Counter[int]()
    for monday, weight in weights.items():
        for day in (monday + timedelta(days=number) for number in range(7)):
            if first <= day <= last:
                passed[day.weekday()] += weight
                found[day.weekday()] += weight if rows.get(day) else 0
    usual = {day for day in range(7) if 2 * found[day] >= passed[day]}
    return usual or set(range(7))


def choose_windows(windows: Sequence[Window], newest_month: str, least: int) -> list[Window]:
    """The windows that end in the newest month, and at least the last `least`."""
    of_month = [window for window in windows if window.last_day.isoformat()[:7] >= newest_month]
    return list(windows[-max(least, len(of_month)) :])


def list_windows(url: str, settings: Settings) -> list[Window]:
    """The complete windows of the newest loaded month, and at least as many as the alarm looks at; oldest first.

    Where rows have no time, all that is loaded is one window, of the day on which it was.
    """
    if settings.problem.time is None:
        return _list_loads(url)
    if not has_time(url, settings.problem):
        return []
    with connect(url) as connection:
        newest = "SELECT month FROM raw.sources ORDER BY month DESC LIMIT %s"
        months = [month for (month,) in connection.execute(newest, [_count_months(settings)])]
        if not months:
            return []
        rows = connection.execute(
            sql.SQL("SELECT {}::date, count(*) {} AND month = ANY({}) GROUP BY 1").format(
                _name_time(settings.problem), _choose_rows(settings.problem), sql.Literal(months)
            )
        ).fetchall()
    windows = find_windows(dict(rows), settings.drift_window_days, settings.drift_minimum_rows)
    return choose_windows(windows, months[0], settings.drift_windows)


def _count_months(settings: Settings) -> int:
    """How many months hold the windows that decide on an alarm, and what of one more has come.

    The newest month may have begun a day ago, and so it does not count.
    """
    return (settings.drift_windows + 1) * settings.drift_window_days // 30 + 2


def has_time(url: str, problem: Problem) -> bool:
    """Whether raw rows have the column of the problem's time, if it has one, and times in it.

    That of another declaration than the one of the last preparation, which makes the columns, may not be there.
    """
    if problem.time is None:
        return True
    with connect(url) as connection:
        return has_columns(connection, ROWS, [problem.columns[problem.time]])


def load_window(url: str, problem: Problem, window: Window, most: int | None = None) -> Split:
    """The accepted rows of a window with their targets.

    Args:
        most: Of more rows, a sample of so many is loaded, as even over time as the whole, and the same each time.
    """
    if problem.time is None:
        rows = _choose_all(problem)
    else:
        rows = sql.SQL(
            "{rows} AND {time} >= {start}::date AND {time} < {start}::date + {days} AND month = ANY({months})"
        ).format(
            rows=_choose_rows(problem),
            time=_name_time(problem),
            start=sql.Literal(window.start),
            days=sql.Literal(window.days),
            months=sql.Literal([ALL, *sorted(window.months)]),
        )
    query = sql.SQL("SELECT {}, target {}").format(
        list_columns(problem.inputs), rows if most is None else _sample(url, rows, _ROW, most)
    )
    return split_of_columns(problem, read_rows(url, problem, query, [*problem.dtypes, TARGET]))


def find_new(url: str, problem: Problem, version: int, windows: Sequence[Window]) -> list[bool]:
    """Whether each window holds rows that were not there, or not so, when a training set was made.

    Args:
        version: Of the training set.
    """
    with connect(url) as connection:
        now = dict(connection.execute("SELECT month, sha256 FROM raw.sources").fetchall())
        row = connection.execute("SELECT sources FROM training.sets WHERE version = %s", [version]).fetchone()
        learnt = row[0] if row else {}
        if problem.time is None:
            # Months that the set has rolled beyond are no news.
            is_new = any(sha != learnt.get(month) for month, sha in now.items() if month >= min(learnt, default=""))
            return [is_new] * len(windows)
        if ALL not in now and ALL not in learnt:
            return [any(now.get(month) != learnt.get(month) for month in window.months) for window in windows]
        if now == learnt or not _has_examples(connection, version):
            return [now != learnt] * len(windows)
        newest = sql.SQL("SELECT max({})::date FROM {}").format(_name_time(problem), table_of(version))
        row = connection.execute(newest).fetchone()
    return [row is None or row[0] is None or window.last_day > row[0] for window in windows]


def _has_examples(connection: psycopg.Connection, version: int) -> bool:
    return connection.execute("SELECT to_regclass(%s)", [f"training.examples_{version}"]).fetchone() != (None,)


def load_requests(url: str, problem: Problem, window: Window, most: int) -> Columns:
    """The rows that were asked for in a window, by the day of the request.

    Args:
        most: Of more rows, a sample of so many is loaded, as even over time as the whole, and the same each time.
    """
    rows = sql.SQL("FROM prediction.log WHERE at >= {start}::date AND at < {start}::date + {days}").format(
        start=sql.Literal(window.start), days=sql.Literal(window.days)
    )
    query = sql.SQL("SELECT {} {}").format(list_columns(problem.inputs), _sample(url, rows, _REQUEST, most))
    return read_rows(url, problem, query, problem.dtypes)


def _sample(url: str, rows: sql.Composed, identity: sql.SQL, most: int) -> sql.Composed:
    """The end of a query, from its FROM on, that gives at most so many of its rows.

    Args:
        identity: Hash of a row, an integer of 64 bits.
    """
    with connect(url) as connection:
        [(count,)] = connection.execute(sql.SQL("SELECT count(*) {}").format(rows))
    if count <= most:
        return rows
    # Of twice as many as are wanted, chance leaves enough.
    shares = max(1, count // (2 * most))
    return sql.SQL(_SAMPLE).format(rows=rows, identity=identity, shares=sql.Literal(shares), most=sql.Literal(most))


def _list_loads(url: str) -> list[Window]:
    with connect(url) as connection:
        row = connection.execute("SELECT max(loaded_at)::date FROM raw.sources").fetchone()
    return [Window(row[0], 1)] if row and row[0] else []


def _choose_all(problem: Problem) -> sql.Composed:
    low, high = map(sql.Literal, target_bounds(problem))
    return sql.SQL("FROM raw.accepted WHERE target BETWEEN {} AND {}").format(low, high)


def _name_time(problem: Problem) -> sql.Identifier:
    assert problem.time is not None  # only then there are windows
    return sql.Identifier(problem.time)


def _choose_rows(problem: Problem) -> sql.Composed:
    low, high = target_bounds(problem)
    return sql.SQL(_ROWS).format(time=_name_time(problem), low=sql.Literal(low), high=sql.Literal(high))
