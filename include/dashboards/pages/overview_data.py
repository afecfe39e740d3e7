"""Overview, what lies around the models: training sets, drift, live error, alerts."""

from datetime import timedelta

from include.dashboards.charts import Rows, chart
from include.dashboards.figures import (
    BAD,
    GOOD,
    PALETTE,
    Figure,
    Scatter,
    bars,
    by,
    column,
    figure,
    span_times,
    stacked_bars,
)
from include.dashboards.tables import Cell, Table, run_page, show_age, show_bytes

PREPARE_FIRST = "No training set yet: start data_preparation."
_SPLITS = {"train": PALETTE[0], "validation": PALETTE[1], "test": PALETTE[2]}


@chart(
    "overview",
    "Training-set versions",
    """
    SELECT version, months, feature_set, state, coalesce(published_at, created_at) AS at,
           (SELECT sum(value::bigint) FROM jsonb_each_text(counts)
            WHERE key IN ('train', 'validation', 'test')) AS rows,
           pg_total_relation_size(to_regclass('training.examples_' || version)) AS size
    FROM training.sets ORDER BY version DESC LIMIT 200
    """,
    empty=PREPARE_FIRST,
    dags=("data_preparation",),
    columns=8,
)
def training_set_versions(rows: Rows) -> Table:
    """Months, rows and size of each version."""
    tones = {"published": "good", "failed": "bad"}
    return Table(
        ("version", "months", "rows", "size", "features", "state", "since"),
        [
            (
                row["version"],
                ", ".join(row["months"]),
                row["rows"] and f"{row['rows']:,}",
                show_bytes(row["size"]) or "dropped",
                row["feature_set"],
                Cell(row["state"], tone=tones.get(row["state"], "")),
                row["at"],
            )
            for row in rows
        ],
    )


@chart(
    "overview",
    "Rows of training sets",
    """
    SELECT version, s.key AS split, s.value::bigint AS rows
    FROM (SELECT * FROM training.sets WHERE counts IS NOT NULL ORDER BY version DESC LIMIT 30) v,
         LATERAL jsonb_each_text(v.counts) s
    WHERE s.key IN ('train', 'validation', 'test') AND s.value::bigint > 0 ORDER BY version, s.key
    """,
    empty=PREPARE_FIRST,
    dags=("data_preparation",),
    columns=4,
)
def training_set_rows(rows: Rows) -> Figure:
    """Rows of each version by split."""
    named = [{**row, "version": f"v{row['version']}"} for row in rows]
    drawn = stacked_bars(named, "version", "rows", "split", colors=_SPLITS, y_title="rows", x_title="version")
    return drawn.update_xaxes(type="category")


@chart(
    "overview",
    "Newest drift",
    """
    SELECT column_name, psi, drifted, window_start, champion_version FROM monitoring.drift
    WHERE name = %(name)s AND (champion_version, window_start) = (
        SELECT champion_version, window_start FROM monitoring.drift WHERE name = %(name)s
        ORDER BY measured_at DESC, window_start DESC LIMIT 1)
    ORDER BY psi DESC
    """,
    empty="Drift was not measured yet: model_monitoring does it once there is a champion and newer trips than its own.",
    dags=("model_monitoring",),
    columns=4,
)
def newest_drift(rows: Rows) -> Figure:
    """How far each column of the newest window lies from the champion's training set."""
    drawn = bars(rows, "column_name", "psi", horizontal=True, x_title="PSI, population stability index")
    return drawn.update_traces(marker_color=[BAD if row["drifted"] else GOOD for row in rows])


@chart(
    "overview",
    "Live error",
    "SELECT model_version, week, rmse, mae, rows FROM monitoring.live_errors WHERE week > %(since)s ORDER BY week",
    empty="No prediction could be compared with its real trip yet: predict, load the trips, run model_monitoring.",
    dags=("model_monitoring",),
    columns=4,
)
def live_error(rows: Rows) -> Figure:
    """Error of logged predictions against the real trips, by week of pickup."""
    traces = [
        Scatter(
            x=column(group, "week"),
            y=column(group, "rmse"),
            name=f"v{version}",
            mode="lines+markers",
            line={"width": 2},
        )
        for version, group in by(rows, "model_version").items()
    ]
    drawn = figure(traces, y_title="RMSE, minutes", showlegend=True)
    return span_times(drawn, column(rows, "week"), timedelta(weeks=4))


@chart(
    "overview",
    "Newest alerts",
    """
    SELECT created_at, severity, dag_id, run_id, subject, state, problem FROM alerts.sent
    WHERE created_at > %(since)s AND dag_id = ANY(%(dag_ids)s) ORDER BY created_at DESC LIMIT 200
    """,
    empty="No alerts in this period.",
    columns=12,
    height=260,
)
def newest_alerts(rows: Rows) -> Table:
    """What people were told, the newest first."""
    tones = {"error": "bad", "warning": "warn"}
    return Table(
        ("alert", "state", "when"),
        [
            (
                Cell(row["subject"], run_page(row["dag_id"], row["run_id"]), tones.get(row["severity"], "")),
                Cell(row["state"], tone="warn" if row["problem"] else "", hint=row["problem"] or ""),
                show_age(row["created_at"]),
            )
            for row in rows
        ],
    )
