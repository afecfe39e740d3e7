"""The programs of the stack: what each runs, where, with which environment, and how it is stopped."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from include.embedded.credentials import write_private
from include.embedded.environment import airflow_environment, base_environment, mlflow_environment, serving_environment
from include.embedded.programs.processes import MARKER
from include.embedded.stack import Stack
from include.tracking_server.routes import READER, WRITER

# In the order in which they start; Postgres stops last.
PROGRAMS = ("postgres", "mail", "mlflow", "api-server", "scheduler", "dag-processor", "triggerer", "serving")
AIRFLOW_PROGRAMS = ("api-server", "scheduler", "dag-processor", "triggerer")


@dataclass(frozen=True)
class Program:
    """One supervised process.

    Attributes:
        name: What `make logs PROGRAM=` calls it.
        command: Program and arguments, without secrets: every user of the machine can read them.
        directory: Its working directory, its alone, by which processes that outlived it are found.
        environment: Its whole environment.
        account: The system user that it runs as, none for the current one.
        stale_files: Lock files to remove once no process of a former run is left.
        stop_signal: What asks it to end.
        stop_group: Whether its children are signalled too, rather than ended by the program itself.
        stop_seconds: How long it may take before it is killed.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    environment: dict[str, str] = field(repr=False)
    account: str | None = None
    stale_files: tuple[Path, ...] = ()
    stop_signal: str = "TERM"
    stop_group: bool = True
    stop_seconds: int = 10


def save_programs(home: Path, programs: Iterable[Program]) -> Path:
    """Writes what the launcher needs to know of each program, readable by its owner alone."""
    path = home / "programs.json"
    write_private(path, json.dumps({program.name: asdict(program) for program in programs}, indent=2, default=str))
    return path


def load_programs(home: Path) -> dict[str, Program]:
    """The programs of the stack in `home` as last written, by name; none before its first start."""
    path = home / "programs.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: _program(entry) for name, entry in entries.items()}


def _program(entry: dict) -> Program:
    paths = {"directory": Path(entry["directory"]), "stale_files": tuple(map(Path, entry["stale_files"]))}
    return Program(**entry | paths | {"command": tuple(entry["command"])})


def make_programs(stack: Stack, names: tuple[str, ...] = PROGRAMS) -> list[Program]:
    """The programs of the stack among `names`, in the order in which they start."""
    wanted = [name for name in PROGRAMS if name in names]
    if stack.settings.warehouse_url:
        wanted = [name for name in wanted if name != "postgres"]
    makers = {
        "postgres": _postgres,
        "mail": _mail,
        "mlflow": _mlflow,
        "serving": _serving,
    }
    return [makers[name](stack) if name in makers else _airflow(stack, name) for name in wanted]


def _postgres(stack: Stack) -> Program:
    server = stack.server
    return Program(
        "postgres",
        (str(server.binaries / "postgres"), "-D", str(server.data)),
        server.data,
        # Another account's process: it is handed nothing that it does not need.
        {key: value for key, value in base_environment(stack).items() if key in ("PATH", "TZ", MARKER)},
        account=server.account,
        stale_files=(server.data / "postmaster.pid",),
        # "Fast": open connections are closed. The server ends its own children, in the right order.
        stop_signal="INT",
        stop_group=False,
        stop_seconds=30,
    )


def _mail(stack: Stack) -> Program:
    command = _python("include.embedded.programs.mail_sink", str(stack.ports["smtp"]), str(stack.mail_directory))
    return Program("mail", command, _run_directory(stack, "mail"), base_environment(stack))


def _mlflow(stack: Stack) -> Program:
    command = _python("include.tracking_server")
    return Program("mlflow", command, _run_directory(stack, "mlflow"), mlflow_environment(stack))


def _serving(stack: Stack) -> Program:
    command = _python("include.serving")
    return Program("serving", command, _run_directory(stack, "serving"), serving_environment(stack))


def _airflow(stack: Stack, name: str) -> Program:
    # Logs are read from the shared directory; the server for them would listen on every address.
    options = ("--skip-serve-logs",) if name in ("scheduler", "triggerer") else ()
    # Tasks are children of the scheduler; dashboards and callbacks only read.
    environment = airflow_environment(stack, WRITER if name == "scheduler" else READER)
    command = _python("include.embedded.programs.airflow", name, *options)
    return Program(name, command, _run_directory(stack, name), environment)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _run_directory(stack: Stack, name: str) -> Path:
    return stack.home / "run" / name
