"""Summaries of what a DAG has done: data preparation, training, retraining."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from include.alerting.alert import Alert, Chart, Table
from include.alerting.model_reports import tabulate_baselines
from include.errors import TrackingUnavailable
from include.problem.objectives.objective import Objective
from include.problem.words import name_parts, name_unit, show_amount
from include.sets.baselines import Baseline, find_best, list_baselines
from include.sets.left_out import sum_by_rule
from include.settings import Settings, read_settings
from include.tracking import registry, runs
from include.training.results import Registered, Trained, Tuned
from include.warehouse import connect

VALIDATION = "validation"
RETRAINED_COLUMNS = ("model", "version", "before", "after", "decision")


def report_preparation(
    url: str, dag_id: str, run_id: str, published: Mapping[str, Any], links: dict[str, str]
) -> Alert:
    """A training set was published: its counts, and the rows that were left out, by rule."""
    months, counts, noun = list(published["months"]), dict(published["counts"]), read_settings().problem.row[1]
    with connect(url) as connection:
        loaded = connection.execute(
            "SELECT month, rows FROM raw.sources WHERE month = ANY(%s) ORDER BY month", [months]
        ).fetchall()
        row = connection.execute(
            "SELECT left_out FROM training.sets WHERE version = %s", [published["version"]]
        ).fetchone()
    left_out = row[0] if row else []
    by_month = {month: sum(entry["rows"] for entry in left_out if entry["month"] == month) for month, _ in loaded}
    splits = {name: float(counts[name]) for name in ("train", "validation", "test") if counts.get(name)}
    rows, left = sum(rows for _, rows in loaded), sum(by_month.values())
    tables = [
        Table("Months", ("month", "rows", "left out"), tuple((m, f"{n:,}", f"{by_month[m]:,}") for m, n in loaded))
    ]
    if left_out:
        by_rule = tuple((rule, f"{n:,}") for rule, n in sum_by_rule(left_out).items())
        tables.append(Table(f"{noun.capitalize()} left out, by rule", ("rule", noun), by_rule))
    return Alert(
        kind="prepared",
        severity="info",
        dag_id=dag_id,
        run_id=run_id,
        state="succeeded",
        label=f"training set {published['version']}",
        event_key=f"prepared/{published['version']}",
        headline=f"Training set {published['version']} was published: {sum(splits.values()):,.0f} examples of"
        f" {rows:,} {noun}; {left:,} {noun} were left out.",
        facts={
            "Data": name_parts(months),
            **{name.capitalize(): f"{count:,.0f} examples" for name, count in splits.items()},
        },
        tables=tuple(tables),
        charts=(Chart("Examples by split", "examples", bars=splits),),
        links=links,
    )


def report_training(
    url: str,
    settings: Settings,
    dag_id: str,
    run_id: str,
    registered: Registered,
    trained: Sequence[Trained],
    tuned: Sequence[Tuned],
    links: dict[str, str],
    *,
    notes: Sequence[str] = (),
) -> Alert:
    """Models were trained: their errors, the best parameters, and a comparison with the champion.

    Args:
        notes: A sentence for each model type that the target forbids or asks for.
    """
    objective = settings.problem.objective
    key, name, unit = f"{VALIDATION}_{objective.key}", objective.name, objective.unit
    ranked = sorted(trained, key=lambda model: model["metrics"][key])
    best, set_version = registered["model"], registered["training_set_version"]
    error = registered["metrics"][key]
    baselines = list_baselines(url, set_version)
    return Alert(
        kind="trained",
        severity="info",
        dag_id=dag_id,
        run_id=run_id,
        state="succeeded",
        label=best,
        event_key=f"trained/{registered['name']}/{registered['version']}",
        headline=f"{best} is the best model, with {objective.article} {name} of {objective.show(error)}, and is"
        f" registered as challenger, version {registered['version']}.",
        facts={
            "Champion": _against_champion(settings, error, registered["version"]),
            **_against_baseline(objective, find_best(objective, baselines, VALIDATION), error),
            "Training set": str(set_version),
            **({"Model types": " ".join(notes)} if notes else {}),
        },
        tables=(
            Table(
                f"Models by validation {objective.title}",
                ("model", *(measure.name for measure in objective.in_tables)),
                tuple((model["model"], *_write_metrics(objective, model["metrics"])) for model in ranked),
            ),
            *tabulate_baselines(objective, baselines, VALIDATION),
            Table(
                "Best parameters",
                ("model", "parameters"),
                tuple((entry["model"], _write_parameters(entry["parameters"])) for entry in tuned),
            ),
        ),
        charts=(
            Chart(f"Validation {name}", unit, bars={model["model"]: model["metrics"][key] for model in ranked}),
            *_chart_tuning(objective, url, f"{dag_id}/{run_id}"),
        ),
        links=links,
    )


def report_retraining(url: str, dag_id: str, run_id: str, links: dict[str, str]) -> list[Alert]:
    """A retraining has ended: why it ran, what it started, and the outcome per model; nothing if it had no reason."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT reasons, months, runs, models, report, finished_at FROM training.retrainings WHERE run_key = %s",
            [f"{dag_id}/{run_id}"],
        ).fetchone()
    if row is None:
        return []
    reasons, months, runs, models, report, finished_at = row
    objective = read_settings().problem.objective
    name, unit = objective.name, objective.unit
    is_partial = any(run["state"] != "success" for run in runs)
    alert = Alert(
        kind="retrained",
        severity="warning" if is_partial else "info",
        dag_id=dag_id,
        run_id=run_id,
        state="partly succeeded" if is_partial else "succeeded",
        label=", ".join(model["model"] for model in models if model["decision"] == "promoted"),
        # A run that is cleared reports again.
        event_key=f"retrained/{dag_id}/{run_id}/{finished_at}",
        headline=f"{'Models were retrained' if models else 'A retraining ended without a judged model; its reasons'}:"
        f" {'; '.join(reasons)}.",
        facts={"Data": name_parts(months)},
        tables=(
            _pick(name_unit(f"Models by {name} on the same held-out rows", unit), models, RETRAINED_COLUMNS),
            _pick("Runs", runs, ("dag_id", "state")),
        ),
        charts=tuple(
            Chart(f"{model['model']}: {name} before and after", unit, bars={n: model[n] for n in ("before", "after")})
            for model in models
            if model["before"] is not None and model["after"] is not None
        ),
        details=report or "",
        links=links,
    )
    return [alert]


