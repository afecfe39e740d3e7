"""The main job through the real scheduler: from one command to registered models, and each of its branches."""

import re
import subprocess
from pathlib import Path

import mlflow
import pytest

from include.embedded.commands.airflow_api import Run
from include.problem.words import show_amount
from tests.e2e.conftest import FOLLOWERS, TRAININGS, Bench, Trained, train_on_new_data
from tests.e2e.mails import text_of, wait_for_mails
from tests.mail_server import MailServer

PREPARATION = "data_preparation"
# The command comes first: from nothing.
pytestmark = pytest.mark.usefixtures("main_job", "followers_paused")


@pytest.fixture(scope="module")
def trained(shared_bench: Bench, followers_paused: None) -> Trained:
    """What several tests look at, each from another side."""
    return train_on_new_data(shared_bench)


def test_one_command_trains_and_shows_models_addresses_and_the_login(
    main_job: subprocess.CompletedProcess[str], bench: Bench
) -> None:
    assert main_job.returncode == 0, main_job.stdout + main_job.stderr
    for model in (
        "linear_model.LinearRegression",
        "linear_model.Lasso",
        "gbtree.squarederror",
        "gbtree.gamma",
        "gbdt.squarederror",
    ):
        assert model in main_job.stdout
    assert not re.search("challenger, champion|champion, challenger", main_job.stdout)
    assert bench.stack.airflow_address in main_job.stdout
    assert bench.stack.mlflow_address in main_job.stdout
    assert f"admin / {bench.stack.credentials.admin_password}" in main_job.stdout
    assert re.search(r"best RMSE \d+(\.\d{1,3})? minutes after [1-9]\d* trials?$", main_job.stdout, re.MULTILINE)


def test_one_command_ends_when_the_models_are_judged_and_tells_why_one_is_champion(
    main_job: subprocess.CompletedProcess[str], bench: Bench
) -> None:
    decided = bench.query("SELECT version, state, reason, run_key FROM training.promotions ORDER BY version LIMIT 3")
    assert [version for version, *_ in decided] == [1, 2, 3]
    for version, _, reason, run_key in decided:
        assert re.search(
            rf"^Version {version} \(.*\) (wins|loses): {re.escape(reason)}\.$", main_job.stdout, re.MULTILINE
        )
        assert f"{run_key.partition('/')[0]} success" in main_job.stdout
    champion = max(version for version, state, *_ in decided if state == "promoted")
    assert re.search(rf"^The champion is version {champion} since .* UTC\.$", main_job.stdout, re.MULTILINE)
    rows = [line.split() for line in main_job.stdout.splitlines() if "champion" in line.split()]
    assert [row[4] for row in rows if "." in row[0]] == [str(champion)]
    assert "baseline: mean" in main_job.stdout


