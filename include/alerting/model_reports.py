"""Alerts on models in use: promotion, rollback and drift."""

from include.alerting.alert import Alert, Chart, Table
from include.taxi.warehouse import connect


def report_promotions(url: str, dag_id: str, run_id: str, links: dict[str, str]) -> list[Alert]:
    """The champions that a run has made, by judgement or by rollback."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT kind, name, version, model, champion_version, challenger_rmse, champion_rmse, interval_low,"
            " interval_high, reason FROM training.promotions WHERE run_key = %s AND state = 'promoted' ORDER BY id",
            [f"{dag_id}/{run_id}"],
        ).fetchall()
    alerts = []
    for kind, name, version, model, champion, after, before, low, high, reason in rows:
        is_rollback = kind == "rollback"
        rival = f"version {champion}" if champion else "the mean of the training set"
        facts = {"Model": f"{name} version {version}, {model}", "Before": f"version {champion}" if champion else "none"}
        charts: tuple[Chart, ...] = ()
        if after is not None:
            facts["RMSE"] = f"{after:.3f} min, against {before:.3f} of {rival}"
            facts["Difference"] = f"{low:+.3f} to {high:+.3f} min (95% interval)"
            bars = {f"version {version}": after, rival: before}
            charts = (Chart("RMSE on the same held-out rows", "min", bars=bars),)
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


def report_drift(url: str, dag_id: str, run_id: str, links: dict[str, str]) -> list[Alert]:
    """The alarm that a look at the data has raised, if it has."""
    with connect(url) as connection:
        alarms = connection.execute(
            "SELECT name, champion_version, window_start, window_end, columns FROM monitoring.alarms"
            " WHERE run_key = %s",
            [f"{dag_id}/{run_id}"],
        ).fetchall()
        alerts = []
        for name, version, start, end, columns in alarms:
            measures = connection.execute(
                "SELECT column_name, window_start, psi, ks, js, drifted FROM monitoring.drift"
                " WHERE name = %s AND champion_version = %s AND column_name = ANY(%s)"
                " ORDER BY column_name, window_start",
                [name, version, columns],
            ).fetchall()
            series: dict[str, list[float]] = {}
            for column, _, psi, *_ in measures:
                series.setdefault(column, []).append(psi)
            rows = tuple(
                (
                    column,
                    f"{at}",
                    f"{psi:.3f}",
                    "" if ks is None else f"{ks:.3f}",
                    f"{js:.3f}",
                    "yes" if drifted else "no",
                )
                for column, at, psi, ks, js, drifted in measures[-20:]
            )
            alerts.append(
                Alert(
                    kind="drift",
                    severity="warning",
                    dag_id=dag_id,
                    run_id=run_id,
                    state="found drift",
                    label=", ".join(columns),
                    event_key=f"drift/{name}/{version}/{start}",
                    headline=f"What arrives is no longer what the champion (version {version}) has learnt from:"
                    f" {', '.join(columns)}.",
                    facts={"Model": f"{name} version {version}", "Newest window": f"{start} to {end}"},
                    tables=(Table("Windows", ("column", "from", "PSI", "KS", "JS", "drift"), rows),),
                    charts=(
                        Chart("Stability index, by window", "PSI", lines={c: tuple(v) for c, v in series.items()}),
                    ),
                    links=links,
                )
            )
    return alerts
