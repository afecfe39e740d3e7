"""What becomes of models through the real scheduler: promoted or not, watched, trained again when there is a reason."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql
from rich.console import Console

from include.embedded.commands.airflow_api import AirflowApi, Run
from include.embedded.commands.progress import Progress, watch
from include.embedded.programs.supervision import log_path
from include.settings import read_settings
from include.tracking import registry, runs
from tests.e2e.conftest import SEEDS, TRAININGS, Bench, write_sample
from tests.e2e.mails import mails_on, text_of, wait_for_mails
from tests.e2e.test_faults import kill, trials_of
from tests.mail_server import MailServer
from tests.waiting import wait_until

MASTER, PROMOTION, MONITORING = "automatic_retraining", "model_promotion", "model_monitoring"
LINEAR, BOOSTED = "linear_model.LinearRegression", "gbtree.squarederror"
MODEL_NAMES = (f"trip-duration-{number}" for number in count(1))


@pytest.fixture
def configure(bench: Bench) -> Callable[..., str]:
    """Sets settings, with a registered model and a sample of the test's own; gives the model's name."""
    name, seed = next(MODEL_NAMES), next(SEEDS)

    def set_all(**settings: Any) -> str:
        bench.configure(registered_model=name, sample_seed=seed, **settings)
        return name

    return set_all


@pytest.fixture(scope="module")
def judged_models(shared_bench: Bench) -> dict[str, Any]:
    """The settings with which a set was prepared, and a model of each family trained on it and judged."""
    settings = {"registered_model": next(MODEL_NAMES), "sample_seed": next(SEEDS), "sample_rows": 8000}
    shared_bench.configure(**settings)
    shared_bench.prepare()
    shared_bench.wait_until_quiet()
    return settings


def list_runs(bench: Bench, dag_id: str, **filters: Any) -> list[Run]:
    """The DAG's runs, the newest first."""
    entries = bench.get(f"dags/{dag_id}/dagRuns", order_by="-id", limit=100, **filters)["dag_runs"]
    return [Run(dag_id, entry["dag_run_id"], entry["state"]) for entry in entries]


def judged(bench: Bench, name: str) -> list[tuple[str, str]]:
    """Family and state of each judgement, in the order of the versions."""
    return bench.query("SELECT family, state FROM training.promotions WHERE name = %s ORDER BY version", name)


def aliases(bench: Bench, name: str) -> dict[str, int]:
    settings = read_settings(mlflow_tracking_uri=bench.stack.mlflow_address, registered_model=name)
    tracker = runs.open_tracker(settings)
    found = {alias: registry.find_version(tracker, name, alias) for alias in (registry.CHAMPION, registry.PREVIOUS)}
    return {alias: version.version for alias, version in found.items() if version}


def is_skipped(bench: Bench, run: Run) -> bool:
    return {task["state"] for task in bench.tasks(run).values()} == {"skipped"}


@contextmanager
def refuse_trials(bench: Bench, *models: str) -> Iterator[None]:
    """The warehouse takes no trials of these model types, so that their tuning fails."""
    refusal = sql.SQL("ALTER TABLE training.trials ADD CONSTRAINT refused CHECK (model <> ALL ({})) NOT VALID")
    with psycopg.connect(bench.stack.warehouse_url, autocommit=True) as connection:
        connection.execute(refusal.format(sql.Literal(list(models))))
        try:
            yield
        finally:
            connection.execute("ALTER TABLE training.trials DROP CONSTRAINT refused")


