"""What a chart is drawn for and from: the person, the filters of the page, and where data comes from."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from include.dashboards.reading.kept import keep
from include.settings import Settings

# The DAG whose readers may see what the data is like.
PREPARATION_DAG = "data_preparation"


@dataclass(frozen=True)
class Viewer:
    """The person who views a page.

    Attributes:
        readable: Ids of the DAGs that the person may read.
        runnable: Ids of the DAGs that the person may start.
    """

    name: str
    readable: frozenset[str]
    runnable: frozenset[str]

    @property
    def may_see_data(self) -> bool:
        """Whether the person may see loaded months and training sets, models aside."""
        return PREPARATION_DAG in self.readable


# No control characters: Postgres keeps no NUL, and no name of ours has any.
Text = Annotated[str, Field(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
MOST_NUMBER = 2**31 - 1


class Filters(BaseModel):
    """What the query string of a page says; everything else in it is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    days: Annotated[int, Field(ge=0, le=36_500, description="Days to look back; 0: everything.")] = 30
    dag_id: Text = ""
    run_id: Text = ""
    model: Text = ""
    version: Annotated[int | None, Field(ge=0, le=MOST_NUMBER)] = None
    month: Text = ""
    row: Annotated[
        int, Field(ge=0, le=MOST_NUMBER, description="Position of the selected row in the explained sample.")
    ] = 0

    @property
    def run_key(self) -> str:
        """The run's name in the warehouse; empty without a run."""
        return f"{self.dag_id}/{self.run_id}" if self.dag_id and self.run_id else ""


@dataclass(frozen=True)
class Sources:
    """Where data comes from; each is a function, because settings and connections change while the pages are up.

    Attributes:
        warehouse_url: Gives the libpq address of the warehouse.
        settings: Gives the domain's settings.
        airflow_session: Opens a session on Airflow's own models; None outside Airflow.
    """

    warehouse_url: Callable[[], str]
    settings: Callable[[], Settings]
    airflow_session: Callable[[], AbstractContextManager[Any]] | None = None


@dataclass(frozen=True)
class Context:
    """Everything that a query may use."""

    viewer: Viewer
    filters: Filters
    sources: Sources

    @property
    def settings(self) -> Settings:
        """The domain's settings of a moment ago: every card needs them, and to read them takes longer than a query.

        Raises:
            SettingsError: A value cannot be used.
        """
        return keep(("settings", self.sources.settings), self.sources.settings)

    @property
    def dag_ids(self) -> list[str]:
        """The DAGs to show: the one that the page is filtered to, if the person may read it, else all readable."""
        wanted = self.filters.dag_id
        return sorted(self.viewer.readable & {wanted} if wanted else self.viewer.readable)
