"""`python -m include.embedded.programs.launch <program>`: becomes one program of the stack.

Between the supervisor and the program for three reasons: processes that outlived a killed program would hold its
port or work on beside its successor, so they end first; environments with secrets stay out of the supervisor's
configuration; and Postgres needs another account than root.
"""

import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from include.embedded.programs.processes import end_processes, find_processes
from include.embedded.programs.table import load_programs
from include.settings import HOME


def launch(home: Path, name: str) -> NoReturn:
    """Ends what is left of the program's previous run, then replaces this process by the program."""
    program = load_programs(home)[name]
    left = end_processes(find_processes([program.directory]))
    if left:
        print(f"{name}: ended {left} processes of a previous run", flush=True)
    for path in program.stale_files:
        path.unlink(missing_ok=True)
    os.chdir(program.directory)
    if program.account:
        entry = pwd.getpwnam(program.account)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    become(program.command, program.environment)


def become(command: Sequence[str], environment: dict[str, str]) -> NoReturn:
    """Replaces this process by another program, which keeps its process id, signals and terminal."""
    os.execvpe(command[0], list(command), environment)


if __name__ == "__main__":
    launch(HOME, sys.argv[1])
