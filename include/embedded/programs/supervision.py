"""The supervisor (PyPI `supervisor`): its configuration, how it is started and spoken to."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Error, ServerProxy, Transport

from include.embedded.credentials import write_private
from include.embedded.environment import base_environment
from include.embedded.errors import StackError
from include.embedded.programs.ports import HOST
from include.embedded.programs.table import Program
from include.embedded.stack import Stack

USER = "mltrain"
LOG_BYTES, LOG_BACKUPS = 10_000_000, 2
# Another program may have the port by now, and speak another language there, or say nothing.
NOT_ALIVE = (OSError, Error, HTTPException, ExpatError)
# The supervisor answers in milliseconds; much longer on a machine where everything starts at once.
SECONDS_TO_ANSWER = 30.0


def log_path(home: Path, name: str) -> Path:
    """Where the output of a program is kept."""
    return home / "logs" / f"{name}.log"


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log; empty when there is none."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class _Patient(Transport):
    """Gives up a peer that says nothing."""

    def make_connection(self, host: Any) -> HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = SECONDS_TO_ANSWER
        return connection


def connect(stack: Stack) -> Any:
    """The supervisor of a stack as an object whose methods are its remote procedures."""
    address = f"http://{USER}:{stack.credentials.supervisor_password}@{HOST}:{stack.ports['supervisor']}/RPC2"
    return ServerProxy(address, transport=_Patient(), allow_none=True).supervisor


def identify(home: Path) -> str:
    """What the supervisor of the stack in `home` answers when it is asked who it is."""
    return hashlib.sha256(bytes(home)).hexdigest()


def is_alive(stack: Stack) -> bool:
    """Whether this stack's own supervisor answers, and not another one that has its port."""
    if "supervisor" not in stack.ports:
        return False
    try:
        return connect(stack).getIdentification() == identify(stack.home)
    except NOT_ALIVE:
        return False


def program_states(stack: Stack) -> dict[str, dict[str, Any]]:
    """Program -> what the supervisor knows of it: `statename`, `pid`, `description`; empty when it is not there."""
    if not is_alive(stack):
        return {}
    return {entry["name"]: entry for entry in connect(stack).getAllProcessInfo()}


def start_supervisor(stack: Stack, programs: Iterable[Program]) -> None:
    """Starts the supervisor in a session of its own, with every program known and none running.

    Raises:
        StackError: It did not come up.
    """
    configuration = write_configuration(stack, programs)
    command = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", configuration.name]
    log = log_path(stack.home, "supervisor-start")
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            start_new_session=True,
            cwd=stack.home,
            env=base_environment(stack),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + stack.settings.start_timeout
    while not is_alive(stack):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackError(f"The supervisor did not come up; the end of {log}:\n{tail(log)}")
        time.sleep(0.05)


def write_configuration(stack: Stack, programs: Iterable[Program]) -> Path:
    """Writes the supervisor's configuration, readable by its owner alone.

    No path of the machine is in it, since its syntax cannot quote every path: those in it are relative to the stack's
    directory, and `python` is the first on the search path that the supervisor inherits.
    """
    sections: dict[str, dict[str, Any]] = {
        "supervisord": {
            "logfile": "logs/supervisord.log",
            "logfile_maxbytes": LOG_BYTES,
            "logfile_backups": LOG_BACKUPS,
            "pidfile": "run/supervisord.pid",
            "identifier": identify(stack.home),
            # The log has it all; what is printed are errors before there is one.
            "silent": "true",
            **({"user": "root"} if os.geteuid() == 0 else {}),
        },
        # Over TCP: a socket's path may be 107 bytes long, a project's directory longer.
        "inet_http_server": {
            "port": f"{HOST}:{stack.ports['supervisor']}",
            "username": USER,
            "password": stack.credentials.supervisor_password,
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    sections |= {f"program:{program.name}": _program_section(program) for program in programs}
    lines = []
    for section, options in sections.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in options.items()), ""]
    path = stack.home / "supervisord.conf"
    write_private(path, "\n".join(lines))
    return path


def _program_section(program: Program) -> dict[str, Any]:
    return {
        "command": f"python -m include.embedded.programs.launch {program.name}",
        "autostart": "false",
        "autorestart": "true",
        # Each retry waits a second longer than the one before: about a day and a half in all.
        "startretries": 500,
        "startsecs": 1,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_seconds,
        "stopasgroup": str(program.stop_group).lower(),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"logs/{program.name}.log",
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": LOG_BACKUPS,
    }
