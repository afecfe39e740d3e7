"""What is new at the source since it was last looked at: files alone can be watched, other kinds have no cheap sign."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import islice

from psycopg.types.json import Jsonb

from include.configuration.values import ALL
from include.problem.declaration import Problem
from include.settings import Settings
from include.sources import NothingThere, Probe, list_months
from include.sources.files import look
from include.sources.listing import is_http
from include.sources.location import identify_kind, mask, month_bounds
from include.warehouse import connect

Signs = Mapping[str, str]
# Two to learn from, one to choose parameters by and one to judge on. More say less and less: on the first problem the
# error is 3 % lower after four months of training than after one, and 4 % lower after seven.
LEAST_MONTHS = 4
# A web server is asked for each month on its own, and may be another's.
LEAST_SECONDS_ON_WEB = 60.0


def look_back(
    settings: Settings,
    known: Collection[str],
    look: Callable[[Settings, str], Probe],
    leave_out: Callable[[str], None] = lambda _: None,
) -> Iterator[Probe]:
    """Looks at the months of the source that are there, the newest one first, each when it is asked for.

    Args:
        known: Months that were seen there before.
        look: `sources.probe`, or another that raises what it does.
        leave_out: Is told why a month that may have been there is left out.

    Raises:
        NothingThere: Of none of the source's months is anything there.
        SourceInvalid, SourceUnavailable, SettingsError: As `sources.probe`.
    """
    known = {*settings.months, *known}
    gone = None
    is_any_there = False
    for month in reversed(list_months(settings, known)):
        try:
            found = look(settings, month)
        except NothingThere as error:
            leave_out(f"{month} is left out: {error}")
            gone = gone or error
            continue
        # As in `http.list_months`: some servers refuse what they do not have.
        if month not in known and is_http(settings.problem.address) and (found.size, found.validator) == (None, None):
            leave_out(f"{month} is left out: {found.location} shows neither a size nor a sign of a change")
            continue
        is_any_there = True
        yield found
    if gone and not is_any_there:
        raise gone


def choose_window(settings: Settings, months: Iterable[Probe]) -> list[Probe]:
    """The first of the months, as many as a training set rolls over; ascending.

    Args:
        months: The newest one first.

    That many are ROLLING_MONTHS, else as many as MONTHS names, but at least `LEAST_MONTHS`.
    """
    size = settings.rolling_months or max(LEAST_MONTHS, len(settings.months))
    return list(islice(months, size))[::-1]


def find_last_day(problem: Problem, months: Collection[str]) -> date:
    """The last day of the rows that a training set of these months holds."""
    # Of a source that is not divided into months, and where rows have no time, all that is there is trained on.
    if ALL in months or problem.time is None:
        return date.max
    return month_bounds(max(months))[1] - timedelta(days=1) if months else date.min


def choose_pause(settings: Settings) -> float:
    """Seconds from one look to the next: WATCH_INTERVAL, but a minute at least on the web; 0 if it is 0."""
    least = LEAST_SECONDS_ON_WEB if is_http(settings.problem.address) else 0.0
    return max(settings.watch_interval, least) if settings.watch_interval else 0.0


def read_signs(settings: Settings, known: Collection[str]) -> dict[str, str] | None:
    """Month -> sign of a change, of the files that a training set would roll over.

    None where the source is of another kind, or WATCH_INTERVAL is 0.

    Args:
        known: Months that were seen before.

    Raises:
        SourceInvalid, SourceUnavailable, SettingsError: As `sources.probe`.
    """
    if not settings.watch_interval or identify_kind(settings) != "file":
        return None
    window = choose_window(settings, look_back(settings, known, look))
    return {found.month: found.validator or f"{found.size} bytes" for found in window}


def find_news(seen: Signs, before: Signs, now: Signs) -> list[str]:
    """The months whose files are new or changed, and settled: a file that is being written changes between looks.

    Args:
        seen: The signs up to which everything has been told.
        before: The signs of the look before.
        now: The signs of this look.
    """
    return [month for month, sign in now.items() if sign == before.get(month) and sign != seen.get(month)]


class Watch:
    """Looks at the source again and again, and tells of each month whose file is new or has changed once.

    The first look at a source that no watch has seen only sets its watermark: files that were there before are no news.
    Only one watch of a warehouse runs at a time.

    Args:
        url: The warehouse's libpq address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._source = ""
        self._told: Signs | None = None
        self._before: Signs = {}

    def look(self, settings: Settings) -> list[str]:
        """The months that are news now, ascending; their watermark is stored before they are told.

        Raises:
            SourceInvalid, SourceUnavailable, SettingsError: As `read_signs`.
            WarehouseUnavailable: The watermark could not be read or stored. After any of these, the next look is as if
                this one had not been.
        """
        source = mask(settings.problem.source)
        if source != self._source:
            self._told, self._before = _read_watermark(self._url, source), {}
            self._source = source
        now = read_signs(settings, self._told or ())
        if now is None:
            return []
        if self._told is None:
            news, told = [], now
        else:
            news = find_news(self._told, self._before, now)
            told = {**self._told, **{month: now[month] for month in news}}
        if told != self._told:
            _keep_watermark(self._url, source, told)
        self._told, self._before = told, now
        return news


def _read_watermark(url: str, source: str) -> Signs | None:
    with connect(url) as connection:
        found = connection.execute("SELECT signs FROM raw.watermarks WHERE source = %s", [source]).fetchone()
    return found[0] if found else None


def _keep_watermark(url: str, source: str, signs: Signs) -> None:
    with connect(url) as connection:
        connection.execute(
            """
            INSERT INTO raw.watermarks (source, signs) VALUES (%s, %s)
            ON CONFLICT (source) DO UPDATE SET signs = excluded.signs
            """,
            [source, Jsonb(dict(signs))],
        )
