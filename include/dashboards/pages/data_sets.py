"""Data, the newest training set: its columns and its histograms."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from psycopg import sql

from include.dashboards.context import PREPARATION_DAG, Context
from include.dashboards.drawing.charts import Rows, chart, read_rows
from include.dashboards.drawing.figures import AMOUNT, Bar, Figure, Scatter, by, figure
from include.dashboards.drawing.palette import DASHES, HATCHES, MUTED, SPLITS, faint, fill
from include.dashboards.drawing.tables import Cell, Table
from include.dashboards.pages.data import first_number, has_number
from include.dashboards.reading.explanations import WEEKDAYS
from include.dashboards.reading.histograms import BARS, ENDS, place_in_bar
from include.dashboards.reading.kept import keep
from include.dashboards.reading.value_names import find_names, show_name
from include.prediction.value_names import Names
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.problem.words import name_unit, show_amount, show_target
from include.sets.examples import table_of
from include.sets.profile import WEEKDAY

NOT_PUBLISHED = "No training set has been published yet: start data_preparation."
NO_VALUES = "The newest training set has no value of this, or none has been published yet: start data_preparation."
STROKES = dict(zip(SPLITS, DASHES, strict=True))
_NEWEST = """
    SELECT s.version, s.statistics, s.counts, s.suspects FROM training.newest JOIN training.sets s USING (version)
"""


def _set_profile(context: Context) -> Rows:
    names, columns = find_names(context), context.settings.problem.columns
    return [
        {
            "version": found["version"],
            "column": name,
            "explains": found["suspects"].get(name),
            **name_frequent(names, name, figures, columns),
        }
        for found in read_rows(_NEWEST, context)
        for name, figures in sorted((found["statistics"] or {}).items())
    ]


def name_frequent(
    names: Mapping[str, Names],
    name: str,
    figures: Mapping[str, Any],
    columns: Mapping[str, Column] = MappingProxyType({}),
) -> dict[str, Any]:
    """The figures of a column, with the most frequent value by its name.

    Args:
        columns: Those of the table; any other one is a part of a time.
    """
    # Missing for a quantity, empty where the split has no value of the column.
    if not figures.get("frequent"):
        return dict(figures)
    value, count = max(figures["frequent"].items(), key=lambda item: item[1])
    is_day = name.endswith(WEEKDAY) and name not in columns
    if is_day:
        shown = WEEKDAYS[int(float(value))]
    elif name in columns and columns[name].kind == "flag":
        shown = "yes" if float(value) else "no"
    else:
        shown = show_name(names, name, value)
    return {**figures, "shown": f"{shown} ({count / figures['count']:.1%})"}


@chart("data", "Training set, column by column", _set_profile, empty=NOT_PUBLISHED, dags=(PREPARATION_DAG,), columns=12,
       height=290)  # fmt: skip
def set_profile(rows: Rows) -> Table:
    """The training split of the newest version; `target` is what is predicted.

    A column that alone explains most of the target may only be known with it: `known_later` keeps it from the models.
    """
    headings = (
        f"v{rows[0]['version']}, column", "type", "rows", "missing", "unique", "min", "mean", "median", "max",
        "most frequent",
    )  # fmt: skip
    profile = [_profile_row(row) for row in rows]
    if not any(row.get("explains") for row in rows):
        return Table(headings, profile)
    explained = [Cell(f"{row['explains']:.0%}", tone="warn") if row.get("explains") else "" for row in rows]
    return Table(
        (*headings, "explains alone"), [(*cells, cell) for cells, cell in zip(profile, explained, strict=True)]
    )


def _profile_row(row: Any) -> tuple[Any, ...]:
    rows, missing = f"{row['count']:,}", f"{row.get('missing', 0):,}"
    if "distinct" in row:
        return (row["column"], "category", rows, missing, f"{row['distinct']:,}", "", "", "", "", row.get("shown", ""))
    # A quantity without any value in the split has no figures but these.
    if "deciles" not in row:
        return (row["column"], "number", rows, missing, "", "", "", "", "", "")
    deciles = row["deciles"]
    figures = (deciles[0], row["mean"], deciles[len(deciles) // 2], deciles[-1])
    return (row["column"], "number", rows, missing, "", *map(show_amount, figures), "")


_RANGES = sql.SQL(f"""
    WITH chosen AS (SELECT split, {{column}} AS value FROM {{examples}}), ends AS ({ENDS}),
    placed AS (SELECT split, low, high, {place_in_bar()} AS bar FROM ends, chosen WHERE value <= top)
    SELECT split, low + (bar - 1) * (high - low) / {BARS} AS low, (high - low) / {BARS} AS width,
           count(*)::float / sum(count(*)) OVER (PARTITION BY split) AS share
    FROM placed GROUP BY split, low, high, bar ORDER BY 1, 2
