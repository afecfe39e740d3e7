"""The application as people with different rights see it, on a warehouse of the test's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import HTTPException, Request
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from include.dashboards.app import create_app
from include.dashboards.context import Context, Filters, Sources, Viewer
from include.dashboards.pages import load_pages
from include.dashboards.reading.registered import PATIENCE
from include.embedded.options import SHARED_ENVIRONMENT
from include.warehouse import connect
from tests.registered import configure

DAGS = frozenset(
    {"data_preparation", "sklearn_training", "xgboost_training", "model_promotion", "model_monitoring", "prediction"}
)
# Port 9, "discard": nobody answers there.
NOWHERE = "http://127.0.0.1:9"
DEAD_WAREHOUSE = "postgresql://nobody:nothing@127.0.0.1:9/warehouse"
PEOPLE = {
    "admin": Viewer("admin", DAGS, DAGS),
    "viewer": Viewer("viewer", DAGS, frozenset()),
    "sklearn": Viewer("sklearn", frozenset({"sklearn_training"}), frozenset()),
    "nobody": Viewer("nobody", frozenset(), frozenset()),
}


def find_person(request: Request) -> Viewer:
    """Stands for Airflow's login: the header says who asks."""
    person = PEOPLE.get(request.headers.get("x-person", ""))
    if person is None:
        raise HTTPException(401, "Not authenticated")
    return person


@dataclass
class Site:
    """The application with its sources."""

    app: Any
    sources: Sources

    def visit(self, person: str | None = "admin") -> TestClient:
        """A client of that person; None: of someone without a login."""
        return TestClient(self.app, headers={"x-person": person} if person else {})

    def answer(self, chart: str, person: str = "admin", **filters: Any) -> dict[str, Any]:
        """A chart's answer."""
        found = self.visit(person).get(f"/charts/{chart}", params=filters)
        assert found.status_code == 200, found.text
        return found.json()

    def context(self, person: str = "admin", **filters: Any) -> Context:
        """What a query of that person is given."""
        return Context(PEOPLE[person], Filters(**filters), self.sources)


load_pages()
OpenSite = Callable[..., Site]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """As programs are started; what pages set for their whole process is that of the test alone."""
    for name in PATIENCE:
        monkeypatch.setenv(name, SHARED_ENVIRONMENT.get(name, "120"))


@pytest.fixture
def open_site() -> OpenSite:
    """Makes the application on given sources."""

    def make(
        warehouse: str = DEAD_WAREHOUSE, mlflow: str = NOWHERE, name: str = "trip-duration", **others: Any
    ) -> Site:
        sources = Sources(lambda: warehouse, lambda: configure(mlflow, name, **others))
        return Site(create_app(find_person, sources), sources)

    return make


@pytest.fixture
def site(open_site: OpenSite, warehouse_url: str) -> Iterator[Site]:
    """The application on an empty warehouse, without MLflow."""
    return open_site(warehouse_url)


def store_trials(
    url: str,
    run_key: str,
    model: str,
    losses: list[float | None],
    *,
    ago: timedelta = timedelta(hours=1),
    set_version: int = 1,
    **parameters: Any,
) -> None:
    """A run's trials, one for each loss, a second apart; None: it failed."""
    begun = datetime.now(UTC) - ago
    with connect(url) as connection:
        connection.cursor().executemany(
            "INSERT INTO training.trials (run_key, model, number, set_version, status, loss, parameters, metrics,"
            " started_at, finished_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (run_key, model, number, set_version, "failed" if loss is None else "ok", loss, Jsonb(parameters),
                 Jsonb({"rmse": loss, "mae": loss / 2, "p50_error": 1.0, "p90_error": 2 * loss} if loss else {}),
                 begun + timedelta(seconds=number), begun + timedelta(seconds=number + 1))
                for number, loss in enumerate(losses)
            ],
        )  # fmt: skip
