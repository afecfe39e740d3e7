"""The examples of README and docs, for the tests that run them."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def _commands() -> Iterator[list[str]]:
    """Each command in a block of shell lines, as the words that a shell makes of it."""
    for page in PAGES:
        for block in SHELL.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                # A request inside of $( ) or before a pipe is a command of its own.
                for part in re.split(r"\$\((?=curl)| \| ", line):
                    if part.startswith(("curl", "make")):
                        yield shlex.split(part.removesuffix(")"), comments=True)


def find_requests(port: int) -> list[tuple[str, Any]]:
    """Path and JSON body of each request with a body to a port of 127.0.0.1."""
    found = []
    for words in _commands():
        address = next((word for word in words if word.startswith(f"http://127.0.0.1:{port}/")), None)
        if address and "-d" in words:
            found.append((address.partition(f":{port}")[2], json.loads(words[words.index("-d") + 1])))
    return found


def find_given_settings() -> list[dict[str, str]]:
    """What each `make run` and `make up` is given."""
    commands = [words for words in _commands() if words[:2] in (["make", "run"], ["make", "up"])]
    return [dict(word.split("=", 1) for word in words[2:]) for words in commands if words[2:]]