""")
_HOURS = sql.SQL("""
    SELECT split, extract(hour FROM {column})::float AS low, 1.0::float AS width,
           count(*)::float / sum(count(*)) OVER (PARTITION BY split) AS share
    FROM {examples} WHERE {column} IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
""")
_CLASSES = sql.SQL("""
    SELECT split, {column} AS low, count(*)::float / sum(count(*)) OVER (PARTITION BY split) AS share
    FROM {examples} GROUP BY 1, 2 ORDER BY 1, 2
""")


def _histogram(query: sql.SQL, choose: Callable[[Problem], str | None]) -> Callable[[Context], Rows]:
    def read(context: Context) -> Rows:
        newest, name = read_rows(_NEWEST, context), choose(context.settings.problem)
        if not newest or name is None:
            return []
        version, url = int(newest[0]["version"]), context.sources.warehouse_url()
        text = query.format(column=sql.Identifier(name), examples=table_of(version)).as_string()
        # A published version never changes.
        rows: Rows = keep(("histogram", url, version, text), lambda: read_rows(text, context), 900)
        return rows

    return read


def _draw_histogram(rows: Rows, x_title: str) -> Figure:
    traces = [
        Scatter(
            x=[place for place, _ in outline],
            y=[100 * share for _, share in outline],
            name=split,
            mode="lines",
            line={"shape": "hv", "color": SPLITS.get(split, MUTED), "dash": STROKES.get(split, "solid"), "width": 2},
            hovertemplate=f"%{{fullData.name}}, from %{{x:{AMOUNT}}}: %{{y:.1f}} %<extra></extra>",
            fill="tozeroy",
            fillcolor=faint(SPLITS.get(split, MUTED)),
        )
        for split, group in by(rows, "split").items()
        for outline in [_outline(group)]
    ]
    return figure(traces, x_title=x_title, y_title="% of the split").update_yaxes(rangemode="tozero")


def _outline(bars: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Where the upper edge of bars, ascending, goes over to which share: to none where no bar follows."""
    outline = []
    for bar, following in zip(bars, [*bars[1:], None], strict=True):
        outline.append((bar["low"], bar["share"]))
        if following is None or following["low"] > bar["low"] + 1.5 * bar["width"]:
            outline.append((bar["low"] + bar["width"], 0.0))
    return outline


_OF_SET: dict[str, Any] = {"empty": NO_VALUES, "dags": (PREPARATION_DAG,), "columns": 4}


def _first_number_name(problem: Problem) -> str | None:
    shown = first_number(problem)
    return shown.name if shown else None


@chart("data", "Target in the training set", _histogram(_RANGES, lambda _: "target"), tasks=("regression",), **_OF_SET)
def set_targets(rows: Rows, problem: Problem) -> Figure:
    """Share of rows by what is predicted, per split; the largest 1 % are left out."""
    return _draw_histogram(rows, name_unit(problem.title or "target", problem.unit))


@chart(
    "data",
    "Target in the training set",
    _histogram(_CLASSES, lambda _: "target"),
    tasks=("classification",),
    **_OF_SET,
)
def set_classes(rows: Rows, problem: Problem) -> Figure:
    """Share of rows by the class that is predicted, per split."""
    traces = [
        Bar(
            x=[show_target(problem, row["low"]) for row in group],
            y=[100 * row["share"] for row in group],
            name=split,
            marker=fill(SPLITS.get(split, MUTED), HATCHES.get(split, "")),
            hovertemplate="%{fullData.name}, %{x}: %{y:.1f} %<extra></extra>",
        )
        for split, group in by(rows, "split").items()
    ]
    drawn = figure(traces, barmode="group", x_title=problem.title or "target", y_title="% of the split")
    # Labels can be digits, which are names all the same.
    return drawn.update_xaxes(type="category", categoryorder="array", categoryarray=list(problem.labels))


@chart("data", "First number in the training set", _histogram(_RANGES, _first_number_name), fits=has_number, **_OF_SET)
def set_numbers(rows: Rows, problem: Problem) -> Figure:
    """Share of rows by the first input that is a number, per split; the largest 1 % are left out."""
    shown = first_number(problem)
    return _draw_histogram(rows, name_unit(shown.label, shown.unit) if shown else "")


@chart(
    "data",
    "Hour in the training set",
    _histogram(_HOURS, lambda problem: problem.time),
    fits=lambda problem: problem.time is not None,
    **_OF_SET,
)
def set_hours(rows: Rows) -> Figure:
    """Share of rows by hour of day, per split."""
    return _draw_histogram(rows, "hour of day")
