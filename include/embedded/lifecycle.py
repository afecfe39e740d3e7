"""Starting and stopping a stack: in which order, what is waited for, and what is left behind (nothing)."""

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from xmlrpc.client import Fault

import psutil

from include.embedded.credentials import write_private
from include.embedded.databases import create_databases, migrate_databases
from include.embedded.errors import StackError
from include.embedded.places import MADE_AT_START, RESTORING, check_home, find_foreign, find_written
from include.embedded.programs import postgres
from include.embedded.programs.health import find_problem
from include.embedded.programs.patience import Patience
from include.embedded.programs.ports import hold_ports, load_ports
from include.embedded.programs.processes import end_processes, find_processes
from include.embedded.programs.supervision import connect, is_alive, log_path, program_states, start_supervisor, tail
from include.embedded.programs.table import AIRFLOW_PROGRAMS, PROGRAMS, load_programs, make_programs, save_programs
from include.embedded.settings import StackSettings, read_settings_of_problem
from include.embedded.stack import Stack, open_stack, wanted_ports
from include.embedded.usage import name_command

PUBLIC, PRIVATE = 0o755, 0o700
# Postgres runs as another user under root and passes through the home; everything else is its owner's alone.
DIRECTORIES = {"": PUBLIC} | dict.fromkeys(MADE_AT_START, PRIVATE)
STARTS_TO_ALLOW = 2
SECONDS_TO_STOP = 45.0
SECONDS_BETWEEN_WORDS = 30.0
# Between two looks at what each program has done, which read all processes of the machine: on two cores that all
# programs need to start, more often is felt.
SECONDS_BETWEEN_LOOKS = 2.0
ENDED = ("STOPPED", "EXITED", "FATAL")
Say = Callable[[str], None]


def check_restored(home: Path) -> None:
    """Checks that a stack is whole.

    Raises:
        StackError: The restore that creates it runs or was cut off.
    """
    if (home / RESTORING).exists():
        raise StackError(
            f"{home} holds a part of a backup: its restore runs, or was cut off. If none runs, delete the part with"
            f" `{name_command('reset', home)}`, then restore again."
        )


def start(home: Path, names: tuple[str, ...] = PROGRAMS, say: Say = print, *, with_databases: bool = True) -> Stack:
    """Starts those of the programs `names` that are not running, and waits until each does its work.

    Args:
        with_databases: Whether databases are created and brought up to date.

    Returns:
        The stack, running.

    Raises:
        StackError: A program did not come up; the message names it and ends with its last log lines. Or there are
            files of somebody else in `home`.
    """
    check_home(home)
    settings = read_settings_of_problem()
    for name, mode in DIRECTORIES.items():
        (home / name).mkdir(mode=mode, parents=True, exist_ok=True)
    with _one_at_a_time(home), ExitStack() as held:
        stack = find_running(home)
        if stack:
            if stack.settings.model_copy(update={"start_timeout": settings.start_timeout}) != settings:
                down = name_command("down", home)
                say(f"Changes to the stack's own settings take effect after `{down}` and another start.")
            states = program_states(stack)
            missing = [name for name in load_programs(home) if states[name]["statename"] not in ("RUNNING", "STARTING")]
            if not missing:
                # An earlier start may have given up waiting for what comes up still.
                _wait(stack, [name for name in load_programs(home) if find_problem(stack, name)], settings, say)
                return stack
        else:
            end_processes(_processes(home))
            ports = held.enter_context(hold_ports(home, wanted_ports(settings)))
            stack = open_stack(home, settings, ports)
            _prepare(stack, names)
        _start_programs(stack, settings, say, with_databases=with_databases)
    return stack


def find_other(home: Path) -> Stack | None:
    """The running stack in `home` if its warehouse is that of another problem than the chosen one."""
    stack = find_running(home)
    wanted = read_settings_of_problem().warehouse_database
    return stack if stack and stack.settings.warehouse_database != wanted else None


def find_running(home: Path) -> Stack | None:
    """The stack in `home` if its supervisor runs, with the settings that it was started with."""
    stack = find_started(home)
    return stack if stack and is_alive(stack) else None


def need_running(home: Path) -> Stack:
    """As `find_running`.

    Raises:
        StackError: The stack is not running.
    """
    stack = find_running(home)
    if not stack:
        raise StackError(f"The stack is not running. Start it with `{name_command('up')}`.")
    return stack


def find_started(home: Path) -> Stack | None:
    """The stack in `home` as it was started last, whether it runs or not."""
    path = home / "stack.json"
    ports = load_ports(home)
    if not path.exists() or not ports:
        return None
    return open_stack(home, StackSettings(**json.loads(path.read_text(encoding="utf-8"))), ports)


def stop(home: Path) -> int:
    """Stops the stack in `home`, whatever state it is in.

    Returns:
        How many processes had to be ended because their supervisor was gone or they outlived it.
    """
    stack = find_running(home)
    if stack:
        names = list(load_programs(home))
        # The database last: the others leave it in order.
        for group in ([name for name in names if name != "postgres"], ["postgres"]):
            _stop(stack, [name for name in names if name in group])
        supervisor = connect(stack)
        process = psutil.Process(supervisor.getPID())
        supervisor.shutdown()
        psutil.wait_procs([process], timeout=SECONDS_TO_STOP)
    return end_processes(_processes(home))


