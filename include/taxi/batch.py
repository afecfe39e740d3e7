"""Which months are scored with which model version: the work of the DAG `batch_prediction`."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from include.taxi.errors import SourceInvalid
from include.taxi.fitting import threads_for
from include.taxi.model_store import STORE, find_champion, load_version
from include.taxi.registry import get_version
from include.taxi.scoring import score_month
from include.taxi.settings import Settings
from include.taxi.tracking import open_tracker
from include.taxi.warehouse import connect

log = logging.getLogger(__name__)


def plan(
    url: str, settings: Settings, months: Sequence[str] | None = None, location: str | None = None
) -> list[dict[str, Any]]:
    """A job for each month, as plain JSON values, all of them with the version that is the champion now.

    Args:
        months: YYYY-MM; None: those of the settings that are loaded, or with a location all of them.
        location: Address of the trips, as SOURCE has it; None: `raw.trips`.

    Raises:
        NoChampion: There is no champion.
        SourceInvalid: None of the settings' months is loaded.
    """
    champion = find_champion(open_tracker(settings), settings.registered_model)
    chosen = list(dict.fromkeys(months or (settings.months if location else _list_loaded(url, settings))))
    log.info("Version %d of %s scores %s", champion.version, champion.name, ", ".join(chosen))
    return [
        {"month": month, "location": location, "name": champion.name, "version": champion.version} for month in chosen
    ]


def score(url: str, settings: Settings, job: Mapping[str, Any], *, store: Path = STORE) -> dict[str, Any]:
    """Does one job of `plan`, see `score_month`."""
    tracker = open_tracker(settings)
    version = get_version(tracker, job["name"], job["version"])
    loaded = load_version(tracker, version, store=store, threads=threads_for(settings.threads_per_model))
    scored = score_month(url, settings, loaded, job["month"], job["location"])
    log.info(
        "%s: %d trips scored in %.1f s (%.1f s in the model), %d skipped",
        scored["month"], scored["rows"], scored["seconds"], scored["model_seconds"], scored["skipped"],
    )  # fmt: skip
    return scored


def _list_loaded(url: str, settings: Settings) -> list[str]:
    with connect(url) as connection:
        loaded = {month for (month,) in connection.execute("SELECT month FROM raw.sources")}
    months = [month for month in settings.months if month in loaded]
    if not months:
        raise SourceInvalid(f"None of the months {', '.join(settings.months)} is loaded: start data_preparation.")
    return months
