"""The steps of data preparation that take more than one part of the domain."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from include.raw import ingest_month, validate_months
from include.raw.tables import ensure_columns
from include.sets import build
from include.sets.parquet_copy import copy_examples, delete_old_copies
from include.sets.plan import Plan, find_fresh, look_up_sources, make_plan
from include.sets.publish import Published
from include.sets.publish import publish as publish_version
from include.sets.results import IngestValues, PlanValues, ValidationValues
from include.settings import Settings
from include.sources.references import list_references
from include.warehouse import connect

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """A plan, and the version that makes it needless, if there is one."""

    plan: Plan
    fresh_version: int | None


def plan(url: str, settings: Settings, parameters: Mapping[str, Any]) -> Planned:
    """Makes the plan and looks whether its set is there already.

    Raises:
        SettingsError: The parameters and settings cannot be used.
        SourceInvalid, SourceUnavailable: A month is not there, or the source does not answer.
    """
    made = make_plan(settings, **parameters)
    for changed in ensure_columns(url, settings.problem):
        log.info("%s is as the problem declares it now", changed)
    sources = look_up_sources(url, settings, made)
    fresh = None
    if sources is not None:
        with connect(url) as connection:
            fingerprint = build.fingerprint_of(connection, settings, made, sources)
        fresh = find_fresh(url, made, fingerprint)
    return Planned(made, fresh)


def load_references(url: str, settings: Settings) -> dict[str, Any]:
    """Loads what the problem's features look up; returns what became of each reference."""
    ensure_columns(url, settings.problem)
    return {name: table.load(url, settings) for name, table in list_references(settings.problem)}


def ingest(url: str, settings: Settings, month: str) -> IngestValues:
    """Loads one month; returns what became of it, see `raw.Ingest`."""
    result = ingest_month(url, settings, month)
    for warning in result.warnings:
        log.warning("%s: %s", month, warning)
    state = "loaded" if result.changed else "unchanged, not loaded again"
    log.info("%s: %s, %d rows, %d of them rejected", month, state, result.rows, result.rejected)
    return cast(IngestValues, asdict(result))


def validate_raw(url: str, settings: Settings, plan: PlanValues) -> list[ValidationValues]:
    """Judges the plan's months; returns rows and refused rows by rule, a month each.

    Raises:
        DataQualityError: More rows were refused than the settings allow.
    """
    results = validate_months(url, settings, Plan.from_dict(plan).months)
    for result in results:
        log.info("%s: %d rows, rejected by rule: %s", result.month, result.rows, result.rejected or "none")
    return [cast(ValidationValues, asdict(result)) for result in results]


def find_fresh_version(url: str, settings: Settings, plan: PlanValues) -> int | None:
    """The fresh version that holds what is loaded now, for sources that could not be told before they were read."""
    made = Plan.from_dict(plan)
    with connect(url) as connection:
        sources = build.read_source_hashes(connection, made.months)
        if len(sources) < len(made.months):
            return None
        fingerprint = build.fingerprint_of(connection, settings, made, sources)
    return find_fresh(url, made, fingerprint)


def transform(url: str, settings: Settings, plan: PlanValues, created_by: str) -> int:
    """Builds a new version's examples, see `training_set.transform`."""
    return build.transform(url, settings, Plan.from_dict(plan), created_by)


def publish(url: str, settings: Settings, version: int) -> Published | None:
    """Makes a checked version the newest, also as files if it is large; returns what `publish.publish` does.

    Raises:
        SourceUnavailable, SourceInvalid, SettingsError: Its files cannot be written, see `parquet_copy`.
    """
    copy_examples(url, settings, version)
    published = publish_version(url, version, settings.keep_versions)
    delete_old_copies(url)
    return published
