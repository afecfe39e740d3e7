"""What summaries say, from what the pipeline has left in the warehouse and in MLflow."""

from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from include.alerting.drift_reports import report_drift
from include.alerting.model_reports import report_promotions, report_unbeaten
from include.alerting.pipeline_reports import report_preparation, report_retraining, report_training
from include.sets.examples import TargetShape
from include.settings import Settings, read_settings
from include.tracking import runs
from include.training.job import match_target
from tests.alerting.conftest import configure
from tests.classified import LEAVING
from tests.registered import BOOSTER, LASSO, register

LINKS = {"Run": "http://airflow/run"}
REGISTERED = {"name": "trip-duration", "version": 7, "model": LASSO, "training_set_version": 3}
TRAINED = [
    {"model": BOOSTER, "metrics": {"validation_rmse": 6.5, "validation_mae": 4.5, "validation_r2": 0.6}},
    {"model": LASSO, "metrics": {"validation_rmse": 1.0, "validation_mae": 0.8, "validation_r2": 0.9}},
]
TUNED = [
    {"model": LASSO, "parameters": {"alpha": 0.00159123}},
    {"model": BOOSTER, "parameters": {"max_depth": 9, "learning_rate": 0.25}},
]


@pytest.fixture(autouse=True)
def ask_mlflow_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow is away in some tests, and is asked for minutes by default."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def insert(url: str, table: str, **values: Any) -> None:
    columns = ", ".join(values)
    with psycopg.connect(url) as connection:
        query = f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(values))})"
        connection.execute(query.encode(), list(values.values()))


def report(url: str, tracking_uri: str, **registered: Any) -> Any:
    settings = configure(mlflow_tracking_uri=tracking_uri, registered_model=registered.get("name", "trip-duration"))
    known = {**REGISTERED, "metrics": TRAINED[1]["metrics"], **registered}
    return report_training(url, settings, "sklearn_training", "run", known, TRAINED, TUNED, LINKS)


def test_preparation_accounts_for_every_trip_by_split_or_by_rule(warehouse_url: str) -> None:
    source = {"location": "sample", "sha256": "x", "columns": "{}", "reading": "y"}
    insert(warehouse_url, "raw.sources", month="2024-01", rows=1200, **source)
    insert(warehouse_url, "raw.sources", month="2024-02", rows=100, **source)
    left_out = [("2024-01", "too far", 10), ("2024-01", "target: above TARGET_MAX", 40), ("2024-02", "too far", 100)]
    insert(
        warehouse_url, "training.sets", state="published", months=["2024-01", "2024-02"],
        validation_from="2024-01-20", declaration=Jsonb(Settings().problem.to_dict()), settings="{}", sources="{}",
        left_out=Jsonb([{"month": month, "rule": rule, "rows": rows} for month, rule, rows in left_out]),
    )  # fmt: skip
    published = {
        "version": 1,
        "months": ["2024-01", "2024-02"],
        "counts": {"train": 1000, "validation": 150},
    }
    alert = report_preparation(warehouse_url, "data_preparation", "run", published, LINKS)
    assert alert.headline == ("Training set 1 was published: 1,150 examples of 1,300 trips; 150 trips were left out.")
    months, rules = alert.tables
    assert months.rows == (("2024-01", "1,200", "50"), ("2024-02", "100", "100"))
    assert rules.rows == (("too far", "110"), ("target: above TARGET_MAX", "40"))
    assert alert.charts[0].bars == {"train": 1000, "validation": 150}


