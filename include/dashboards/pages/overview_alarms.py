"""Overview, what may be wrong: drift, alerts, and the error of real predictions."""

from datetime import timedelta

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Rows, chart, read_rows
from include.dashboards.drawing.figures import Figure, bars, by, column, figure, marked_line, name_point, span_times
from include.dashboards.drawing.palette import BAD, GOOD, MUTED, PATTERNS, fill
from include.dashboards.drawing.tables import Cell, Table, run_page, show_age
from include.dashboards.reading.drift_queries import MEASURE_FIRST, NEWEST_WEEK, describe_shares
from include.problem.declaration import Problem
from include.problem.words import name_bounds

# Severity -> its word, which says it without color too, and its tone.
SEVERITIES = {"error": ("✖\u00a0error", "bad"), "warning": ("▲\u00a0warning", "warn"), "info": ("● info", "")}
_STATES = {"sent": "sent", "unsent": "not sent yet", "collecting": "collecting", "silent": "not mailed"}


def _drift(context: Context) -> Rows:
    threshold = context.settings.drift_psi
    return [{**row, "threshold": threshold} for row in read_rows(NEWEST_WEEK, context)]


@chart("overview", "Latest drift", _drift, empty=MEASURE_FIRST, dags=("model_monitoring",), columns=4, height=360)
def newest_drift(rows: Rows) -> Figure:
    """How far each column of the latest week is from the champion's training set.

    Hatched: drifted, as two of three measures or a share of missing or unseen values exceed their thresholds; the chart
    shows one of them. Gray: measured against another champion.
    """
    first = rows[0]
    stale = first["champion_now"] not in (None, first["champion_version"])
    drawn = bars(rows, "column_name", "psi", horizontal=True, x_title="PSI, population stability index")
    colors = [MUTED if stale else BAD if row["drifted"] else GOOD for row in rows]
    marker = fill("", "") | {"color": colors}
    marker["pattern"] = {**fill("")["pattern"], "shape": [PATTERNS[1] if row["drifted"] else "" for row in rows]}  # type: ignore[dict-item]
    drawn.update_traces(
        marker=marker,
        customdata=[describe_shares(row) for row in rows],
        hovertemplate="%{y}: PSI %{x:.3f}%{customdata}<extra></extra>",
    )
    drawn.add_vline(
        first["threshold"],
        line={"dash": "dash", "color": MUTED, "width": 1.5},
        annotation={"text": f"threshold {first['threshold']:g}", "font": {"size": 11}, "yanchor": "bottom"},
        annotation_position="top right",
    )
    measured = f"against v{first['champion_version']}, week of {first['window_start']:%d %b %Y}"
    if stale:
        measured = f"measured {measured};\nchampion is now v{first['champion_now']}, not measured yet"
    drawn.update_xaxes(title_text=f"PSI, population stability index,\n{measured}")
    drawn.update_layout(margin={"t": 24, "l": 8, "r": 12, "b": 8})
    return drawn.update_xaxes(rangemode="tozero")


@chart(
    "overview",
    "Latest alerts",
    """
    SELECT created_at, severity, dag_id, run_id, subject, state, problem, content->>'headline' AS headline
    FROM alerts.sent
    WHERE created_at > %(since)s AND dag_id = ANY(%(dag_ids)s) ORDER BY created_at DESC LIMIT 200
    """,
    empty="No alerts in this period.",
    columns=8,
    height=340,
)
def newest_alerts(rows: Rows) -> Table:
    """Alerts and whether they were sent, newest first."""
    return Table(
        ("severity", "alert", "why", "mail", "when"),
        [
            (
                Cell(SEVERITIES[row["severity"]][0], tone=SEVERITIES[row["severity"]][1]),
                Cell(row["subject"], run_page(row["dag_id"], row["run_id"]), SEVERITIES[row["severity"]][1]),
                row["headline"] or "",
                Cell(_STATES.get(str(row["state"]), str(row["state"])), tone="warn" if row["problem"] else "",
                     hint=row["problem"] or ""),
                show_age(row["created_at"]),
            )
            for row in rows
        ],
    )  # fmt: skip


# Of all weeks: a week is that of the rows' own time, which can be years before the page's period.
@chart(
    "overview",
    "Live error",
    "SELECT model_version, week, error, rows FROM monitoring.live_errors ORDER BY week",
    empty="No prediction was compared with what really happened yet: predict, load those rows, run model_monitoring.",
    dags=("model_monitoring",),
    columns=4,
    height=340,
)
def live_error(rows: Rows, problem: Problem) -> Figure:
    """Error of logged predictions compared with what really happened, by week."""
    traces = [
        marked_line(place, x=column(group, "week"), y=column(group, "error"), name=f"v{version}",
                    hovertemplate=name_point(problem.objective.unit).replace(" %H:%M UTC", ""))
        for place, (version, group) in enumerate(by(rows, "model_version").items())
    ]  # fmt: skip
    drawn = figure(traces, y_title=problem.objective.title, showlegend=True)
    for bounds in name_bounds(problem):
        drawn.update_xaxes(title_text=f"rows with a target of {bounds} only")
    return span_times(drawn, column(rows, "week"), timedelta(weeks=4))
