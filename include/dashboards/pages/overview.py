"""Overview: which model is in use, what it was measured against, and every decision on it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Rows, chart, read_rows
from include.dashboards.drawing.figures import short
from include.dashboards.drawing.tables import Cell, Fact, Facts, Table, run_page, show_age
from include.dashboards.reading.registered import CHALLENGER, CHAMPION, PREVIOUS, Registered, list_registered
from include.problem.declaration import Problem
from include.problem.objectives.objective import Objective
from include.problem.words import show_amount
from include.promotion.decisions import describe_unbeaten
from include.tracking.registry import START_TRAINING

TRAIN_FIRST = f"No model has been trained yet: {START_TRAINING}."
MOST_MODELS = 6
_DECISIONS = """
    SELECT kind, version, rival_version, model, state, reason, run_key, split, judged_on, rows,
           challenger_error, champion_error, baseline, decided_at, moved_at
    FROM training.promotions WHERE name = %(name)s ORDER BY coalesce(moved_at, decided_at) DESC, id DESC LIMIT 200
"""
# State of a judgement -> the standing of a version that is not champion now.
_STANDING = {
    "rejected": "Judged, not better",
    "waiting": "Waiting for a decision",
    "moving": "Being promoted",
    "declined": "Declined by a person",
    "promoted": "Former champion",
}
# State of a decision -> its word and tone.
_OUTCOMES = {
    "promoted": ("▲ promoted", "good"),
    "rejected": ("● champion kept", ""),
    "waiting": ("… waiting", "warn"),
    "moving": ("… being promoted", "warn"),
    "declined": ("✕ declined", "warn"),
}


def _in_use(context: Context) -> Rows:
    versions = list_registered(context)
    if not versions:
        return []
    decided, settings = read_rows(_DECISIONS, context), context.settings
    unbeaten = describe_unbeaten(context.sources.warehouse_url(), settings.problem, settings.registered_model)
    return [{"versions": versions, "decisions": decided, "unbeaten": unbeaten}]


@chart("overview", "Models in use and waiting", _in_use, empty=TRAIN_FIRST, columns=12, height=150)
def models_in_use(rows: Rows, problem: Problem) -> Facts:
    """{error} of the champion and of other models, each compared with it on the same rows; gray: not comparable."""
    [found] = rows
    versions, decisions = found["versions"], found["decisions"]
    champion = next((version for version in versions if CHAMPION in version.aliases), None)
    others = _choose_others(versions)
    facts = [_champion_fact(champion, decisions, problem.objective)] if champion else []
    if champion is None:
        facts = [Fact("Champion", "none yet", found["unbeaten"] or START_TRAINING)]
    facts += [_other_fact(version, champion, decisions, problem.objective) for version in others]
    return Facts(facts[:MOST_MODELS])


def _choose_others(versions: Sequence[Registered]) -> list[Registered]:
    """The previous champion, then the newest version of each model type."""
    chosen = [version for version in versions if PREVIOUS in version.aliases and CHAMPION not in version.aliases]
    for version in versions:
        if CHAMPION not in version.aliases and version.model not in {each.model for each in chosen}:
            chosen.append(version)
    return chosen


def _champion_fact(champion: Registered, decisions: Rows, objective: Objective) -> Fact:
    label, detail = f"Champion, {objective.name}", champion.label
    made = [each for each in decisions if each["version"] == champion.version and each["state"] == "promoted"]
    if made:
        how = "rolled back to" if made[0]["kind"] == "rollback" else "promoted"
        detail += f" · {how} {show_age(made[0]['moved_at'] or made[0]['decided_at'])}"
    for each in decisions:
        if each["challenger_error"] is not None and champion.version in (each["version"], each["rival_version"]):
            own = "challenger" if each["version"] == champion.version else "champion"
            return Fact(label, objective.show(each[f"{own}_error"]), f"{detail} · on {_where(each)}")
    error = champion.metrics.get(f"validation_{objective.key}")
    return Fact(label, objective.show(error), f"{detail} · on its own validation rows")


def _other_fact(version: Registered, champion: Registered | None, decisions: Rows, objective: Objective) -> Fact:
    of_version = [each for each in decisions if each["version"] == version.version and each["kind"] == "judgement"]
    standing = _STANDING.get(of_version[0]["state"], "") if of_version else "Waiting to be judged"
    if PREVIOUS in version.aliases:
        standing = "Previous champion"
    elif CHALLENGER in version.aliases and not of_version:
        standing = "Challenger, waiting to be judged"
    pair = {version.version, champion.version if champion else None}
    for each in decisions:
        if each["challenger_error"] is not None and {each["version"], each["rival_version"]} == pair:
            mine, its = "challenger_error", "champion_error"
            if each["version"] != version.version:
                mine, its = its, mine
            rival = "for the champion" if champion else f"for the {each['baseline']}, the best baseline,"
            detail = f"{version.label} · against {show_amount(each[its])} {rival} on the same rows"
            return Fact(f"{standing}, {objective.name}", objective.show(each[mine]), detail)
    own = next((each for each in of_version if each["challenger_error"] is not None), None)
    if own:
        # Versions of one set are each judged against the champion before them, on the same rows.
        comparable = _where(own) in [
            _where(each) for each in decisions if champion and each["version"] == champion.version
        ]
        return Fact(
            f"{standing}, {objective.name}",
            objective.show(own["challenger_error"]),
            f"{version.label} · on {_where(own)}",
            "" if comparable else "quiet",
        )
    return Fact(
        f"{standing}, {objective.name}",
        objective.show(version.metrics.get(f"validation_{objective.key}")),
        f"{version.label} · on training set {version.set_version or 'unknown'}, not compared with the champion",
        "quiet",
    )


def _where(decision: Mapping[str, Any]) -> str:
    return f"{decision['split']} rows of training set {decision['judged_on']}"


@chart(
    "overview",
    "Decisions on models",
    _DECISIONS,
    empty="No model has been judged yet: model_promotion does this after each training.",
    dags=("model_promotion",),
    columns=8,
    height=360,
)
def decisions(rows: Rows) -> Table:
    """Every promotion, rejection and rollback, newest first: when, which model, why, and by which run."""
    return Table(
        ("when", "decision", "model", "why", "by"),
        [
            (_when(row), _outcome(row), f"{short(row['model'] or 'unknown')} v{row['version']}", row["reason"],
             _decided_by(row["run_key"]))
            for row in rows
        ],
    )  # fmt: skip


def _when(row: Mapping[str, Any]) -> datetime:
    return row["moved_at"] or row["decided_at"]


def _outcome(row: Mapping[str, Any]) -> Cell:
    if row["kind"] == "rollback":
        return Cell("↺ rolled back", tone="warn")
    if row["state"] == "rejected" and row["baseline"]:
        return Cell("● not promoted")
    text, tone = _OUTCOMES.get(row["state"], (row["state"], ""))
    return Cell(text, tone=tone)


def _decided_by(run_key: str) -> Cell:
    dag_id, _, run_id = run_key.partition("/")
    started = {"manual": "manual run", "scheduled": "scheduled run"}
    return Cell(started.get(run_id.partition("__")[0], "run after training"), run_page(dag_id, run_id), hint=run_id)
