"""Alerts on what is watched of the champion: drift of new data, and its error."""

from collections.abc import Iterator, Sequence
from datetime import date

import psycopg

from include.alerting.alert import Alert, Chart, Table
from include.problem.objectives.objective import Objective
from include.problem.words import describe_shares, name_unit, show_amount
from include.settings import Settings, read_settings
from include.warehouse import connect

ErrorOfWeek = tuple[date, float, float, float, float | None]


def report_drift(url: str, dag_id: str, run_id: str, links: dict[str, str]) -> list[Alert]:
    """The alarm that a check of the data has raised, if any."""
    settings = read_settings()
    with connect(url) as connection:
        alarms = connection.execute(
            "SELECT name, champion_version, window_start, window_end, columns, errors FROM monitoring.alarms"
            " WHERE run_key = %s",
            [f"{dag_id}/{run_id}"],
        ).fetchall()
        alerts = []
        for name, version, start, end, columns, errors in alarms:
            facts = {"Model": f"{name} version {version}", "Latest week": f"{start} to {end}"}
            tables, charts = [], []
            if columns:
                weeks, shares = _read_weeks(connection, name, version, start, columns)
                facts["Drifted"] = _describe_limits(settings)
                tables.append(_drift_table(weeks, shares))
                charts.append(_drift_chart(weeks, settings.drift_psi))
            if errors:
                measured = _read_errors(connection, name, version, start)
                facts["Error"] = "; ".join(errors)
                tables.append(_error_table(settings.problem.objective, measured))
                charts.append(_error_chart(settings.problem.objective, measured))
            alerts.append(
                Alert(
                    kind="drift",
                    severity="warning",
                    dag_id=dag_id,
                    run_id=run_id,
                    state="found drift" if columns else "found a changed error",
                    label=", ".join(columns),
                    event_key=f"drift/{name}/{version}/{start}",
                    headline=" ".join(_headlines(version, columns, errors)),
                    facts=facts,
                    tables=tuple(tables),
                    charts=tuple(charts),
                    links=links,
                )
            )
    return alerts


def _read_weeks(
    connection: psycopg.Connection, name: str, version: int, start: date, columns: Sequence[str]
) -> tuple[dict[str, list[tuple[date, float, bool]]], dict[str, str]]:
    """Column -> its weeks up to that of the alarm, and what has changed of its shares; what drifted most first."""
    measures = connection.execute(
        "SELECT column_name, window_start, psi, drifted, missing, missing_learnt, unseen FROM monitoring.drift"
        " WHERE name = %s AND champion_version = %s AND column_name = ANY(%s) AND window_start <= %s"
        " AND source = 'rows' ORDER BY window_start",
        [name, version, columns, start],
    ).fetchall()
    weeks: dict[str, list[tuple[date, float, bool]]] = {}
    shares: dict[str, str] = {}
    for column, at, psi, drifted, *found in measures:
        weeks.setdefault(column, []).append((at, psi, drifted))
        shares[column] = describe_shares(*found)
    return dict(sorted(weeks.items(), key=lambda item: -item[1][-1][1])), shares


def _read_errors(connection: psycopg.Connection, name: str, version: int, start: date) -> list[ErrorOfWeek]:
    """First day, error, its limit, bias and coverage of the last weeks up to that of the alarm."""
    rows = connection.execute(
        "SELECT window_start, error, error_limit, bias, coverage FROM monitoring.errors"
        " WHERE name = %s AND champion_version = %s AND window_start <= %s ORDER BY window_start DESC LIMIT 8",
        [name, version, start],
    ).fetchall()
    return rows[::-1]


def _headlines(version: int, columns: Sequence[str], errors: Sequence[str]) -> Iterator[str]:
    if columns:
        yield (f"New data differs from the training data of the champion (version {version}): {', '.join(columns)}.")
    if errors:
        yield f"The error of the champion (version {version}) has changed: {'; '.join(errors)}."


def _describe_limits(settings: Settings) -> str:
    return (
        f"two of three measures at or above PSI {settings.drift_psi:g}, KS {settings.drift_ks:g}, JS"
        f" {settings.drift_js:g}; or {100 * settings.drift_missing:g} points more or fewer missing values; or"
        f" {100 * settings.drift_unseen:g} points more unseen ones than expected"
    )


def _error_table(objective: Objective, weeks: Sequence[ErrorOfWeek]) -> Table:
    rows = tuple(
        (
            f"{at:%d %b}",
            show_amount(error),
            show_amount(limit),
            show_amount(bias, signed=True),
            "" if coverage is None else f"{coverage:.1%}",
        )
        for at, error, limit, bias, coverage in weeks
    )
    bias, coverage = f"{objective.center} of predicted minus actual", f"in 90 % {objective.region}s"
    head = ("week of", objective.name, "limit", bias, coverage)
    return Table(name_unit("The champion's error by week", objective.unit), head, rows)


def _error_chart(objective: Objective, weeks: Sequence[ErrorOfWeek]) -> Chart:
    ticks = tuple(f"{at:%d %b}" for at, *_ in weeks)
    limit = weeks[-1][2] if weeks else None
    lines = {objective.name: tuple(error for _, error, *_ in weeks)}
    return Chart("The champion's error, by week", objective.unit, lines=lines, ticks=ticks, threshold=limit)


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
