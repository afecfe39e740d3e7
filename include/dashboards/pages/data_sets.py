"""Data, the newest training set: its columns, its histograms, and how later trips drift from the champion's."""

from datetime import timedelta
from typing import Any

from include.dashboards.charts import Rows, chart, read_rows
from include.dashboards.context import Context
from include.dashboards.drift_queries import ALL_WEEKS, MEASURE_FIRST
from include.dashboards.explanations import WEEKDAYS
from include.dashboards.figures import Figure, Scatter, by, column, figure, span_times
from include.dashboards.kept import keep
from include.dashboards.palette import DASHES, MUTED, PALETTE, mark
from include.dashboards.tables import Table
from include.problems.taxi.zone_names import read_zone_names

NOT_PUBLISHED = "No training set has been published yet: start data_preparation."
PREPARATION = ("data_preparation",)
SPLITS = {"train": PALETTE[0], "validation": PALETTE[1], "test": PALETTE[2]}
STROKES = dict(zip(SPLITS, DASHES, strict=True))
DECIMALS = 3
_NEWEST = "SELECT version, statistics, counts FROM training.newest"


def _set_profile(context: Context) -> Rows:
    return [
        {"version": found["version"], "column": name, **figures}
        for found in read_rows(_NEWEST, context)
        for name, figures in sorted((found["statistics"] or {}).items())
    ]


@chart("data", "Training set, column by column", _set_profile, empty=NOT_PUBLISHED, dags=PREPARATION, columns=12,
       height=290)  # fmt: skip
def set_profile(rows: Rows) -> Table:
    """The training split of the newest version; `target` is the duration in minutes. No values are missing."""
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
        return (row["column"], "number", rows, "0", "", *(f"{value:,.{DECIMALS}f}" for value in figures), "")
    value, count = max(row["frequent"].items(), key=lambda item: item[1])
    name = value
    if row["column"].endswith("_zone"):
        name = read_zone_names().get(int(value), value)
    elif row["column"] == "weekday":
        name = WEEKDAYS[int(float(value))]
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
            f" FROM training.examples_{version} WHERE {condition} GROUP BY 1, 2 ORDER BY 1, 2"
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
            line={"shape": "hv", "color": SPLITS.get(split, MUTED), "dash": STROKES.get(split, "solid"), "width": 2},
            hovertemplate="%{fullData.name}, from %{x}: %{y:.1f} %<extra></extra>",
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
    """Share of trips by duration, per split."""
    return _draw_histogram(rows, "duration, minutes")


@chart("data", "Distance in the training set", _histogram("trip_distance"), **_OF_SET)
def set_distances(rows: Rows) -> Figure:
    """Share of trips by distance, per split."""
    return _draw_histogram(rows, "trip distance (TLC: miles)")


@chart("data", "Hour of pickup in the training set", _histogram("hour"), **_OF_SET)
def set_hours(rows: Rows) -> Figure:
    """Share of trips by hour of day, per split."""
    return _draw_histogram(rows, "hour of day")


def _drift(context: Context) -> Rows:
    threshold = context.settings.drift_psi
    return [{**row, "threshold": threshold} for row in read_rows(ALL_WEEKS, context)]


@chart(
    "data",
    "Drift by column",
    _drift,
    empty=MEASURE_FIRST,
    dags=("model_monitoring",),
    columns=12,
    height=380,
)
def drift_by_column(rows: Rows) -> Figure:
    """How far each week is from the champion's training set.

    Filled points have drifted (two of three measures exceed their thresholds); hollow points have not.
    """
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
            customdata=["drifted" if row["drifted"] else "not drifted" for row in group],
            hovertemplate="%{fullData.name}, week of %{x|%d %b}: PSI %{y:.3f}, %{customdata}<extra></extra>",
        )
        for at, (name, group) in enumerate(by(rows, "column_name").items())
    ]
    first = rows[0]
    text = f"against v{first['champion_version']}; filled: drifted, hollow: not drifted"
    if first["champion_now"] not in (None, first["champion_version"]):
        text += f"; champion is now v{first['champion_now']}, not measured yet"
    drawn = figure(traces, y_title="PSI, population stability index").update_yaxes(rangemode="tozero")
    drawn.add_hline(
        first["threshold"],
        line={"dash": "dash", "color": MUTED, "width": 1.5},
        annotation={"text": f"threshold {first['threshold']:g}", "font": {"size": 11}},
        annotation_position="top left",
    )
    drawn.update_xaxes(title_text=text)
    return span_times(drawn, column(rows, "window_start"), timedelta(weeks=4))
