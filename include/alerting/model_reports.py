"""Alerts on models in use: promotion, rollback, drift, and a champion that cannot be used."""

from collections.abc import Collection, Sequence
from datetime import date

from include.alerting.alert import Alert, Chart, Table
from include.errors import TrackingUnavailable
from include.problem.words import describe_shares, name_unit, show_amount
from include.promotion.decisions import describe_unbeaten, find_unjudged_trainings
from include.sets.baselines import Baseline, list_baselines
from include.settings import Settings, read_settings
from include.tracking.registry import WAYS_OUT
from include.warehouse import connect


def report_promotions(url: str, dag_id: str, run_id: str, links: dict[str, str]) -> list[Alert]:
    """The champions that a run has promoted or rolled back to."""
    unit = read_settings().problem.unit
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT kind, name, version, model, champion_version, rival_version, challenger_rmse, champion_rmse,"
            " interval_low, interval_high, reason, baseline FROM training.promotions"
            " WHERE run_key = %s AND state = 'promoted' ORDER BY id",
            [f"{dag_id}/{run_id}"],
        ).fetchall()
    alerts = []
    for kind, name, version, model, champion, judged_against, after, before, low, high, reason, baseline in rows:
        is_rollback = kind == "rollback"
        rival = f"version {judged_against}" if judged_against else f"the best baseline, the {baseline}"
        facts = {"Model": f"{name} version {version}, {model}", "Before": f"version {champion}" if champion else "none"}
        charts: tuple[Chart, ...] = ()
        if after is not None:
            facts["RMSE"] = f"{show_amount(after, unit)}, against {show_amount(before)} for {rival}"
            facts["Difference"] = (
                f"{show_amount(low, signed=True)} to {show_amount(high, unit, signed=True)} (95% interval)"
            )
            bars = {f"version {version}": after, rival if judged_against else f"the {baseline}": before}
            charts = (Chart("RMSE on the same held-out rows", unit, bars=bars),)
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
            tables=tabulate_baselines(list_baselines(url, version), split, problem.unit),
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


def tabulate_baselines(baselines: Sequence[Baseline], split: str, unit: str) -> tuple[Table, ...]:
    """A table of the baselines' errors on a split; none where no baseline was measured on it."""
    rows = tuple(
        (each.name, show_amount(errors.rmse), show_amount(errors.mae))
        for each in baselines
        if (errors := each.errors.get(split))
    )
    title = name_unit(f"Baselines on the {split} split", unit)
    return (Table(title, ("baseline", "RMSE", "MAE"), rows),) if rows else ()


def report_drift(url: str, dag_id: str, run_id: str, links: dict[str, str]) -> list[Alert]:
    """The alarm that a check of the data has raised, if any."""
    settings = read_settings()
    with connect(url) as connection:
        alarms = connection.execute(
            "SELECT name, champion_version, window_start, window_end, columns FROM monitoring.alarms"
            " WHERE run_key = %s",
            [f"{dag_id}/{run_id}"],
        ).fetchall()
        alerts = []
        for name, version, start, end, columns in alarms:
            measures = connection.execute(
                "SELECT column_name, window_start, psi, drifted, missing, missing_learnt, unseen FROM monitoring.drift"
                " WHERE name = %s AND champion_version = %s AND column_name = ANY(%s) AND window_start <= %s"
                " ORDER BY window_start",
                [name, version, columns, start],
            ).fetchall()
            weeks: dict[str, list[tuple[date, float, bool]]] = {}
            shares: dict[str, str] = {}
            for column, at, psi, drifted, *found in measures:
                weeks.setdefault(column, []).append((at, psi, drifted))
                shares[column] = describe_shares(*found)
            # What has drifted most comes first.
            ordered = dict(sorted(weeks.items(), key=lambda item: -item[1][-1][1]))
            alerts.append(
                Alert(
                    kind="drift",
                    severity="warning",
                    dag_id=dag_id,
                    run_id=run_id,
                    state="found drift",
                    label=", ".join(columns),
                    event_key=f"drift/{name}/{version}/{start}",
                    headline=f"New data differs from the training data of the champion (version {version}):"
                    f" {', '.join(columns)}.",
                    facts={
                        "Model": f"{name} version {version}",
                        "Latest week": f"{start} to {end}",
                        "Drifted": f"two of three measures at or above PSI {settings.drift_psi:g},"
                        f" KS {settings.drift_ks:g}, JS {settings.drift_js:g}; or {100 * settings.drift_missing:g}"
                        f" points more or fewer missing values; or {settings.drift_unseen:.0%} unseen ones",
                    },
                    tables=(_drift_table(ordered, shares),),
                    charts=(_drift_chart(ordered, settings.drift_psi),),
                    links=links,
                )
            )
    return alerts


def _drift_table(weeks: dict[str, list[tuple[date, float, bool]]], shares: dict[str, str]) -> Table:
    """A row per column: its latest and worst stability index, and the latest shares of missing and unseen values."""
    rows = []
    for column, measured in weeks.items():
        worst_at, worst, _ = max(measured, key=lambda each: each[1])
        drifted = sum(each[2] for each in measured)
        rows.append(
            (
                column,
                f"{measured[-1][1]:.2f}",
                f"{worst:.2f}",
                f"{worst_at:%d %b}",
                f"{drifted} of {len(measured)}",
                shares[column],
            )
        )
    return Table(
        "Stability index (PSI) by column", ("column", "latest", "worst", "week of", "drifted", "values"), tuple(rows)
    )


def _drift_chart(weeks: dict[str, list[tuple[date, float, bool]]], threshold: float) -> Chart:
    lines = {column: tuple(psi for _, psi, _ in measured) for column, measured in weeks.items()}
    # Every column is measured in the same weeks.
    ticks = tuple(f"{at:%d %b}" for at, _, _ in next(iter(weeks.values()), []))
    return Chart("Stability index, by week", "PSI", lines=lines, ticks=ticks, threshold=threshold)


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
