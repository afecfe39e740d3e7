"""include/team/start.py: secrets from files, never from a configuration."""

import subprocess
import sys
from pathlib import Path

import pytest

from include.embedded.options import AIRFLOW_OPTIONS, SERVING_ENVIRONMENT, name_variables
from include.team.start import SecretMissing, complete
from tests.team.compose_file import ROOT


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "word").write_text("s3cret_-\n")
    (tmp_path / "odd").write_text("p@ss/word\n")
    return {"SECRETS_DIRECTORY": str(tmp_path)}


def test_secret_is_filled_in_wherever_it_is_named(environment: dict[str, str]) -> None:
    completed = complete({**environment, "ADDRESS": "redis://:<secret:word>@broker/0", "KEY": "<secret:word>"})
    assert completed["ADDRESS"] == "redis://:s3cret_-@broker/0"
    assert completed["KEY"] == "s3cret_-"


def test_secret_that_would_break_an_address_is_refused_by_name_and_taken_alone(environment: dict[str, str]) -> None:
    assert complete({**environment, "KEY": "<secret:odd>"})["KEY"] == "p@ss/word"
    with pytest.raises(SecretMissing, match=r"ADDRESS has the secret odd inside an address.*/odd may only contain"):
        complete({**environment, "ADDRESS": "redis://:<secret:odd>@broker/0"})


def test_missing_secret_ends_the_program_with_its_name(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "include.team.start", "true"]
    given = {**environment, "KEY": "<secret:none>", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=given, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "KEY needs the secret none" in done.stderr


def test_what_the_container_is_told_wins_over_what_all_stacks_share(environment: dict[str, str]) -> None:
    key = "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"
    assert complete(environment)[key] == "60"
    assert complete({**environment, key: "20"})[key] == "20"


def test_task_whose_message_was_lost_waits_an_hour_and_one_that_waits_for_a_slot_as_long_as_in_the_embedded_stack(
    environment: dict[str, str],
) -> None:
    from airflow.configuration import conf

    section = "AIRFLOW__SCHEDULER__"
    completed = complete(environment)
    waiting = int(completed[f"{section}TASK_QUEUED_TIMEOUT"])
    assert waiting == 3600
    times = 1 + int(completed[f"{section}NUM_STUCK_IN_QUEUED_RETRIES"])
    assert times * waiting >= int(name_variables(AIRFLOW_OPTIONS)[f"{section}TASK_QUEUED_TIMEOUT"])
    # Taken back while its token is still accepted, which is valid for as long as the timeout.
    leeway = conf.getint("api_auth", "jwt_leeway")
    assert int(completed[f"{section}TASK_QUEUED_TIMEOUT_CHECK_INTERVAL"]) < leeway


def test_memory_of_the_prediction_service_alone_is_in_large_pages(environment: dict[str, str]) -> None:
    assert complete(environment, ["python", "-m", "include.serving"]).keys() >= SERVING_ENVIRONMENT.keys()
    assert not complete(environment, ["airflow", "scheduler"]).keys() & SERVING_ENVIRONMENT.keys()
