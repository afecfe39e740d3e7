"""The README says what is there: DAGs and commands, each in both directions."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text between a heading and the next one of its level."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section '{title}'"
    return found.group(1)


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def test_every_dag_is_in_the_table_and_every_row_is_a_dag() -> None:
    assert sorted(first_column(section("DAGs"))) == sorted(path.stem for path in (ROOT / "dags").glob("[a-z]*.py"))


def test_every_make_target_is_explained_and_every_explained_target_is_there() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", section("Develop"))) == targets
    assert set(re.findall(r"make ([a-z][a-z-]*)\b", " ".join(re.findall(r"`[^`]*`", README)))) <= targets


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_every_linked_file_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_name_in_the_tree_is_there() -> None:
    tree = re.search(r"```\n(dags/.*?)```", section("Where things are"), re.DOTALL)
    assert tree
    names = re.findall(r"(?<![\w/.])([a-z_]+(?:\.py|\.ipynb|/))(?=\s|:)", tree.group(1))
    tops = [top for top in ROOT.iterdir() if not top.name.startswith(".")]
    there = {path.name for top in tops for path in (top, *top.rglob("*"))}
    assert names
    assert {name.rstrip("/") for name in names} <= there
