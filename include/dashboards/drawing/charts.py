"""The table of charts: name -> page, query, figure. A new chart is one function in a module of `pages`.

For example:

    @chart(
        "overview",
        "Trials per day",
        "SELECT finished_at::date AS day, count(*) AS trials FROM training.trials WHERE finished_at > %(since)s"
        " AND split_part(run_key, '/', 1) = ANY(%(dag_ids)s) GROUP BY 1 ORDER BY 1",
        empty="No trials in this period: start a training DAG.",
    )
    def trials_a_day(rows: Rows) -> Figure:
        return bars(rows, "day", "trials", y_title="trials")

The query is SQL on the warehouse, with the parameters of `sql_parameters`, or a function of the context; the function
draws its rows, of which there is at least one. It can take the problem as well, for units and the names of columns:
`def errors(rows: Rows, problem: Problem) -> Figure`. `{error}` in its text, which the card shows as a hint, is what the
problem's error is called, and `{region}` what holds the actual value with a probability, such as an interval. With
`tasks=("classification",)` only the pages of such a problem have the chart. A new page is an entry of `PAGES`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from include.dashboards.context import Context
from include.dashboards.drawing.tables import Facts, Table
from include.dashboards.reading.kept import keep
from include.problem.objectives.table import OBJECTIVES, Task
from include.problem.words import begin
from include.warehouse import connect

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from include.problem.declaration import Problem

Rows = Sequence[Mapping[str, Any]]
Query = str | Callable[[Context], Rows]
Draw = Callable[..., Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A page never waits longer than this for one of its charts.
STATEMENT_TIMEOUT = "5s"
SECONDS_REACHED = 5


@dataclass(frozen=True)
class Chart:
    """One card of a page.

    Attributes:
        empty: Shown instead where the query has no rows; says what to do.
        dags: DAGs that the card covers as a whole: a person who may not read all of them does not see the card.
        columns: Width, of the page's 12 columns.
        height: Of the card, in pixels.
        live: Whether the card is drawn again every few seconds while its run goes on.
        tasks: Those whose problems have what the card shows; the page of another one leaves it out.
        fits: Likewise, whether a problem has it.
    """

    name: str
    page: str
    title: str
    query: Query
    draw: Draw
    empty: str
    dags: tuple[str, ...] = ()
    columns: int = 6
    height: int = 320
    live: bool = False
    tasks: Collection[Task] = tuple(OBJECTIVES)
    fits: Callable[["Problem"], bool] = lambda _: True

    def describe(self, problem: "Problem") -> str:
        """What the card shows, with what the objective names: the text of the drawing function."""
        text = " ".join((self.draw.__doc__ or "").split())
        text = text.replace("{error}", problem.objective.name).replace("{region}", problem.objective.region)
        return begin(text)

    def show(self, rows: Rows, context: Context) -> "Figure | Table | Facts":
        """Draws rows, of which there must be at least one."""
        drawn: Figure | Table | Facts
        of_problem = len(signature(self.draw).parameters) > 1
        drawn = self.draw(rows, context.settings.problem) if of_problem else self.draw(rows)
        return drawn


CHARTS: dict[str, Chart] = {}


def chart(page: str, title: str, query: Query, **options: Any) -> Callable[[Draw], Draw]:
    """Puts a drawing function into the table; `options` are the fields of `Chart`."""

    def register(draw: Draw) -> Draw:
        name = draw.__name__
        CHARTS[name] = Chart(name, page, title, query, draw, **options)
        return draw

    return register


def charts_of(page: str, problem: "Problem") -> list[Chart]:
    """The charts that a page has for a problem, in the order in which they were written."""
    of_page = [chart for chart in CHARTS.values() if chart.page == page]
    return [chart for chart in of_page if problem.task in chart.tasks and chart.fits(problem)]


def read_rows(query: Query, context: Context) -> Rows:
    """The rows of a query.

    Raises:
        WarehouseUnavailable: The warehouse cannot be reached, or took too long.
    """
    if callable(query):
        return query(context)
    url = context.sources.warehouse_url()
    # Asked once for all cards: where the warehouse is away, the first one waits and the others know.
    keep(("warehouse", url), lambda: _reach(url), seconds=SECONDS_REACHED)
    with connect(url) as connection:
        connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'; SET TimeZone = 'UTC'")
        return connection.cursor(row_factory=dict_row).execute(query.encode(), sql_parameters(context)).fetchall()


def _reach(url: str) -> None:
    with connect(url):
        pass


def since(context: Context) -> datetime:
    """Where the page's period begins."""
    days = context.filters.days
    return datetime.now(UTC) - timedelta(days=days) if days else EPOCH


def sql_parameters(context: Context) -> dict[str, Any]:
    """What a query's text may name: since, dag_ids, readable, run_key, month, model (null: all) and name, of models."""
    return {
        "since": since(context),
        "dag_ids": context.dag_ids,
        "readable": sorted(context.viewer.readable),
        "run_key": context.filters.run_key,
        "month": context.filters.month,
        "model": context.filters.model or None,
        "name": context.settings.registered_model,
    }
