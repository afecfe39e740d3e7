"""The project's own modules in a process that forks: its children have them at no cost, unless a file has changed."""

import ast
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

Stamp = tuple[int, int]


def find_imports(files: Iterable[Path], package: str, *, by_functions: bool) -> list[str]:
    """The modules of a package that Python files import, in the order of the files.

    Args:
        by_functions: Also those that are imported when a function is called, else only what reading the file takes.
    """
    found: dict[str, None] = {}
    for path in sorted(files):
        # A file that cannot be read, or is no Python, is the business of the process whose file it is.
        with suppress(OSError, SyntaxError, ValueError):
            tree = ast.parse(path.read_bytes())
            found |= dict.fromkeys(_list_imports(ast.walk(tree) if by_functions else tree.body))
    return [name for name in found if name.partition(".")[0] == package]


def _list_imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            # Modules, or what is defined in one.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def share_modules(package: Path, names: Iterable[str]) -> None:
    """Imports modules of a package; a process that is forked from this one sees the package as its files are then.

    If one of the files has changed since, the child forgets all modules of the package, because the others may hold
    what the old one defined, and imports what it needs itself. It does so too with what cannot be imported here.

    Args:
        package: The package's directory; its parent is on the path.
        names: Of modules; those of classes and functions are passed over.
    """
    stamps = {path: _stamp(path) for path in package.rglob("*.py")}
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    used = [getattr(sys.modules[name], "__file__", None) for name in _list_loaded(package.name)]
    read = {path: stamps.get(path) for path in map(Path, filter(None, used))}
    os.register_at_fork(after_in_child=lambda: _forget_changed(package.name, read))


def _forget_changed(package: str, read: dict[Path, Stamp | None]) -> None:
    if any(_stamp(path) != stamp for path, stamp in read.items()):
        for name in _list_loaded(package):
            del sys.modules[name]


def _list_loaded(package: str) -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == package]


def _stamp(path: Path) -> Stamp | None:
    """When a file was written and how long it is; None where it is gone."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
