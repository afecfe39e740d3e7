"""HTTP as sources need it: a look, a download, a JSON page, and errors that tell whether waiting can help."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from include.taxi.errors import SourceInvalid, SourceUnavailable
from include.taxi.sources.location import explain, list_span, mask, next_month

GONE = {404, 410}
TRY_LATER = {408, 425, 429}


def look(url: str, timeout: float) -> tuple[int | None, str | None]:
    """Size and validator from a HEAD request; both None where the server does not answer such requests.

    Raises:
        SourceInvalid: There is nothing at the address.
        SourceUnavailable: The server cannot be reached or has trouble.
    """
    with _translate(url):
        response = httpx.head(url, timeout=timeout, follow_redirects=True)
    if response.status_code in GONE or _is_trouble(response.status_code):
        _check_status(response, url)
    if response.status_code >= 400:
        return None, None
    return read_validator(response)


def list_months(url_of: Callable[[str], str], known: Collection[str], timeout: float) -> list[str]:
    """The months from the first known one to the last that the server has, not after the current one.

    HTTP lists no directories, so that the months after those known are asked for one by one.

    Args:
        url_of: Month (YYYY-MM) -> address.

    Raises:
        SourceUnavailable: The server cannot be reached or has trouble.
    """
    months = list_span(min(known), max(known))
    while (following := next_month(months[-1])) <= f"{datetime.now(UTC):%Y-%m}":
        try:
            # Some servers refuse what they do not have: only a size or a sign of change says that it is there.
            if look(url_of(following), timeout) == (None, None):
                break
        except SourceInvalid:
            break
        months.append(following)
    return months


def read_validator(response: httpx.Response) -> tuple[int | None, str | None]:
    """Size and validator that the headers of a response tell."""
    headers = response.headers
    length = headers.get("content-length")
    size = int(length) if length and length.isdigit() and "content-encoding" not in headers else None
    modified = headers.get("last-modified")
    return size, headers.get("etag") or (f"{size}@{modified}" if modified else None)


def download(url: str, path: Path, timeout: float) -> str | None:
    """Writes what is at `url` to `path` and returns its validator.

    Raises:
        SourceInvalid: The server refuses.
        SourceUnavailable: The server cannot be reached, has trouble, or broke off.
    """
    with _translate(url), httpx.stream("GET", url, timeout=timeout, follow_redirects=True) as response:
        _check_status(response, url)
        with path.open("wb") as file:
            for piece in response.iter_bytes(1 << 20):
                file.write(piece)
        return read_validator(response)[1]


def get_json(client: httpx.Client, url: str) -> Any:
    """The JSON document at `url`.

    Raises:
        SourceInvalid: The server refuses, or what it sends is not JSON.
        SourceUnavailable: The server cannot be reached, has trouble, or broke off.
    """
    with _translate(url):
        response = client.get(url)
    _check_status(response, url)
    try:
        return response.json()
    except ValueError as error:
        raise SourceInvalid(f"{mask(url)} did not answer with JSON ({error}): check SOURCE") from error


@contextmanager
def _translate(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise SourceInvalid(f"{mask(url)} is not a usable address ({explain(error, url)}): check SOURCE") from error
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
        raise SourceInvalid(
            f"{mask(url)} answered {status}: the month is not published there, or it needs other credentials. "
            "Check SOURCE and MONTHS"
        )
