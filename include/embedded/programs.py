"""The programs of the stack: what each runs, where, with which environment, and how it is stopped."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from include.embedded.credentials import write_private


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
