"""The code that a model needs to be loaded anywhere: it travels with the model, under a package name of its own."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from include.problem.declaration import Problem

# Under a name that nobody else's code has: `include` is in many a project of Airflow's.
MODEL_PACKAGE = "mltrain_model"
LOADER = "models.artifact"
_SOURCE = Path(__file__).parents[1]
_PACKAGE = _SOURCE.name


def stage_code(problem: Problem, directory: Path) -> Path:
    """Copies what loads a model of the problem into a package of `MODEL_PACKAGE`'s name; returns its folder."""
    package = directory / MODEL_PACKAGE
    for name in sorted(find_modules(problem)):
        target = package / f"{name.replace('.', '/')}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        code = _find_file(name).read_text(encoding="utf-8")
        code = re.sub(rf"^(\s*from ){_PACKAGE}\.", rf"\1{MODEL_PACKAGE}.", code, flags=re.MULTILINE)
        target.write_text(code, encoding="utf-8")
    return package


def find_modules(problem: Problem) -> set[str]:
    """The modules, by their names below `include`: the loader, what the problem names, and all that these import."""
    named = [*problem.feature_sets.values(), *(reference.value for reference in problem.references.values())]
    waiting = [LOADER, *(f"problems.{problem.name}.{name.partition(':')[0]}" for name in named)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _list_imports(_find_file(name))
    return found


@cache
def _list_imports(path: Path) -> tuple[str, ...]:
    """What is imported when the module is: not what only type checkers read, nor what a function imports later."""
    found: list[str] = []
    for statement in _run_on_import(ast.parse(path.read_text(encoding="utf-8")).body):
        module = statement.module or ""
        if module.partition(".")[0] == _PACKAGE:
            below = module.partition(".")[2]
            # A name is a module of the package, or something in the module.
            modules = [f"{below}.{name.name}".lstrip(".") for name in statement.names]
            found += (name for name in (below, *modules) if name and _find_file(name).is_file())
    return tuple(found)


def _run_on_import(body: Iterable[ast.stmt]) -> Iterator[ast.ImportFrom]:
    for statement in body:
        if isinstance(statement, ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.Try):
            yield from _run_on_import(statement.body)


def _find_file(name: str) -> Path:
    return _SOURCE / f"{name.replace('.', '/')}.py"
