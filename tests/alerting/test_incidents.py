from datetime import UTC, datetime, timedelta

import pytest

from include.alerting.incidents import (
    KILLED,
    FailedTask,
    describe_failure,
    normalize,
    report_failure,
    report_lateness,
    write_duration,
)
from include.alerting.recording import record
from include.errors import SourceInvalid

PAGE = "http://airflow/dags/training/runs/run-1"


def fail(error: BaseException | str | None, **others: object) -> FailedTask:
    values = {"run_id": "run-1", "map_index": -1, "try_number": 4, "label": "", **others}
    log = f"{PAGE}/tasks/tune?try_number=4"
    return FailedTask("training", task_id="tune", log_url=log, dashboard_url="http://page", error=error, **values)  # type: ignore[arg-type]


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def test_failure_says_the_error_and_the_last_lines() -> None:
    alert = report_failure(fail(caught(SourceInvalid("month 2024-01 has no column\nsecond line"))))
    assert alert.headline == "SourceInvalid: month 2024-01 has no column"
    assert "second line" in alert.details
    assert "in caught" in alert.details
    assert alert.links == {"Log": f"{PAGE}/tasks/tune?try_number=4", "Run": PAGE, "Dashboard": "http://page"}


def test_long_error_is_cut_at_its_beginning() -> None:
    error = caught(ValueError("\n".join(f"line {number}" for number in range(100))))
    lines = report_failure(fail(error)).details.splitlines()
    assert len(lines) == 15
    assert lines[-1] == "line 99"


SECRET = "correct-horse-battery"


@pytest.mark.parametrize("before", [*range(365, 400, 7), *range(770, 800, 7)])
def test_secret_that_the_end_of_a_line_runs_through_is_not_shown_in_part(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    text = f"cannot log in: {'x' * (before - 16)} {SECRET} was refused"
    for error in (text, caught(ValueError(text))):
        alert, line = report_failure(fail(error)), describe_failure(fail(error))
        assert not any(SECRET[:4] in shown for shown in (alert.headline, alert.details, alert.repeat_key, line))


def test_secret_of_several_lines_is_not_shown_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "\n".join(["BEGIN KEY", *(f"line {number} of the key" for number in range(30)), "END KEY"])
    monkeypatch.setenv("CLIENT_PRIVATE_KEY", key)
    alert = report_failure(fail(f"ValueError: no use for\n{key}"))
    assert (alert.headline, alert.details) == ("ValueError: no use for", "ValueError: no use for\n***")


def test_error_without_a_message_has_its_name() -> None:
    assert report_failure(fail(caught(KeyError()))).headline == "KeyError"


def test_killed_task_says_that_it_was_killed() -> None:
    alert = report_failure(fail(None, map_index=3))
    assert alert.headline == KILLED
    assert alert.label == "#3"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout after 31 s", "timeout after 4 s"),
        ("<object at 0x7f3a>", "<object at 0x10c1>"),
        ("run 123e4567-e89b-12d3-a456-426614174000", "run 00000000-e89b-12d3-a456-426614174fff"),
    ],
)
def test_same_error_is_recognised_though_its_numbers_differ(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


def test_cause_is_the_same_though_numbers_differ(warehouse_url: str) -> None:
    for number, seconds in ((1, 31), (2, 4)):
        alert = report_failure(fail(caught(TimeoutError(f"timeout after {seconds} s")), try_number=number))
        assert bool(record(warehouse_url, alert, ["mail"], timedelta(hours=1))) == (number == 1)


def test_other_try_is_another_event_of_the_same_cause() -> None:
    error = caught(ValueError("it broke"))
    first, second = (report_failure(fail(error, try_number=number)) for number in (1, 2))
    assert first.event_key != second.event_key
    assert first.repeat_key == second.repeat_key


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (1800, "30 min"), (7200, "2 h"), (7500, "2 h 5 min"), (90, "90 s")]
)
def test_duration_is_written_as_people_say_it(seconds: int, text: str) -> None:
    assert write_duration(timedelta(seconds=seconds)) == text


def test_lateness_says_since_when() -> None:
    queued = datetime(2026, 11, 20, 12, tzinfo=UTC)
    alert = report_lateness("training", "run-1", "deadline-1", queued, queued + timedelta(minutes=30), PAGE)
    assert alert.headline == "Still running after its deadline of 30 min."
    assert alert.state == "is late"
