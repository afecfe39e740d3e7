"""Which months are scored with which model version: the work of the DAG `batch_prediction`."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from include.configuration.values import ALL
from include.errors import SettingsError, SourceInvalid
from include.models.fitting import threads_for
from include.prediction.scoring import BATCH, score_month
from include.problem.words import count_rows_in_words, name_parts
from include.settings import Settings
from include.sources.allowed import AllowedLocations
from include.sources.location import fill_in, identify_kind
from include.tracking.registry import get_version
from include.tracking.runs import open_registry
from include.tracking.store import STORE, find_champion, load_version
from include.warehouse import connect

log = logging.getLogger(__name__)


def plan(
    url: str,
    settings: Settings,
    months: Sequence[str] | None = None,
    location: str | None = None,
    connection_id: str | None = None,
) -> list[dict[str, Any]]:
    """A job for each month, as plain JSON values, all of them with the version that is the champion now.

    Args:
        months: YYYY-MM, or `all` of a source that is loaded whole; None: those of the settings that are loaded, or with
            a location all of them.
        location: Address of the rows, as SOURCE has it; None: `raw.rows`.
        connection_id: What `score` is to log in with there.

    Raises:
        NoChampion: There is no champion.
        SettingsError: The location is not allowed, see `AllowedLocations`, or rows would be in more than one month.
        SourceInvalid: None of the settings' months is loaded.
    """
    champion = find_champion(open_registry(settings), settings.registered_model)
    chosen = list(dict.fromkeys(months or (settings.months if location else _list_loaded(url, settings))))
    if ALL in chosen and len(chosen) > 1:
        raise SettingsError(f"months: {ALL} covers every row and stands alone: leave it out, or the months beside it")
    if location:
        allowed = AllowedLocations(settings)
        for month in chosen:
            allowed.check(fill_in(settings.problem, location, month))
        identify_kind(settings.change(source=location, months=tuple(chosen)), "location", "months")
    log.info("Version %d of %s scores %s", champion.version, champion.name, ", ".join(chosen))
    job = {
        "location": location,
        "connection_id": connection_id,
        "name": champion.name,
        "version": champion.version,
    }
    return [{"month": month, **job} for month in chosen]


def score(
    url: str,
    settings: Settings,
    job: Mapping[str, Any],
    *,
    log_in: Callable[[str, str], str] | None = None,
    store: Path = STORE,
) -> dict[str, Any]:
    """Does one job of `plan`, see `score_month`.

    Args:
        log_in: Puts the login of a connection into an address: location, connection_id -> location.
    """
    allowed = AllowedLocations(settings)
    location = allowed.check(fill_in(settings.problem, job["location"], job["month"])) if job["location"] else None
    if location and log_in and job["connection_id"]:
        location = log_in(location, job["connection_id"])
    tracker = open_registry(settings)
    version = get_version(tracker, job["name"], job["version"])
    loaded = load_version(tracker, version, store=store, threads=threads_for(settings.threads_per_model))
    scored = score_month(url, settings, loaded, job["month"], location, allow=allowed.check_redirect)
    log.info(
        "%s: %d %s scored in %.1f s (%.1f s in the model), %d skipped",
        scored["month"], scored["rows"], settings.problem.row[1],
        scored["seconds"], scored["model_seconds"], scored["skipped"],
    )  # fmt: skip
    for column, reasons in scored["unusual"].items():
        told = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in reasons.items())
        log.warning("%s: values of %s not as those learnt: %s", scored["month"], column, told)
    return scored


def describe(settings: Settings, scored: Sequence[Mapping[str, Any]]) -> str:
    """What was predicted, in a sentence or two.

    Args:
        scored: What `score` returned, of each month.
    """
    months = [each["month"] for each in scored]
    rows = count_rows_in_words(settings.problem, sum(each["rows"] for each in scored))
    skipped = sum(each["skipped"] for each in scored)
    if len(months) > 1:
        rows += ": " + ", ".join(f"{each['rows']:,} of {each['month']}" for each in scored)
    elif months != [ALL]:
        rows += f" of {months[0]}"
    told = f"Version {scored[0]['version']} predicted {rows}, stored in {'.'.join(BATCH)}."
    return f"{told} {skipped:,} more cannot be predicted: a value is missing or out of bounds." if skipped else told


def _list_loaded(url: str, settings: Settings) -> list[str]:
    with connect(url) as connection:
        loaded = {month for (month,) in connection.execute("SELECT month FROM raw.sources")}
    months = [month for month in settings.months if month in loaded]
    if not months:
        raise SourceInvalid(f"Nothing of {name_parts(settings.months)} is loaded: start data_preparation.")
    return months
