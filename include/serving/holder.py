"""The champion in memory: checked again and again, loaded and warmed up beside the old one, then swapped."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from include.errors import ModelInvalid, NoChampion
from include.models.artifact import Model
from include.prediction.accepted import find_accepted
from include.prediction.inputs import InputFormat
from include.problem.data import make_any_rows
from include.serving.metrics import Metrics
from include.settings import Settings, read_settings
from include.tracking.registry import RegisteredVersion
from include.tracking.runs import Tracker, open_registry
from include.tracking.store import STORE, LoadedModel, find_champion, load_remembered, load_version, remember

log = logging.getLogger(__name__)
# A version that cannot be loaded is not downloaded at every check.
SECONDS_BETWEEN_ATTEMPTS = 60.0
SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class Champion:
    """What one request is answered with, from its first byte to its last.

    Attributes:
        form: How rows for this model are written, whatever has been declared since it was trained.
    """

    loaded: LoadedModel
    form: InputFormat
    since: datetime

    @property
    def version(self) -> int:
        """Its number in the registry."""
        return self.loaded.version.version

    @property
    def model(self) -> Model:
        """What predicts."""
        return self.loaded.model


class Holder:
    """Holds the champion, None until there is one, and checks for another in its own thread.

    Settings are read again at each check, and apply to requests from the next champion on.

    Attributes:
        current: Is replaced as a whole, so that a request that took it keeps it.
        problem: Why the registry's champion is not the one in memory, as of the last check.
        looked_at: When the registry last named a champion.
        found_none: Whether the registry has answered that there is no champion: from then on there is nothing to wait
            for before requests are taken.
    """

    def __init__(self, metrics: Metrics, read: Callable[[], Settings] = read_settings, store: Path = STORE) -> None:
        self.current: Champion | None = None
        self.problem: str | None = "The registry has not been checked yet."
        self.looked_at: datetime | None = None
        self.found_none = False
        self._metrics, self._read, self._store = metrics, read, store
        self._settings = read()
        self._tracker: Tracker | None = None
        self._refused: tuple[RegisteredVersion, str, float] | None = None
        self._one_at_a_time = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Takes the local copy of the last champion, and starts to check for the current one."""
        copy = load_remembered(self._settings.registered_model, store=self._store)
        if copy:
            try:
                self._take(copy)
            except ModelInvalid as error:
                log.warning("The local copy cannot be used: %s", error)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._poll, name="champion", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the checks."""
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout=SECONDS_TO_END)

    def refresh(self, *, insist: bool = False) -> bool:
        """Finds the champion and swaps to it; on any problem, the old one stays and `problem` says why.

        Args:
            insist: Tries again to load a version that could not be loaded a moment ago.

        Returns:
            Whether another champion is in memory now.
        """
        with self._one_at_a_time:
            try:
                swapped = self._refresh(insist)
            # Whatever goes wrong with a new champion, requests are answered by the old one.
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                if problem != self.problem:
                    log.warning("The champion could not be brought up to date: %s", problem)
                self.problem = problem
                self._metrics.looks.labels("failed").inc()
                return False
            self.problem = None
            self._metrics.looks.labels("swapped" if swapped else "same").inc()
            return swapped

    def _refresh(self, insist: bool) -> bool:
        self._settings = self._read()
        self._tracker = self._tracker or open_registry(self._settings)
        try:
            version = find_champion(self._tracker, self._settings.registered_model)
        except NoChampion:
            self.found_none = True
            raise
        self.looked_at = datetime.now(UTC)
        if self.current and _is_same(self.current.loaded.version, version):
            return False
        if self._refused and not insist:
            refused, reason, when = self._refused
            if _is_same(refused, version) and time.monotonic() < when + SECONDS_BETWEEN_ATTEMPTS:
                raise ModelInvalid(reason)
        try:
            loaded = load_version(self._tracker, version, store=self._store)
            self._take(loaded)
        except ModelInvalid as error:
            self._refused = (version, str(error), time.monotonic())
            raise
        remember(version, self._store)
        return True

    def _take(self, loaded: LoadedModel) -> None:
        form = InputFormat.of(find_accepted(loaded.model.problem, self._settings.problem))
        _warm_up(loaded, form)
        self.current = Champion(loaded, form, datetime.now(UTC))
        self._metrics.version.set(loaded.version.version)
        log.info("Version %d of %s answers from now on", loaded.version.version, loaded.version.name)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self.refresh()
            self._stopping.wait(self._settings.serving_poll_seconds)


def _warm_up(loaded: LoadedModel, form: InputFormat) -> None:
    """Predicts once: the first prediction is slow, and a broken model's fails; neither is for a request."""
    try:
        loaded.model.predict(make_any_rows(form.problem, 2))
    except ModelInvalid as error:
        raise ModelInvalid(f"Version {loaded.version.version}: {error}") from error
    # Estimators fail in many ways.
    except Exception as error:
        raise ModelInvalid(f"Version {loaded.version.version} loads but cannot predict: {error!r}") from error


def _is_same(one: RegisteredVersion, other: RegisteredVersion) -> bool:
    # Tags can change, and a new registry counts from 1 again.
    return (one.name, one.version, one.tags.get("run_id")) == (other.name, other.version, other.tags.get("run_id"))
