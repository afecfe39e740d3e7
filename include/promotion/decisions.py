"""The table training.promotions: each decision on a model, and how far its move has come."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from include.problem.declaration import Problem
from include.promotion.results import NewChampion
from include.tracking.registry import RegisteredVersion
from include.warehouse import connect

_COLUMNS = (
    "kind, name, version, family, model, set_version, champion_version, rival_version, state, reason, run_key, baseline"
)
# How likely two equal models are taken for different ones, at the first comparison on the same rows.
CHANCE = 0.01
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('training.promotions'), hashtext(%s))"
# Rows of one set are those of another if its split begins on the same day and ends with the same month, or if rows have
# the same places.
_JUDGED_ON = """
    SELECT count(*)
    FROM training.promotions p
    JOIN training.sets s ON s.version = p.judged_on
    JOIN training.sets own ON own.version = %(set_version)s
    WHERE p.kind = 'judgement' AND p.name = %(name)s AND p.version <> %(version)s AND p.split = %(split)s
      AND p.challenger_error IS NOT NULL
      AND s.months[cardinality(s.months)] = own.months[cardinality(own.months)]
      AND CASE p.split WHEN 'test' THEN s.test_from ELSE s.validation_from END
          IS NOT DISTINCT FROM CASE p.split WHEN 'test' THEN own.test_from ELSE own.validation_from END
      AND s.settings -> 'places' IS NOT DISTINCT FROM own.settings -> 'places'
"""
# Other families' versions of a set, for the first version of a family on it.
_PEERS = """
    SELECT version FROM training.promotions
    WHERE kind = 'judgement' AND name = %(name)s AND set_version = %(set_version)s AND family <> %(family)s
      AND NOT EXISTS (
          SELECT FROM training.promotions
          WHERE kind = 'judgement' AND name = %(name)s AND set_version = %(set_version)s AND family = %(family)s
            AND version <> %(version)s
      )
"""
# The best of the versions that were judged on the same rows as the newest one.
_UNBEATEN = """
    SELECT baseline, champion_error, model, version, challenger_error
    FROM training.promotions p
    WHERE name = %(name)s AND state = 'rejected' AND baseline IS NOT NULL AND interval_high >= 0
      AND judged_on = (SELECT judged_on FROM training.promotions WHERE name = %(name)s ORDER BY id DESC LIMIT 1)
      AND NOT EXISTS (SELECT FROM training.promotions WHERE name = %(name)s AND state <> 'rejected')
    ORDER BY challenger_error, version LIMIT 1
"""


@dataclass(frozen=True)
class Promotion:
    """A decision on a version.

    Attributes:
        kind: `judgement`, or `rollback`, which puts a former champion back.
        champion_version: The champion at that time, None without one.
        rival_version: What it was judged against, and what becomes `previous` if it becomes champion: the champion, or
            the previous one where the champion cannot be used or compared, or is a peer. None: the best baseline; then
            the champion becomes `previous` where it can be used.
        state: rejected, waiting (won, not moved yet), declined (by a person), moving, or promoted.
        run_key: `DAG id/run id` of the run that decided.
        baseline: Name of the best baseline, where it was judged against that.
    """

    kind: str
    name: str
    version: int
    family: str | None
    model: str | None
    set_version: int | None
    champion_version: int | None
    rival_version: int | None
    state: str
    reason: str
    run_key: str
    baseline: str | None = None

    def to_event(self) -> NewChampion:
        """What the asset event says of a new champion."""
        return {
            "name": self.name,
            "version": self.version,
            "previous_version": self.champion_version,
            "family": self.family,
            "model": self.model,
        }


def describe(
    kind: str,
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
    rival: RegisteredVersion | None,
    state: str,
    reason: str,
    run_key: str,
    baseline: str | None = None,
) -> Promotion:
    """The decision on a registered version, completed by what its tags say."""
    tags = version.tags
    return Promotion(
        kind=kind,
        name=version.name,
        version=version.version,
        family=tags.get("family"),
        model=tags.get("model"),
        set_version=version.training_set,
        champion_version=champion.version if champion else None,
        rival_version=rival.version if rival else None,
        state=state,
        reason=reason,
        run_key=run_key,
        baseline=baseline,
    )


@contextmanager
def hold_lock(url: str, name: str) -> Iterator[None]:
    """Keeps others from judging and moving versions of the registered model until the block ends."""
    with connect(url) as connection:
        connection.execute(_LOCK, [name])
        yield


def find_judgement(url: str, name: str, version: int) -> Promotion | None:
    """The judgement on a version, None where it was not judged."""
    return _fetch_one(url, "kind = 'judgement' AND name = %s AND version = %s", [name, version])


def find_rollback(url: str, name: str, run_key: str) -> Promotion | None:
    """The rollback that a run has begun, if there is one."""
    return _fetch_one(url, "kind = 'rollback' AND name = %s AND run_key = %s", [name, run_key])


def find_interrupted(url: str, name: str) -> Promotion | None:
    """The move that was begun and not completed, if there is one."""
    return _fetch_one(url, "state = 'moving' AND name = %s", [name])


def list_judged(url: str, name: str) -> set[int]:
    """The versions that were judged."""
    return _list_versions(url, "kind = 'judgement' AND name = %s", [name])


def list_waiting(url: str, name: str, run_key: str) -> set[int]:
    """The versions that this run has judged, and whose promotion is still to be decided on."""
    condition = "kind = 'judgement' AND state = 'waiting' AND name = %s AND run_key = %s"
    return _list_versions(url, condition, [name, run_key])


def find_unjudged_trainings(url: str, name: str, trainings: Collection[str]) -> list[str]:
    """Those of the trainings, `DAG id/run id`, whose model has not been judged: it may not be registered yet."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT unnest(%s::text[]) EXCEPT SELECT trained_by FROM training.promotions WHERE name = %s",
            [list(trainings), name],
        ).fetchall()
    return [training for (training,) in rows]