def reset(home: Path) -> list[Path]:
    """Stops the stack in `home` and deletes everything that it wrote.

    Returns:
        What is in `home` still, as it is somebody else's.

    Raises:
        StackError: There is no stack in `home`, but files of somebody else.
    """
    check_home(home)
    stop(home)
    foreign = find_foreign(home)
    for path in (*find_written(home), postgres.shared_directory(home)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if home.exists() and not foreign:
        home.rmdir()
    return foreign


def _prepare(stack: Stack, names: tuple[str, ...]) -> None:
    programs = make_programs(stack, names)
    for program in programs:
        if program.name == "postgres":
            postgres.initialise(stack.server, stack.credentials.postgres_password)
            postgres.configure(stack.server, stack.ports["postgres"])
        else:
            program.directory.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    passwords = {stack.settings.admin_user: stack.credentials.admin_password}
    write_private(stack.passwords_file, json.dumps(passwords))
    settings = stack.settings.model_dump(mode="json")
    if stack.settings.warehouse_url:
        settings["warehouse_url"] = stack.settings.warehouse_url.get_secret_value()
    write_private(stack.home / "stack.json", json.dumps(settings))
    save_programs(stack.home, programs)
    start_supervisor(stack, programs)


def _start_programs(stack: Stack, settings: StackSettings, say: Say, *, with_databases: bool) -> None:
    names = list(load_programs(stack.home))
    first = [name for name in names if name in ("postgres", "mail")]
    _start(stack, first)
    _wait(stack, [name for name in first if name == "postgres"], settings, say)
    airflow = [name for name in names if name in AIRFLOW_PROGRAMS]
    if with_databases and ("postgres" in names or stack.settings.warehouse_url):
        create_databases(stack)
        # MLflow's server brings its own database up to date before it listens.
        _start(stack, [name for name in names if name == "mlflow"])
        migrate_databases(stack, with_airflow=bool(airflow))
    _start(stack, [*airflow, *(name for name in names if name == "serving")])
    _wait(stack, [name for name in names if name != "postgres"], settings, say)


def _start(stack: Stack, names: list[str]) -> None:
    states = program_states(stack)
    supervisor = connect(stack)
    for name in names:
        if states[name]["statename"] not in ("RUNNING", "STARTING", "BACKOFF"):
            supervisor.startProcess(name, False)


def _wait(stack: Stack, names: list[str], settings: StackSettings, say: Say) -> None:
    """Waits until every program does its work; one that ends again and again, or is seen to do nothing, is an error."""
    waiting = dict.fromkeys(names, "not checked yet")
    processes: dict[str, set[int]] = {name: set() for name in names}
    patience = {name: Patience(settings.start_timeout) for name in names}
    told = looked = time.monotonic()
    while waiting:
        for name in list(waiting):
            problem = find_problem(stack, name)
            if problem is None:
                del waiting[name]
                say(f"{name} is up")
            else:
                waiting[name] = problem
        states = program_states(stack)
        looks = time.monotonic() > looked + SECONDS_BETWEEN_LOOKS
        for name, problem in waiting.items():
            entry, log = states.get(name, {}), log_path(stack.home, name)
            state, process = entry.get("statename", "gone"), entry.get("pid", 0)
            processes[name].add(process)
            if state in ("FATAL", "BACKOFF", "gone") or len(processes[name]) > STARTS_TO_ALLOW:
                raise StackError(f"{name} did not come up ({state}; {problem}). The end of {log}:\n{tail(log)}")
            if looks and not patience[name].look(process, log):
                longer = name_command(f"run START_TIMEOUT={3 * settings.start_timeout:g}", stack.home)
                raise StackError(
                    f"{name} is not up yet ({state}; {problem}) and has shown no activity for START_TIMEOUT"
                    f" ({settings.start_timeout:g} s). It keeps starting, as do the others: run the same command again,"
                    f" or allow more time, as in `{longer}`."
                    f" The end of {log}:\n{tail(log)}"
                )
        if looks:
            looked = time.monotonic()
        if waiting and time.monotonic() > told + SECONDS_BETWEEN_WORDS:
            told = time.monotonic()
            say(f"still starting: {', '.join(waiting)}")
        time.sleep(0.3)


def _stop(stack: Stack, names: list[str]) -> None:
    """Stops programs side by side, and waits until they have ended; the supervisor kills those that do not."""
    supervisor = connect(stack)
    for name in names:
        # It was not running.
        with suppress(Fault):
            supervisor.stopProcess(name, False)
    deadline = time.monotonic() + SECONDS_TO_STOP
    while time.monotonic() < deadline:
        states = program_states(stack)
        if all(states[name]["statename"] in ENDED for name in names if name in states):
            return
        time.sleep(0.1)


def _processes(home: Path) -> list[psutil.Process]:
    directories = [home / "run", *(program.directory for program in load_programs(home).values())]
    return find_processes(directories, home)


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    with (home / "run" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