def test_event_carries_the_version_and_starts_both_training_dags_on_it(bench: Bench, trained: Trained) -> None:
    preparation = trained.preparation
    [event] = bench.events_of(preparation)
    [(version, fingerprint, counts)] = bench.query(
        "SELECT version, fingerprint, counts FROM training.sets WHERE created_by = %s",
        f"{PREPARATION}/{preparation.run_id}",
    )
    assert event["extra"]["version"] == version
    assert event["extra"]["fingerprint"] == fingerprint
    assert event["extra"]["counts"] == counts
    assert event["extra"]["months"] == ["2024-01", "2024-02"]
    assert [run.dag_id for run in trained.trainings] == list(TRAININGS)
    client = mlflow.MlflowClient(bench.stack.mlflow_address)
    for run in trained.trainings:
        details = bench.details(run)
        assert details["run_type"] == "asset_triggered"
        assert details["triggered_by"] == "asset"
        run_key = f"{run.dag_id}/{run.run_id}"
        parents = client.search_runs(["1"], f"tags.run_key = '{run_key}' AND tags.role = 'model'")
        assert {parent.data.tags["training_set_version"] for parent in parents} == {str(version)}
        for parent in parents:
            trials = client.search_runs(["1"], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
            stored = bench.query(
                "SELECT number, loss FROM training.trials WHERE run_key = %s AND model = %s",
                run_key,
                parent.data.tags["model"],
            )
            tracked = {(int(t.data.tags["trial"]), t.data.metrics["validation_rmse"]) for t in trials}
            assert tracked == set(stored)
            assert len(trials) == 3
            best = min(loss for _, loss in stored)
            assert parent.data.metrics["validation_rmse"] == pytest.approx(best)
        [registered] = client.search_model_versions(f"name = 'trip-duration' AND tags.run_key = '{run_key}'")
        best_parent = min(parents, key=lambda parent: parent.data.metrics["validation_rmse"])
        assert registered.tags["run_id"] == best_parent.info.run_id
        [model_event] = bench.events_of(run)
        assert str(model_event["extra"]["version"]) == registered.version


def test_mapped_tasks_are_labelled_with_model_and_best_error(bench: Bench, trained: Trained) -> None:
    sklearn, _ = trained.trainings
    label = bench.tasks(sklearn)["tune", 0]["rendered_map_index"]
    [(best,)] = bench.query(
        "SELECT min(loss) FROM training.trials WHERE run_key = %s AND model = 'linear_model.LinearRegression'",
        f"{sklearn.dag_id}/{sklearn.run_id}",
    )
    assert label == f"linear_model.LinearRegression: best RMSE {show_amount(best, 'minutes')}"


def test_success_makes_a_summary_with_charts(bench: Bench, trained: Trained, mail_server: MailServer) -> None:
    version = bench.events_of(trained.preparation)[0]["extra"]["version"]
    [mail] = wait_for_mails(
        bench, mail_server, trained.preparation, [f"{PREPARATION} succeeded: training set {version}"]
    )
    assert "dropoff_at: not after pickup_at" in text_of(mail), "refused rows are counted by rule"
    for run in trained.trainings:
        [event] = bench.events_of(run)
        extra = event["extra"]
        [mail] = wait_for_mails(bench, mail_server, run, [f"{run.dag_id} succeeded: {extra['model']}"])
        text = text_of(mail)
        assert f"RMSE of {show_amount(extra['metrics']['validation_rmse'], 'minutes')}" in text
        assert "Best parameters" in text and "Champion: " in text
        pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
        assert [part["Content-ID"] for part in pictures] == ["<chart-1>", "<chart-2>"]


def test_fresh_set_skips_every_later_task_and_emits_no_event_and_no_mail(
    bench: Bench, trained: Trained, mail_server: MailServer
) -> None:
    bench.configure(**trained.settings)
    again = bench.trigger(PREPARATION)
    details = bench.wait(again)
    states = {task_id: task["state"] for (task_id, _), task in bench.tasks(again).items()}
    assert states.pop("load_references") == "success"
    assert set(states.values()) == {"skipped"}
    assert bench.events_of(again) == []
    version = bench.events_of(trained.preparation)[0]["extra"]["version"]
    assert f"version {version} holds the same data and is fresh" in details["note"]
    assert f"version {version} holds the same data and is fresh" in "".join(bench.log(again, "plan"))
    wait_for_mails(bench, mail_server, again, [])


def test_training_by_hand_takes_the_newest_set(bench: Bench, trained: Trained) -> None:
    by_hand = bench.trigger("sklearn_training", models=["linear_model.LinearRegression"], max_evaluations=1)
    bench.wait(by_hand)
    [event] = bench.events_of(by_hand)
    assert event["extra"]["training_set_version"] == bench.events_of(trained.preparation)[0]["extra"]["version"]
    assert event["extra"]["model"] == "linear_model.LinearRegression"


def test_training_by_hand_without_a_fresh_set_starts_data_preparation_and_is_skipped(bench: Bench) -> None:
    before = {entry["dag_run_id"] for entry in bench.get(f"dags/{PREPARATION}/dagRuns")["dag_runs"]}
    bench.use_new_data(outdated_after=0.00001)
    by_hand = bench.trigger("xgboost_training")
    details = bench.wait(by_hand)
    assert "data_preparation was started" in details["note"]
    assert {task["state"] for task in bench.tasks(by_hand).values()} == {"skipped"}
    bench.configure()
    with bench.paused(*TRAININGS):
        [started] = [
            entry for entry in bench.get(f"dags/{PREPARATION}/dagRuns")["dag_runs"] if entry["dag_run_id"] not in before
        ]
        assert started["note"] == "Started by xgboost_training, which found no fresh training set."
        bench.wait(Run(PREPARATION, started["dag_run_id"], "queued"))


@pytest.mark.usefixtures("trainings_paused")
def test_two_preparations_at_once_publish_one_set(bench: Bench) -> None:
    runs = [bench.trigger(PREPARATION), bench.trigger(PREPARATION)]
    for run in runs:
        bench.wait(run)
    assert sorted(len(bench.events_of(run)) for run in runs) == [0, 1]
    published = bench.query(
        "SELECT count(*) FROM training.sets WHERE state = 'published' AND created_by = ANY(%s)",
        [f"{PREPARATION}/{run.run_id}" for run in runs],
    )
    assert published == [(1,)]


def test_body_with_a_wrong_parameter_is_refused_by_name(bench: Bench) -> None:
    for dag_id, conf, name in (
        (PREPARATION, {"months": ["2024-13"]}, "months"),
        ("sklearn_training", {"feature_set": "poor"}, "feature_set"),
        ("sklearn_training", {"models": ["gbtree.gamma"]}, "models"),
        ("xgboost_training", {"max_evaluations": -1}, "max_evaluations"),
    ):
        answer = bench.api.post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        assert answer.status_code == 400
        assert f"Invalid input for param {name}" in answer.json()["detail"]


def test_main_job_runs_on_real_months(bench: Bench, trip_data: Path) -> None:
    bench.configure(
        source=f"file://{trip_data}/green_tripdata_{{month}}.parquet",
        zones_source=f"file://{trip_data}/zones.csv",
        max_evaluations=1,
        feature_set="reference",
        # The split that the published errors were measured on.
        validation_from="2024-02-01",
    )
    preparation, [sklearn, xgboost] = bench.prepare()
    counts = bench.events_of(preparation)[0]["extra"]["counts"]
    assert (counts["train"], counts["validation"]) == (54_378, 51_492)
    rich = bench.trigger("xgboost_training", feature_set="rich")
    bench.wait(sklearn)
    rmse = bench.events_of(sklearn)[0]["extra"]["metrics"]["validation_rmse"]
    assert rmse == pytest.approx(5.995, abs=0.001)
    bench.wait(xgboost)
    bench.wait(rich)
    assert bench.events_of(rich)[0]["extra"]["metrics"]["validation_rmse"] <= 4.05


def test_rest_of_the_stack_is_quiet_after_a_skip(bench: Bench, trained: Trained) -> None:
    bench.configure(**trained.settings)
    bench.pause(FOLLOWERS, is_paused=False)
    bench.wait_until_quiet()
    runs_before = bench.get("dags/~/dagRuns")["total_entries"]
    bench.wait(bench.trigger(PREPARATION))
    assert bench.get("dags/~/dagRuns")["total_entries"] == runs_before + 1
