"""Which errors are worth another try; by `evaluate`, which Airflow calls where a task has failed."""

import importlib
from collections.abc import Iterator

import adbc_driver_manager
import httpx
import psycopg
import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from include import errors
from include.orchestration.alerts import DEFAULT_ARGS, RETRY_DELAY, RETRY_POLICY

A_SERVER_WAS_AWAY = [
    errors.SourceUnavailable("the source does not answer"),
    errors.WarehouseUnavailable("the warehouse broke off"),
    errors.TrackingUnavailable("MLflow is away"),
    psycopg.OperationalError("as Airflow's own operators on the warehouse raise it"),
    psycopg.errors.SerializationFailure("two at once"),
    psycopg.errors.AdminShutdown("the server is restarted"),
    httpx.ConnectError("as the API server answers while it is restarted"),
    httpx.ReadTimeout("or while it has much to do"),
    errors.AirflowUnavailable("as it says that it has"),
    AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR)),
]
WAITING_WOULD_NOT_HELP = [
    errors.SettingsError("no such month"),
    errors.SourceInvalid("no such column"),
    errors.DataQualityError("too many rows refused"),
    errors.NoTrainingSet("not published any more"),
    errors.TrainingSetDamaged("a file is missing"),
    errors.ModelInvalid("a type that is not allowed"),
    psycopg.errors.NotNullViolation("a bug"),
    psycopg.errors.UndefinedTable("not migrated"),
    adbc_driver_manager.ProgrammingError("a bug", status_code=adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT),
    RuntimeError("not one trial could be fitted"),
    KeyError("a bug"),
    MemoryError(),
]


def name(error: BaseException) -> str:
    return type(error).__name__


def decide(error: BaseException) -> tuple[RetryAction, object]:
    decision = RETRY_POLICY.evaluate(error, try_number=1, max_tries=3)
    return decision.action, decision.retry_delay


@pytest.mark.parametrize("error", A_SERVER_WAS_AWAY, ids=name)
def test_task_is_retried_when_a_server_was_away(error: BaseException) -> None:
    assert decide(error) == (RetryAction.RETRY, RETRY_DELAY)


@pytest.mark.parametrize("error", WAITING_WOULD_NOT_HELP, ids=name)
def test_task_fails_at_once_when_waiting_would_not_help(error: BaseException) -> None:
    assert decide(error)[0] == RetryAction.FAIL


def test_task_is_retried_soon_when_its_input_was_replaced_meanwhile() -> None:
    action, delay = decide(errors.StaleInput("replaced"))
    assert action == RetryAction.RETRY
    assert delay < RETRY_DELAY  # type: ignore[operator]


def list_domain_errors() -> Iterator[type[errors.MltrainError]]:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.MltrainError) and value is not errors.MltrainError:
            yield value


@pytest.mark.parametrize("error", list_domain_errors(), ids=lambda error: error.__name__)
def test_error_whose_documentation_says_that_waiting_helps_is_retried_and_no_other(
    error: type[errors.MltrainError],
) -> None:
    helps = "can help" in (error.__doc__ or "") or "running it again" in (error.__doc__ or "")
    assert (decide(error("any"))[0] == RetryAction.RETRY) == helps


def test_errors_that_the_policy_holds_by_name_exist() -> None:
    # A name that did not would match nothing, without a word.
    for rule in RETRY_POLICY.rules:
        for spec in rule.exception if isinstance(rule.exception, list) else [rule.exception]:
            if isinstance(spec, str):
                module, _, attribute = spec.rpartition(".")
                assert issubclass(getattr(importlib.import_module(module), attribute), BaseException)


def test_killed_worker_which_raises_nothing_is_retried_too() -> None:
    assert DEFAULT_ARGS["retries"] >= 1
    assert DEFAULT_ARGS["retry_policy"] is RETRY_POLICY
