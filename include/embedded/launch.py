"""`python -m include.embedded.launch <home> <program>`: becomes one program of the stack.

Between the supervisor and the program for three reasons: processes that outlived a killed program would hold its
port or work on beside its successor, so they end first; environments with secrets stay out of the supervisor's
configuration; and Postgres needs another account than root.
"""

import os
import pwd
import sys
from pathlib import Path

from include.embedded.processes import end_processes, find_processes
from include.embedded.programs import load_programs


def launch(home: Path, name: str) -> None:
    """Ends what is left of the program's former run, then replaces this process by the program."""
    program = load_programs(home)[name]
    left = end_processes(find_processes([program.directory]))
    if left:
        print(f"{name}: ended {left} processes of a former run", flush=True)
    for path in program.stale_files:
        path.unlink(missing_ok=True)
    os.chdir(program.directory)
    if program.account:
        entry = pwd.getpwnam(program.account)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    os.execve(program.command[0], program.command, program.environment)


if __name__ == "__main__":
    launch(Path(sys.argv[1]), sys.argv[2])
