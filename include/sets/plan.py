"""What a training set shall hold, which identity that gives it, and whether it is there already."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, cast

from include.configuration.values import ALL, MONTH_PATTERN
from include.errors import SettingsError
from include.raw.ingestion import hash_reading
from include.raw.rules import hash_rules
from include.sets.results import PlanValues
from include.sets.split import Days, choose_days_of_months, describe_places, find_month_end, identify_split
from include.settings import Settings
from include.sources import probe
from include.warehouse import connect

# Goes up when the same sources, settings and rules give other examples: stored sets are outdated then.
PREPARATION_VERSION = 1
# What a declaration may say otherwise and the set stays the same: texts for people, where rows come from, and what the
# fingerprint holds as its sources and its split. By all else, rows are read, or models are made, judged or watched.
INCIDENTAL = frozenset(
    (
        "title", "row", "model", "unit", "source", "sources", "sample", "months", "split", "validation_share",
        "test_share",
    )
)  # fmt: skip
INCIDENTAL_OF_COLUMNS = frozenset(("title", "description", "unit", "example"))


@dataclass(frozen=True)
class Plan:
    """A request for a training set, complete and checked.

    Attributes:
        months: As YYYY-MM, ascending.
        validation_from: Rows from this day on (local, ISO) validate; earlier ones train. None: by the problem's shares.
        test_from: Rows from this day on test; None for no third split, or by the problem's shares.
        outdated_after: Hours after which a published set counts as outdated.
        force: Rebuild even if the set is fresh.
    """

    months: tuple[str, ...]
    validation_from: str | None
    test_from: str | None
    outdated_after: float
    force: bool = False

    @property
    def days(self) -> Days:
        """The first days that validate and test, where they are declared."""
        return self.validation_from, self.test_from

    def to_dict(self) -> PlanValues:
        """The plan as plain JSON values."""
        return cast(PlanValues, {**asdict(self), "months": list(self.months)})

    @classmethod
    def from_dict(cls, values: PlanValues) -> "Plan":
        """The inverse of `to_dict`."""
        fields: dict[str, Any] = {**values, "months": tuple(values["months"])}
        return cls(**fields)


def make_plan(
    settings: Settings,
    *,
    months: Sequence[str] | None = None,
    validation_from: str | None = None,
    test_from: str | None = None,
    outdated_after: float | None = None,
    force: bool = False,
) -> Plan:
    """Completes a request from the settings.

    Without a split day, the newest of three or more months tests, and the one before it validates; of two, the newest
    one's first half validates and its second half tests; of a single one, the days from the 21st validate and those
    from the 26th test. With a day that validates alone, there is no test split. Rows that are not divided into months,
    or not split by time, are split by shares.

    Raises:
        SettingsError: A value cannot be used, or the values contradict each other.
    """
    chosen = tuple(sorted(set(months or settings.months)))
    for month in chosen:
        if not re.fullmatch(MONTH_PATTERN, month) and chosen != (ALL,):
            raise SettingsError(f"'{month}' is not a month; write it as YYYY-MM.")
    by_time = settings.problem.split_by == "time"
    day = _day(validation_from or settings.validation_from, "validation_from")
    test_day = _day(test_from or settings.test_from, "test_from")
    by_months = choose_days_of_months(chosen) if not day and by_time and chosen != (ALL,) else (None, None)
    plan = Plan(
        months=chosen,
        validation_from=day or by_months[0],
        test_from=test_day or by_months[1],
        outdated_after=outdated_after or settings.outdated_after,
        force=force,
    )
    # A person looks for the parameter or for the setting, whichever was given.
    split = "VALIDATION_FROM" if settings.validation_from and not validation_from else "validation_from"
    test = "test_from" if test_from else "TEST_FROM"
    if not by_time and (day or plan.test_from):
        raise SettingsError(
            f"{split if day else test}: rows are split by {settings.problem.split_by}, not by time. Leave it empty, or"
            " set SPLIT=time and TIME"
        )
    if plan.test_from and not plan.validation_from:
        raise SettingsError(f"{test} {plan.test_from} needs {split}, the day on which the split before it begins.")
    if plan.validation_from:
        _check_days(plan, split, test)
    return plan


def _check_days(plan: Plan, split: str, test: str) -> None:
    if plan.months == (ALL,):
        if plan.test_from and plan.validation_from and plan.test_from <= plan.validation_from:
            raise SettingsError(f"{test} {plan.test_from} must lie after {split} {plan.validation_from}.")
        return
    first, end = f"{plan.months[0]}-01", find_month_end(plan.months[-1])
    if not first < str(plan.validation_from) < end:
        raise SettingsError(
            f"{split} {plan.validation_from} leaves a split without rows: the months start on {first} and end"
            f" before {end}. Choose a day between, or add months."
        )
    if plan.test_from and not str(plan.validation_from) < plan.test_from < end:
        raise SettingsError(f"{test} {plan.test_from} must lie after {split} {plan.validation_from} and before {end}.")


def _day(value: str | None, name: str) -> str | None:
    if not value:
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise SettingsError(f"{name} '{value}' is not a day; write it as YYYY-MM-DD.") from error


def contents_settings(settings: Settings) -> dict[str, Any]:
    """The settings that change what a set holds."""
    problem = settings.problem
    places = {} if problem.split_by == "time" else {"places": describe_places(settings)}
    return {
        **places,
        "inputs": [[column.name, column.kind] for column in problem.inputs],
        "time": problem.time,
        "target": [problem.target_min, problem.target_max],
    }


def declare_contents(declared: Mapping[str, Any]) -> dict[str, Any]:
    """A declaration as it is stored with a set, without what is incidental."""
    columns = {name: _leave_out(INCIDENTAL_OF_COLUMNS, column) for name, column in declared["columns"].items()}
    return {**_leave_out(INCIDENTAL, declared), "columns": columns}


def _leave_out(keys: Collection[str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}


def compute_fingerprint(
    settings: Settings, plan: Plan, sources: Mapping[str, str], references: Mapping[str, str | None]
) -> str:
    """The identity of a set: of its examples, and of the declaration that models are made by.

    Args:
        sources: Month -> SHA-256 of its source.
        references: Reference -> hash of its table, None where it is empty.
    """
    identity = {
        "sources": {month: sources[month] for month in plan.months},
        "reading": hash_reading(settings),
        "references": dict(references),
        "split": identify_split(settings, plan.days),
        "settings": contents_settings(settings),
        "declaration": declare_contents(settings.problem.to_dict()),
        "rules": hash_rules(settings),
        "preparation": PREPARATION_VERSION,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def look_up_sources(url: str, settings: Settings, plan: Plan) -> dict[str, str] | None:
    """Month -> SHA-256 of each of the plan's sources as they are now, without reading what can be told cheaply.

    Returns:
        None if at least one month would have to be read to know.

    Raises:
        SourceInvalid, SourceUnavailable: As `sources.probe`.
    """
    with connect(url) as connection:
        stored = {
            (month, location, validator): sha256
            for month, location, validator, sha256 in connection.execute(
                "SELECT month, location, validator, sha256 FROM raw.sources WHERE validator IS NOT NULL"
            )
        }
    hashes = {}
    for found in (probe(settings, month) for month in plan.months):
        sha256 = found.sha256 or stored.get((found.month, found.location, found.validator))
        if sha256 is None:
            return None
        hashes[found.month] = sha256
    return hashes


def find_fresh(url: str, plan: Plan, fingerprint: str) -> int | None:
    """The version of the published set with that fingerprint, if it is younger than the plan's limit.

    A plan that forces a rebuild finds none.
    """
    if plan.force:
        return None
    with connect(url) as connection:
        row = connection.execute(
            "SELECT version FROM training.published WHERE fingerprint = %s"
            " AND published_at > now() - make_interval(secs => %s)",
            [fingerprint, plan.outdated_after * 3600],
        ).fetchone()
    return row[0] if row else None
