"""Data: what the raw months and the newest training set hold, what was refused, and how columns drift."""

from datetime import timedelta
from typing import Any

from plotly.graph_objects import Bar, Figure, Scatter

from include.dashboards.charts import Rows, chart, read_rows
from include.dashboards.context import Context
from include.dashboards.figures import MUTED, PALETTE, by, column, figure, span_times
from include.dashboards.raw_profiles import BARS, read_profile
from include.dashboards.registered import keep
from include.dashboards.tables import Cell, Table
from include.taxi.zone_names import read_zone_names

LOAD_FIRST = "No month is loaded yet: start data_preparation."
NOT_PUBLISHED = "No training set is published yet: start data_preparation."
PREPARATION = ("data_preparation",)
SPLITS = {"train": PALETTE[0], "validation": PALETTE[1], "test": PALETTE[2]}
DECIMALS = 3


@chart("data", "Raw month, column by column", read_profile, empty=LOAD_FIRST, dags=PREPARATION, columns=12, height=290)
def raw_profile(rows: Rows) -> Table:
    """The chosen month as its source gave it, rejected rows included."""
    headings = (
        f"{rows[0]['month']}, column", "type", "rows", "missing", "unique", "min", "mean", "median", "max",
        "most frequent",
    )  # fmt: skip
    return Table(
        headings,
        [
            (
                row["column"],
                row["type"],
                f"{row['rows']:,}",
                Cell(f"{row['missing']:,}", tone="warn" if row["missing"] else ""),
                f"{row['distinct']:,}",
                *(_short_number(row[name]) for name in ("min", "mean", "median", "max", "frequent")),
            )
            for row in rows
        ],
    )


def _short_number(text: str | None) -> str:
    try:
        return f"{float(text or ''):.{DECIMALS}f}".rstrip("0").rstrip(".")
    except ValueError:
        # A time, to the minute; or nothing.
        return (text or "")[:16]


def _raw_bars(context: Context) -> Rows:
    return [
        {"column": profiled["column"], "month": profiled["month"], "width": (bar["high"] - bar["low"]) / BARS, **bar}
        for profiled in read_profile(context)
        for bar in profiled["bars"]
    ]


def _draw_raw(rows: Rows, name: str, x_title: str) -> Figure:
    drawn = [row for row in rows if row["column"] == name]
    bar = Bar(
        x=[row["low"] + (row["bar"] - 0.5) * row["width"] for row in drawn],
        y=column(drawn, "rows"),
        width=column(drawn, "width"),
        marker_color=PALETTE[0],
        hovertemplate="%{x:.1f}: %{y:,} trips<extra></extra>",
    )
    return figure([bar], x_title=x_title, y_title="trips", bargap=0)


_OF_MONTH: dict[str, Any] = {"empty": LOAD_FIRST, "dags": PREPARATION, "columns": 4}


@chart("data", "Distance in the raw month", _raw_bars, **_OF_MONTH)
def raw_distances(rows: Rows) -> Figure:
    """How often each distance occurs; the longest hundredth is left out."""
    return _draw_raw(rows, "trip_distance", "trip distance, in the source's unit (TLC: miles)")


@chart("data", "Duration in the raw month", _raw_bars, **_OF_MONTH)
def raw_durations(rows: Rows) -> Figure:
    """How often each duration occurs; the longest hundredth is left out."""
    return _draw_raw(rows, "duration, minutes", "duration, minutes")


@chart(
    "data",
    "Rejected rows by rule",
    "SELECT month, rule, count(*) AS rows FROM raw.rejected_trips GROUP BY month, rule ORDER BY month, rows DESC",
    empty="No row was rejected; each that is stands here by the rule that it broke.",
    dags=PREPARATION,
    columns=4,
)
def rejected_rows(rows: Rows) -> Figure:
    """Rows that a rule refused, in each loaded month."""
    months = sorted({row["month"] for row in rows})
    colors = {month: PALETTE[at % len(PALETTE)] for at, month in enumerate(months)}
    traces = [
        Bar(x=column(group, "rows"), y=column(group, "rule"), name=month, orientation="h", marker_color=colors[month])
        for month, group in by(rows, "month").items()
    ]
    drawn = figure(traces, barmode="stack", x_title="rows", showlegend=True)
    return drawn.update_yaxes(categoryorder="total ascending", showgrid=False).update_xaxes(showgrid=True)


_NEWEST = """
    SELECT version, statistics, counts FROM training.sets WHERE state = 'published'
    ORDER BY published_at DESC, version DESC LIMIT 1
"""


def _set_profile(context: Context) -> Rows:
    return [
        {"version": found["version"], "column": name, **figures}
        for found in read_rows(_NEWEST, context)
        for name, figures in sorted((found["statistics"] or {}).items())
    ]


@chart("data", "Training set, column by column", _set_profile, empty=NOT_PUBLISHED, dags=PREPARATION, columns=12,
       height=290)  # fmt: skip