def test_training_says_models_by_error_best_parameters_and_how_tuning_went(warehouse_url: str) -> None:
    for number, loss in enumerate([9.0, 7.0, 8.0]):
        insert(
            warehouse_url, "training.trials", run_key="sklearn_training/run", model=LASSO, number=number, set_version=3,
            status="ok", loss=loss, parameters="{}", started_at="now", finished_at="now",
        )  # fmt: skip
    alert = report(warehouse_url, "http://127.0.0.1:9")
    assert (
        alert.headline
        == f"{LASSO} is the best model, with an RMSE of 1 minutes, and is registered as challenger, version 7."
    )
    models, parameters = alert.tables
    assert models.rows == ((LASSO, "1", "0.8", "0.9"), (BOOSTER, "6.5", "4.5", "0.6"))
    assert parameters.rows == ((LASSO, "alpha 0.001591"), (BOOSTER, "max_depth 9, learning_rate 0.25"))
    bars, lines = alert.charts
    assert bars.bars == {LASSO: 1.0, BOOSTER: 6.5}
    assert lines.lines == {LASSO: (9.0, 7.0, 7.0)}
    assert alert.facts["Champion"] == "unknown: MLflow did not answer"
    assert "Model types" not in alert.facts


def test_training_of_classes_leaves_out_what_could_not_be_measured(warehouse_url: str) -> None:
    metrics = {"log_loss": 0.41234, "brier": 0.1, "accuracy": 0.9, "calibration_error": 0.02}
    trained = {"model": LASSO, "metrics": {f"validation_{key}": value for key, value in metrics.items()}}
    known = {**REGISTERED, "metrics": trained["metrics"]}
    settings = configure(mlflow_tracking_uri="http://127.0.0.1:9", problem=LEAVING)
    alert = report_training(warehouse_url, settings, "sklearn_training", "run", known, [trained], [], LINKS)
    assert alert.headline.startswith(f"{LASSO} is the best model, with a log loss of 0.4123, and is")
    table = alert.tables[0]
    assert table.title == "Models by validation log loss"
    assert table.head == ("model", "log loss", "Brier score", "ROC AUC", "PR AUC", "accuracy", "calibration error")
    assert table.rows == ((LASSO, "0.4123", "0.1", "", "", "0.9", "0.02"),)


def test_training_says_which_model_types_the_target_forbids(warehouse_url: str) -> None:
    settings = configure(mlflow_tracking_uri="http://127.0.0.1:9", registered_model="trip-duration")
    known = {**REGISTERED, "metrics": TRAINED[1]["metrics"]}
    notes = match_target([BOOSTER, "gbtree.gamma"], 3, TargetShape(-2.0, 0.5)).notes
    alert = report_training(
        warehouse_url, settings, "xgboost_training", "run", known, TRAINED, TUNED, LINKS, notes=notes
    )
    assert alert.facts
    assert alert.facts["Model types"] == (
        "gbtree.gamma is left out: it needs targets above zero, but training set 3 has -2."
    )


def test_training_says_the_change_against_the_champion(warehouse_url: str, mlflow_url: str) -> None:
    tracker = runs.open_tracker(configure(mlflow_tracking_uri=mlflow_url))
    assert report(warehouse_url, mlflow_url, name="alert-test").facts["Champion"] == "none yet"
    register(tracker, "alert-test", LASSO)
    assert report(warehouse_url, mlflow_url, name="alert-test").facts["Champion"] == (
        "version 1, RMSE 1.25 minutes on its own validation rows: this one is 20.0% lower"
    )


@pytest.mark.parametrize(
    ("kind", "severity", "state"), [("judgement", "info", "promoted"), ("rollback", "warning", "rolled back")]
)
def test_new_champion_is_told_with_both_errors(warehouse_url: str, kind: str, severity: str, state: str) -> None:
    insert(
        warehouse_url, "training.promotions", kind=kind, name="trip-duration", version=7, model=LASSO,
        champion_version=4, rival_version=4, challenger_error=5.0, champion_error=6.0, interval_low=-1.2,
        interval_high=-0.8, look=3, reason="It is better.", state="promoted", run_key="model_promotion/run",
    )  # fmt: skip
    [alert] = report_promotions(warehouse_url, "model_promotion", "run", LINKS)
    assert (alert.severity, alert.state, alert.headline) == (severity, state, "It is better.")
    assert alert.facts and alert.facts["RMSE"] == "5 minutes, against 6 for version 4"
    assert alert.facts["Difference"] == "-1.2 to -0.8 minutes (99.67 % interval)"
    assert alert.charts[0].bars == {"version 7": 5.0, "version 4": 6.0}


