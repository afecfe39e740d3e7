"""How a person calls a command: by `make`, where arguments are variables and a home of one's own is named each time."""

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from include.settings import HOME, ROOT

DEFAULT_HOME = (ROOT / ".local").resolve()


def name_command(words: str, home: Path = HOME) -> str:
    """What to type for a command on the stack in `home`: `make up`, with `MLTRAIN_HOME` where that is needed."""
    return f"make {words}" if home == DEFAULT_HOME else f"MLTRAIN_HOME={shlex.quote(str(home))} make {words}"


def add_command(commands: Any, name: str, function: Any, target: str | None) -> argparse.ArgumentParser:
    """Adds a command that calls `function`, and that `make` knows as `target`, to those of a parser."""
    # `make` keeps -h for itself.
    by_make = {"prog": f"make {target}", "add_help": False} if target and _is_called_by_make() else {}
    command: argparse.ArgumentParser = commands.add_parser(name, help=function.__doc__.splitlines()[0], **by_make)
    command.set_defaults(function=function)
    return command


def add_variable(command: argparse.ArgumentParser, name: str, variable: str, **options: Any) -> None:
    """Adds an argument, which is called as `make` has it where `make` was called: `TO=<directory>`."""
    if _is_called_by_make():
        options["metavar"] = variable
    command.add_argument(name, **options)


def _is_called_by_make() -> bool:
    # The Makefile hands this on even where it was given nothing.
    return "MLTRAIN_GIVEN" in os.environ
