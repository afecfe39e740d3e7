"""`make problem NAME=cars SOURCE=file:///data/cars.csv TARGET=selling_price`: writes a declaration for a table.

The keys of a problem's file that are one value, see `KEYS`, can be given in capitals; they are written into the file.
"""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console
from rich.prompt import Prompt

from include.declaring.draft import Draft, make_draft
from include.declaring.questions import Answer, ChoiceNeeded
from include.declaring.report import announce, show
from include.declaring.sample import Sample, read_sample
from include.declaring.writing import make_document, write_document
from include.errors import MltrainError, SettingsError
from include.problem import problem_file
from include.problem.checks import NAME
from include.problem.declaration import Problem
from include.problem.inference.names import make_slug
from include.problem.problem_file import SIMPLE_KEYS, build_problem, read_problem
from include.sources.location import SECRET_PARAMETER, has_secret

EXAMPLE = "make problem NAME=cars SOURCE=file:///data/cars.csv TARGET=selling_price"
# What can be given: what the environment can change later too, and what only a file can say.
KEYS = tuple(dict.fromkeys((*SIMPLE_KEYS, "months", "model", "row")))
# Keys that say how a source is read.
OF_READING = ("source", "months", "timezone", "time_format", "delimiter", "decimal", "encoding", "missing")
WIDTH = 160

Ask = Callable[[ChoiceNeeded], Answer]


def declare(environment: Mapping[str, str], console: Console, ask: Ask | None = None) -> Path:
    """Writes a declaration by what the environment gives; returns the file.

    Args:
        ask: Asks a person; None where there is none.

    Raises:
        MltrainError: It cannot be made; the message says what to change.
    """
    given = {key: environment[key.upper()] for key in KEYS if environment.get(key.upper(), "").strip()}
    path = _choose_path(environment.get("NAME", "").strip())
    name = path.parent.name
    if given.get("task"):
        given["task"] = given["task"].strip().lower()
    if not given.get("source"):
        raise SettingsError(f"SOURCE: say where the table is, as in {EXAMPLE}")
    given["source"] = _make_absolute(given["source"])
    reading = {key: given[key] for key in OF_READING if key in given}
    problem = build_problem(
        name, {"columns": {}, "target": given.get("target", "target"), **reading}, _only_simple(reading)
    )
    sample = read_sample(problem, environment)
    announce(console, sample)
    draft = _make_draft_by_asking(sample, given, problem, ask)
    source = strip_secrets(given["source"])
    document = make_document(draft, sample, source, given)
    # Checked before anything is written; what is wrong with what was given is named by its key.
    checked = build_problem(
        name,
        document,
        {key: document[key] for key in given if key in SIMPLE_KEYS and key not in ("time", "source")},
    )
    document = _write_given_as_checked(document, given, checked)
    text = write_document(document, draft, sample, _make_comments(draft, given))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    show(console, read_problem(name), draft, given)
    return path


def _only_simple(given: Mapping[str, str]) -> dict[str, str]:
    """What a message can name by its key."""
    return {key: value for key, value in given.items() if key in SIMPLE_KEYS}


def strip_secrets(address: str) -> str:
    """The address without user, password and secret parameters."""
    if not has_secret(address):
        return address
    parts = urlsplit(address)
    query = "&".join(each for each in parts.query.split("&") if not SECRET_PARAMETER.search(each))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query))


def _choose_path(name: str) -> Path:
    if not NAME.fullmatch(name):
        slug = make_slug(name)
        better = f"NAME={slug} is" if slug else f"for example {EXAMPLE}"
        raise SettingsError(f"NAME {name!r} is not made of small letters, digits and _ behind a letter: {better}")
    path = problem_file.PROBLEMS / name / "problem.toml"
    if path.parent.exists():
        raise SettingsError(
            f"NAME={name}: include/problems/{name} is there already, and nothing is overwritten. Choose another NAME,"
            " or delete that folder"
        )
    return path


def _make_absolute(source: str) -> str:
    is_path = "://" not in source and ("/" in source or Path(source).exists())
    return str(Path(source).expanduser().absolute()) if is_path else source


def _make_draft_by_asking(sample: Sample, given: dict[str, str], problem: Problem, ask: Ask | None) -> Draft:
    while True:
        try:
            return make_draft(sample, given, problem.missing)
        except ChoiceNeeded as choice:
            if ask is None:
                raise
            answer = ask(choice)
            given[answer.key.lower()] = answer.value


def ask_person(choice: ChoiceNeeded, console: Console, stream: TextIO | None = None) -> Answer:
    """Shows the answers, and has a person choose one of them.

    Args:
        stream: Where the person writes; None: the terminal.
    """
    console.print(choice.question, markup=False)
    for number, answer in enumerate(choice.answers, 1):
        console.print(f"  {number}  {answer.line}  {answer.meaning}", markup=False)
    numbers = [str(number) for number in range(1, len(choice.answers) + 1)]
    chosen = Prompt.ask("Which one", choices=numbers, console=console, stream=stream)
    return choice.answers[int(chosen) - 1]


def _write_given_as_checked(document: dict[str, Any], given: Mapping[str, str], checked: Problem) -> dict[str, Any]:
    """The document with what a person gave in the types of the declaration, and columns by their neutral names."""
    plain = checked.model_dump(mode="json", by_alias=True)
    typed = {key: plain[key] for key in given if key not in ("source", "time", "months", "target")}
    return {key: typed.get(key, value) for key, value in document.items()}


def _make_comments(draft: Draft, given: Mapping[str, str]) -> dict[str, str]:
    comments = {"time": "" if "time" in given else draft.time.why}
    if draft.classes and draft.classes.is_guessed:
        comments["positive"] = "guessed: the class that is looked for"
    if has_secret(given["source"]):
        comments["source"] = "its password is given by the environment: SOURCE=..."
    return comments


def main() -> int:
    """Makes a declaration; errors that a person can act on are printed without a traceback."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    try:
        is_asked = console.is_terminal and sys.stdin.isatty()
        path = declare(os.environ, console, partial(ask_person, console=console) if is_asked else None)
    except MltrainError as error:
        console.print("[red]Not written[/]: ", end="")
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    name = path.parent.name
    console.print(f"Written: include/problems/{name}/problem.toml. Next: make run PROBLEM={name}", soft_wrap=True)
    if has_secret(os.environ["SOURCE"]):
        console.print("SOURCE has a password, which is not in the file: give SOURCE to make run too.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
