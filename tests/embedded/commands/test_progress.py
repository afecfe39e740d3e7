"""How DAG runs are shown while they go on."""

import io

from rich.console import Console

from include.embedded.commands.airflow_api import Run, Task
from include.embedded.commands.progress import Progress, describe, describe_trials, is_asking
from tests.splits import PROBLEM

RUN = Run("sklearn_training", "manual__1", "running")


def task(task_id: str, label: str = "", state: str = "running") -> Task:
    return Task(RUN, task_id, 0, label, state, 1)


def test_line_on_a_run_names_each_task_and_model_at_work() -> None:
    tasks = [task("tune", "linear_model.Lasso best 8.9"), task("tune", "linear_model.LinearRegression")]
    expected = "sklearn_training running: tune linear_model.Lasso best 8.9, tune linear_model.LinearRegression"
    assert describe(RUN, tasks) == expected


def test_mapped_tasks_show_once_by_their_name_until_they_have_labels() -> None:
    tasks = [Task(RUN, "ingest", index, label, "running", 1) for index, label in enumerate(("0", "1", "2024-03"))]
    assert describe(RUN, tasks) == "sklearn_training running: ingest, ingest 2024-03"


def test_waiting_task_shows_only_when_none_is_at_work() -> None:
    waiting = task("register", state="queued")
    assert describe(RUN, [waiting]) == "sklearn_training running: register (queued)"
    assert describe(RUN, [waiting, task("train", "a")]) == "sklearn_training running: train a"


def test_run_that_asks_a_person_is_waited_for_no_longer_than_its_other_tasks_work() -> None:
    asking = task("approve", state="awaiting_input")
    assert describe(RUN, [asking]) == "sklearn_training running: approve (waiting for a person)"
    assert is_asking([asking])
    assert not is_asking([asking, task("judge")])
    assert not is_asking([])


def test_line_on_trials_has_the_unit_and_counts_one_trial_as_one() -> None:
    assert describe_trials(PROBLEM.objective, "gamma", 1, 4.2494) == "  gamma: best RMSE 4.249 minutes after 1 trial"
    without_unit = PROBLEM.model_copy(update={"unit": ""})
    assert describe_trials(without_unit.objective, "gamma", 2, 4.2) == "  gamma: best RMSE 4.2 after 2 trials"


def test_only_changed_lines_are_printed_where_there_is_no_terminal() -> None:
    output = io.StringIO()
    with Progress(Console(file=output)) as progress:
        progress.show(["one running", "two running"])
        progress.show(["one running", "two success [all]"])
    printed = [line.split(" s  ")[1] for line in output.getvalue().splitlines()]
    assert printed == ["one running", "two running", "two success [all]"]
