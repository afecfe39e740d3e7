"""Charts as PNG pictures, for mail and other channels that run no script."""

from collections.abc import Mapping, Sequence
from io import BytesIO

from include.alerting.alert import Chart
from include.problem.words import show_amount

# Twice the width that a phone shows, so that lines stay sharp.
INCHES_WIDE, DOTS_PER_INCH = 4.5, 160
MOST_TICKS = 6
COLORS = ("#2563eb", "#ea580c", "#059669", "#9333ea", "#dc2626", "#0891b2")
# Lines are told apart without their colors too.
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#6b7280"


def draw(chart: Chart) -> bytes:
    """The chart as a PNG picture."""
    # The classes themselves rather than pyplot, which keeps figures in a global list.
    from matplotlib.figure import Figure

    bars, lines = chart.bars or {}, chart.lines or {}
    figure = Figure(figsize=(INCHES_WIDE, 1.1 + 0.36 * len(bars) if bars else 2.8), layout="constrained")
    axes = figure.add_subplot()
    if bars:
        _draw_bars(axes, bars)
    if lines:
        _draw_lines(axes, lines, chart.ticks)
    if chart.threshold is not None:
        axes.axhline(chart.threshold, color=GREY, linestyle="--", linewidth=1)
        axes.annotate("threshold", (0.01, chart.threshold), xycoords=("axes fraction", "data"), fontsize=8, color=GREY,
                      xytext=(0, 2), textcoords="offset points")  # fmt: skip
    if len(lines) > 1:
        # Below the chart, where it lies over no line.
        figure.legend(loc="outside lower left", fontsize=8, frameon=False, ncols=2)
    axes.set_title(chart.title, loc="left", fontsize=11, fontweight="bold")
    (axes.set_xlabel if bars else axes.set_ylabel)(chart.unit, fontsize=9, color=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, color=GREY)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=DOTS_PER_INCH)
    return picture.getvalue()


def _draw_bars(axes, bars: Mapping[str, float]) -> None:  # type: ignore[no-untyped-def]
    drawn = axes.barh(list(bars), list(bars.values()), color=COLORS[0], height=0.6)
    labels = [show_amount(value) for value in bars.values()]
    axes.bar_label(drawn, labels, padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.12)


def _draw_lines(axes, lines: Mapping[str, tuple[float, ...]], ticks: Sequence[str]) -> None:  # type: ignore[no-untyped-def]
    for number, (name, values) in enumerate(lines.items()):
        color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
        axes.plot(
            range(1, len(values) + 1), values, color=color, marker=marker, markersize=4, linewidth=1.6, label=name
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
    if ticks:
        every = max(1, len(ticks) // MOST_TICKS)
        axes.set_xticks(range(1, len(ticks) + 1, every), ticks[::every])
