"""`python -m include.embedded <command>`, see `COMMANDS`: what the Makefile calls."""

import argparse
import os
import shlex
import sys
import time
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from include.embedded.commands.drill import WAYS
from include.embedded.databases import list_kept
from include.embedded.environment import MAIL_SERVER
from include.embedded.errors import StackError
from include.embedded.isolation import TERMINAL, isolate
from include.embedded.lifecycle import check_restored, find_other, find_started, need_running, reset, start, stop
from include.embedded.overrides import show_override, write_overrides
from include.embedded.places import check_home, check_places, find_written
from include.embedded.programs.health import find_problem
from include.embedded.programs.launch import become
from include.embedded.programs.postgres import find_client, split_password
from include.embedded.programs.processes import MARKER
from include.embedded.programs.supervision import log_path, program_states
from include.embedded.programs.table import PROGRAMS, load_programs
from include.embedded.settings_check import check_settings, find_known
from include.embedded.stack import Stack
from include.embedded.usage import add_command, add_variable, name_command
from include.errors import MltrainError
from include.settings import HOME, ROOT, read_settings
from include.tracking_server.routes import READER
from include.version import VERSION

CONSOLE = Console(highlight=False)
# What the launcher takes from the environment, beside settings; the second by the Makefile: what `make` was given.
TOLD = ("MLTRAIN_HOME", "MLTRAIN_GIVEN", MAIL_SERVER)
REMOVED: list[str] = []


def up() -> int:
    """Starts what is not running yet and prints where everything is."""
    CONSOLE.print(addresses(_start()))
    return 0


def run() -> int:
    """Starts what is not running yet, runs the main job and prints its results."""
    from include.embedded.commands.follow import follow
    from include.embedded.commands.outcome import next_steps

    stack = _start()
    done = follow(stack, CONSOLE)
    CONSOLE.print(addresses(stack))
    if done:
        CONSOLE.print(next_steps(stack, read_settings()), soft_wrap=True)
    return 0 if done else 1


def rollback() -> int:
    """Makes the previous model the champion again."""
    from include.embedded.commands.follow import roll_back

    return 0 if roll_back(need_running(HOME), CONSOLE) else 1


def reproduce(version: int | None) -> int:
    """Builds a registered version again, from its sources on, and says whether every byte is the same."""
    from include.embedded.commands.notebook import connect_to_stack
    from include.training.rebuild import rebuild

    if version is None:
        CONSOLE.print("Say which version, by its number in MLflow: make reproduce VERSION=7.")
        return 2
    connection = connect_to_stack()
    settings = read_settings(mlflow_tracking_uri=connection.mlflow_uri)
    found = rebuild(connection.warehouse_url, settings, version)
    CONSOLE.print(found.describe(), markup=False, soft_wrap=True)
    return 0 if found.is_identical else 1


def fail(how: str) -> int:
    """Makes a task fail on purpose and prints the mail that arrives."""
    from include.embedded.commands.drill import fail as drill

    return 0 if drill(need_running(HOME), how, CONSOLE) else 1


def down() -> int:
    """Stops every program."""
    left = stop(HOME)
    CONSOLE.print("The stack is down." + (f" {left} leftover processes were ended." if left else ""))
    return 0


def status() -> int:
    """Prints each program's state; the exit code says whether all of them work."""
    stack = need_running(HOME)
    table = Table("program", "state", "process", "health", title=f"mltrain {VERSION}", title_justify="left")
    problems = []
    for name, entry in program_states(stack).items():
        problem = find_problem(stack, name)
        problems += [problem] if problem else []
        table.add_row(name, entry["statename"].lower(), entry["description"], problem or "healthy")
    CONSOLE.print(table, addresses(stack))
    return 1 if problems else 0


def logs(program: str | None) -> int:
    """Follows the logs of one program or of all programs, starting with their last lines."""
    names = [program] if program else [*PROGRAMS, "supervisord"]
    paths = [str(log_path(HOME, name)) for name in names if log_path(HOME, name).exists()]
    if not paths:
        CONSOLE.print(f"No log of {program or 'any program'} in {log_path(HOME, '*').parent}.")
        return 1
    return become(["tail", "-n", "50", "-F", *paths], dict(os.environ))


def psql(arguments: list[str]) -> int:
    """Opens `psql` on the warehouse."""
    stack = need_running(HOME)
    address, password = split_password(stack.warehouse_url)
    command = [find_client("psql", stack.warehouse_url), f"--dbname={address}", *arguments]
    return become(command, os.environ | password)


def airflow(arguments: str) -> int:
    """Runs Airflow's command line with the environment of the stack's scheduler."""
    need_running(HOME)
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise StackError(f"ARGS cannot be split into words ({error}): {arguments}") from None
    terminal = {name: os.environ[name] for name in TERMINAL if name in os.environ}
    environment = load_programs(HOME)["scheduler"].environment | terminal
    # A person's program: ending the stack does not end it.
    environment.pop(MARKER, None)
    return become([sys.executable, "-m", "airflow", *words], environment)