def _against_baseline(objective: Objective, best: Baseline | None, error: float) -> dict[str, str]:
    if best is None:
        return {}
    of_best = best.errors[VALIDATION][objective.key]
    outcome = "this model's is lower" if error < of_best else "no model of this family does better"
    shown = f"{objective.name} {objective.show(of_best)}"
    return {"Best baseline": f"the {best.name}, {shown} on the same rows: {outcome}"}


def _against_champion(settings: Settings, error: float, version: int) -> str:
    objective = settings.problem.objective
    try:
        tracker = runs.open_tracker(settings)
        champion = registry.find_version(tracker, settings.registered_model, registry.CHAMPION)
        if champion is None:
            return "none yet"
        run_id = champion.tags.get("run_id")
        before = runs.get_metrics(tracker, run_id).get(f"{VALIDATION}_{objective.key}") if run_id else None
    except TrackingUnavailable:
        return "unknown: MLflow did not answer"
    if champion.version == version:
        return "this version"
    if not before:
        return f"version {champion.version}"
    return (
        f"version {champion.version}, {objective.name} {objective.show(before)} on its own validation rows: this one is"
        f" {abs(error / before - 1):.1%} {'lower' if error < before else 'higher'}"
    )


def _chart_tuning(objective: Objective, url: str, run_key: str) -> tuple[Chart, ...]:
    """The lowest error so far over the trials of each model."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT model, array_agg(loss ORDER BY number) FROM training.trials"
            " WHERE run_key = %s AND loss IS NOT NULL GROUP BY model HAVING count(*) > 1 ORDER BY model",
            [run_key],
        ).fetchall()
    if not rows:
        return ()
    lines = {model: tuple(accumulate(losses, min)) for model, losses in rows}
    return (Chart("Lowest error so far, by trial", objective.title, lines=lines),)


def _write_metrics(objective: Objective, metrics: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(show_amount(metrics.get(f"{VALIDATION}_{measure.key}")) for measure in objective.in_tables)


def _write_parameters(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_write_value(value)}" for name, value in parameters.items()) or "none to tune"


def _write_value(value: Any) -> str:
    return show_amount(value) if isinstance(value, float) else str(value)


def _pick(title: str, rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...]) -> Table:
    values = (tuple("" if row[name] is None else _write_value(row[name]) for name in columns) for row in rows)
    return Table(title, columns, tuple(values))
