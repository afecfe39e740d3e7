"""What processes see of the project's modules that were forked from one that had them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.configuration.layers import ROOT
from include.embedded.programs.own_modules import find_imports

# The parent imports at once, and forks for each line that it is given: the child prints what the expression is there.
PARENT = """
import os, sys
from pathlib import Path
from include.embedded.programs.own_modules import share_modules
share_modules(Path(sys.argv[1]), sys.argv[2:])
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            import made.upper, made.lower
            print(eval(line), flush=True)
        except BaseException as error:
            print(type(error).__name__, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""
# What a module was given when it was run, and whether the parent has run it.
LOWER = "import os\nVALUE = {value!r}\nRUN_BY = os.getpid()\n"
UPPER = "from made.lower import VALUE, RUN_BY\n"
RUNNERS = "made.upper.RUN_BY == made.lower.RUN_BY, made.upper.RUN_BY == os.getppid()"
WHICH = f"(made.upper.VALUE, made.lower.VALUE, {RUNNERS})\n"


class Parent:
    """A process that has imported the package `made` of `directory`."""

    def __init__(self, directory: Path, *names: str) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(directory / "made"), *names],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self.read() == "ready"

    def read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def ask(self, expression: str = WHICH) -> Any:
        """What the expression is in a process that is forked now."""
        assert self.process.stdin
        self.process.stdin.write(expression)
        self.process.stdin.flush()
        return self.read()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    (made / "__init__.py").touch()
    (made / "upper.py").write_text(UPPER)
    (made / "lower.py").write_text(LOWER.format(value=1))
    return made


@pytest.fixture
def parent(package: Path) -> Iterator[Parent]:
    found = Parent(package.parent, "made.upper", "made.upper.VALUE")
    yield found
    found.process.communicate()


def test_child_has_what_its_parent_imported(parent: Parent) -> None:
    assert parent.ask() == "(1, 1, True, True)"


def test_child_sees_a_file_that_has_changed_and_so_do_the_modules_that_use_it(parent: Parent, package: Path) -> None:
    (package / "lower.py").write_text(LOWER.format(value=234))
    assert parent.ask() == "(234, 234, True, False)"
    (package / "lower.py").write_text(LOWER.format(value=56))
    assert parent.ask() == "(56, 56, True, False)"


def test_child_sees_a_file_that_is_gone(parent: Parent, package: Path) -> None:
    (package / "lower.py").unlink()
    assert parent.ask() == "ModuleNotFoundError"


def test_module_that_cannot_be_imported_is_left_to_the_child(package: Path) -> None:
    (package / "lower.py").write_text("VALUE = \n")
    parent = Parent(package.parent, "made.upper", "made.lower")
    assert parent.ask() == "SyntaxError"
    (package / "lower.py").write_text(LOWER.format(value=2))
    assert parent.ask() == "(2, 2, True, False)"
    parent.process.communicate()


def test_imports_of_a_file_are_those_of_its_reading_and_those_of_its_functions(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import json\nimport made.one\nfrom made import two\n\ndef late():\n    from made.three import four\n"
    )
    (tmp_path / "b.py").write_text("import made.one as other\nfrom . import made\n")
    (tmp_path / "c.py").write_text("no python\n")
    read = ["made.one", "made", "made.two"]
    assert find_imports(tmp_path.glob("*.py"), "made", by_functions=False) == read
    assert find_imports(tmp_path.glob("*.py"), "made", by_functions=True) == [*read, "made.three", "made.three.four"]


def test_dag_files_import_modules_of_the_project_both_when_read_and_when_run() -> None:
    read = find_imports((ROOT / "dags").glob("*.py"), "include", by_functions=False)
    assert "include.settings" in read
    assert "include.prediction.request" not in read
    assert "include.prediction.request" in find_imports((ROOT / "dags").glob("*.py"), "include", by_functions=True)