def set_profile(rows: Rows) -> Table:
    """The training split of the newest version; minutes are `target`, weekday 0 is Monday. Nothing is missing in it."""
    headings = (
        f"v{rows[0]['version']}, column", "type", "rows", "missing", "unique", "min", "mean", "median", "max",
        "most frequent",
    )  # fmt: skip
    return Table(headings, [_profile_row(row) for row in rows])


def _profile_row(row: Any) -> tuple[Any, ...]:
    rows = f"{row['count']:,}"
    if "deciles" in row:
        deciles = row["deciles"]
        figures = (deciles[0], row["mean"], deciles[len(deciles) // 2], deciles[-1])
        return (row["column"], "number", rows, "0", "", *(f"{value:.{DECIMALS}f}" for value in figures), "")
    value, count = max(row["frequent"].items(), key=lambda item: item[1])
    name = read_zone_names().get(int(value), value) if row["column"].endswith("_zone") else value
    share = f"{name} ({count / row['count']:.1%})"
    return (row["column"], "category", rows, "0", f"{row['distinct']:,}", "", "", "", "", share)


# Column -> how its values are put into ranges, and from where on they are left out.
_RANGES = {
    "target": ("floor(target)", "target < 60"),
    "trip_distance": ("floor(trip_distance * 2) / 2", "trip_distance < 20"),
    "hour": ("extract(hour FROM pickup_at)", "true"),
}


def _histogram(name: str) -> Any:
    value, condition = _RANGES[name]

    def query(context: Context) -> Rows:
        newest = read_rows(_NEWEST, context)
        if not newest:
            return []
        version = int(newest[0]["version"])
        text = (
            f"SELECT split, ({value})::float AS low, count(*)::float / sum(count(*)) OVER (PARTITION BY split) AS share"
            f" FROM training.examples WHERE version = {version} AND {condition} GROUP BY 1, 2 ORDER BY 1, 2"
        )
        # A published version never changes.
        return keep(
            ("histogram", context.sources.warehouse_url(), version, name), lambda: read_rows(text, context), 900
        )

    return query


def _draw_histogram(rows: Rows, x_title: str) -> Figure:
    traces = [
        Scatter(
            x=column(group, "low"),
            y=[100 * row["share"] for row in group],
            name=split,
            mode="lines",
            line={"shape": "hv", "color": SPLITS.get(split, MUTED), "width": 2},
            fill="tozeroy",
            fillcolor=_faint(SPLITS.get(split, MUTED)),
        )
        for split, group in by(rows, "split").items()
    ]
    return figure(traces, x_title=x_title, y_title="% of the split").update_yaxes(rangemode="tozero")


def _faint(color: str) -> str:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.12)"


_OF_SET: dict[str, Any] = {"empty": NOT_PUBLISHED, "dags": PREPARATION, "columns": 4}


@chart("data", "Duration in the training set", _histogram("target"), **_OF_SET)
def set_durations(rows: Rows) -> Figure:
    """Share of trips by minutes, for each split."""
    return _draw_histogram(rows, "duration, minutes")


@chart("data", "Distance in the training set", _histogram("trip_distance"), **_OF_SET)
def set_distances(rows: Rows) -> Figure:
    """Share of trips by distance, for each split."""
    return _draw_histogram(rows, "trip distance (TLC: miles)")


@chart("data", "Hour of pickup in the training set", _histogram("hour"), **_OF_SET)
def set_hours(rows: Rows) -> Figure:
    """Share of trips by hour of day, for each split."""
    return _draw_histogram(rows, "hour of day")


@chart(
    "data",
    "Drift by column",
    """
    SELECT column_name, window_start, psi, ks, js, drifted FROM monitoring.drift
    WHERE name = %(name)s AND champion_version = (
        SELECT champion_version FROM monitoring.drift WHERE name = %(name)s ORDER BY measured_at DESC LIMIT 1)
    ORDER BY window_start, column_name
    """,
    empty="Drift was not measured yet: model_monitoring does it once there is a champion and newer trips than its own.",
    dags=("model_monitoring",),
    columns=12,
)
def drift_by_column(rows: Rows) -> Figure:
    """Distance of each window from the champion's training set; a filled point has drifted."""
    traces = [
        Scatter(
            x=column(group, "window_start"),
            y=column(group, "psi"),
            name=name,
            mode="lines+markers",
            line={"width": 2, "color": PALETTE[at % len(PALETTE)]},
            marker={"size": 9, "symbol": ["circle" if row["drifted"] else "circle-open" for row in group]},
        )
        for at, (name, group) in enumerate(by(rows, "column_name").items())
    ]
    drawn = figure(traces, y_title="PSI, population stability index").update_yaxes(rangemode="tozero")
    return span_times(drawn, column(rows, "window_start"), timedelta(weeks=4))
