"""`python -m scripts.settings_reference` writes docs/settings.md, the comments of `.env` and the schema of problems."""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import SecretStr

from include.configuration.layers import ENV_FILE, ROOT, SettingsModel
from include.embedded.settings import StackSettings
from include.problem.declaration import Problem
from include.problem.problem_file import SIMPLE_KEYS
from include.settings import DEFAULT_PROBLEM, Settings
from include.settings.team import TeamSettings

SCHEMA = ROOT / "include" / "problem" / "problem.schema.json"
REFERENCE = ROOT / "docs" / "settings.md"
GROUPS = (Settings, StackSettings, TeamSettings)
WIDTH = 120
# Where the generated part of each file begins; what is above it is written by people.
TABLES, COMMENTS = "\n## ", "\n# --- "


@dataclass(frozen=True)
class Setting:
    """A line of `.env`, as people read of it.

    Attributes:
        heading: Of the section that it begins; empty for the others.
        default: The value that holds without the line, as text.
    """

    key: str
    heading: str
    default: str
    description: str


def list_settings() -> list[Setting]:
    """Every setting, in the order of the code.

    Raises:
        ValueError: A setting has no description.
    """
    return [setting for group in GROUPS for setting in _list_group(group)]


def _list_group(group: type[SettingsModel]) -> Iterator[Setting]:
    parents = [kind for kind in reversed(group.__mro__) if issubclass(kind, SettingsModel)]
    headings = {name: heading for kind in parents for name, heading in kind.SECTIONS.items()}
    descriptions = {name: text for kind in parents for name, text in _read_descriptions(kind).items()}
    for name in group.model_fields:
        if not descriptions.get(name):
            raise ValueError(f"{name.upper()} has no description: write a docstring below the field")
        default = DEFAULT_PROBLEM if name == "problem" else _to_text(group.model_fields[name].default)
        yield Setting(name.upper(), headings.get(name, ""), default, descriptions[name])
        if name == "problem":
            yield from _list_keys_of_problem()


def _list_keys_of_problem() -> Iterator[Setting]:
    """What the environment may say instead of the problem's file: nothing, by default."""
    descriptions = _read_descriptions(Problem)
    for name in SIMPLE_KEYS:
        yield Setting(name.upper(), "", "", descriptions[name])


def _read_descriptions(kind: type[SettingsModel]) -> dict[str, str]:
    """Field -> the docstring below it, as one line."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, text in pairwise(definition.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(value=str(description))):
                found[name] = " ".join(description.split())
    return found


def _to_text(value: Any) -> str:
    """A value as `.env` has it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() else str(value)
        case tuple():
            return ",".join(value)
        case dict():
            return ",".join(f"{name}:{role}" for name, role in value.items())
        case SecretStr():
            return value.get_secret_value()
    return str(value)


def render_page(text: str, settings: list[Setting]) -> str:
    """The page with its tables written again: one for each section."""
    lines = []
    for setting in settings:
        if setting.heading:
            lines += ["", f"## {setting.heading}", "", "| key | default | meaning |", "|---|---|---|"]
        default = f" `{setting.default}` " if setting.default else " "
        lines.append(f"| `{setting.key}` |{default}| {setting.description} |")
    return _cut(text, TABLES) + "\n".join(lines) + "\n"


def render_file(text: str, settings: list[Setting]) -> str:
    """A `.env` with its comments written again: the sections and descriptions of the page, above the file's values.

    Raises:
        ValueError: It has keys that are no settings; they would be lost.
    """
    values: dict[str, str] = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))
    if others := values.keys() - {setting.key for setting in settings}:
        raise ValueError(f"{', '.join(sorted(others))}: no setting, its line would be lost")
    lines = []
    for setting in settings:
        if setting.heading:
            lines += ["", f"# --- {setting.heading} ".ljust(WIDTH - 1, "-"), ""]
        lines += [f"# {line}" for line in textwrap.wrap(setting.description, WIDTH - 2, break_on_hyphens=False)]
        lines.append(f"{setting.key}={values.get(setting.key, setting.default)}")
    return _cut(text, COMMENTS) + "\n".join(lines) + "\n"


def _cut(text: str, mark: str) -> str:
    """What people have written: all above the mark."""
    return text.partition(mark)[0]


def render_schema() -> str:
    """The JSON Schema of `problem.toml`, for editors."""
    schema = Problem.model_json_schema(by_alias=True)
    # Folders and keys say the names.
    for declared in (schema, schema["$defs"]["Column"]):
        declared["properties"].pop("name")
        if "required" in declared:
            declared["required"].remove("name")
    for name, description in _read_descriptions(Problem).items():
        if name in schema["properties"]:
            schema["properties"][name]["description"] = description
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Writes the page, the file and the schema."""
    SCHEMA.write_text(render_schema(), encoding="utf-8")
    settings = list_settings()
    for path, render in ((REFERENCE, render_page), (ENV_FILE, render_file)):
        path.write_text(render(path.read_text(encoding="utf-8"), settings), encoding="utf-8")


if __name__ == "__main__":
    main()
