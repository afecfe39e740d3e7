"""The files of a directory by their SHA-256, written when it is complete and compared before any of them is read.

The hashes stand beside the files, so they reveal damage, not malice: whoever can change a file can change its hash too.
"""

import hashlib
import json
from pathlib import Path

from include.errors import ModelInvalid

MANIFEST = "manifest.json"


def write_manifest(directory: Path) -> None:
    """Writes the manifest of all that is in the directory, subdirectories included."""
    (directory / MANIFEST).write_text(_render(_hash_files(directory)))


def read_digest(directory: Path) -> str:
    """SHA-256 of the manifest, which stands for all files together.

    Raises:
        ModelInvalid: There is no manifest.
    """
    try:
        return hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise ModelInvalid(f"{directory}: {MANIFEST} cannot be read ({error}).") from error


def check_files(directory: Path, digest: str | None = None) -> None:
    """Compares the directory with its manifest: no file may be changed, missing, added or a link.

    Args:
        digest: What `read_digest` gave when the directory was written, where that was kept elsewhere.

    Raises:
        ModelInvalid: They differ; says in which files.
    """
    stored = _read(directory)
    found = _hash_files(directory)
    # As text, so that not a byte of the manifest itself can differ.
    if stored != _render(found):
        raise ModelInvalid(f"{directory}: damaged, {_describe(stored, found)}.")
    if digest is not None and digest != hashlib.sha256(stored.encode()).hexdigest():
        raise ModelInvalid(f"{directory}: complete, but not the files that were registered under this version.")


def find_changes(directory: Path, other: Path) -> list[str]:
    """The files that two directories do not have alike, by name, ascending; but for their manifests."""
    first, second = _hash_files(directory), _hash_files(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def _hash_files(directory: Path) -> dict[str, str]:
    hashes = {}
    try:
        for path in sorted(directory.rglob("*")):
            # A name that is no text must not keep the error from being told.
            name = path.relative_to(directory).as_posix().encode(errors="backslashreplace").decode()
            # A link could lead anywhere.
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ModelInvalid(f"{directory}: {name} is not a plain file.")
            if path.is_file() and name != MANIFEST:
                with path.open("rb") as file:
                    hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelInvalid(f"{directory}: its files cannot be read ({error}).") from error
    return hashes


def _render(hashes: dict[str, str]) -> str:
    return json.dumps({"sha256": hashes}, indent=1, sort_keys=True)


def _read(directory: Path) -> str:
    path = directory / MANIFEST
    if path.is_symlink():
        raise ModelInvalid(f"{directory}: {MANIFEST} is not a plain file.")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelInvalid(
            f"{directory}: not a model that this code can load ({MANIFEST} cannot be read: {error})."
        ) from error


def _describe(stored: str, found: dict[str, str]) -> str:
    try:
        listed: dict[str, str] = dict(json.loads(stored)["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{MANIFEST} cannot be read"
    parts = {
        "changed": sorted(name for name in listed.keys() & found.keys() if listed[name] != found[name]),
        "missing": sorted(listed.keys() - found.keys()),
        "not listed": sorted(found.keys() - listed.keys()),
    }
    told = [f"{kind}: {', '.join(names)}" for kind, names in parts.items() if names]
    return "; ".join(told) or f"{MANIFEST} was changed"
