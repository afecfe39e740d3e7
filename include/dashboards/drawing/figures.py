"""The shapes that several charts share."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from plotly.graph_objects import Bar, Figure, Scatter

from include.dashboards.drawing.palette import MUTED, PALETTE, fill, mark, mark_of

# With fewer steps than this on an axis, plotly would put ticks between whole numbers.
FEW = 6
# As `show_amount` writes them, in Plotly's notation, which rounds whole numbers too.
AMOUNT = ",.4~r"
# Says so, because Airflow's own pages, around ours, show a person's local time.
MOMENT = "%d %b %H:%M UTC"


def short(model: str) -> str:
    """A model type's name; that of a class of scikit-learn without its module."""
    name = model.rpartition(".")[2]
    return name if name[:1].isupper() else model


def by(rows: Iterable[Mapping[str, Any]], key: str) -> dict[Any, list[Mapping[str, Any]]]:
    """The rows by their value of `key`, in the order of first appearance."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def column(rows: Iterable[Mapping[str, Any]], key: str) -> list[Any]:
    """One column of the rows."""
    return [row[key] for row in rows]


def figure(traces: Sequence[Any] = (), *, x_title: str = "", y_title: str = "", **layout: Any) -> Figure:
    """A figure without plotly's own template; axis titles name the unit."""
    drawn = Figure(list(traces))
    drawn.update_layout(template=None, **layout)
    if x_title:
        drawn.update_xaxes(title_text=x_title)
    if y_title:
        drawn.update_yaxes(title_text=y_title)
    return drawn


def span_times(drawn: Figure, moments: Iterable[datetime], least: timedelta = timedelta(hours=1)) -> Figure:
    """A time axis over all `moments` and at least `least`, so that a single moment does not fill the chart."""
    known = list(moments)
    first, last = min(known), max(known)
    margin = max((least - (last - first)) / 2, (last - first) * 0.03)
    return drawn.update_xaxes(type="date", range=[first - margin, last + margin])


def count_on(drawn: Figure, axis: str, largest: float, *, from_zero: bool = True) -> Figure:
    """An axis of whole numbers, without halves of things; `axis` is `x` or `y`."""
    steps: dict[str, Any] = {"dtick": 1} if largest < FEW else {"tickformat": ",d"}
    return drawn.update_layout({f"{axis}axis": {**steps, **({"rangemode": "tozero"} if from_zero else {})}})


def count_stacks(drawn: Figure, axis: str, rows: Iterable[Mapping[str, Any]], place: str, count: str) -> Figure:
    """Likewise, the axis of bars whose parts are stacked: of all rows with the same `place`."""
    return count_on(drawn, axis, max(sum(column(stack, count)) for stack in by(rows, place).values()))


def name_point(unit: str) -> str:
    """The hover text of a point whose x is a time: which line, when, how much."""
    value = f"%{{y:{AMOUNT}}} {unit}".rstrip()
    return f"%{{fullData.name}}, %{{x|{MOMENT}}}: {value}<extra></extra>"


def bars(
    rows: Sequence[Mapping[str, Any]],
    x: str,
    y: str,
    *,
    color: str = PALETTE[0],
    horizontal: bool = False,
    **layout: Any,
) -> Figure:
    """One bar per row."""
    if horizontal:
        bar = Bar(x=column(rows, y), y=column(rows, x), orientation="h", marker_color=color)
        bar.hovertemplate = "%{y}: %{x:,}<extra></extra>"
        return figure([bar], **layout).update_yaxes(autorange="reversed", showgrid=False)
    bar = Bar(x=column(rows, x), y=column(rows, y), marker_color=color, hovertemplate="%{x}: %{y}<extra></extra>")
    return figure([bar], **layout)


def stacked_bars(
    rows: Sequence[Mapping[str, Any]],
    x: str,
    y: str,
    part: str,
    *,
    colors: Mapping[str, str],
    patterns: Mapping[str, str] | None = None,
    **layout: Any,
) -> Figure:
    """Bars whose parts are the values of the column `part`."""
    traces = [
        Bar(
            x=column(group, x),
            y=column(group, y),
            name=str(name),
            marker=fill(colors.get(name, MUTED), (patterns or {}).get(name, "")),
            hovertemplate="%{fullData.name}, %{x}: %{y:,}<extra></extra>",
        )
        for name, group in by(rows, part).items()
    ]
    return figure(traces, barmode="stack", **layout)


def marked_line(place: int, **trace: Any) -> Scatter:
    """A line with points, distinguished from those at other places by more than its color."""
    looks = mark(place)
    return Scatter(
        mode="lines+markers",
        line={"width": 2, "color": looks.color, "dash": looks.dash},
        marker={"size": 8, "symbol": looks.symbol},
        **trace,
    )


def counted(
    rows: Sequence[Mapping[str, Any]], low: str, high: str, count: str, part: str, *, unit: str = "", **layout: Any
) -> Figure:
    """A histogram from counts that the database made: one bar for each range from `low` to `high`, in the unit."""
    value = f"%{{x:{AMOUNT}}} {unit}".rstrip()
    traces = [
        Bar(
            x=[(row[low] + row[high]) / 2 for row in group],
            y=column(group, count),
            width=[row[high] - row[low] for row in group],
            name=short(str(name)),
            marker=fill(mark_of(str(name)).color, mark_of(str(name)).pattern),
            hovertemplate=f"%{{fullData.name}}, {value}: %{{y:,}} trials<extra></extra>",
        )
        for name, group in by(rows, part).items()
    ]
    drawn = figure(traces, barmode="stack", bargap=0, **layout)
    return count_stacks(drawn, "y", rows, low, count)