def notebook() -> int:
    """Opens docs/inference.ipynb in JupyterLab, connected to the stack."""
    from include.embedded.commands.notebook import open_notebook

    return open_notebook()


def remove() -> int:
    """Stops every program and deletes everything that the stack wrote, but for databases on a server of your own."""
    check_home(HOME)
    stack = find_started(HOME)
    kept = list_kept(stack) if stack else []
    is_there = bool(find_written(HOME))
    left = reset(HOME)
    deleted = f"Deleted the stack in {HOME} with all its data, models and secrets."
    CONSOLE.print(
        deleted if is_there else f"There is no stack in {HOME}: nothing to delete.", markup=False, soft_wrap=True
    )
    if stack and kept:
        server = urlsplit(stack.admin_url)
        CONSOLE.print(
            f"Left on {server.hostname}:{server.port or 5432}, the server of WAREHOUSE_URL: the databases"
            f" {', '.join(kept)}. A new stack with the same names would find models without files, and connections that"
            " its new key cannot read. Drop them first, in psql on that server: "
            + " ".join(f'DROP DATABASE "{name}";' for name in kept),
            markup=False,
            soft_wrap=True,
        )
    if left:
        CONSOLE.print(f"Left there, as no stack wrote it: {', '.join(path.name for path in left)}", markup=False)
    return 0


COMMANDS = {
    "up": up,
    "down": down,
    "status": status,
    "logs": logs,
    "psql": psql,
    "airflow": airflow,
    "notebook": notebook,
    "reset": remove,
    "run": run,
    "rollback": rollback,
    "reproduce": reproduce,
    "fail": fail,
}


def addresses(stack: Stack) -> Table:
    """Where everything is, and the login."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    postgres = urlsplit(stack.warehouse_url)
    rows = {
        "Airflow": stack.airflow_address,
        "Login": f"{stack.settings.admin_user} / {stack.credentials.admin_password}",
        "MLflow": stack.mlflow_address,
        "MLflow login": " / ".join(stack.mlflow_login(READER)),
        "Predictions": f"{stack.serving_address}/docs",
        "API key": stack.credentials.serving_api_key,
        "Warehouse": f"{postgres.hostname}:{postgres.port or 5432}{postgres.path}  {name_command('psql', stack.home)}",
        "Mail": str(stack.mail_directory),
        "Logs": str(log_path(stack.home, "*").parent),
    }
    for name, place in rows.items():
        table.add_row(name, place)
    return table


def _start() -> Stack:
    begun = time.monotonic()
    # Before anything is written or started: a running stack reads what is written at its next task.
    check_places((ROOT, HOME))
    check_home(HOME)
    check_restored(HOME)
    _, warnings = check_settings(os.environ, os.environ.get("MLTRAIN_GIVEN", "").split(), REMOVED)
    for warning in warnings:
        CONSOLE.print("[yellow]Warning[/]: ", end="")
        CONSOLE.print(warning, markup=False, soft_wrap=True)
    HOME.mkdir(parents=True, exist_ok=True)
    _leave_other_problem()
    overrides = write_overrides(HOME)
    if overrides:
        shown = ", ".join(f"{key}={show_override(key, value)}" for key, value in overrides.items())
        CONSOLE.print(f"Settings given to this command: {shown}", markup=False, soft_wrap=True)
    stack = start(HOME, say=lambda text: CONSOLE.print(f"{time.monotonic() - begun:5.1f} s  {text}", soft_wrap=True))
    CONSOLE.print(f"The stack is running ({time.monotonic() - begun:.1f} s).")
    return stack


def _leave_other_problem() -> None:
    """Stops a stack that serves another problem once its runs have ended, which would take up this one's settings."""
    from include.embedded.commands.follow import wait_for_end

    if other := find_other(HOME):
        CONSOLE.print("The running stack serves another problem. It stops, and starts again for this one.")
        wait_for_end(other, CONSOLE)
        stop(HOME)


def main() -> int:
    """Runs one command; errors that a person can act on are printed without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m include.embedded", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, function in COMMANDS.items():
        command = add_command(commands, name, function, target=name)
        if name == "logs":
            add_variable(command, "program", "PROGRAM=<program>", nargs="?", choices=[*PROGRAMS, "supervisord"])
        if name == "fail":
            add_variable(command, "how", "HOW=<way>", nargs="?", choices=WAYS, default=WAYS[0])
        if name == "reproduce":
            add_variable(command, "version", "VERSION=<number>", nargs="?", type=int, help="number of the version")
        if name == "airflow":
            command.add_argument("arguments", nargs="?", default="", help="arguments for Airflow, as one string")
        if name == "psql":
            command.add_argument("arguments", nargs="*", help="arguments for psql")
    arguments = vars(parser.parse_args())
    REMOVED.extend(isolate(os.environ, (*TOLD, *find_known(os.environ))))
    try:
        return arguments.pop("function")(**arguments)
    except (StackError, MltrainError) as error:
        CONSOLE.print(f"[red]{type(error).__name__}[/]: ", end="")
        CONSOLE.print(str(error), markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
