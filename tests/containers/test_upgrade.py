"""A second stack beside the first: of the previous release, then upgraded, then restored from a backup of the first."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.containers.engine import Engine
from tests.containers.team_stack import TeamBench, TeamStack
from tests.containers.test_stack import TRIP
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
# v0.2.0, by its hash: a checkout may be without tags. It may also be without history, see `second`.
PREVIOUS_RELEASE = "579132a"
KEPT = ("raw.sources", "training.sets", "training.trials", "prediction.log")
# Columns of the previous release whose contents are in others now.
REPLACED = {"document", "generator"}
JOB = {"max_evaluations": 2, "sklearn_models": "linear_model.LinearRegression", "xgboost_models": "gbtree.squarederror"}


def predict(stack: TeamStack) -> dict[str, Any]:
    """What the service answers when it has asked for the champion."""
    stack.ask("serving-1", "reload")
    return stack.ask("serving-1", "predict", json=TRIP)


def read_rows(bench: TeamBench) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> its rows, as JSON."""
    return {table: sorted(bench.query(f"SELECT to_jsonb(t)::text FROM {table} t")) for table in KEPT}


def is_part(before: str, after: str) -> bool:
    """Whether a row says what it said before; it may have become longer."""
    said = {key: value for key, value in json.loads(before).items() if key not in REPLACED}
    return said.items() <= json.loads(after).items()


@pytest.fixture(scope="module")
def second(engine: Engine, stack: TeamStack) -> TeamStack:
    """A stack of the previous release with a champion, beside the first one."""
    known = subprocess.run(["git", "cat-file", "-e", f"{PREVIOUS_RELEASE}^{{commit}}"], cwd=ROOT, check=False)
    assert known.returncode == 0, f"{ROOT} has no commit {PREVIOUS_RELEASE}: run `git fetch --unshallow` to get it"
    other = TeamStack.lay_out(engine, "second", PREVIOUS_RELEASE)
    with stack.at_rest():
        # Its services build the image one beside the other: where it is there, they have nothing to do.
        other.compose("build", "migrations")
        other.start()
        with other.log_in("admin") as api:
            TeamBench(other, api).run_main_job(**JOB)  # type: ignore[arg-type]
    assert predict(other)["predictions"][0] > 1
    return other


def test_two_stacks_run_side_by_side(stack: TeamStack, second: TeamStack) -> None:
    wait_until(stack.is_healthy, "the first stack has woken up")
    assert second.is_healthy()
    shared = stack.networks() & second.networks()
    assert not shared, "a network of both"
    assert predict(stack) != predict(second)


def test_upgrade_keeps_every_row_and_trains_a_model_that_is_served(stack: TeamStack, second: TeamStack) -> None:
    with second.log_in("admin") as api:
        bench = TeamBench(second, api)  # type: ignore[arg-type]
        [(asked,)] = bench.query("SELECT now()")
        predict(second)
        # Predictions are written in the background, in the order of the answers.
        wait_until(lambda: bench.query("SELECT FROM prediction.log WHERE at >= %s", asked), "the prediction is logged")
        before = read_rows(bench)
    assert all(before.values())
    second.check_out()
    with stack.at_rest():
        second.start()
        with second.log_in("admin") as api:
            bench = TeamBench(second, api)  # type: ignore[arg-type]
            after = read_rows(bench)
            for table, rows in before.items():
                assert len(after[table]) == len(rows), table
                assert all(any(is_part(old, new) for (new,) in after[table]) for (old,) in rows), table
            bench.run_main_job(**JOB)
            assert len(read_rows(bench)["training.sets"]) > len(before["training.sets"])
    assert predict(second)["predictions"][0] > 1


def test_stack_restored_from_the_backup_of_another_predicts_the_same(stack: TeamStack, second: TeamStack) -> None:
    wanted = predict(stack)
    backups = stack.engine.directory / "backups"
    backups.mkdir()
    backups.chmod(0o777)

    def in_compose(one: TeamStack, *arguments: str) -> None:
        one.compose(
            "run", "--rm", "--no-deps", f"--volume={one.name}_artifacts:/var/lib/mlflow",
            f"--volume={backups}:/backups", "--env=MLFLOW_ARTIFACTS_DESTINATION=/var/lib/mlflow", "migrations",
            "python", "-m", "include.deployment", *arguments,
        )  # fmt: skip

    in_compose(stack, "backup", "/backups/monday")
    second.compose("down", "--volumes")
    shutil.copytree(stack.project / "secrets", second.project / "secrets", dirs_exist_ok=True)
    second.compose("up", "--detach", "--wait", "postgres")
    in_compose(second, "restore", "/backups/monday")
    with stack.at_rest():
        second.start()
    assert predict(second) == wanted
    with second.log_in("admin", stack.passwords["admin"]) as api:
        assert read_rows(TeamBench(second, api))["training.sets"]  # type: ignore[arg-type]
