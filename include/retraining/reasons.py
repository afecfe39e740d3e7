"""Whether there is a reason to train again, and on what."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import dropwhile

from psycopg.types.json import Jsonb

from include.configuration.values import ALL
from include.models.table import TRAINING_DAGS
from include.monitoring.watch import find_open_alarms, find_open_errors
from include.problem.words import name_parts
from include.promotion.usability import is_unanswered
from include.retraining.results import PreparationRequest, RetrainingValues
from include.retraining.watching import choose_window, find_last_day, look_back
from include.sets.plan import make_plan
from include.sets.preparation import find_fresh_version
from include.sets.split import choose_days_of_months
from include.settings import Settings
from include.sources import Probe, probe
from include.sources.files import is_smaller
from include.sources.listing import MONTH
from include.sources.location import identify_kind, locate, mask
from include.tracking import registry, runs
from include.tracking.runs import Tracker
from include.version import VERSION
from include.warehouse import connect

log = logging.getLogger(__name__)
# The longest pause after retrainings that failed.
LONGEST_PAUSE = 24
# Since the last success. A retraining that was ended before it could report has failed, too: only one runs at a time.
_FAILURES = """
    SELECT count(*), max(coalesce(finished_at, started_at)),
        EXISTS (SELECT FROM training.retrainings WHERE run_key = %(run_key)s)
    FROM training.retrainings r
    WHERE fingerprint = %(fingerprint)s
      AND NOT EXISTS (SELECT FROM training.retrainings WHERE state = 'success' AND started_at >= r.started_at)
