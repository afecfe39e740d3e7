"""How charts look: one palette, one template for light and one for dark, and the shapes that several charts share."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from plotly.graph_objects import Bar, Figure, Scatter
from plotly.graph_objs.layout import Template

from include.taxi.models import MODELS

# Of middling lightness: each stands out from white and from near black.
PALETTE = ("#3a78c2", "#e0862f", "#2f9e77", "#b9589f", "#8a6fd1", "#c9504b", "#4d97a6", "#a98b35", "#7f8c4f", "#94664c")
STATES = {
    "success": "#2f9e77",
    "failed": "#d0504b",
    "running": "#3a78c2",
    "queued": "#9aa5b1",
    "up_for_retry": "#e0862f",
}
MUTED = "#8c97a4"
GOOD, BAD = STATES["success"], STATES["failed"]
# A scale from low to high that reads on both backgrounds.
LOW_TO_HIGH = ((0.0, "#3a78c2"), (0.5, "#a78bbf"), (1.0, "#e0602f"))
_INK = {"light": ("#27313c", "#e3e8ee"), "dark": ("#d8dee8", "#344056")}


def template(theme: str) -> Template:
    """The look shared by all charts in a theme, `light` or `dark`; the page lays it under each figure."""
    ink, grid = _INK[theme]
    axis = {
        "gridcolor": grid,
        "linecolor": grid,
        "zerolinecolor": grid,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 12}},
        "tickfont": {"size": 11},
    }
    return Template(
        layout={
            "font": {"family": "system-ui, sans-serif", "size": 12, "color": ink},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(PALETTE),
            "xaxis": {**axis, "showgrid": False, "zeroline": False, "dividercolor": grid},
            "yaxis": {**axis, "zeroline": False, "dividercolor": grid},
            "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": {"text": ""}},
            "hoverlabel": {"font": {"size": 12}},
            "bargap": 0.25,
        },
        data={
            "bar": [{"marker": {"line": {"width": 0}}}],
            "parcoords": [{"labelfont": {"color": ink}, "tickfont": {"color": ink}, "rangefont": {"color": ink}}],
            "pie": [{"outsidetextfont": {"color": ink}}],
        },
    )


def color_of(model: str) -> str:
    """A model type's color, the same in every chart."""
    names = list(MODELS)
    return PALETTE[names.index(model) % len(PALETTE)] if model in names else MUTED


def short(model: str) -> str:
    """A model type's name without its module."""
    return model.rsplit(".", 1)[-1] if not model.startswith("gb") else model


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


def count_on(drawn: Figure, axis: str, largest: float) -> Figure:
    """An axis of counts from zero, without halves of things; `axis` is `x` or `y`."""
    steps = {"rangemode": "tozero", **({"dtick": 1} if largest < 6 else {"tickformat": ",d"})}
    return drawn.update_layout({f"{axis}axis": steps})


def bars(
    rows: Sequence[Mapping[str, Any]],
    x: str,
    y: str,
    *,
    color: str = PALETTE[0],
    horizontal: bool = False,
    **layout: Any,
) -> Figure:
    """One bar a row."""
    if horizontal:
        drawn = figure([Bar(x=column(rows, y), y=column(rows, x), orientation="h", marker_color=color)], **layout)
        return drawn.update_yaxes(autorange="reversed", showgrid=False)
    return figure([Bar(x=column(rows, x), y=column(rows, y), marker_color=color)], **layout)


def stacked_bars(
    rows: Sequence[Mapping[str, Any]], x: str, y: str, part: str, *, colors: Mapping[str, str], **layout: Any
) -> Figure:
    """Bars whose parts are the values of the column `part`."""
    traces = [
        Bar(x=column(group, x), y=column(group, y), name=str(name), marker_color=colors.get(name, MUTED))
        for name, group in by(rows, part).items()
    ]
    return figure(traces, barmode="stack", **layout)


def lines(rows: Sequence[Mapping[str, Any]], x: str, y: str, line: str, **layout: Any) -> Figure:
    """A line for each value of the column `line`, a model type."""
    traces = [
        Scatter(
            x=column(group, x),
            y=column(group, y),
            name=short(str(name)),
            mode="lines+markers",
            line={"color": color_of(str(name)), "width": 2},
            marker={"size": 6},
        )
        for name, group in by(rows, line).items()
    ]
    return span_times(figure(traces, **layout), column(rows, x))


def counted(rows: Sequence[Mapping[str, Any]], low: str, high: str, count: str, part: str, **layout: Any) -> Figure:
    """A histogram from counts that the database made: one bar for each range from `low` to `high`."""
    traces = [
        Bar(
            x=[(row[low] + row[high]) / 2 for row in group],
            y=column(group, count),
            width=[row[high] - row[low] for row in group],
            name=short(str(name)),
            marker_color=color_of(str(name)),
            hovertemplate="%{x:.2f}: %{y}<extra>%{fullData.name}</extra>",
        )
        for name, group in by(rows, part).items()
    ]
    return figure(traces, barmode="stack", bargap=0, **layout)
