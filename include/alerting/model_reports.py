"""Alerts on models in use: promotion, rollback, and a champion that cannot be used."""

from collections.abc import Collection, Sequence

from include.alerting.alert import Alert, Chart, Table
from include.errors import TrackingUnavailable
from include.problem.objectives.objective import Objective
from include.problem.words import begin, name_unit, show_amount
from include.promotion.decisions import confidence_at, describe_unbeaten, find_unjudged_trainings
from include.sets.baselines import Baseline, list_baselines
from include.settings import Settings, read_settings
from include.tracking.registry import WAYS_OUT
from include.warehouse import connect


def report_promotions(url: str, dag_id: str, run_id: str, links: dict[str, str]) -> list[Alert]:
    """The champions that a run has promoted or rolled back to."""
    objective = read_settings().problem.objective
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT kind, name, version, model, champion_version, rival_version, challenger_error, champion_error,"
            " interval_low, interval_high, look, reason, baseline FROM training.promotions"
            " WHERE run_key = %s AND state = 'promoted' ORDER BY id",
            [f"{dag_id}/{run_id}"],
        ).fetchall()
    alerts = []
    for kind, name, version, model, champion, judged_against, after, before, low, high, look, reason, baseline in rows:
        is_rollback = kind == "rollback"
        rival = f"version {judged_against}" if judged_against else f"the best baseline, the {baseline}"
        facts = {"Model": f"{name} version {version}, {model}", "Before": f"version {champion}" if champion else "none"}
        charts: tuple[Chart, ...] = ()
        if after is not None:
            facts[begin(objective.name)] = f"{objective.show(after)}, against {show_amount(before)} for {rival}"
            facts["Difference"] = (
                f"{show_amount(low, signed=True)} to {objective.show(high, signed=True)}"
                f" ({confidence_at(look) * 100:.4g} % interval)"
            )
            bars = {f"version {version}": after, rival if judged_against else f"the {baseline}": before}
            charts = (Chart(f"{begin(objective.name)} on the same held-out rows", objective.unit, bars=bars),)
        alerts.append(
            Alert(
                kind="rolled back" if is_rollback else "promoted",
                severity="warning" if is_rollback else "info",
                dag_id=dag_id,
                run_id=run_id,
                state="rolled back" if is_rollback else "promoted",
                label=f"{model} version {version}",
                event_key=f"{kind}/{dag_id}/{run_id}/{name}/{version}",
                headline=reason,
                facts=facts,
                charts=charts,
                links=links,
            )
        )
    return alerts


def report_unbeaten(
    url: str, dag_id: str, run_id: str, links: dict[str, str], *, trainings: Collection[str] = ()
) -> list[Alert]:
    """That what a run has judged, and every model before, did not beat the best baseline, so that nothing serves.

    Nothing while a model may still win: the run that judges the last one reports it.

    Args:
        trainings: Those under way, `DAG id/run id`.
    """
    settings = read_settings()
    name, problem = settings.registered_model, settings.problem
    if find_unjudged_trainings(url, name, trainings) or _find_unjudged(url, settings):
        return []
    with connect(url) as connection:
        row = connection.execute(
            "SELECT judged_on, split FROM training.promotions WHERE name = %s AND run_key = %s AND baseline IS NOT NULL"
            " ORDER BY id DESC LIMIT 1",
            [name, f"{dag_id}/{run_id}"],
        ).fetchone()
    sentence = describe_unbeaten(url, problem, name) if row else None
    if row is None or sentence is None:
        return []
    version, split = row
    return [
        Alert(
            kind="not promoted",
            severity="warning",
            dag_id=dag_id,
            run_id=run_id,
            state="promoted nothing",
            event_key=f"unbeaten/{dag_id}/{run_id}/{name}",
            headline=sentence,
            facts={
                "Judged on": f"the {split} split of training set {version}",
                "What to do": "declare more columns or more rows, or predict with the baseline.",
            },
            tables=tabulate_baselines(problem.objective, list_baselines(url, version), split),
            links=links,
        )
    ]


def _find_unjudged(url: str, settings: Settings) -> list[int]:
    # It brings numpy, which other alerts can do without.
    from include.promotion.judging import find_unjudged

    try:
        return find_unjudged(url, settings, ())
    except TrackingUnavailable:
        return []


def tabulate_baselines(objective: Objective, baselines: Sequence[Baseline], split: str) -> tuple[Table, ...]:
    """A table of the baselines' errors on a split; none where no baseline was measured on it."""
    rows = tuple(
        (each.name, *(show_amount(errors[measure.key]) for measure in objective.of_baselines))
        for each in baselines
        if (errors := each.errors.get(split))
    )
    title = name_unit(f"Baselines on the {split} split", objective.unit)
    head = ("baseline", *(measure.name for measure in objective.of_baselines))
    return (Table(title, head, rows),) if rows else ()


def report_unusable(url: str, name: str, dag_id: str, run_id: str, links: dict[str, str]) -> list[Alert]:
    """The champion of that name, if it cannot be used: reported once, by the first run that finds it."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT version, problem, found_at FROM monitoring.unusable_champions WHERE name = %s", [name]
        ).fetchall()
    return [
        Alert(
            kind="champion unusable",
            severity="error",
            dag_id=dag_id,
            run_id=run_id,
            state="found a champion that cannot be used",
            label=f"version {version}",
            event_key=f"unusable/{name}/{version}/{found_at.isoformat()}",
            headline=f"The champion, version {version} of {name}, cannot be used: {problem}",
            facts={"What to do": WAYS_OUT},
            links=links,
        )
        for version, problem, found_at in rows
    ]
