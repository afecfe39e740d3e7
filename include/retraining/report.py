"""The report of a retraining: what was trained, how much better it is, and whether that is success."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from include.models.table import TRAINING_DAGS
from include.monitoring.watch import answer_alarms
from include.problem.objectives.objective import Objective
from include.problem.words import show_amount
from include.promotion.usability import answer_unusable
from include.retraining.results import RetrainingValues
from include.retraining.watching import find_last_day
from include.settings import Settings
from include.warehouse import connect

DECISIONS = {"promoted": "champion now", "waiting": "won, to be promoted", "declined": "won, declined by a person"}


@dataclass(frozen=True)
class FollowedRun:
    """A run that a retraining has started or followed, as it ended."""

    dag_id: str
    run_id: str
    state: str


@dataclass(frozen=True)
class JudgedModel:
    """A model that was trained and judged; errors are those on the same held-out rows.

    Attributes:
        before: The champion's error; the best baseline's where there was no champion.
        after: The model's own.
        decision: State of the promotion.
    """

    family: str
    model: str
    version: int
    before: float | None
    after: float | None
    decision: str
    reason: str


@dataclass(frozen=True)
class Conclusion:
    """How a retraining ended: `success` or `failed`, and the report."""

    state: str
    report: str


def plan_starts(retraining: RetrainingValues, training_dags: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """DAG to start -> its parameters: the preparation, whose event starts the trainings, unless the set is there."""
    if retraining["set_version"] is None:
        return {"data_preparation": retraining["preparation"]}
    parameters = {"set_version": retraining["set_version"], "requested_at": retraining["requested_at"]}
    return dict.fromkeys(training_dags, parameters)


def conclude(
    objective: Objective,
    reasons: Sequence[str],
    runs: Sequence[FollowedRun],
    models: Sequence[JudgedModel],
    *,
    ignore_failures: bool,
) -> Conclusion:
    """Judges a retraining by the runs it consisted of, and puts the report into words.

    A family that fails is a warning where failures are ignored; a failed preparation or promotion, or all families, are
    a failure.
    """
    failed = [run for run in runs if run.state != "success"]
    trainings = [run for run in runs if run.dag_id in TRAINING_DAGS]
    succeeded = [run for run in trainings if run.state == "success"]
    is_partial = bool(succeeded) and all(run.dag_id in TRAINING_DAGS for run in failed)
    is_success = not failed or (is_partial and ignore_failures)
    word = "Warning" if is_success else "Failed"
    lines = [f"Retraining, because {'; '.join(reasons)}."]
    lines += [_describe(objective, model) for model in models]
    lines += [f"{word}: {run.dag_id} ended as {run.state} ({run.run_id})." for run in failed]
    if not models and is_partial:
        lines.append("Warning: trained, but not judged: is model_promotion paused?")
    elif not models and not failed:
        lines.append("Nothing to train: everything is up to date.")
    return Conclusion("success" if is_success else "failed", "\n".join(lines))


def _describe(objective: Objective, model: JudgedModel) -> str:
    after, before = (show_amount(error) or "unknown" for error in (model.after, model.before))
    decision = DECISIONS.get(model.decision, f"not promoted, {model.reason}")
    error = f"{objective.name} {after} (before: {before})"
    return f"{model.family}: {model.model} version {model.version}, {error}: {decision}."


def begin(url: str, run_key: str, reasons: Sequence[str], months: Sequence[str], fingerprint: str = "") -> None:
    """Opens the retraining's row; a run that is cleared opens it again, with nothing of its first time."""
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO training.retrainings (run_key, reasons, months, fingerprint, state)"
            " VALUES (%s, %s, %s, %s, 'running')"
            " ON CONFLICT (run_key) DO UPDATE"
            " SET reasons = excluded.reasons, months = excluded.months, fingerprint = excluded.fingerprint,"
            " state = excluded.state, runs = DEFAULT, models = DEFAULT, report = NULL, started_at = now(),"
            " finished_at = NULL",
            [run_key, list(reasons), list(months), fingerprint],
        )


def finish(
    url: str,
    settings: Settings,
    run_key: str,
    retraining: RetrainingValues,
    runs: Sequence[FollowedRun],
    *,
    ignore_failures: bool,
) -> Conclusion:
    """Writes the retraining's report; where it trained and succeeded, alarms on what it trained on are answered.

    The set's event starts families that are not trained, too; what their skipped runs say is no part of it.
    """
    runs = [run for run in runs if run.dag_id not in set(TRAINING_DAGS) - set(settings.training_dags)]
    models = list_judged_models(url, settings, [f"{run.dag_id}/{run.run_id}" for run in runs])
    objective = settings.problem.objective
    conclusion = conclude(objective, retraining["reasons"], runs, models, ignore_failures=ignore_failures)
    with connect(url) as connection:
        connection.execute(
            "UPDATE training.retrainings SET state = %s, runs = %s, models = %s, report = %s, finished_at = now()"
            " WHERE run_key = %s",
            [
                conclusion.state,
                Jsonb([asdict(run) for run in runs]),
                Jsonb([asdict(model) for model in models]),
                conclusion.report,
                run_key,
            ],
        )
    # A preparation that found the set there has trained nothing: what asked for a retraining still does.
    if conclusion.state == "success" and any(run.dag_id in TRAINING_DAGS for run in runs):
        answer_alarms(url, settings.registered_model, find_last_day(settings.problem, retraining["months"]), run_key)
        answer_unusable(url, settings.registered_model, run_key)
    return conclusion


def list_judged_models(url: str, settings: Settings, trained_by: Collection[str]) -> list[JudgedModel]:
    """The models that those runs (`DAG id/run id`) have trained, as far as they were judged."""
    with connect(url) as connection, connection.cursor(row_factory=class_row(JudgedModel)) as cursor:
        return cursor.execute(
            "SELECT family, model, version, champion_error AS before, challenger_error AS after, state AS decision,"
            " reason FROM training.promotions WHERE kind = 'judgement' AND name = %s AND trained_by = ANY(%s)"
            " ORDER BY version",
            [settings.registered_model, list(trained_by)],
        ).fetchall()