def test_new_real_month_is_noticed_trained_on_once_and_judged_once_a_family(
    bench: Bench, configure: Callable[..., str], trip_data: Path, tmp_path: Path
) -> None:
    def publish(month: str) -> None:
        trips = pq.read_table(trip_data / f"green_tripdata_{month}.parquet")
        # Every tenth is enough here, and not at its place before it is whole.
        pq.write_table(trips.take(list(range(0, len(trips), 10))), tmp_path / "part")
        (tmp_path / "part").rename(tmp_path / f"{month}.parquet")

    publish("2024-01")
    name = configure(
        source=f"file://{tmp_path}/{{month}}.parquet",
        zones_source=f"file://{trip_data}/zones.csv",
        months="2024-01",
        rolling_months=2,
        watch_interval=2,
        max_evaluations=1,
        # No other test has trained on this set.
        target_max=59,
        # A tenth of a month errs more from week to week: the new month is to be the only reason.
        error_ratio=100,
        bias_spreads=100,
        coverage_tolerance=0.5,
    )
    bench.prepare()
    bench.wait_until_quiet()
    assert len(judged(bench, name)) == 2
    assert "promoted" in dict(judged(bench, name)).values()
    before = {run.run_id for run in list_runs(bench, MASTER)}
    sets_before = bench.query("SELECT count(*) FROM training.sets")[0][0]

    publish("2024-02")
    wait_until(lambda: {run.run_id for run in list_runs(bench, MASTER)} - before, "the master has started")
    [master] = [run for run in list_runs(bench, MASTER) if run.run_id not in before]
    details = bench.wait(master)
    bench.wait_until_quiet()
    assert details["run_type"] == "asset_triggered"
    assert "at the source: 2024-02" in details["note"]
    assert "RMSE" in details["note"]
    assert bench.query("SELECT count(*) FROM training.sets") == [(sets_before + 1,)]
    assert [family for family, _ in judged(bench, name)].count("sklearn") == 2
    assert [family for family, _ in judged(bench, name)].count("xgboost") == 2
    [(state, months, runs, models)] = bench.query(
        "SELECT state, months, runs, models FROM training.retrainings WHERE run_key = %s", f"{MASTER}/{master.run_id}"
    )
    assert (state, months) == ("success", ["2024-01", "2024-02"])
    assert {run["dag_id"] for run in runs} == {"data_preparation", *TRAININGS, PROMOTION}
    assert {model["family"] for model in models} == {"sklearn", "xgboost"}

    kill(bench, "triggerer")
    second = bench.trigger(MASTER)
    assert "No reason to retrain" in bench.wait(second)["note"]
    assert is_skipped(bench, second)
    assert len(list_runs(bench, MASTER)) == len(before) + 2, "the triggerer was restarted, and old files are no news"


def test_shifted_distances_raise_drift_once_and_on_that_column_alone(
    bench: Bench, configure: Callable[..., str], mail_server: MailServer, tmp_path: Path
) -> None:
    for month in ("2024-01", "2024-02"):
        write_sample(tmp_path, month)
    # One family is enough to have a champion.
    name = configure(source=f"file://{tmp_path}/{{month}}.parquet", zones_source="sample", xgboost_models="")
    bench.prepare()
    bench.wait_until_quiet()
    champion = aliases(bench, name)["champion"]
    assert bench.query("SELECT count(*) FROM monitoring.alarms WHERE name = %s", name) == [(0,)]
    before = {run.run_id for run in list_runs(bench, MONITORING)}

    write_sample(tmp_path, "2024-02", factor=1.6)
    bench.prepare()
    bench.wait_until_quiet()
    alarms = "SELECT champion_version, columns, answered_by FROM monitoring.alarms WHERE name = %s"
    assert bench.query(alarms, name)[0][:2] == (champion, ["trip_distance"])
    runs = [run for run in list_runs(bench, MONITORING) if run.run_id not in before]
    [(found, event)] = [(run, event) for run in runs for event in bench.events_of(run)]
    assert (event["name"], event["extra"]["columns"]) == ("drift", ["trip_distance"])
    [created] = event["created_dagruns"]
    assert created["dag_id"] == MASTER
    wait_for_mails(bench, mail_server, found, ["model_monitoring found drift: trip_distance"])

    again = bench.trigger(MONITORING)
    bench.wait(again)
    assert bench.events_of(again) == []
    assert mails_on(mail_server, again) == []


def test_forced_retraining_survives_the_scheduler_and_keeps_a_second_one_out(
    bench: Bench, judged_models: dict[str, Any], mail_server: MailServer
) -> None:
    bench.configure(**judged_models)
    name = judged_models["registered_model"]
    before = len(judged(bench, name))
    [(version,)] = bench.query("SELECT max(version) FROM training.sets WHERE state = 'published'")
    master = bench.trigger(MASTER, force=True)
    wait_until(lambda: list_runs(bench, TRAININGS[1], state="running"), "training has begun")
    [xgboost] = list_runs(bench, TRAININGS[1], state="running")
    wait_until(lambda: trials_of(bench, xgboost, BOOSTED), "tuning has begun")
    kill(bench, "scheduler")
    second = bench.trigger(MASTER, force=True)
    note = bench.wait(second)["note"]
    assert "is in progress" in note
    assert is_skipped(bench, second)

    details = bench.wait(master)
    assert "forced by a person" in details["note"]
    assert bench.query("SELECT count(*) FROM training.sets WHERE version > %s", version) == [(0,)]
    assert [number for number, _, _ in trials_of(bench, xgboost, BOOSTED)] == [0, 1, 2]
    assert len(judged(bench, name)) == before + 2
    [(runs,)] = bench.query("SELECT runs FROM training.retrainings WHERE run_key = %s", f"{MASTER}/{master.run_id}")
    trained = [run for run in runs if run["dag_id"] in TRAININGS]
    assert {(run["dag_id"], run["state"]) for run in trained} == {(dag_id, "success") for dag_id in TRAININGS}
    assert [len(bench.events_of(Run(**run))) for run in trained] == [1, 1]
    assert bench.tasks(master)["follow", -1]["state"] == "success"

    [(models,)] = bench.query("SELECT models FROM training.retrainings WHERE run_key = %s", f"{MASTER}/{master.run_id}")
    promoted = ", ".join(model["model"] for model in models if model["decision"] == "promoted")
    [mail] = wait_for_mails(
        bench, mail_server, master, [f"{MASTER} succeeded: {promoted}" if promoted else f"{MASTER} succeeded"]
    )
    assert "forced by a person" in text_of(mail)
    assert all(f"{model['model']}" in text_of(mail) for model in models)
    assert mails_on(mail_server, second) == [], "skipped"


