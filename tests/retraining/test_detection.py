"""What a look at the source, the warehouse and the registry finds, with a published set and a real MLflow."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import pyarrow.csv
import pytest

from include.monitoring.report import DriftReport
from include.monitoring.watch import raise_alarm
from include.monitoring.windows import Window
from include.raw import ingest_month
from include.retraining.reasons import Findings, detect, look, plan_rolled
from include.settings import Settings
from include.sources.location import list_span
from include.tracking import registry, runs
from tests.registered import LASSO, configure, register
from tests.servers import WebServer
from tests.trip_tables import make_trips
from tests.warehouse_rows import query

pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
NAMES = (f"detected-{number}" for number in count(1))
NOT_TRAINED = "no model has been trained on 2024-01, 2024-02 yet"


@dataclass(frozen=True)
class Source:
    """A published set of the sample's two months, and a registered model of its own without versions."""

    url: str
    settings: Settings

    def look(self) -> Findings:
        return look(self.url, self.settings, datetime.now(UTC))

    def register(self, set_version: int, alias: str | None = None) -> int:
        """Registers a version that was trained on that set."""
        tracker, name = runs.open_tracker(self.settings), self.settings.registered_model
        version = register(tracker, name, LASSO, alias).version
        registry.tag_version(tracker, name, version, {"training_set_version": str(set_version)})
        return version


@pytest.fixture
def source(published_url: str, mlflow_url: str) -> Source:
    months = ("2024-01", "2024-02")
    settings = configure(mlflow_url, next(NAMES), sample_rows=1_500, minimum_rows=100, months=months)
    return Source(published_url, settings)


def test_version_that_nothing_has_judged_yet_was_trained(source: Source) -> None:
    found = detect(source.url, source.settings, force=False)
    assert found
    assert found.reasons == (NOT_TRAINED,)
    source.register(set_version=2)
    assert not source.look().is_trained
    source.register(set_version=1)
    assert source.look().is_trained
    assert detect(source.url, source.settings, force=False) is None


def test_version_that_was_judged_was_trained_even_if_it_is_deleted(source: Source) -> None:
    query(
        source.url,
        "INSERT INTO training.promotions (kind, name, version, set_version, reason, state, run_key) VALUES"
        f" ('judgement', '{source.settings.registered_model}', 1, 1, '', 'rejected', 'run') RETURNING version",
    )
    assert source.look().is_trained


def test_alarm_on_a_month_that_is_never_trained_on_is_no_reason(source: Source) -> None:
    version, name = source.register(set_version=1, alias=registry.CHAMPION), source.settings.registered_model
    for column, start in (("hour", date(2024, 2, 19)), ("trip_distance", date(2024, 6, 10))):
        report = DriftReport(name, version, (Window(start, 7),), {column: (True,)}, (column,), errors=(column,))
        assert raise_alarm(source.url, report, "model_monitoring/1")
    found = source.look()
    assert (found.drifted, found.errors) == (("hour",), ("hour",))


@pytest.mark.parametrize(
    ("change", "is_fresh"),
    [
        pytest.param(lambda settings: settings, True, id="as it was prepared"),
        pytest.param(lambda settings: settings.change(target_max=59), False, id="another declaration"),
        pytest.param(lambda settings: settings.change(outdated_after=1e-9), False, id="outdated"),
    ],
)
def test_set_is_trained_on_again_if_a_preparation_would_make_no_other(
    source: Source, change: Callable[[Settings], Settings], is_fresh: bool
) -> None:
    found = detect(source.url, change(source.settings), force=True)
    assert found
    assert (found.set_version == 1) == is_fresh


def test_retraining_is_another_one_if_a_setting_an_alarm_or_a_file_has_changed(
    warehouse_url: str, mlflow_url: str, tmp_path: Path
) -> None:
    settings = configure(mlflow_url, next(NAMES), source=f"{tmp_path}/{{month}}.csv", months="2024-01")

    def identify(settings: Settings = settings) -> str:
        return look(warehouse_url, settings, datetime.now(UTC)).fingerprint

    (tmp_path / "2024-01.csv").write_bytes(to_csv(200))
    first = identify()
    ingest_month(warehouse_url, settings, "2024-01")
    assert identify() == first, "a month that was new is loaded, and cannot be trained on"
    seen = {first, identify(settings.change(rejected_max_share=0.5))}
    (tmp_path / "2024-01.csv").write_bytes(to_csv(210))
    seen.add(identify())
    register(runs.open_tracker(settings), settings.registered_model, LASSO, registry.CHAMPION)
    assert identify() in seen
    report = DriftReport(settings.registered_model, 1, (Window(date(2024, 1, 15), 7),), {"hour": (True,)}, ("hour",))
    raise_alarm(warehouse_url, report, "model_monitoring/1")
    seen.add(identify())
    assert len(seen) == 4


