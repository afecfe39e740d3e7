"""Backup and restore: what one stack predicted, another one made of its backup predicts too."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from include.deployment.backup import Places, check, load, save
from include.deployment.errors import DeploymentError
from include.deployment.places import VARIABLES, find_places
from include.embedded.databases import create_databases
from include.embedded.environment import tracking_environment
from include.embedded.lifecycle import check_restored, reset, start, stop
from include.embedded.programs.postgres import create_database as make_database
from include.embedded.programs.processes import find_processes
from include.embedded.settings import STACK_KEYS
from include.embedded.stack import Stack
from include.settings import ROOT
from include.tracking.runs import open_tracker
from include.tracking_server.routes import WRITER
from tests.conftest import create_database
from tests.registered import BOOSTER, configure, register

PROGRAMS = ("postgres", "mlflow", "serving")
TRIP = {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98, "pickup_at": "2024-01-05T08:00:00"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Where stacks and backups are; every user can pass through it, as Postgres runs under another one for root."""
    path = Path(tempfile.mkdtemp(prefix="mltrain-backup-"))
    path.chmod(0o755)
    yield path
    for home in ("first", "second"):
        reset(path / home)
    shutil.rmtree(path)


def command(home: Path, *arguments: str, room: str = "deployment", **given: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in STACK_KEYS}
    environment |= {"MLTRAIN_HOME": str(home), "COLUMNS": "160"} | given
    done = [sys.executable, "-m", f"include.{room}", *arguments]
    return subprocess.run(done, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def predict(stack: Stack) -> tuple[float, int]:
    """Minutes, and the version of the model that said so."""
    key = {"X-API-Key": stack.credentials.serving_api_key}
    with httpx.Client(base_url=stack.serving_address, headers=key, timeout=30, trust_env=False) as client:
        assert client.post("/reload").raise_for_status()
        answer = client.post("/predict", json=TRIP).raise_for_status().json()
    return answer["predictions"][0], answer["model"]["version"]


@dataclass(frozen=True)
class Saved:
    """A backup of a stack that is gone, and what that stack predicted."""

    path: Path
    prediction: tuple[float, int]
    output: str
    fernet_key: str


@pytest.fixture(scope="module")
def saved(directory: Path) -> Saved:
    patch = pytest.MonkeyPatch()
    for key in STACK_KEYS:
        patch.delenv(key, raising=False)
    home = directory / "first"
    stack = start(home, PROGRAMS, say=lambda _: None)
    for key, value in tracking_environment(stack, WRITER).items():
        patch.setenv(key, value)
    tracker = open_tracker(configure(stack.mlflow_address))
    register(tracker, "trip-duration", BOOSTER)
    with psycopg.connect(stack.warehouse_url) as connection:
        connection.execute("INSERT INTO raw.zones (zone_id, name) VALUES (1, 'Newark Airport')")
    other = stack.with_warehouse("warehouse_rents")
    create_databases(other)
    with psycopg.connect(other.warehouse_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    prediction = predict(stack)
    done = command(home, "backup", str(directory / "saved"))
    assert done.returncode == 0, done.stdout + done.stderr
    reset(home)
    patch.undo()
    return Saved(directory / "saved", prediction, done.stdout, stack.credentials.fernet_key)


@pytest.fixture(scope="module")
def restored(saved: Saved, directory: Path) -> Path:
    """The home of a stack that was made of the backup."""
    home = directory / "second"
    done = command(home, "restore", str(saved.path))
    assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.fixture
def _no_settings_from_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in STACK_KEYS:
        monkeypatch.delenv(key, raising=False)


@pytest.mark.usefixtures("_no_settings_from_the_shell")
def test_empty_stack_predicts_the_same_after_a_restore(saved: Saved, restored: Path) -> None:
    check_restored(restored)
    stack = start(restored, PROGRAMS, say=lambda _: None)
    assert predict(stack) == saved.prediction
    assert stack.credentials.fernet_key == saved.fernet_key
    with psycopg.connect(stack.warehouse_url) as connection:
        assert connection.execute("SELECT name FROM raw.zones").fetchall() == [("Newark Airport",)]
    with psycopg.connect(stack.with_warehouse("warehouse_rents").warehouse_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,), "of the other problem"
    stop(restored)


@pytest.mark.usefixtures("_no_settings_from_the_shell")
def test_secrets_whose_lines_are_deleted_are_new_at_the_next_start(saved: Saved, restored: Path) -> None:
    file = restored / "secrets.env"
    rotated = ("SERVING_API_KEY", "SERVING_WEBHOOK_SECRET", "WAREHOUSE_PASSWORD", "MLFLOW_DATABASE_PASSWORD")
    before = file.read_text().splitlines()
    file.write_text("".join(f"{line}\n" for line in before if not line.startswith(rotated)))
    stack = start(restored, PROGRAMS, say=lambda _: None)
    assert predict(stack) == saved.prediction
    stop(restored)
    assert len(set(before) - set(file.read_text().splitlines())) == len(rotated)


def test_stack_that_is_there_is_not_replaced_by_a_backup(saved: Saved, restored: Path) -> None:
    done = command(restored, "restore", str(saved.path))
    assert done.returncode == 1
    assert "There is a stack in" in done.stdout


def test_backup_is_its_owners_alone_and_complete(saved: Saved) -> None:
    assert saved.path.stat().st_mode & 0o077 == 0
    assert {path.name for path in saved.path.iterdir()} == {
        "airflow.dump", "warehouse.dump", "warehouse_rents.dump", "mlflow.dump", "artifacts.tar", "secrets.env",
        "manifest.json",
    }  # fmt: skip
    assert check(saved.path)["airflow"]


def test_backup_that_was_changed_is_refused_before_anything_is_loaded(saved: Saved, tmp_path: Path) -> None:
    copy = shutil.copytree(saved.path, tmp_path / "copy")
    with (copy / "mlflow.dump").open("ab") as file:
        file.write(b"x")
    done = command(tmp_path / "home", "restore", str(copy))
    assert done.returncode == 1
    assert "mlflow.dump is missing or was changed after it was saved" in done.stdout
    assert not (tmp_path / "home").exists()


def test_database_that_is_not_empty_is_left_alone(saved: Saved, warehouse_url: str, postgres_url: str) -> None:
    with create_database(postgres_url, "template0") as empty:
        places = Places({"airflow": empty, "warehouse": warehouse_url, "mlflow": empty})
        with pytest.raises(DeploymentError, match="warehouse is not empty"):
            load(saved.path, places)
        with psycopg.connect(empty) as connection:
            assert connection.execute("SELECT to_regclass('experiments')").fetchone() == (None,)


def test_restore_leaves_a_server_of_ones_own_as_it_was_where_it_holds_such_a_database(
    saved: Saved, postgres_url: str, tmp_path: Path
) -> None:
    given = {"WAREHOUSE_URL": postgres_url, "WAREHOUSE_DATABASE": "live"}
    given |= {"AIRFLOW_DATABASE": "restored_airflow", "MLFLOW_DATABASE": "restored_mlflow"}
    make_database(postgres_url, "live")
    live = urlsplit(postgres_url)._replace(path="/live").geturl()
    with psycopg.connect(live) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    done = command(tmp_path / "home", "restore", str(saved.path), **given)
    assert done.returncode == 1
    assert "The database warehouse is not empty" in done.stdout
    with psycopg.connect(live) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert not (tmp_path / "home").exists(), "the next try is not told that there is a stack"
    # Without that database's table, the server gets the backup, as docs/production.md moves a stack to it.
    with psycopg.connect(live) as connection:
        connection.execute("DROP TABLE kept")
    done = command(tmp_path / "home", "restore", str(saved.path), **given)
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(live) as connection:
        assert connection.execute("SELECT name FROM raw.zones").fetchall() == [("Newark Airport",)]
    assert f"FERNET_KEY={saved.fernet_key}" in (tmp_path / "home" / "secrets.env").read_text()


# What `make restore` does, held where the backup is being loaded.
HELD = """
import signal, sys, time
from include.deployment import __main__, places
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a suite that runs under nohup has it ignored
def load(source, target):
    print("loading", flush=True)
    time.sleep(600)
places.load = load
sys.exit(__main__.main())
"""


@pytest.fixture
def restoring(directory: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A restore that is loading a backup, and the home that it fills."""
    home, source = directory / "restoring", directory / "of_keys"
    (directory / "secrets.env").write_text("")
    save(Places({}, keys=directory / "secrets.env"), source)
    environment = {key: value for key, value in os.environ.items() if key not in STACK_KEYS}
    environment["MLTRAIN_HOME"] = str(home)
    command = [sys.executable, "-c", HELD, "restore", str(source)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any(line == "loading\n" for line in process.stdout)
        yield process, home
        process.kill()
    reset(home)
    shutil.rmtree(source)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_restore_that_is_asked_to_end_leaves_no_stack(
    restoring: tuple[subprocess.Popen[str], Path], number: signal.Signals
) -> None:
    process, home = restoring
    programs = find_processes([home], home)
    assert programs
    process.send_signal(number)
    assert process.wait() == 128 + number
    assert not home.exists()
    assert not psutil.wait_procs(programs, timeout=60)[1]


def test_stack_whose_restore_was_killed_is_neither_started_nor_saved_until_it_is_deleted(
    restoring: tuple[subprocess.Popen[str], Path], directory: Path
) -> None:
    process, home = restoring
    process.kill()
    process.wait()
    refused = [
        ("embedded", "up"),
        ("deployment", "backup", str(directory / "of_part")),
        ("deployment", "restore", str(directory / "of_keys")),
    ]
    for room, *words in refused:
        done = command(home, *words, room=room)
        assert done.returncode == 1
        assert "holds a part of a backup: its restore runs, or was cut off" in done.stdout
    assert command(home, "down", room="embedded").returncode == 0
    assert command(home, "up", room="embedded").returncode == 1
    assert not (directory / "of_part").exists()
    assert command(home, "reset", room="embedded").returncode == 0
    assert not home.exists()


def test_backup_of_a_teams_stack_is_no_embedded_one(saved: Saved, tmp_path: Path) -> None:
    copy = shutil.copytree(saved.path, tmp_path / "copy", ignore=shutil.ignore_patterns("secrets.env"))
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["sha256"]["secrets.env"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    done = command(tmp_path / "home", "restore", str(copy))
    assert done.returncode == 1
    assert "it is of a team's stack: restore it where AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in done.stdout
    assert not (tmp_path / "home").exists()


def test_warehouse_that_is_not_in_the_backup_is_named_with_what_to_set(saved: Saved, postgres_url: str) -> None:
    with pytest.raises(DeploymentError, match="does not hold warehouse_churn but .*warehouse_rents: set PROBLEM"):
        load(saved.path, Places({"warehouse_churn": postgres_url}))


def test_backup_that_fails_leaves_nothing(postgres_url: str, tmp_path: Path) -> None:
    nowhere = urlsplit(postgres_url)._replace(path="/nowhere").geturl()
    with pytest.raises(DeploymentError, match="pg_dump of nowhere failed"):
        save(Places({"airflow": nowhere}), tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []


def test_backup_keeps_to_what_the_address_says_of_encryption(postgres_url: str, tmp_path: Path) -> None:
    # The server of the tests speaks no TLS, nor do some builds of the program.
    with pytest.raises(DeploymentError, match="SSL was required|compiled in\n.*install Postgres's own client programs"):
        save(Places({"airflow": f"{postgres_url}?sslmode=require"}), tmp_path / "saved")


def test_backup_reads_a_password_of_any_characters(postgres_url: str, tmp_path: Path) -> None:
    make_database(postgres_url, "of_bob", "bob", "p@ss/w:rd%")
    server = urlsplit(postgres_url)
    address = f"postgresql://bob:p%40ss%2Fw%3Ard%25@{server.hostname}:{server.port}/of_bob"
    assert save(Places({"airflow": address}), tmp_path / "saved")


def test_directory_that_cannot_be_written_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    given = dict.fromkeys(VARIABLES.values(), "postgresql://nobody@localhost:1/none")
    done = command(tmp_path, "backup", str(tmp_path / "file" / "saved"), **given)
    assert (done.returncode, done.stderr) == (1, "")
    assert "NotADirectoryError" in done.stdout


def test_backup_does_not_replace_another(saved: Saved) -> None:
    with pytest.raises(DeploymentError, match="backups are not overwritten"):
        save(Places({}), saved.path)


def test_backup_says_what_it_needs_when_nothing_runs(directory: Path) -> None:
    done = command(directory / "none", "backup", str(directory / "other"))
    assert done.returncode == 1
    assert "No stack runs" in done.stdout
    assert not (directory / "other").exists()


def test_databases_that_the_environment_names_are_saved_and_made_anew(postgres_url: str, tmp_path: Path) -> None:
    server = urlsplit(postgres_url)

    def name_databases(prefix: str) -> dict[str, str]:
        where = f"{server.hostname}:{server.port}"
        names = {variable: f"{prefix}_{name}" for name, variable in VARIABLES.items()}
        return {key: f"postgresql+psycopg2://{name}:secret@{where}/{name}" for key, name in names.items()}

    former, new = name_databases("former"), name_databases("new")
    artifacts = {"MLFLOW_ARTIFACTS_DESTINATION": str(tmp_path / "artifacts"), "DATABASE_ADMIN_ADDRESS": postgres_url}
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "model").write_text("weights")
    for address in former.values():
        name = urlsplit(address).username
        assert name
        make_database(postgres_url, name, name, "secret")
    with psycopg.connect(former["WAREHOUSE_ADDRESS"].replace("+psycopg2", "")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        connection.execute("CREATE SCHEMA training")
        connection.execute("CREATE TABLE training.files AS SELECT 's3://bucket/theirs' AS directory")
    done = command(tmp_path, "backup", str(tmp_path / "saved"), **former, **artifacts)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "artifacts" / "model").unlink()
    done = command(tmp_path, "restore", str(tmp_path / "saved"), **new, **artifacts)
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(new["WAREHOUSE_ADDRESS"].replace("+psycopg2", "")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert connection.execute("SELECT count(*) FROM training.files").fetchone() == (0,)
    assert (tmp_path / "artifacts" / "model").read_text() == "weights"


@pytest.fixture
def started_with_other(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack whose warehouse was named by the command that started it; Airflow's and MLflow's databases are empty."""
    home = directory / "third"
    with monkeypatch.context() as patch:
        patch.setenv("WAREHOUSE_DATABASE", "other")
        stack = start(home, ("postgres",), say=lambda _: None)
    yield stack
    reset(home)


@pytest.mark.usefixtures("_no_settings_from_the_shell")
def test_backup_holds_the_warehouses_of_the_running_stack_whatever_the_settings_say_by_then(
    started_with_other: Stack, directory: Path
) -> None:
    stack = started_with_other
    for database in ("other_rents", "other_gone", "warehouse"):
        create_databases(stack.with_warehouse(database))
    done = command(stack.home, "backup", str(directory / "of_other"))
    assert done.returncode == 0, done.stdout + done.stderr
    saved = {path.name for path in (directory / "of_other").glob("*.dump")}
    assert saved == {"airflow.dump", "warehouse.dump", "warehouse_rents.dump", "mlflow.dump"}
    assert urlsplit(find_places(stack.home, {}).databases["warehouse"]).path == "/other"
    assert (
        "Warning: not saved, as they are of no problem of the running stack: the databases other_gone, warehouse."
        in (done.stdout.replace("\n", " "))
    )
