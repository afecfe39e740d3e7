"""Starting and stopping a small stack of real programs."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest

from include.embedded import __main__ as launcher
from include.embedded import lifecycle
from include.embedded.errors import StackError
from include.embedded.lifecycle import find_other, find_running, reset, start, stop
from include.embedded.programs import supervision
from include.embedded.programs.health import find_problem
from include.embedded.programs.postgres import CONFIGURATION, create_database
from include.embedded.programs.supervision import connect, program_states
from include.embedded.settings import read_settings_of_problem
from include.embedded.stack import Stack
from include.settings import ROOT
from tests.embedded.conftest import SMALL
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def processes_of(stack: Stack) -> list[psutil.Process]:
    supervisor = psutil.Process(connect(stack).getPID())
    return [supervisor, *supervisor.children(recursive=True)]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    # A killed child of this process stays in the table until it is asked about; it does nothing more.
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("name", SMALL)
def test_program_comes_back_when_it_is_killed(small_stack: Stack, name: str) -> None:
    before = program_states(small_stack)[name]["pid"]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: program_states(small_stack)[name]["pid"] not in (0, before), "it was started again")
    wait_until(lambda: find_problem(small_stack, name) is None, "it answers")


def test_second_start_finds_everything_running(small_stack: Stack) -> None:
    before = {process.pid for process in processes_of(small_stack)}
    assert start(small_stack.home, SMALL).ports == small_stack.ports
    programs = {entry["pid"] for entry in program_states(small_stack).values()}
    assert programs <= before


def test_a_stack_of_another_problem_is_found_by_its_warehouse(
    small_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_other(small_stack.home) is None
    monkeypatch.setenv("PROBLEM", "rents")
    other = find_other(small_stack.home)
    assert other
    assert other.settings.warehouse_database == "warehouse"
    assert read_settings_of_problem().warehouse_database == "warehouse_rents"


def test_two_stacks_run_side_by_side(small_stack: Stack, open_home: Path) -> None:
    other = start(open_home, SMALL)
    assert all(other.ports[name] != small_stack.ports[name] for name in ("postgres", "smtp", "supervisor"))
    stop(open_home)
    assert find_problem(small_stack, "postgres") is None


def test_no_process_is_left_after_stop(open_home: Path) -> None:
    processes = processes_of(start(open_home, SMALL))
    assert stop(open_home) == 0
    assert not alive(processes)
    assert find_running(open_home) is None


def test_no_process_is_left_after_stop_when_the_supervisor_was_killed(open_home: Path) -> None:
    processes = processes_of(start(open_home, SMALL))
    processes[0].kill()
    assert stop(open_home) >= len(SMALL)
    assert not alive(processes)


def test_data_is_there_again_when_the_supervisor_was_killed(open_home: Path) -> None:
    stack = start(open_home, SMALL)
    with psycopg.connect(stack.warehouse_url) as connection:
        connection.execute("INSERT INTO raw.zones (zone_id, name) VALUES (1, 'Newark Airport')")
    processes_of(stack)[0].kill()
    stack = start(open_home, SMALL)
    with psycopg.connect(stack.warehouse_url) as connection:
        assert connection.execute("SELECT name FROM raw.zones").fetchall() == [("Newark Airport",)]


def test_process_in_a_directory_of_the_stack_is_ended_whatever_its_environment_says(open_home: Path) -> None:
    start(open_home, SMALL)
    lost = psutil.Popen(
        ["sleep", "600"], cwd=open_home / "run" / "mail", env={}, start_new_session=True, stdin=-3, stdout=-3
    )
    assert stop(open_home) == 1
    assert lost.wait(10) != 0


def test_stack_runs_in_a_home_with_an_awkward_name_that_others_cannot_enter(closed_home: Path) -> None:
    stack = start(closed_home, SMALL)
    assert find_problem(stack, "postgres") is None
    assert stop(closed_home) == 0


def test_files_with_secrets_are_their_owners_alone(small_stack: Stack) -> None:
    names = ("secrets.env", "settings.env", "programs.json", "stack.json", "supervisord.conf", "airflow", "logs")
    modes = {name: (small_stack.home / name) for name in names if (small_stack.home / name).exists()}
    assert {name for name, path in modes.items() if stat.S_IMODE(path.stat().st_mode) & 0o077} == set()


def test_no_secret_is_on_a_command_line(small_stack: Stack) -> None:
    lines = " ".join(" ".join(process.cmdline()) for process in processes_of(small_stack))
    secrets = (small_stack.home / "secrets.env").read_text().splitlines()[1:]
    assert not [line for line in secrets if line.partition("=")[2] in lines]


def test_server_named_in_warehouse_url_is_used_instead_of_an_own_one(
    small_stack: Stack, open_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("AIRFLOW", "MLFLOW", "WAREHOUSE"):
        monkeypatch.setenv(f"{kind}_DATABASE", f"other_{kind.lower()}")
    monkeypatch.setenv("WAREHOUSE_URL", small_stack.admin_url)
    stack = start(open_home, SMALL)
    assert list(program_states(stack)) == ["mail"]
    with psycopg.connect(stack.warehouse_url) as connection:
        assert connection.info.dbname == "other_warehouse"
        assert connection.execute("SELECT count(*) FROM training.sets").fetchone() == (0,)
    # They outlive the stack, with those of other problems.
    monkeypatch.setenv("PROBLEM", "rents")
    rents = read_settings_of_problem().warehouse_database
    create_database(small_stack.admin_url, rents)
    monkeypatch.setattr(launcher, "HOME", open_home)
    assert launcher.remove() == 0
    said = capsys.readouterr().out
    assert f"the databases other_airflow, other_mlflow, other_warehouse, {rents}. A new stack" in said
    with psycopg.connect(small_stack.admin_url, autocommit=True) as connection:
        for statement in re.findall(r'DROP DATABASE "\w+";', said):
            connection.execute(statement)
        names = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
    assert not {name for name in names if name.startswith("other_")}


def test_error_names_the_program_and_ends_with_its_log_when_it_does_not_come_up(
    open_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONFIGURATION, "shared_buffers", "no")
    with pytest.raises(StackError, match=r'(?s)postgres did not come up.*invalid value for parameter "shared_buffers"'):
        start(open_home, SMALL)


def test_setting_that_cannot_be_used_is_named(open_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_PORT", "eighty")
    with pytest.raises(StackError, match="AIRFLOW_PORT"):
        start(open_home, SMALL)


def test_reset_removes_every_file(open_home: Path) -> None:
    start(open_home, SMALL)
    reset(open_home)
    assert not open_home.exists()


def test_stack_whose_ports_are_unknown_can_be_stopped_and_deleted(open_home: Path) -> None:
    processes = processes_of(start(open_home, SMALL))
    (open_home / "ports.json").write_text("")
    assert stop(open_home) >= len(SMALL)
    assert not alive(processes)
    reset(open_home)
    assert not open_home.exists()


def test_reset_leaves_what_no_stack_has_written(open_home: Path) -> None:
    start(open_home, SMALL)
    (open_home / "models-of-mine").mkdir()
    (open_home / ".stack.json.12345").touch()
    assert reset(open_home) == [open_home / "models-of-mine"]
    assert [path.name for path in open_home.iterdir()] == ["models-of-mine"]
    with pytest.raises(StackError, match="holds no stack but other files, such as models-of-mine"):
        reset(open_home)
    (open_home / "models-of-mine").rmdir()


def test_directory_with_other_files_is_not_made_a_stack(open_home: Path) -> None:
    open_home.mkdir()
    (open_home / "thesis.txt").touch()
    for command in (start, reset):
        with pytest.raises(StackError, match="such as thesis.txt: set MLTRAIN_HOME to an empty directory"):
            command(open_home)
    assert [path.name for path in open_home.iterdir()] == ["thesis.txt"]
    (open_home / "thesis.txt").unlink()


@pytest.mark.parametrize("answer", [b"220 mail ESMTP\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"", None])
def test_other_program_on_the_supervisors_port_is_no_stack(
    small_stack: Stack, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    monkeypatch.setattr(supervision, "SECONDS_TO_ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def respond() -> None:
            connections = []
            with suppress(OSError):
                while True:
                    connections.append(server.accept()[0])
                    if answer is not None:
                        connections[-1].sendall(answer)
                        connections[-1].shutdown(socket.SHUT_WR)

        threading.Thread(target=respond, daemon=True).start()
        ports = {**small_stack.ports, "supervisor": server.getsockname()[1]}
        assert not supervision.is_alive(replace(small_stack, ports=ports))


def test_checkout_in_a_directory_with_an_awkward_name_starts_programs(tmp_path: Path) -> None:
    checkout = tmp_path / 'a Größe\'s 50% #1 $5 "x"'
    shutil.copytree(ROOT / "include", checkout / "include", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".env", checkout)
    script = (
        "from include.embedded.lifecycle import reset, start\n"
        "from include.settings import HOME\n"
        "try: print(*start(HOME, ('postgres', 'mail')).ports)\n"
        "finally: reset(HOME)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("MLTRAIN_HOME", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "postgres is up\nmail is up\n" in done.stdout
    assert not (checkout / ".local").exists()


def test_program_that_is_not_up_in_time_is_named_with_the_ways_to_wait_on(
    open_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "find_problem", lambda stack, name: "it does not answer")
    monkeypatch.setenv("START_TIMEOUT", "3")
    with pytest.raises(StackError, match=r"postgres is not up yet \(RUNNING; it does not answer\)") as raised:
        start(open_home, SMALL)
    assert "run the same command again" in str(raised.value)
    assert "make run START_TIMEOUT=9" in str(raised.value)
    monkeypatch.undo()
    # The program goes on, and both ways lead out; those that are slow to come up are waited for.
    said: list[str] = []
    seen: set[str] = set()

    def come_up_late(stack: Stack, name: str) -> str | None:
        if name in seen:
            return find_problem(stack, name)
        seen.add(name)
        return "it does not answer"

    monkeypatch.setattr(lifecycle, "find_problem", come_up_late)
    monkeypatch.setenv("START_TIMEOUT", "100")
    assert find_problem(start(open_home, SMALL, said.append), "mail") is None
    assert said == ["postgres is up", "mail is up"]
    assert start(open_home, SMALL, said.append) and len(said) == 2
