"""How long a source is waited for, where it may lead, and how large it may become: for one answer and for a month."""

import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from include.errors import SourceInvalid, SourceUnavailable
from include.settings import Settings
from include.sources.location import mask

# Bytes a second that an answer brings at least: less is no slow line but a server that holds on to its callers.
LEAST_SPEED = 1_024
SECONDS_BETWEEN_LOOKS = 0.2
MOST_BYTES = 20 * 2**30
# A small file that becomes a large one is no table: this is what tables of the same few values do not reach.
MOST_TIMES = 200
ALWAYS_ALLOWED = 2**30

Allow = Callable[[str], None]
T = TypeVar("T")


def allow_all(url: str) -> None:
    """Where the owner's own settings lead is theirs to say."""


@dataclass(frozen=True)
class Limits:
    """What a source is given.

    Attributes:
        timeout: Seconds to wait for an answer, and over which an answer must bring `LEAST_SPEED` bytes a second.
        time_limit: Seconds for everything together.
        allow: Raises for an address that must not be asked; called for each that a server or a link leads to.
    """

    timeout: float
    time_limit: float
    allow: Allow = allow_all

    @classmethod
    def of(cls, settings: Settings, allow: Allow = allow_all) -> "Limits":
        """The limits that the settings give."""
        return cls(settings.source_timeout, settings.source_time_limit, allow)


class GivenUp(Exception):
    """Ends the work of a read that nobody waits for any more."""


@dataclass
class Progress:
    """What a read under way has received; a read that is given up ends at its next sign of life.

    Attributes:
        measured: Whether the speed counts now: between the beginning of an answer and its end.
    """

    measured: bool = False
    received: int = 0
    given_up: bool = False
    _before: int = 0
    _since: float = field(default_factory=monotonic)
    _stream: Any = None

    def begin(self) -> None:
        """An answer begins."""
        self.measured, self.received, self._before, self._since = True, 0, 0, monotonic()

    def count(self, received: int) -> None:
        """So many bytes of the answer are here."""
        if self.given_up:
            raise GivenUp
        self.received = received

    def end(self) -> None:
        """The answer is complete."""
        self.measured = False

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Hears from httpx what a request is at: connecting has a limit of its own, then the answer must come."""
        # Never while a connection is being closed: that has to come to its end.
        if self.given_up and event.endswith(("connect_tcp.started", "connect_tcp.complete", "request_headers.started")):
            raise GivenUp
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]
            self.begin()
        elif event.endswith("receive_response_headers.complete"):
            self.begin()

    def is_too_slow(self, timeout: float) -> bool:
        """Whether the last `timeout` seconds have brought too little; begins the next ones where they have not."""
        if not self.measured or monotonic() - self._since < timeout:
            return False
        if self.received - self._before < LEAST_SPEED * timeout:
            return True
        self._before, self._since = self.received, monotonic()
        return False

    def give_up(self) -> None:
        """Wakes and ends the read."""
        self.given_up = True
        connection = self._stream and self._stream.get_extra_info("socket")
        if connection:
            # Closing would not wake who reads, and might hand the number of the socket to someone else.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def read_within(limits: Limits, url: str, work: Callable[[Progress], T]) -> T:
    """Does `work` in a thread of its own and returns what it returns, or gives it up.

    A time limit on each wait for the network does not do: a byte now and then would keep it alive for ever.

    Raises:
        SourceUnavailable: It was too slow, or took too long.
    """
    progress = Progress()
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work(progress))
        except BaseException as error:
            outcome.set_exception(error)

    begun = monotonic()
    # A daemon: where a library cannot be woken, the process need not wait for it.
    threading.Thread(target=run, name="source", daemon=True).start()
    try:
        while not wait([outcome], SECONDS_BETWEEN_LOOKS).done:
            if progress.is_too_slow(limits.timeout):
                raise SourceUnavailable(
                    f"{mask(url)} was given up: it sent less than {LEAST_SPEED} bytes per second for "
                    f"{limits.timeout:g} s (SOURCE_TIMEOUT). Try again when it is faster"
                )
            if monotonic() - begun > limits.time_limit:
                raise explain_time_limit(url, limits)
    finally:
        if not outcome.done():
            progress.give_up()
    return outcome.result()


def explain_time_limit(url: str, limits: Limits) -> SourceUnavailable:
    """The error of a read that took longer than all of it may."""
    return SourceUnavailable(
        f"{mask(url)} was given up after {limits.time_limit:g} s, which is all that a month may take: "
        "if the source is well, raise SOURCE_TIME_LIMIT"
    )


def limit_unpacked(packed: int) -> int:
    """The bytes that so many packed ones may become."""
    return min(MOST_BYTES, max(ALWAYS_ALLOWED, MOST_TIMES * packed))


def explain_unpacked(url: str, most: int) -> SourceInvalid:
    """The error of what becomes more than `most` bytes."""
    return SourceInvalid(
        f"{mask(url)} becomes more than {most:,} bytes when it is unpacked, which is too much for one file: "
        "split it into several files"
    )