"""


@dataclass(frozen=True)
class Source:
    """Where a loaded month came from, how to tell whether it has changed there, and its rows, as in raw.sources."""

    location: str
    validator: str | None
    sha256: str
    rows: int


@dataclass(frozen=True)
class Findings:
    """What a look at the source, the warehouse and the registry has found.

    Attributes:
        window: The months that a training set would hold now, ascending.
        new: Those of them that are not loaded.
        changed: Those that are loaded, and differ at the source.
        is_trained: Whether a model was trained on all of them as they are.
        drifted: Columns of the alarms on the champion that nothing has answered, and a training on them can.
        age: Days since the champion was registered or a retraining last tried to better it; None without a champion.
        errors: What the open alarm says of the champion's error, a phrase each.
        unusable: The champion's version where it was found to be unusable and no retraining has followed.
        fingerprint: Of what decides how a retraining ends: the window's files, the alarms and the settings.
    """

    window: tuple[str, ...]
    new: tuple[str, ...]
    changed: tuple[str, ...]
    is_trained: bool
    drifted: tuple[str, ...]
    age: float | None
    unusable: int | None = None
    errors: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True)
class Retraining:
    """What a retraining does, and why.

    Attributes:
        months: The months to train on, ascending; the newest one is held out.
        set_version: The published training set that holds them; None: it has to be prepared.
        preparation: The parameters of data_preparation for these months.
        requested_at: ISO time of the look.
        fingerprint: See `Findings`.
    """

    reasons: tuple[str, ...]
    months: tuple[str, ...]
    set_version: int | None
    preparation: PreparationRequest
    requested_at: str
    fingerprint: str = ""

    def to_dict(self) -> RetrainingValues:
        """As plain JSON values."""
        return {
            "reasons": list(self.reasons),
            "months": list(self.months),
            "set_version": self.set_version,
            "preparation": self.preparation,
            "requested_at": self.requested_at,
            "fingerprint": self.fingerprint,
        }


def find_reasons(findings: Findings, max_age: float, *, force: bool) -> list[str]:
    """The reasons to train again; none, as a rule."""
    reasons = []
    if findings.new:
        reasons.append(f"new at the source: {name_parts(findings.new)}")
    if findings.changed:
        reasons.append(f"changed at the source: {name_parts(findings.changed)}")
    if findings.window and not findings.is_trained and not reasons:
        reasons.append(f"no model has been trained on {name_parts(findings.window)} yet")
    if findings.drifted:
        reasons.append(f"drifted: {', '.join(findings.drifted)}")
    if findings.errors:
        reasons.append(f"the champion's error has changed: {'; '.join(findings.errors)}")
    if findings.age is not None and findings.age > max_age:
        reasons.append(f"the champion is {findings.age:.1f} days old, more than {max_age:g} (MAX_MODEL_AGE)")
    if findings.unusable is not None:
        reasons.append(f"the champion, version {findings.unusable}, cannot be used")
    if force:
        reasons.append("forced by a person")
    return reasons


def plan_preparation(months: Sequence[str], *, by_time: bool, has_test_split: bool) -> PreparationRequest:
    """The parameters of data_preparation for a rolling window, whose newest months are held out.

    Of a source that is not divided into months, and of rows that are not split by time (`by_time`), what is held out
    follows from the problem.
    """
    if tuple(months) == (ALL,) or not by_time:
        return {"months": list(months), "validation_from": None}
    validation, test = choose_days_of_months(months)
    if has_test_split:
        return {"months": list(months), "validation_from": validation, "test_from": test}
    return {"months": list(months), "validation_from": f"{months[-1]}-01" if len(months) > 1 else validation}


def detect(url: str, settings: Settings, *, force: bool) -> Retraining | None:
    """Looks for a reason to train again.

    Returns:
        None if there is no reason, or nothing to train on.

    Raises:
        SourceInvalid, SourceUnavailable: A month of the source cannot be looked at, or none of them is there.
        SettingsError: No training set can be planned by the settings.
    """
    with connect(url) as connection:
        row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    now: datetime = row[0]
    findings = look(url, settings, now)
    reasons = find_reasons(findings, settings.max_model_age, force=force)
    if not reasons or not findings.window:
        return None
    preparation = _plan_window(settings, findings.window)
    set_version = None
    if not findings.new and not findings.changed:
        set_version = find_fresh_version(url, settings, make_plan(settings, **preparation).to_dict())
    return Retraining(tuple(reasons), findings.window, set_version, preparation, now.isoformat(), findings.fingerprint)


def describe_pause(url: str, found: Retraining, run_key: str) -> str | None:
    """Until when what has failed is not tried again, and why; None where it can be tried now.

    The pause is two hours after one failure, four after two in a row, and so on, up to a day. A retraining with another
    fingerprint is another one, and a run that is cleared is tried at once.
    """
    with connect(url) as connection:
        row = connection.execute(_FAILURES, {"run_key": run_key, "fingerprint": found.fingerprint}).fetchone()
    assert row is not None  # count(*) gives a row
    failures, last, is_cleared = row
    if not failures or is_cleared:
        return None
    until = last + timedelta(hours=min(2**failures, LONGEST_PAUSE))
    if until <= datetime.now(UTC):
        return None
    failed = "the last retraining" if failures == 1 else f"each of the last {failures} retrainings"
    return (
        f"{'; '.join(found.reasons)}. But {failed} failed, and the source, the alarms and the settings are the same"
        f" since: the next one is due at {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC. `force` retrains at once."
    )


def plan_rolled(url: str, settings: Settings) -> PreparationRequest | None:
    """The parameters of data_preparation for the rolling window, once months after those of MONTHS were loaded.

    Returns:
        None before that: MONTHS says what to prepare.

    Raises:
        SourceInvalid, SourceUnavailable: As `detect`.
    """
    stored = _read_sources(url)
    if ALL in settings.months or max(_list_known(settings, stored), default="") <= max(settings.months):
        return None
    window = _find_window(settings, stored)
    return _plan_window(settings, [month.month for month in window]) if window else None


def _plan_window(settings: Settings, months: Sequence[str]) -> PreparationRequest:
    return plan_preparation(
        months,
        by_time=settings.problem.split_by == "time",
        has_test_split=bool(settings.test_from or not settings.validation_from),
    )


def look(url: str, settings: Settings, now: datetime) -> Findings:
    """Everything that can be a reason."""
    stored = _read_sources(url)
    found = _find_window(settings, stored)
    window = [month.month for month in found]
    new = [month for month in window if month not in stored]
    changed = [month.month for month in found if month.month in stored and has_changed(month, stored[month.month])]
    hashes = {month: stored[month].sha256 for month in window if month in stored}
    tracker, last_day = runs.open_tracker(settings), find_last_day(settings.problem, window)
    champion = registry.find_version(tracker, settings.registered_model, registry.CHAMPION)
    drifted, age, unusable, errors = [], None, None, []
    if champion:
        unusable = champion.version if is_unanswered(url, champion) else None
        # Newer rows, loaded by hand, are for a person: no training would answer an alarm on them.
        drifted = find_open_alarms(url, champion.name, champion.version, last_day)
        errors = find_open_errors(url, champion.name, champion.version, last_day)
        tried = [champion.created_at, _read_last_retraining(url)]
        age = (now - max(moment for moment in tried if moment)).total_seconds() / 86_400
    is_trained = not new and _is_trained(url, settings, tracker, hashes)
    return Findings(
        tuple(window), tuple(new), tuple(changed), is_trained, tuple(drifted), age, unusable, tuple(errors),
        fingerprint=_identify(settings, found, [*drifted, *errors, unusable]),
    )  # fmt: skip


def _find_window(settings: Settings, stored: Mapping[str, Source]) -> list[Probe]:
    months = look_back(settings, _list_known(settings, stored), probe, log.warning)
    # The newest month is held out: until it has enough rows, the ones before it are trained on.
    return choose_window(settings, dropwhile(lambda month: _is_too_small(settings, month, stored), months))


def _list_known(settings: Settings, stored: Mapping[str, Source]) -> list[str]:
    """The months that were loaded from the present source."""
    return [month for month, source in stored.items() if source.location == mask(locate(settings, month))]


def _identify(settings: Settings, window: Sequence[Probe], alarms: Sequence[str | int | None]) -> str:
    looked_at = [VERSION, settings.model_dump(mode="json"), [asdict(month) for month in window], alarms]
    return hashlib.sha256(json.dumps(looked_at, sort_keys=True).encode()).hexdigest()


def has_changed(found: Probe, stored: Source) -> bool:
    """Whether a month differs from what is loaded; a source without a cheap sign counts as the same."""
    if found.sha256 is not None:
        return found.sha256 != stored.sha256
    return (found.location, found.validator or stored.validator) != (stored.location, stored.validator)


def _is_too_small(settings: Settings, found: Probe, stored: Mapping[str, Source]) -> bool:
    """Whether a month that was found among others is known to have fewer than MINIMUM_ROWS rows."""
    if identify_kind(settings) != "file" or MONTH not in settings.problem.address:
        return False  # the months are those of MONTHS, or a table's, of which those with fewer are not listed
    before = stored.get(found.month)
    if before and not has_changed(found, before):
        is_small = before.rows < settings.minimum_rows
    else:
        is_small = is_smaller(settings, found, settings.minimum_rows)
    if is_small:
        log.warning(
            "%s is left out until it is larger: %s has fewer than %d rows (MINIMUM_ROWS)",
            found.month, found.location, settings.minimum_rows,
        )  # fmt: skip
    return is_small


def _read_sources(url: str) -> dict[str, Source]:
    with connect(url) as connection:
        rows = connection.execute("SELECT month, location, validator, sha256, rows FROM raw.sources").fetchall()
    return {month: Source(*values) for month, *values in rows}


def _is_trained(url: str, settings: Settings, tracker: Tracker, hashes: Mapping[str, str]) -> bool:
    with connect(url) as connection:
        is_judged = dict(
            connection.execute(
                "SELECT version, EXISTS (SELECT FROM training.promotions p"
                " WHERE p.kind = 'judgement' AND p.name = %s AND p.set_version = s.version)"
                " FROM training.sets s WHERE sources @> %s",
                [settings.registered_model, Jsonb(dict(hashes))],
            ).fetchall()
        )
    # While model_promotion is paused, versions wait for it: more of them would only make it stricter.
    return any(is_judged.values()) or any(
        version.training_set in is_judged for version in registry.list_versions(tracker, settings.registered_model)
    )


def _read_last_retraining(url: str) -> datetime | None:
    with connect(url) as connection:
        row = connection.execute(
            "SELECT max(finished_at) FROM training.retrainings WHERE state = 'success'"
            " AND EXISTS (SELECT FROM jsonb_to_recordset(runs) AS run (dag_id text) WHERE dag_id = ANY(%s))",
            [list(TRAINING_DAGS)],
        ).fetchone()
    return row[0] if row else None