def test_training_by_hand_prepares_the_months_of_the_settings_until_newer_ones_are_loaded(
    warehouse_url: str, mlflow_url: str, tmp_path: Path
) -> None:
    months = [f"2024-0{number}" for number in range(1, 7)]
    settings = configure(mlflow_url, next(NAMES), source=f"{tmp_path}/{{month}}.csv", months=months[:2])
    for month in months:
        (tmp_path / f"{month}.csv").write_bytes(to_csv(200))
    for month in months[:2]:
        ingest_month(warehouse_url, settings, month)
    assert plan_rolled(warehouse_url, settings) is None
    ingest_month(warehouse_url, settings, months[4])
    found = detect(warehouse_url, settings, force=True)
    assert found
    assert found.months == tuple(months[2:])
    assert plan_rolled(warehouse_url, settings) == found.preparation
    elsewhere = settings.change(source=f"{tmp_path}/other/{{month}}.csv")
    assert plan_rolled(warehouse_url, elsewhere) is None


# Months that cannot be trained on


def to_csv(rows: int) -> bytes:
    """Trips as the text of a file, which repeats none of them."""
    file = io.BytesIO()
    pyarrow.csv.write_csv(make_trips(rows), file)
    return file.getvalue()


def test_month_that_is_gone_or_was_never_published_is_left_out(
    warehouse_url: str, mlflow_url: str, web_server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = configure(mlflow_url, next(NAMES), source=f"{web_server.url}/{{month}}.csv", months="2024-01")
    loaded = ["2024-01", "2024-03", "2024-04", "2024-06"]
    web_server.pages |= {f"/{month}.csv": to_csv(200) for month in loaded}
    web_server.headers["ETag"] = "one"
    for month in loaded:
        ingest_month(warehouse_url, settings, month)
    del web_server.pages["/2024-04.csv"]
    web_server.requests.clear()
    found = detect(warehouse_url, settings, force=True)
    assert found
    assert found.months == ("2024-01", "2024-03", "2024-06")
    assert not any(reason.startswith(("new", "changed")) for reason in found.reasons)
    asked = list_span("2024-01", "2025-06")
    assert [month for month in asked if f"{month} is left out" in caplog.text] == ["2024-02", "2024-04", "2024-05"]
    assert Counter(web_server.requests) == {("HEAD", f"/{month}.csv"): 1 for month in asked}


@pytest.mark.parametrize("rows", [None, 0, 40])
def test_newest_file_is_left_out_until_it_has_enough_rows(
    warehouse_url: str, mlflow_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, rows: int | None
) -> None:
    def write(month: str, text: bytes) -> None:
        (tmp_path / f"{month}.csv").write_bytes(text)

    settings = configure(mlflow_url, next(NAMES), source=f"{tmp_path}/{{month}}.csv", months="2024-01")
    # One in the middle shares a split with others.
    for month, size in (("2024-01", 200), ("2024-02", 40), ("2024-03", 200)):
        write(month, to_csv(size))
        ingest_month(warehouse_url, settings, month)
    write("2024-04", b"" if rows is None else to_csv(rows))
    if rows:
        ingest_month(warehouse_url, settings, "2024-04")
    found = look(warehouse_url, settings, datetime.now(UTC))
    assert (found.window, found.new) == (("2024-01", "2024-02", "2024-03"), ())
    assert "2024-04 is left out" in caplog.text
    write("2024-04", to_csv(150))
    found = look(warehouse_url, settings, datetime.now(UTC))
    assert found.window == ("2024-01", "2024-02", "2024-03", "2024-04")
    assert found.changed == (("2024-04",) if rows else ())
    assert found.new == (() if rows else ("2024-04",))


def test_only_file_of_a_source_is_never_left_out(warehouse_url: str, mlflow_url: str, tmp_path: Path) -> None:
    (tmp_path / "trips.csv").write_bytes(to_csv(40))
    settings = configure(mlflow_url, next(NAMES), source=f"{tmp_path}/trips.csv", months="2024-01")
    ingest_month(warehouse_url, settings, "2024-01")
    assert look(warehouse_url, settings, datetime.now(UTC)).window == ("2024-01",)
