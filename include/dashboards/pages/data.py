"""Data, the raw months: what they contain, column by column, and what was rejected."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from plotly.graph_objects import Bar, Figure

from include.dashboards.context import PREPARATION_DAG, Context
from include.dashboards.drawing.charts import Rows, chart
from include.dashboards.drawing.figures import AMOUNT, bars, by, column, count_on, count_stacks, figure
from include.dashboards.drawing.palette import PALETTE, fill, mark
from include.dashboards.drawing.tables import Cell, Table
from include.dashboards.reading.histograms import BARS
from include.dashboards.reading.raw_profiles import TARGET, read_profile
from include.dashboards.reading.value_names import find_names, show_name
from include.prediction.value_names import Names
from include.problem.declaration import Problem
from include.problem.kinds import KINDS
from include.problem.parts import Column
from include.problem.words import name_unit, show_amount, show_target
from include.sets.left_out import TARGET_RULES

LOAD_FIRST = "No month is loaded yet: start data_preparation."


def _named_profile(context: Context) -> Rows:
    names, problem = find_names(context), context.settings.problem
    return [{**row, "frequent": _name(problem, names, row)} for row in read_profile(context)]


def _name(problem: Problem, names: Mapping[str, Names], row: Mapping[str, Any]) -> str:
    if row["frequent"] is None:
        return ""
    if row["column"] == TARGET and problem.labels:
        return show_target(problem, float(row["frequent"]))
    return show_name(names, row["column"], row["frequent"])


@chart("data", "Loaded rows, column by column", _named_profile, empty=LOAD_FIRST, dags=(PREPARATION_DAG,), columns=12,
       height=290)  # fmt: skip
def raw_profile(rows: Rows) -> Table:
    """The selected month as its source provided it, including rejected rows."""
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
                *_statistics(row),
            )
            for row in rows
        ],
    )


def _statistics(row: Any) -> list[str]:
    """Minimum, mean, median, maximum and the most frequent value; of categories and texts the last alone, by name."""
    if KINDS[row["type"]].view in ("frequencies", "none"):
        return ["", "", "", "", row["frequent"] or ""]
    return [_short_number(row[name]) for name in ("min", "mean", "median", "max", "frequent")]


def _short_number(text: str | None) -> str:
    try:
        return show_amount(float(text or ""))
    except ValueError:
        # A time, to the minute; or nothing.
        return (text or "")[:16]


def _raw_bars(context: Context) -> Rows:
    return [
        {"column": profiled["column"], "month": profiled["month"], "width": (bar["high"] - bar["low"]) / BARS, **bar}
        for profiled in read_profile(context)
        for bar in profiled["bars"]
    ]


def _draw_raw(rows: Rows, name: str, x_title: str, noun: str) -> Figure:
    drawn = [row for row in rows if row["column"] == name]
    bar = Bar(
        x=[row["low"] + (row["bar"] - 0.5) * row["width"] for row in drawn],
        y=column(drawn, "rows"),
        width=column(drawn, "width"),
        marker_color=PALETTE[0],
        hovertemplate=f"%{{x:{AMOUNT}}}: %{{y:,}} {noun}<extra></extra>",
    )
    drawn_bars = figure([bar], x_title=x_title, y_title=noun, bargap=0)
    return count_on(drawn_bars, "y", max(column(drawn, "rows"), default=0))


def first_number(problem: Problem) -> Column | None:
    """The number among the inputs that charts show; all others have their figures in tables."""
    return next((column for column in problem.inputs if column.kind == "number"), None)


def has_number(problem: Problem) -> bool:
    """Whether there is such a number."""
    return first_number(problem) is not None


_OF_MONTH: dict[str, Any] = {"empty": LOAD_FIRST, "dags": (PREPARATION_DAG,), "columns": 4}


@chart("data", "First number in the loaded rows", _raw_bars, fits=has_number, **_OF_MONTH)
def raw_numbers(rows: Rows, problem: Problem) -> Figure:
    """Number of rows by the first input that is a number; the largest 1 % are left out."""
    shown = first_number(problem)
    if shown is None:
        return figure(x_title="no input is a number")
    return _draw_raw(rows, shown.name, name_unit(shown.label, shown.unit), problem.row[1])


@chart("data", "Target in the loaded rows", _raw_bars, tasks=("regression",), **_OF_MONTH)
def raw_targets(rows: Rows, problem: Problem) -> Figure:
    """Number of rows by what is predicted; the largest 1 % are left out."""
    return _draw_raw(rows, TARGET, name_unit(problem.title or "target", problem.unit), problem.row[1])


def _raw_classes(context: Context) -> Rows:
    return [row for profiled in read_profile(context) for row in profiled.get("classes", ())]


@chart("data", "Target in the loaded rows", _raw_classes, tasks=("classification",), **_OF_MONTH)
def raw_classes(rows: Rows, problem: Problem) -> Figure:
    """Number of rows by the class that is predicted."""
    named = [{**row, "class": show_target(problem, row["number"])} for row in sorted(rows, key=itemgetter("number"))]
    drawn = bars(named, "class", "rows", x_title=problem.title or "target", y_title=problem.row[1])
    drawn.update_traces(hovertemplate=f"%{{x}}: %{{y:,}} {problem.row[1]}<extra></extra>")
    # Labels can be digits, which are names all the same.
    return count_on(drawn.update_xaxes(type="category"), "y", max(column(rows, "rows")))


# Rows that the newest set left out by their target were accepted, so nothing else lists them.
_LEFT_OUT = f"""
    SELECT month, rule, count(*) AS rows FROM raw.rejected GROUP BY month, rule
    UNION ALL
    SELECT l.month, l.rule, l.rows
    FROM training.newest, jsonb_to_recordset(left_out) AS l(month text, rule text, rows bigint)
    WHERE l.rule IN {TARGET_RULES}
    ORDER BY month, rows DESC
"""


@chart(
    "data",
    "Rows left out, by rule",
    _LEFT_OUT,
    empty="No rows were left out. Rows that are appear here, grouped by the rule that they broke.",
    dags=(PREPARATION_DAG,),
    columns=4,
)
def rejected_rows(rows: Rows) -> Figure:
    """Rows per month that a rule rejected, and rows that the newest training set left out because of their target."""
    months = sorted({row["month"] for row in rows})
    marks = {month: mark(at) for at, month in enumerate(months)}
    traces = [
        Bar(x=column(group, "rows"), y=column(group, "rule"), name=month, orientation="h",
            marker=fill(marks[month].color, marks[month].pattern),
            hovertemplate="%{fullData.name}, %{y}: %{x:,} rows<extra></extra>")
        for month, group in by(rows, "month").items()
    ]  # fmt: skip
    drawn = figure(traces, barmode="stack", x_title="rows", showlegend=True)
    count_stacks(drawn, "x", rows, "rule", "rows")
    return drawn.update_yaxes(categoryorder="total ascending", showgrid=False).update_xaxes(showgrid=True)
