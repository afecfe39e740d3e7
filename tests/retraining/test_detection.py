"""What a look at the source, the warehouse and the registry finds, with a published set and a real MLflow."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count

import pytest

from include.monitoring.report import DriftReport
from include.monitoring.watch import raise_alarm
from include.monitoring.windows import Window
from include.retraining.reasons import Findings, detect, look
from include.settings import Settings
from include.tracking import registry, runs
from tests.registered import LASSO, configure, register
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
