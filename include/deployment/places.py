"""Where the databases and artifacts of a stack are: the embedded one's by its home, any other's by its environment."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from include.deployment.backup import (
    AIRFLOW,
    MLFLOW,
    WAREHOUSE,
    Places,
    check,
    list_databases,
    load,
    name_of_warehouse,
    problem_of,
)
from include.deployment.errors import DeploymentError
from include.embedded.databases import create_databases, find_warehouses
from include.embedded.lifecycle import check_restored, find_running, reset, start, stop
from include.embedded.places import KEYS, RESTORING, check_home
from include.embedded.settings import name_warehouse, read_problem_name, read_stack_settings
from include.embedded.stack import Stack
from include.embedded.usage import name_command

# The variables that the programs are given; see docker-compose.yaml.
VARIABLES = {
    AIRFLOW: "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    WAREHOUSE: "WAREHOUSE_ADDRESS",
    MLFLOW: "MLFLOW_BACKEND_STORE_URI",
}
ARTIFACTS_VARIABLE = "MLFLOW_ARTIFACTS_DESTINATION"
# What a terminal that is closed sends, and what a machine that shuts down does.
ENDING = (signal.SIGHUP, signal.SIGTERM)


def find_places(home: Path, environment: Mapping[str, str] = os.environ) -> Places:
    """The places that the environment names, else those of the embedded stack in `home`.

    Raises:
        DeploymentError: Neither is there.
        StackError: The stack in `home` holds a part of a backup.
    """
    if speaks_of_databases(environment):
        return read_environment(environment)
    check_restored(home)
    stack = find_running(home)
    if not stack:
        raise DeploymentError(
            f"No stack runs in {home} (`{name_command('up', home)}`), and the environment does not set"
            f" {', '.join(VARIABLES.values())}"
        )
    return places_of(stack, *find_warehouses(stack))


def speaks_of_databases(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names all three databases."""
    return all(environment.get(variable) for variable in VARIABLES.values())


def places_of(stack: Stack, warehouses: Mapping[str, str], left_out: Sequence[str] = ()) -> Places:
    """The places of an embedded stack.

    Args:
        warehouses: Problem -> database.
        left_out: Databases of the server that are not among the places.
    """
    urls = {
        name_of_warehouse(problem): stack.with_warehouse(database).warehouse_url
        for problem, database in warehouses.items()
    }
    databases = {AIRFLOW: stack.airflow_url, **urls, MLFLOW: stack.mlflow_url}
    return Places(databases, stack.home / "mlflow" / "artifacts", stack.home / KEYS, tuple(left_out))


def read_environment(environment: Mapping[str, str] = os.environ) -> Places:
    """The places that programs of a team's stack or a cluster are given; a bucket of artifacts is not among them."""
    warehouse = name_of_warehouse(read_problem_name(environment))
    databases = {name: _plain(environment[variable]) for name, variable in VARIABLES.items()}
    databases = {AIRFLOW: databases[AIRFLOW], warehouse: databases[WAREHOUSE], MLFLOW: databases[MLFLOW]}
    artifacts = environment.get(ARTIFACTS_VARIABLE, "")
    return Places(databases, Path(artifacts) if artifacts and "://" not in artifacts else None)


def restore_embedded(source: Path, home: Path, say: Callable[[str], None]) -> None:
    """Creates an embedded stack in `home` from a backup; `make up` starts it.

    Raises:
        DeploymentError: The backup is damaged or not of an embedded stack, there is a stack in `home` already, or a
            database of the server is not empty. Nothing is left in `home`.
        StackError: There are other files in `home`, or a part of a backup, or the server cannot be used.
        SystemExit: It was asked to end. Nothing is left in `home`.
    """
    check(source)
    check_restored(home)
    if (home / KEYS).exists():
        raise DeploymentError(f"There is a stack in {home}: back it up, then `{name_command('reset', home)}`")
    if not (source / KEYS).exists():
        raise DeploymentError(
            f"{source} has no {KEYS}, so that it is of a team's stack: restore it where {', '.join(VARIABLES.values())}"
            " name the databases"
        )
    check_home(home)
    home.mkdir(parents=True, exist_ok=True)
    with _ending_as_errors_do():
        try:
            # Whoever is killed leaves it behind, and with it a stack that nobody takes for a whole one.
            (home / RESTORING).touch()
            _fill(source, home, say)
            stop(home)
        except BaseException:
            reset(home)
            raise
        (home / RESTORING).unlink()


def _fill(source: Path, home: Path, say: Callable[[str], None]) -> None:
    # Connections and variables in Airflow's database are readable with the former key alone.
    shutil.copy(source / KEYS, home / KEYS)
    # What the backup holds is brought up to date by the first start.
    stack = start(home, ("postgres",), say, with_databases=False)
    settings = read_stack_settings()
    problems = [problem_of(name) for name in list_databases(source) if name.startswith(WAREHOUSE)]
    warehouses = {problem: name_warehouse(settings, problem) for problem in problems}
    for database in warehouses.values():
        create_databases(stack.with_warehouse(database))
    load(source, places_of(stack, warehouses))


@contextmanager
def _ending_as_errors_do() -> Iterator[None]:
    """Turns the first signal that asks this process to end into an exception; what follows is left to finish."""

    def end(number: int, _frame: FrameType | None) -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    # `nohup` has one of them ignored.
    former = {each: signal.getsignal(each) for each in ENDING}
    for each in ENDING:
        if former[each] is not signal.SIG_IGN:
            signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def _plain(url: str) -> str:
    """SQLAlchemy's or Airflow's address as libpq reads it."""
    return "postgresql://" + url.split("://", 1)[1]
