import io
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from include.errors import NoChampion, SettingsError, SourceInvalid
from include.prediction import batch
from include.raw import ingest_month
from include.settings import Settings
from include.tracking.runs import open_tracker
from tests.registered import BOOSTER, LASSO, configure, register
from tests.servers import WebServer
from tests.trip_tables import make_trips

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
    job = {
        "month": "2024-02", "location": None, "connection_id": None, "name": settings.registered_model, "version": 1,
    }  # fmt: skip
    assert batch.plan(warehouse_url, settings) == [job]


def test_plan_takes_the_months_that_it_is_given_once_each(warehouse_url: str, settings: Settings) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    jobs = batch.plan(warehouse_url, settings, ["2023-01", "2024-02", "2023-01"])
    assert [job["month"] for job in jobs] == ["2023-01", "2024-02"]


def test_plan_without_a_loaded_month_is_an_error(warehouse_url: str, settings: Settings) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    with pytest.raises(SourceInvalid, match="Nothing of 2024-01, 2024-02 is loaded: start data_preparation"):
        batch.plan(warehouse_url, settings)


def test_plan_without_a_champion_is_an_error(warehouse_url: str, settings: Settings) -> None:
    with pytest.raises(NoChampion, match="start sklearn_training, xgboost_training or lightgbm_training"):
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


@pytest.mark.parametrize(
    ("counts", "skipped", "told"),
    [
        ({"2024-01": 1200}, 0, "1,200 trips of 2024-01, stored in prediction.batch."),
        ({"all": 1}, 0, "1 trip, stored in prediction.batch."),
        (
            {"2024-01": 1200, "2024-02": 900},
            2,
            "2,100 trips: 1,200 of 2024-01, 900 of 2024-02, stored in prediction.batch. 4 more cannot be predicted",
        ),
    ],
)
def test_note_says_how_many_rows_of_which_months_which_version_predicted(
    counts: dict[str, int], skipped: int, told: str
) -> None:
    scored = [{"month": month, "version": 3, "rows": rows, "skipped": skipped} for month, rows in counts.items()]
    said = batch.describe(Settings(), scored)
    assert said.removesuffix(": a value is missing or out of bounds.") == f"Version 3 predicted {told}"


def test_location_that_is_not_allowed_is_refused_before_anything_is_fetched(
    warehouse_url: str, settings: Settings, web_server: WebServer
) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    with pytest.raises(SettingsError, match="BATCH_LOCATIONS"):
        batch.plan(warehouse_url, settings, ["2024-01"], f"{web_server.url}/health?x={{page}}&m={{month}}")
    job = {"month": "2024-01", "location": f"{web_server.url}/{{month}}.csv", "connection_id": None}
    with pytest.raises(SettingsError, match="BATCH_LOCATIONS"):
        batch.score(warehouse_url, settings, job)
    assert web_server.requests == []


@pytest.mark.parametrize("months", [None, ["2024-01", "2024-02"]], ids=["of the settings", "of the run"])
def test_location_that_is_the_same_for_several_months_is_refused(
    warehouse_url: str, settings: Settings, tmp_path: Path, months: list[str] | None
) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    allowing = settings.model_copy(update={"batch_locations": (f"{tmp_path}/*",)})
    location = str(tmp_path / "new.csv")
    with pytest.raises(
        SettingsError, match=r"location .*/new\.csv is the same for every month, but months asks for 2: .*months=all"
    ):
        batch.plan(warehouse_url, allowing, months, location)
    for way_out in (["all"], ["2024-01"]):
        assert [job["month"] for job in batch.plan(warehouse_url, allowing, way_out, location)] == way_out
    by_month = batch.plan(warehouse_url, allowing, months, str(tmp_path / "{month}.csv"))
    assert [job["month"] for job in by_month] == ["2024-01", "2024-02"]


def test_all_rows_are_no_month_among_others(warehouse_url: str, settings: Settings) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    table = "postgresql://127.0.0.1/city/public.rows"
    allowing = settings.model_copy(update={"batch_locations": (table,)})
    assert len(batch.plan(warehouse_url, allowing, ["2024-01", "2024-02"], table)) == 2
    with pytest.raises(SettingsError, match="months: all covers every row and stands alone"):
        batch.plan(warehouse_url, allowing, ["2024-01", "all"], table)


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:9/a.parquet", "file:///etc/passwd", "//127.0.0.1:9/a.parquet"],
    ids=["server", "file", "server of the same scheme"],
)
def test_allowed_location_that_redirects_elsewhere_is_refused(
    warehouse_url: str, settings: Settings, web_server: WebServer, tmp_path: Path, target: str
) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    allowing = settings.model_copy(update={"batch_locations": (f"{web_server.url}/*.parquet",)})
    web_server.pages["/2024-01.parquet"] = lambda query: (302, b"")
    web_server.headers["Location"] = target
    [job] = batch.plan(warehouse_url, allowing, ["2024-01"], f"{web_server.url}/{{month}}.parquet")
    with pytest.raises(SettingsError, match=r"a server or a link leads to .*(BATCH_LOCATIONS|cannot be used)"):
        batch.score(warehouse_url, allowing, job, store=tmp_path)


def test_login_of_a_connection_reaches_the_location_and_stays_out_of_the_job(
    warehouse_url: str, settings: Settings, web_server: WebServer, tmp_path: Path
) -> None:
    register(open_tracker(settings), settings.registered_model, LASSO)
    sink = io.BytesIO()
    pq.write_table(make_trips(3), sink)
    web_server.pages["/2024-01.parquet"] = sink.getvalue()
    allowing = settings.model_copy(update={"batch_locations": (f"{web_server.url}/*.parquet",)})
    [job] = batch.plan(warehouse_url, allowing, ["2024-01"], f"{web_server.url}/{{month}}.parquet", "city")
    asked = []

    def log_in(location: str, connection_id: str) -> str:
        asked.append((location, connection_id))
        return location.replace("http://", "http://ann:s3cret@")

    assert batch.score(warehouse_url, allowing, job, log_in=log_in, store=tmp_path)["rows"] == 3
    assert asked == [(f"{web_server.url}/2024-01.parquet", "city")]
    assert "s3cret" not in str(job)
