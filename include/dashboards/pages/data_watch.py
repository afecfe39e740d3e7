"""Data, what is watched of the champion: drift of later rows and of requests, and its error in later weeks."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Query, Rows, chart, read_rows
from include.dashboards.drawing.figures import (
    AMOUNT,
    Figure,
    Scatter,
    by,
    column,
    figure,
    span_times,
)
from include.dashboards.drawing.palette import BAD, MUTED, mark
from include.dashboards.reading.drift_queries import (
    ALL_ERRORS,
    ALL_REQUESTS,
    ALL_WEEKS,
    ASK_FIRST,
    MEASURE_FIRST,
    describe_shares,
)
from include.problem.declaration import Problem
from include.problem.words import name_bounds, show_amount

MONITORING = ("model_monitoring",)
SIGNS = {"is_high": "too high", "has_moved": "moved", "is_uncovered": "{region}s off"}


def _with_threshold(query: str) -> Query:
    def read(context: Context) -> Rows:
        return [{**row, "threshold": context.settings.drift_psi} for row in read_rows(query, context)]

    return read


@chart(
    "data",
    "Drift by column",
    _with_threshold(ALL_WEEKS),
    empty=MEASURE_FIRST,
    dags=MONITORING,
    columns=12,
    height=380,
)
def drift_by_column(rows: Rows) -> Figure:
    """How far each week is from the champion's training set.

    Filled points have drifted (two of three measures, or a share of missing or unseen values, exceed their thresholds);
    hollow points have not.
    """
    return _draw_drift(rows, "week of")


@chart(
    "data",
    "Drift of requests",
    _with_threshold(ALL_REQUESTS),
    empty=ASK_FIRST,
    dags=MONITORING,
    columns=6,
    height=380,
)
def requests_drift(rows: Rows) -> Figure:
    """How far the inputs of logged requests are from the champion's training set, each day over the days before.

    Known at once, because no actual values are needed. It is shown and reported, but starts no retraining.
    """
    return _draw_drift(rows, "requests since")


@chart(
    "data",
    "Champion's error by week",
    ALL_ERRORS,
    empty="No week was scored yet: model_monitoring needs a champion and a whole week of loaded rows.",
    dags=MONITORING,
    columns=6,
    height=380,
)
def champion_error(rows: Rows, problem: Problem) -> Figure:
    """{error} of the champion on all rows of each week, whether or not anyone asked for them.

    Filled points are too high, or predictions have moved against the actual values, or too few or too many of these are
    inside the 90 % {region}s; hollow points are none of it. The dashed line is the limit: the error that the champion
    was judged by, times ERROR_RATIO.
    """
    looks, objective = mark(0), problem.objective
    line = Scatter(
        x=column(rows, "window_start"),
        y=column(rows, "error"),
        mode="lines+markers",
        line={"width": 2, "color": looks.color},
        marker={"size": 10, "symbol": [looks.symbol + ("" if _is_odd(row) else "-open") for row in rows],
                "color": [BAD if _is_odd(row) else looks.color for row in rows]},
        customdata=[[_describe_error(row, problem), row["rows"]] for row in rows],
        hovertemplate=f"week of %{{x|%d %b}}: {objective.name} %{{y:{AMOUNT}}} on %{{customdata[1]}} rows,"
        " %{customdata[0]}<extra></extra>",
    )  # fmt: skip
    drawn = figure([line], y_title=objective.title).update_yaxes(rangemode="tozero")
    limit = rows[-1]["error_limit"]
    drawn.add_hline(limit, line={"dash": "dash", "color": MUTED, "width": 1.5}, annotation_position="top left",
                    annotation={"text": f"limit {show_amount(limit)}", "font": {"size": 11}})  # fmt: skip
    counted = "".join(f", rows with a target of {bounds} only" for bounds in name_bounds(problem))
    drawn.update_xaxes(title_text=f"v{rows[0]['champion_version']}{counted}{_name_stale(rows)}")
    return span_times(drawn, column(rows, "window_start"), timedelta(weeks=4))


def _is_odd(row: Mapping[str, Any]) -> bool:
    return any(row[key] for key in SIGNS)


def _describe_error(row: Mapping[str, Any], problem: Problem) -> str:
    objective = problem.objective
    told = f"predicted minus actual {show_amount(row['bias'], problem.unit, signed=True)} ({objective.center})"
    if row["coverage"] is not None:
        told += f", {row['coverage']:.1%} in 90 % {objective.region}s"
    found = [word.replace("{region}", objective.region) for key, word in SIGNS.items() if row[key]]
    return f"{told}: {', '.join(found)}" if found else told


def _name_stale(rows: Rows) -> str:
    first = rows[0]
    if first["champion_now"] in (None, first["champion_version"]):
        return ""
    return f"; champion is now v{first['champion_now']}, not measured yet"


def _draw_drift(rows: Rows, since: str) -> Figure:
    traces = [
        Scatter(
            x=column(group, "window_start"),
            y=column(group, "psi"),
            name=name,
            mode="lines+markers",
            line={"width": 2, "color": mark(at).color, "dash": mark(at).dash},
            marker={
                "size": 10,
                "symbol": [mark(at).symbol + ("" if row["drifted"] else "-open") for row in group],
            },
            customdata=[f"{'' if row['drifted'] else 'not '}drifted{describe_shares(row)}" for row in group],
            hovertemplate=f"%{{fullData.name}}, {since} %{{x|%d %b}}: PSI %{{y:.3f}}, %{{customdata}}<extra></extra>",
        )
        for at, (name, group) in enumerate(by(rows, "column_name").items())
    ]
    first = rows[0]
    text = f"against v{first['champion_version']}; filled: drifted, hollow: not drifted{_name_stale(rows)}"
    drawn = figure(traces, y_title="PSI, population stability index").update_yaxes(rangemode="tozero")
    drawn.add_hline(
        first["threshold"],
        line={"dash": "dash", "color": MUTED, "width": 1.5},
        annotation={"text": f"threshold {first['threshold']:g}", "font": {"size": 11}},
        annotation_position="top left",
    )
    drawn.update_xaxes(title_text=text)
    return span_times(drawn, column(rows, "window_start"), timedelta(weeks=4))