def test_family_that_fails_is_a_warning_and_both_are_a_failure(bench: Bench, judged_models: dict[str, Any]) -> None:
    bench.configure(**judged_models)
    name = judged_models["registered_model"]
    before = [family for family, _ in judged(bench, name)]
    with refuse_trials(bench, LINEAR):
        one = bench.trigger(MASTER, force=True)
        assert "Warning: sklearn_training ended as failed" in bench.wait(one)["note"]
    assert sorted(family for family, _ in judged(bench, name)) == sorted([*before, "xgboost"])

    with refuse_trials(bench, LINEAR, BOOSTED):
        both = bench.trigger(MASTER, force=True)
        note = bench.wait(both, "failed")["note"]
    assert "Failed: sklearn_training" in note
    assert "Failed: xgboost_training" in note
    assert bench.query("SELECT state FROM training.retrainings WHERE run_key = %s", f"{MASTER}/{both.run_id}") == [
        ("failed",)
    ]


def test_person_declines_and_approves_and_rolls_back(
    bench: Bench, configure: Callable[..., str], mail_server: MailServer
) -> None:
    def train(dag_id: str, model: str) -> Run:
        """Trains one model; gives the run that judges it."""
        training = bench.trigger(dag_id, models=[model], max_evaluations=1)
        bench.wait(training)
        return bench.runs_after(training, PROMOTION)[0]

    def answer(run: Run, option: str) -> Run:
        # Airflow takes the end of the process that asked for the end of the one that takes up the answer, and fails the
        # task, where the answer is faster than the scheduler. No person's is.
        asked = f"TaskInstance Finished: dag_id={PROMOTION}, task_id=approve, run_id={run.run_id},"
        scheduler = log_path(bench.stack.home, "scheduler")
        wait_until(lambda: asked in scheduler.read_text(), "the question is asked")
        path = f"/api/v2/dags/{PROMOTION}/dagRuns/{run.run_id}/taskInstances/approve/-1/hitlDetails"
        bench.api.patch(path, json={"chosen_options": [option], "params_input": {}}).raise_for_status()
        bench.wait(run)
        return run

    name = configure(approval="human")
    asked = f"{PROMOTION}.approve is waiting for approval"
    asking = train("sklearn_training", LINEAR)
    # `make run` follows it no further than to the question.
    [left] = watch(AirflowApi(bench.stack), [asking], list, Progress(Console(file=io.StringIO())))
    assert left.state == "running"
    declined = answer(asking, "Keep the champion")
    assert judged(bench, name) == [("sklearn", "declined")]
    assert aliases(bench, name) == {}
    wait_for_mails(bench, mail_server, declined, [asked])
    approved = answer(train("sklearn_training", LINEAR), "Promote")
    assert aliases(bench, name) == {"champion": 2}
    wait_for_mails(bench, mail_server, approved, [asked, f"{PROMOTION} promoted: {LINEAR} version 2"])

    configure(approval="auto")
    bench.wait(train("xgboost_training", BOOSTED))
    assert aliases(bench, name) == {"champion": 3, "previous": 2}
    back = bench.trigger(PROMOTION, rollback=True)
    assert "Rolled back to version 2" in bench.wait(back)["note"]
    assert aliases(bench, name) == {"champion": 2, "previous": 3}
    [event] = bench.events_of(back)
    assert event["extra"] == {
        "name": name, "version": 2, "previous_version": 3, "family": "sklearn", "model": LINEAR,
    }  # fmt: skip
    wait_for_mails(bench, mail_server, back, [f"{PROMOTION} rolled back: {LINEAR} version 2"])