def list_peers(url: str, version: RegisteredVersion) -> set[int]:
    """The versions that a training set has made of other families, before the first one of this family is judged.

    Empty for a further version of a family: what is trained on the same set again has to beat the champion.
    """
    values = {
        "name": version.name,
        "version": version.version,
        "set_version": version.training_set,
        "family": version.tags.get("family"),
    }
    with connect(url) as connection:
        return {number for (number,) in connection.execute(_PEERS.encode(), values).fetchall()}


def confidence_at(look: int) -> float:
    """The confidence that a winner needs where as many versions were compared on the same rows, this one included.

    It rises with each of them: given enough candidates, one of equal models would seem better by chance.
    """
    return 1 - CHANCE / look


def count_judged_on(url: str, name: str, version: int, set_version: int, split: str) -> int:
    """How many other versions were compared on the rows of a set's split, whichever set they were read from then."""
    values = {"name": name, "version": version, "set_version": set_version, "split": split}
    with connect(url) as connection:
        row = connection.execute(_JUDGED_ON.encode(), values).fetchone()
    assert row is not None  # count(*) gives a row
    return int(row[0])


def describe_unbeaten(url: str, problem: Problem, name: str) -> str | None:
    """One sentence for a registered model without a champion: that no version beat the best baseline, and by what.

    None where a version has won, or none was judged against a baseline on enough rows.
    """
    with connect(url) as connection:
        row = connection.execute(_UNBEATEN.encode(), {"name": name}).fetchone()
    if row is None:
        return None
    baseline, error, model, version, own = row
    objective = problem.objective
    doubt = ", which may be chance" if own < error else ""
    return (
        f"No model beats the best baseline, the {baseline}: {objective.name} {objective.show(error)} against"
        f" {objective.show(own)} of {model}, version {version}{doubt}; nothing is promoted."
    )


def save(url: str, promotion: Promotion, figures: dict[str, Any]) -> None:
    """Writes a decision, in place of an earlier one on the same version or of the same rollback.

    Args:
        figures: Further columns of the table; `slices` as plain JSON values.
    """
    values = {**asdict(promotion), **figures}
    if "slices" in values:
        values["slices"] = Jsonb(values["slices"])
    key = "(name, version)" if promotion.kind == "judgement" else "(name, run_key)"
    updates = ", ".join(f"{column} = excluded.{column}" for column in values)
    with connect(url) as connection:
        connection.execute(
            f"INSERT INTO training.promotions ({', '.join(values)})"
            f" VALUES ({', '.join(f'%({column})s' for column in values)})"
            f" ON CONFLICT {key} WHERE kind = '{promotion.kind}' DO UPDATE SET {updates}, decided_at = now()".encode(),
            values,
        )


def set_state(url: str, promotion: Promotion, state: str) -> None:
    """Notes how far a decision's move has come."""
    with connect(url) as connection:
        connection.execute(
            "UPDATE training.promotions SET state = %(state)s,"
            " moved_at = CASE WHEN %(state)s = 'promoted' THEN now() ELSE moved_at END"
            " WHERE kind = %(kind)s AND name = %(name)s AND version = %(version)s AND run_key = %(run_key)s",
            {**asdict(promotion), "state": state},
        )


def _fetch_one(url: str, condition: str, values: list[Any]) -> Promotion | None:
    query = f"SELECT {_COLUMNS} FROM training.promotions WHERE {condition} ORDER BY id LIMIT 1"
    with connect(url) as connection, connection.cursor(row_factory=class_row(Promotion)) as cursor:
        return cursor.execute(query.encode(), values).fetchone()


def _list_versions(url: str, condition: str, values: list[Any]) -> set[int]:
    with connect(url) as connection:
        rows = connection.execute(f"SELECT version FROM training.promotions WHERE {condition}".encode(), values)
        return {version for (version,) in rows}
