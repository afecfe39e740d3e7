from pathlib import Path

import psycopg
import pytest

from include.taxi import batch
from include.taxi.errors import NoChampion, SourceInvalid
from include.taxi.raw import ingest_month
from include.taxi.settings import Settings
from include.taxi.tracking import open_tracker
from tests.registered import BOOSTER, LASSO, configure, register

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


@pytest.fixture
def settings(mlflow_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A registered model of the test's own, and a small sample as the source."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    return configure(mlflow_url, request.node.name, source="sample", sample_rows=300)


def test_plan_is_a_job_for_each_loaded_month_with_the_champion(warehouse_url: str, settings: Settings) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    ingest_month(warehouse_url, settings, "2024-02")
    job = {"month": "2024-02", "location": None, "name": settings.registered_model, "version": 1}
    assert batch.plan(warehouse_url, settings) == [job]


def test_plan_takes_the_months_that_it_is_given_once_each(warehouse_url: str, settings: Settings) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    jobs = batch.plan(warehouse_url, settings, ["2023-01", "2024-02", "2023-01"])
    assert [job["month"] for job in jobs] == ["2023-01", "2024-02"]


def test_plan_without_a_loaded_month_is_an_error(warehouse_url: str, settings: Settings) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    with pytest.raises(SourceInvalid, match="None of the months 2024-01, 2024-02 is loaded: start data_preparation"):
        batch.plan(warehouse_url, settings)


def test_plan_without_a_champion_is_an_error(warehouse_url: str, settings: Settings) -> None:
    with pytest.raises(NoChampion, match="start the DAG model_promotion"):
        batch.plan(warehouse_url, settings)


def test_job_scores_with_its_version_though_the_champion_has_changed(
    warehouse_url: str, settings: Settings, tmp_path: Path
) -> None:
    tracker = open_tracker(settings)
    register(tracker, settings.registered_model, LASSO)
    ingest_month(warehouse_url, settings, "2024-01")
    [job] = batch.plan(warehouse_url, settings)
    register(tracker, settings.registered_model, BOOSTER)
    scored = batch.score(warehouse_url, settings, job, store=tmp_path)
    assert scored["version"] == 1
    with psycopg.connect(warehouse_url) as connection:
        query = "SELECT model_version, count(*) FROM prediction.batch GROUP BY 1"
        assert connection.execute(query).fetchall() == [(1, scored["rows"])]
