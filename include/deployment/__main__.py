"""`python -m include.deployment check|backup|restore|secrets`: what is done around a deployment."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from include.deployment.errors import DeploymentError
from include.embedded.errors import StackError
from include.embedded.usage import add_command, add_variable, name_command
from include.errors import MltrainError
from include.settings import HOME, ROOT

CONSOLE = Console(highlight=False, soft_wrap=True)
# Command -> what the Makefile calls it.
TARGETS = {"check": "deploy-check", "backup": "backup", "restore": "restore"}


def check(target: str) -> int:
    """Prints what the first deployment needs and what is missing."""
    from include.deployment.checklist import render, review

    findings = review(ROOT, target)
    CONSOLE.print(render(findings))
    missing = sum(finding.problem is not None for finding in findings)
    asked = sum(not finding.confirmed for finding in findings)
    CONSOLE.print(f"{missing} of {len(findings) - asked} are missing; {asked} more are yours to confirm (?).")
    return 1 if missing else 0


def backup(to: Path) -> int:
    """Saves databases, artifacts and the encryption key to a new directory."""
    from include.deployment.backup import save
    from include.deployment.places import find_places

    places = find_places(HOME)
    for name, size in save(places, to.resolve()).items():
        CONSOLE.print(f"{size / 1e6:10.1f} MB  {to / name}")
    if places.left_out:
        CONSOLE.print("[yellow]Warning[/]: ", end="")
        CONSOLE.print(
            f"not saved, as they are of no problem of the running stack: the databases {', '.join(places.left_out)}. To"
            " save one, put the folder of its problem back into include/problems, or start the stack with its"
            " WAREHOUSE_DATABASE; then make another backup.",
            markup=False,
        )
    CONSOLE.print("Keep it where only you can read it: it contains the encryption key and all data.")
    return 0


def restore(source: Path) -> int:
    """Creates an embedded stack from a backup; with addresses in the environment, fills those databases."""
    from include.deployment.backup import load
    from include.deployment.places import read_environment, restore_embedded, speaks_of_databases

    if speaks_of_databases():
        if os.environ.get("DATABASE_ADMIN_ADDRESS"):
            from include.team.migrate import create_databases

            create_databases()
        load(source.resolve(), read_environment())
        CONSOLE.print("The databases contain the backup.")
        return 0
    restore_embedded(source.resolve(), HOME, lambda text: CONSOLE.print(text))
    CONSOLE.print(f"{HOME} contains the backup. Start it with `{name_command('up')}`.", markup=False)
    return 0


def secrets(prefix: str, database_host: str, broker_host: str) -> int:
    """Fills the secrets that Terraform left empty, and lists those that a person has to fill."""
    import boto3

    from include.deployment.secret_values import GIVEN, fill, make_values

    values = make_values(database_host, broker_host, f"http://api-server.{prefix}.internal:8080")
    filled, empty = fill(boto3.client("secretsmanager"), prefix, values)
    CONSOLE.print(f"Filled: {', '.join(filled) or 'nothing, all of them had a value'}")
    for name in empty:
        CONSOLE.print(f"Empty: {prefix}/{name}: {GIVEN[name]}")
    return 1 if empty else 0


def read_arguments() -> dict[str, Any]:
    """The command's function and its arguments."""
    parser = argparse.ArgumentParser(prog="python -m include.deployment", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for function in (check, backup, restore, secrets):
        command = add_command(commands, function.__name__, function, TARGETS.get(function.__name__))
        if function is check:
            add_variable(command, "target", "TARGET=<platform>", nargs="?", choices=("ecs", "helm"), default="ecs")
        if function is backup:
            add_variable(command, "to", "TO=<directory>", type=Path)
        if function is restore:
            add_variable(command, "source", "FROM=<directory>", type=Path)
        if function is secrets:
            command.add_argument("prefix", help="such as mltrain-staging")
            command.add_argument("--database-host", required=True)
            command.add_argument("--broker-host", required=True)
    return vars(parser.parse_args())


def main() -> int:
    """Runs one command; errors that a person can act on are printed without a traceback."""
    arguments = read_arguments()
    try:
        return arguments.pop("function")(**arguments)
    except (DeploymentError, StackError, MltrainError, OSError, psycopg.Error) as error:
        CONSOLE.print(f"[red]{type(error).__name__}[/]: ", end="")
        CONSOLE.print(str(error), markup=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
