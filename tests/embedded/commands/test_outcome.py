"""What the main job prints at its end, from a real warehouse and a real registry."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from rich.console import Console, RenderableType

from include.embedded.commands.outcome import model_table, next_steps, tell_decisions, tell_reign
from include.embedded.commands.results import Reign, TrainedModel, find_reign
from include.embedded.credentials import Credentials
from include.embedded.settings import StackSettings
from include.embedded.stack import Stack
from include.promotion import aliases, decisions
from include.sets.baselines import Baseline
from include.settings import Settings
from include.tracking import runs
from include.tracking.registry import CHAMPION, PREVIOUS, RegisteredVersion
from tests.classified import LEAVING
from tests.conftest import TrackingServer
from tests.registered import LASSO, configure, register
from tests.splits import PROBLEM


@pytest.fixture
def stack(tmp_path: Path, mlflow_server: TrackingServer, warehouse_url: str) -> Stack:
    """A stack whose servers are those of the tests."""
    settings: Any = {"warehouse_url": warehouse_url, "warehouse_database": urlsplit(warehouse_url).path[1:]}
    ports = {"mlflow": int(urlsplit(mlflow_server.url).port or 0), "airflow": 8080}
    credentials = Credentials(mlflow_reader_password=mlflow_server.reader_password)
    return Stack(tmp_path, StackSettings(**settings), ports, credentials)


def trained(version: str | None, model: str = LASSO, **others: Any) -> TrainedModel:
    metrics = {"validation_rmse": 5.21, "validation_mae": 3.5} | others.pop("metrics", {})
    values: dict[str, Any] = {"metrics": metrics, "aliases": (), "training_set": 1} | others
    return TrainedModel("manual__1", "sklearn", model, version=version, **values)


def decide(url: str, version: RegisteredVersion, rival: RegisteredVersion | None, state: str, reason: str) -> Any:
    run_key = f"model_promotion/run_{version.version}"
    promotion = decisions.describe("judgement", version, rival, rival, "waiting", reason, run_key)
    decisions.save(url, promotion, {})
    decisions.set_state(url, promotion, state)
    return promotion


def show(what: RenderableType) -> str:
    output = io.StringIO()
    Console(file=output, width=80).print(what)
    return output.getvalue()


def test_table_names_the_unit_and_what_the_baselines_miss_by() -> None:
    longest = "ensemble.GradientBoostingRegressor"
    models = [trained("12", longest, aliases=("challenger",))]
    errors = {"mean": (9.5, 7.25), "value of 336 rows earlier": (6.25, 4.0)}
    baselines = [
        Baseline(name, 14.0, None, {"validation": {"rmse": rmse, "mae": mae}, "test": {"rmse": 1, "mae": 1}})
        for name, (rmse, mae) in errors.items()
    ]
    shown = show(model_table(PROBLEM.objective, models, [*baselines, Baseline("unmeasured", 1.0, None, {})]))
    assert "error, minutes" in shown
    [row] = [line.split() for line in shown.splitlines() if longest in line]
    assert row == [longest, "sklearn", "5.21", "3.5", "12", "challenger"]
    mean, earlier = (line for line in shown.splitlines() if "baseline" in line)
    assert mean.split() == ["baseline:", "mean", "9.5", "7.25"]
    assert earlier.split() == [*["baseline:", "value", "of", "336", "rows", "earlier"], "6.25", "4"]
    assert "unmeasured" not in shown


def test_table_of_classifiers_names_their_errors_and_is_not_cut() -> None:
    longest = "ensemble.GradientBoostingClassifier"
    metrics = {"validation_log_loss": 0.41234, "validation_brier": 0.0987}
    model = TrainedModel("run", "sklearn", longest, metrics, "12", ("challenger",))
    baseline = Baseline("class shares", [0.7, 0.3], None, {"validation": {"log_loss": 0.61, "brier": 0.21}})
    shown = show(model_table(LEAVING.objective, [model], [baseline]))
    at = next(number for number, line in enumerate(shown.splitlines()) if "Brier" in line)
    assert [line.split() for line in shown.splitlines()[at : at + 2]] == [
        ["log", "Brier"], ["model", "family", "loss", "score", "version", "alias"],
    ]  # fmt: skip
    [row] = [line.split() for line in shown.splitlines() if longest in line]
    assert row == [longest, "sklearn", "0.4123", "0.0987", "12", "challenger"]
    [told] = [line.split() for line in shown.splitlines() if "baseline" in line]
    assert told == ["baseline:", "class", "shares", "0.61", "0.21"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
def test_decisions_tell_why_each_version_won_or_lost_and_whom_a_rollback_put_back(
    stack: Stack, mlflow_url: str
) -> None:
    settings = configure(mlflow_url, "told")
    url, tracker = stack.warehouse_url, runs.open_tracker(settings)
    first, second, third, fourth = (register(tracker, "told", LASSO, alias=None) for _ in range(4))
    models = [trained(str(version.version)) for version in (fourth, second, first, third)] + [trained(None)]
    assert tell_decisions(stack, settings, [])[-1] == "There is no champion yet."

    aliases.move_aliases(
        url, tracker, decide(url, first, None, "waiting", "RMSE 5 against 9 of the best baseline, the mean")
    )
    aliases.move_aliases(url, tracker, decide(url, second, first, "waiting", "RMSE 4 against 5 of the champion"))
    decide(url, third, second, "rejected", "RMSE 6 against 4 of the champion: it is worse")
    _, *decisions, reign = tell_decisions(stack, settings, models)
    assert decisions == [
        f"Version 1 ({LASSO}) wins: RMSE 5 against 9 of the best baseline, the mean.",
        f"Version 2 ({LASSO}) wins: RMSE 4 against 5 of the champion.",
        f"Version 3 ({LASSO}) loses: RMSE 6 against 4 of the champion: it is worse.",
        f"Version 4 ({LASSO}) has not been judged yet: the DAG model_promotion does that.",
    ]
    assert reign.startswith("The champion is version 2 since 20")
    assert "rolled back" not in reign

    aliases.roll_back(url, settings, "model_promotion/manual__9")
    assert find_reign(url, "told", 1).after == 2
    assert tell_decisions(stack, settings, models)[-1].endswith("UTC, rolled back by hand from version 2.")
    found = tracker.client.get_registered_model("told").aliases
    assert (found[CHAMPION], found[PREVIOUS]) == ("1", "2")


def test_champion_that_was_made_that_past_promotion_is_told(warehouse_url: str) -> None:
    assert tell_reign(find_reign(warehouse_url, "any", 7)) == "The champion is version 7, not by a promotion."
    moved = datetime(2024, 3, 1, 9, 30, tzinfo=UTC)
    assert tell_reign(Reign(2, moved, None)) == "The champion is version 2 since 2024-03-01 09:30 UTC."


def test_next_steps_lead_to_pages_and_to_real_trips_where_the_sample_was_trained_on(stack: Stack) -> None:
    sample, real = (show(next_steps(stack, Settings(source=source))) for source in ("sample", "tlc"))
    for shown in (sample, real):
        assert f"{stack.airflow_address}/plugin/mltrain_overview" in shown
        assert f"{stack.airflow_address}/plugin/mltrain_playground" in shown
    assert "make run SOURCE=tlc" in sample
    assert "make run SOURCE=tlc" not in real