def test_title_of_a_promotion_begins_with_a_capital(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.alerting.model_reports.read_settings", lambda: Settings(problem=LEAVING))
    insert(
        warehouse_url, "training.promotions", kind="judgement", name="leaving", version=1, model=LASSO, reason="r",
        challenger_error=0.4, champion_error=0.6, interval_low=-0.3, interval_high=-0.1, look=1, state="promoted",
        baseline="class shares", run_key="d/r",
    )  # fmt: skip
    [alert] = report_promotions(warehouse_url, "d", "r", LINKS)
    assert alert.facts["Log loss"] == "0.4, against 0.6 for the best baseline, the class shares"
    assert alert.charts[0].title == "Log loss on the same held-out rows"


def test_model_that_was_not_promoted_is_not_told(warehouse_url: str) -> None:
    insert(
        warehouse_url, "training.promotions", kind="judgement", name="trip-duration", version=7, reason="It is worse.",
        state="rejected", run_key="model_promotion/run",
    )  # fmt: skip
    assert report_promotions(warehouse_url, "model_promotion", "run", LINKS) == []


def test_drift_names_the_columns_and_shows_how_they_moved(warehouse_url: str) -> None:
    for column, week, psi in (("hour", 1, 0.2), ("hour", 8, 0.25), ("target", 1, 0.9), ("target", 8, 0.3)):
        insert(
            warehouse_url, "monitoring.drift", name="trip-duration", champion_version=4, column_name=column,
            window_start=date(2024, 3, week), window_days=7, set_version=3, rows=500, psi=psi, ks=0.2, js=0.1,
            drifted=psi > 0.2, missing=0.125, missing_learnt=0.0 if column == "target" else 0.125, unseen=None,
        )  # fmt: skip
    insert(
        warehouse_url, "monitoring.alarms", name="trip-duration", champion_version=4, window_start=date(2024, 3, 8),
        window_end=date(2024, 3, 14), columns=["hour", "target"], run_key="model_monitoring/run",
    )  # fmt: skip
    [alert] = report_drift(warehouse_url, "model_monitoring", "run", LINKS)
    assert (alert.severity, alert.label) == ("warning", "hour, target")
    # What has drifted most now stands first.
    assert alert.tables[0].rows == (
        ("target", "0.30", "0.90", "01 Mar", "2 of 2", "12.5% missing, 0.0% learnt"),
        ("hour", "0.25", "0.25", "08 Mar", "1 of 2", ""),
    )
    [chart] = alert.charts
    assert chart.lines == {"target": (0.9, 0.3), "hour": (0.2, 0.25)}
    assert (chart.ticks, chart.threshold) == (("01 Mar", "08 Mar"), 0.2)
    assert "PSI 0.2, KS 0.1, JS 0.1; or 3 points" in alert.facts["Drifted"]
    assert report_drift(warehouse_url, "model_monitoring", "another", LINKS) == []


def test_error_that_has_changed_is_reported_with_its_weeks(warehouse_url: str) -> None:
    for week, error in ((1, 4.0), (8, 5.5)):
        insert(
            warehouse_url, "monitoring.errors", name="trip-duration", champion_version=4,
            window_start=date(2024, 3, week), window_days=7, rows=500, error=error, error_limit=4.6, bias=-0.25,
            is_high=error > 4.6, has_moved=False, coverage=0.9 if error > 4.6 else None,
        )  # fmt: skip
    phrase = "RMSE 5.5 minutes, 1.38 of the judged 4"
    insert(
        warehouse_url, "monitoring.alarms", name="trip-duration", champion_version=4, window_start=date(2024, 3, 8),
        window_end=date(2024, 3, 14), columns=[], errors=[phrase], run_key="model_monitoring/run",
    )  # fmt: skip
    [alert] = report_drift(warehouse_url, "model_monitoring", "run", LINKS)
    assert (alert.severity, alert.label, alert.state) == ("warning", "", "found a changed error")
    assert alert.headline == f"The error of the champion (version 4) has changed: {phrase}."
    assert alert.tables[0].rows == (("01 Mar", "4", "4.6", "-0.25", ""), ("08 Mar", "5.5", "4.6", "-0.25", "90.0%"))
    [chart] = alert.charts
    assert (chart.lines, chart.threshold) == ({"RMSE": (4.0, 5.5)}, 4.6)


def test_changed_error_of_classes_speaks_of_sets_and_means(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.alerting.drift_reports.read_settings", lambda: Settings(problem=LEAVING))
    insert(
        warehouse_url, "monitoring.errors", name="leaving", champion_version=4, window_start=date(2024, 3, 8),
        window_days=7, rows=500, error=0.5, error_limit=0.4, bias=0.03, is_high=True, has_moved=False, coverage=0.8,
    )  # fmt: skip
    insert(
        warehouse_url, "monitoring.alarms", name="leaving", champion_version=4, window_start=date(2024, 3, 8),
        window_end=date(2024, 3, 14), columns=[], errors=["log loss 0.5"], run_key="model_monitoring/run",
    )  # fmt: skip
    [alert] = report_drift(warehouse_url, "model_monitoring", "run", LINKS)
    [table] = alert.tables
    assert table.head == (
        "week of", "log loss", "limit", "mean of predicted minus actual", "in 90 % label sets",
    )  # fmt: skip
    assert table.rows == (("08 Mar", "0.5", "0.4", "+0.03", "80.0%"),)


@pytest.mark.parametrize(("state", "severity"), [("success", "info"), ("failed", "warning")])
def test_retraining_says_why_and_what_came_of_it(warehouse_url: str, state: str, severity: str) -> None:
    insert(
        warehouse_url, "training.retrainings", run_key="automatic_retraining/run", reasons=["drift", "new month"],
        months=["2024-03"], state="success", report="All is well.",
        models=Jsonb([{"model": LASSO, "version": 7, "before": 6.0, "after": 5.12345, "decision": "promoted"}]),
        runs=Jsonb([{"dag_id": "sklearn_training", "state": state}]),
    )  # fmt: skip
    [alert] = report_retraining(warehouse_url, "automatic_retraining", "run", LINKS)
    assert alert.headline == "Models were retrained: drift; new month."
    assert (alert.severity, alert.label) == (severity, LASSO)
    assert alert.tables[0].rows == ((LASSO, "7", "6", "5.123", "promoted"),)
    assert alert.charts[0].bars == {"before": 6.0, "after": 5.12345}
    assert alert.details == "All is well."
    assert report_retraining(warehouse_url, "automatic_retraining", "skipped", LINKS) == []


def test_retraining_that_was_cleared_reports_another_event(warehouse_url: str) -> None:
    insert(
        warehouse_url, "training.retrainings", run_key="automatic_retraining/run", reasons=["drift"],
        months=["2024-03"], state="success", finished_at=datetime(2024, 4, 1, tzinfo=UTC),
    )  # fmt: skip
    [first] = report_retraining(warehouse_url, "automatic_retraining", "run", LINKS)
    [again] = report_retraining(warehouse_url, "automatic_retraining", "run", LINKS)
    assert first.event_key == again.event_key
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("UPDATE training.retrainings SET finished_at = finished_at + interval '1 hour'")
    [second] = report_retraining(warehouse_url, "automatic_retraining", "run", LINKS)
    assert second.event_key != first.event_key


def test_retraining_without_a_judged_model_does_not_say_that_models_were_retrained(warehouse_url: str) -> None:
    insert(
        warehouse_url, "training.retrainings", run_key="automatic_retraining/run", reasons=["drift", "new month"],
        months=["2024-03"], state="success",
    )  # fmt: skip
    [alert] = report_retraining(warehouse_url, "automatic_retraining", "run", LINKS)
    assert alert.headline == "A retraining ended without a judged model; its reasons: drift; new month."


def reject_one(warehouse_url: str, name: str = "trip-duration", version: int = 7) -> None:
    """A set with baselines, and a model trained on it that does not beat them."""
    errors = {"test": {"rmse": 6.0, "mae": 4.0}, "validation": {"rmse": 6.5, "mae": 4.5}}
    baselines = [{"name": name, "value": 14.0, "lag": None, "errors": errors} for name in ("mean", "median")]
    insert(
        warehouse_url, "training.sets", state="published", months=["2024-01"], validation_from="2024-01-20",
        declaration="{}", settings="{}", sources="{}", statistics="{}", baselines=Jsonb(baselines),
    )  # fmt: skip
    insert(
        warehouse_url, "training.promotions", kind="judgement", name=name, version=version, model=LASSO,
        judged_on=1, split="test", rows=500, challenger_error=6.25, champion_error=6.0, interval_low=0.1,
        interval_high=0.4, baseline="mean", reason="It is worse.", state="rejected", run_key="model_promotion/run",
        trained_by="sklearn_training/run",
    )  # fmt: skip


@pytest.fixture
def tracker(mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> runs.Tracker:
    """The MLflow that the settings name."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    return runs.open_tracker(read_settings())


def test_model_that_is_still_trained_or_judged_may_win_so_that_nothing_is_told_before(
    warehouse_url: str, tracker: runs.Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTERED_MODEL", "unbeaten")
    trainings = ["sklearn_training/run", "xgboost_training/run"]

    def count(trainings: list[str]) -> int:
        return len(report_unbeaten(warehouse_url, "model_promotion", "run", LINKS, trainings=trainings))

    first = register(tracker, "unbeaten", LASSO, alias=None)
    reject_one(warehouse_url, "unbeaten", first.version)
    # The run of a training may end a moment after its model was judged.
    assert count(trainings[:1]) == 1
    assert count(trainings) == 0
    second = register(tracker, "unbeaten", LASSO, alias=None)
    tracker.client.set_model_version_tag("unbeaten", str(second.version), "training_set_version", "1")
    assert count([]) == 0


def test_models_that_do_not_beat_the_best_baseline_are_told_with_all_baselines(
    warehouse_url: str, tracker: runs.Tracker
) -> None:
    assert report_unbeaten(warehouse_url, "model_promotion", "run", LINKS) == []
    reject_one(warehouse_url)
    [alert] = report_unbeaten(warehouse_url, "model_promotion", "run", LINKS)
    assert (alert.severity, alert.state) == ("warning", "promoted nothing")
    assert alert.headline == (
        f"No model beats the best baseline, the mean: RMSE 6 minutes against 6.25 minutes of {LASSO}, version 7;"
        " nothing is promoted."
    )
    [table] = alert.tables
    assert table.rows == (("mean", "6", "4"), ("median", "6", "4"))
    assert report_unbeaten(warehouse_url, "model_promotion", "another", LINKS) == []


def test_training_says_whether_its_best_model_beats_the_best_baseline(warehouse_url: str) -> None:
    errors = {"validation": {"rmse": 0.5, "mae": 0.25}}
    insert(
        warehouse_url, "training.sets", state="published", months=["2024-01"], validation_from="2024-01-20",
        declaration="{}", settings="{}", sources="{}",
        baselines=Jsonb([{"name": "median", "value": 14.0, "lag": None, "errors": errors}]),
    )  # fmt: skip
    alert = report(warehouse_url, "http://127.0.0.1:9", training_set_version=1)
    assert alert.facts
    assert alert.facts["Best baseline"] == (
        "the median, RMSE 0.5 minutes on the same rows: no model of this family does better"
    )
    assert alert.tables[1].rows == (("median", "0.5", "0.25"),)
