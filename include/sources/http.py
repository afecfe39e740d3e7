"""HTTP as sources need it: a look, a download, a JSON page, and errors that tell whether waiting can help."""

import json
import ssl
import tempfile
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from include.errors import SourceInvalid, SourceUnavailable
from include.sources.contents import NothingThere
from include.sources.formats.records import make_object
from include.sources.limits import Limits, Progress, explain_unpacked, limit_unpacked, read_within
from include.sources.location import explain, list_span, mask, next_month

GONE = {404, 410}
TRY_LATER = {408, 425, 429}
# With so many months in a row that are not there, no later one is looked for.
MOST_MISSING = 12


def open_client(limits: Limits) -> httpx.Client:
    """A client that keeps the limits of single waits, and follows redirects where they may lead."""

    def check(request: httpx.Request) -> None:
        limits.allow(str(request.url))

    return httpx.Client(
        verify=_load_certificates(), timeout=limits.timeout, follow_redirects=True, event_hooks={"request": [check]}
    )


@cache
def _load_certificates() -> ssl.SSLContext:
    """The authorities that are trusted; to read them takes far longer than all else that a client needs."""
    return httpx.create_ssl_context()


def look(url: str, limits: Limits) -> tuple[int | None, str | None]:
    """Size and validator from a HEAD request; both None where the server does not answer such requests.

    Raises:
        NothingThere: The server says that there is nothing at the address.
        SourceInvalid: The address cannot be used.
        SourceUnavailable: The server cannot be reached or has trouble.
    """

    def ask(progress: Progress) -> httpx.Response:
        with _translate(url), open_client(limits) as client:
            return client.head(url, extensions={"trace": progress.trace})

    response = read_within(limits, url, ask)
    if response.status_code in GONE or _is_trouble(response.status_code):
        _check_status(response, url)
    if response.status_code >= 400:
        return None, None
    return read_validator(response)


def list_months(url_of: Callable[[str], str], known: Collection[str], limits: Limits) -> list[str]:
    """The months from the first known one to the last that the server has, not after the current one.

    HTTP lists no directories, so that the months after those known are asked for one by one, until `MOST_MISSING` in a
    row are not there. Those up to the last known one are not asked for. Months between may never have been published,
    or may be gone.

    Args:
        url_of: Month (YYYY-MM) -> address.

    Raises:
        SourceUnavailable: The server cannot be reached or has trouble.
    """
    last, current = max(known), f"{datetime.now(UTC):%Y-%m}"
    following, missing = next_month(last), 0
    while following <= current and missing < MOST_MISSING:
        if _is_there(url_of(following), limits):
            last, missing = following, 0
        else:
            missing += 1
        following = next_month(following)
    return list_span(min(known), last)


def _is_there(url: str, limits: Limits) -> bool:
    try:
        # Some servers refuse what they do not have: only a size or a sign of change says that it is there.
        return look(url, limits) != (None, None)
    except SourceInvalid:
        return False


def read_validator(response: httpx.Response) -> tuple[int | None, str | None]:
    """Size and validator that the headers of a response tell."""
    headers = response.headers
    length = headers.get("content-length")
    size = int(length) if length and length.isdigit() and "content-encoding" not in headers else None
    modified = headers.get("last-modified")
    return size, headers.get("etag") or (f"{size}@{modified}" if modified else None)


def download(url: str, path: Path, limits: Limits) -> str | None:
    """Writes what is at `url` to `path` and returns its validator.

    Raises:
        SourceInvalid: The server refuses, or what it sends packed becomes too large.
        SourceUnavailable: The server cannot be reached, has trouble, is too slow, or broke off.
    """

    def read(progress: Progress) -> str | None:
        with open_client(limits) as client, _receive(client, url, progress) as (response, pieces):
            with explain_full_disk(url), path.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                    most = limit_unpacked(response.num_bytes_downloaded)
                    if "content-encoding" in response.headers and file.tell() > most:
                        raise explain_unpacked(url, most)
            return read_validator(response)[1]

    return read_within(limits, url, read)


def get_json(client: httpx.Client, url: str, progress: Progress, most_bytes: int) -> Any:
    """The JSON document at `url`.

    Raises:
        NothingThere: The server has none there.
        SourceInvalid: The server refuses, or what it sends is not JSON, too large, or names a key twice.
        SourceUnavailable: The server cannot be reached, has trouble, or broke off.
    """
    body = bytearray()
    with _receive(client, url, progress) as (_, pieces):
        for piece in pieces:
            body += piece
            if len(body) > most_bytes:
                raise SourceInvalid(
                    f"{mask(url)} answers with more than {most_bytes} bytes: ask for fewer records a page in SOURCE, "
                    "for instance by {limit}"
                )
    try:
        return json.loads(bytes(body), object_pairs_hook=make_object)
    # Nesting that is too deep, or a text that is no JSON or not in UTF-8.
    except (RecursionError, ValueError) as error:
        raise SourceInvalid(
            f"{mask(url)} did not answer with JSON that can be used ({explain(error, url)}): check SOURCE"
        ) from error


@contextmanager
def _receive(
    client: httpx.Client, url: str, progress: Progress
) -> Iterator[tuple[httpx.Response, Generator[bytes, None, None]]]:
    """A good answer and the pieces of its body as they come, each counted."""

    def count(response: httpx.Response) -> Generator[bytes, None, None]:
        for piece in response.iter_bytes():
            progress.count(response.num_bytes_downloaded)
            yield piece

    progress.begin()
    with _translate(url), client.stream("GET", url, extensions={"trace": progress.trace}) as response:
        _check_status(response, url)
        # A piece that is packed twice may become a million times as large before it can be counted.
        if "," in response.headers.get("content-encoding", ""):
            raise SourceInvalid(f"{mask(url)} is packed twice on its way: have the server pack it once at most")
        yield response, count(response)
    progress.end()


@contextmanager
def explain_full_disk(url: str) -> Iterator[None]:
    """Turns errors of keeping what is at `url` on this machine into ones that say what helps."""
    try:
        yield
    except OSError as error:
        raise SourceUnavailable(
            f"{mask(url)} could not be kept on this machine ({explain(error, url)}): make room in "
            f"{tempfile.gettempdir()}, or name another directory in TMPDIR"
        ) from error


@contextmanager
def _translate(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise SourceInvalid(f"{mask(url)} is not a usable address ({explain(error, url)}): check SOURCE") from error
    except httpx.TooManyRedirects as error:
        raise SourceInvalid(f"{mask(url)} redirects without end: check SOURCE") from error
    except httpx.HTTPError as error:
        reason = explain(error, url)
        raise SourceUnavailable(f"{mask(url)} could not be read: {reason}. Try again when it answers") from error


def _is_trouble(status: int) -> bool:
    return status >= 500 or status in TRY_LATER


def _check_status(response: httpx.Response, url: str) -> None:
    status = f"{response.status_code} {response.reason_phrase}".strip()
    if _is_trouble(response.status_code):
        raise SourceUnavailable(f"{mask(url)} answered {status}. Try again when the server has recovered")
    if response.status_code >= 400:
        refusal = NothingThere if response.status_code in GONE else SourceInvalid
        raise refusal(
            f"{mask(url)} answered {status}: the month is not published there, or it needs other credentials. "
            "Check SOURCE, and take the month out of MONTHS if it is named there"
        )
