"""The colors of charts, and the marks by which model types are told apart without them.

Every color stands out from white and from near black, and from each of the others by a CIE76 distance of 20 and more,
for people with protanopia, deuteranopia or tritanopia too (G. M. Machado et al., "A Physiologically-based Model for
Simulation of Color Vision Deficiency", 2009).
"""

from dataclasses import dataclass, replace

from plotly.graph_objs.layout import Template

from include.models.table import MODELS, type_of

PALETTE = ("#0c6cf2", "#d9830b", "#09b26c", "#bf4026", "#a08dd9", "#8c5b84", "#cc85a2", "#4b7358")
# As many as there are colors and more: wherever two lines cross, their points differ.
SYMBOLS = (
    "circle", "square", "diamond", "triangle-up", "x", "star", "hexagon", "triangle-down", "cross", "pentagon",
    "bowtie", "triangle-left", "star-triangle-up", "hourglass", "star-square", "triangle-right", "octagon",
    "diamond-tall", "hexagram", "diamond-wide", "star-diamond", "star-triangle-down", "triangle-ne", "triangle-sw",
)  # fmt: skip
# Where the colors begin again.
DASHES = ("solid", "dash", "dot")
PATTERNS = ("", "/", "x")
SPLITS = dict(zip(("train", "validation", "test"), PALETTE, strict=False))
HATCHES = dict(zip(SPLITS, PATTERNS, strict=True))
# For lines and bars: no gray is read as text on both backgrounds.
MUTED = "#838e9b"
STATES = {
    "success": "#09b26c",
    "failed": "#bf4026",
    "running": "#0c6cf2",
    "queued": "#9aa5b1",
    "up_for_retry": "#d9830b",
}
GOOD, BAD = STATES["success"], STATES["failed"]
# A scale from low to high that reads on both backgrounds; its ends are told apart by everyone.
LOW, HIGH = "#3a78c2", "#e0602f"
LOW_TO_HIGH = ((0.0, LOW), (0.5, "#a78bbf"), (1.0, HIGH))
# The best stands out on both backgrounds, and the worst recedes.
BEST_TO_WORST = ((0.0, HIGH), (0.25, "#b58ab0"), (1.0, "#93a3b8"))
# What cannot be compared with the rest.
PALE = 0.35
_INK = {"light": ("#27313c", "#e3e8ee"), "dark": ("#d8dee8", "#344056")}


@dataclass(frozen=True)
class Mark:
    """How one thing among several is drawn: no two have all of color, dash and pattern, or the symbol, in common."""

    color: str
    symbol: str
    dash: str
    pattern: str


def mark(place: int) -> Mark:
    """The mark of the thing at that place among its kind, from 0."""
    again = place // len(PALETTE) % len(DASHES)
    return Mark(PALETTE[place % len(PALETTE)], SYMBOLS[place % len(SYMBOLS)], DASHES[again], PATTERNS[again])


def mark_of(model: str) -> Mark:
    """A model type's mark, the same in every chart; that of its blend is the outline.

    Those that predict the same differ: no chart shows others together.
    """
    of_type = type_of(model)
    if of_type not in MODELS:
        return Mark(MUTED, "circle-open", "solid", "")
    task = MODELS[of_type].task
    own = mark([name for name, each in MODELS.items() if each.task == task].index(of_type))
    return own if of_type == model else replace(own, symbol=f"{own.symbol}-open", pattern=".")


def color_of(model: str) -> str:
    """A model type's color."""
    return mark_of(model).color


def fill(color: str, pattern: str = "") -> dict[str, object]:
    """The marker of bars in that color; where there is a pattern, it lies over the color."""
    return {"color": color, "pattern": {"shape": pattern, "fillmode": "overlay", "size": 6, "solidity": 0.35}}


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


def faint(color: str) -> str:
    """The color as it lies under a line of itself."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.12)"
