"""The problem's file, as short as it can be, with a comment where something was guessed."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from include.declaring.draft import Described, Draft
from include.declaring.sample import Sample

SCHEMA_LINE = "#:schema ../../problem/problem.schema.json"
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# Kinds that need no explanation.
PLAIN_KINDS = ("number", "category", "flag")


def make_document(draft: Draft, sample: Sample, source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The declaration as a file has it.

    Args:
        source: Where the rows are, without a password.
        given: Top-level keys that a person gave; they win over what was guessed.
    """
    document: dict[str, Any] = {"source": source, "target": draft.target.name}
    if draft.classes:
        document |= {"task": "classification", "classes": draft.classes.labels}
        document |= {"positive": draft.classes.positive} if draft.classes.positive else {}
    if draft.unit:
        document["unit"] = draft.unit
    if sample.months:
        document["months"] = list(sample.months)
    if draft.time.column:
        date = draft.name_of(draft.time.column)
        document["time"] = [draft.time.column, draft.time.clock] if draft.time.clock else date
    document |= {key: value for key, value in given.items() if key not in ("source", "target", "months", "time")}
    document |= draft.mentioned
    document["columns"] = {
        column.name: {**({} if column.facts.name == column.name else {"source": column.facts.name}), **column.entry}
        for column in draft.columns
    }
    return document


def write_document(document: Mapping[str, Any], draft: Draft, sample: Sample, comments: Mapping[str, str]) -> str:
    """The declaration as TOML.

    Args:
        comments: Top-level key -> what its line says behind it.
    """
    rows = f"{sample.rows:,} rows" if sample.is_whole else f"the first {sample.rows:,} rows"
    lines = [SCHEMA_LINE, f"# Guessed by `make problem` from {rows}; change what is not right.", ""]
    for key, value in document.items():
        if key != "columns":
            lines.append(f"{key} = {_write(value)}{_comment(comments.get(key, ''))}")
    lines += ["", "# A column each: name = what it is.", "[columns]"]
    described = {column.name: column for column in draft.columns}
    for name, entry in document["columns"].items():
        lines.append(f"{name} = {_write(entry)}{_comment(_explain(described[name]))}")
    return "\n".join(lines) + "\n"


def _explain(column: Described) -> str:
    why = column.guess.why if column.guess.kind not in PLAIN_KINDS else ""
    missing = f"{column.facts.missing / column.facts.rows:.1%} missing" if column.facts.missing else ""
    return "; ".join(filter(None, (why, missing, column.guess.suspicion)))


def _comment(text: str) -> str:
    # What a source writes must not end the comment.
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return f" # {plain}" if plain else ""


def _write(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_write_key(key)} = {_write(each)}' for key, each in value.items())} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_write, value))}]"
    if isinstance(value, str):
        # A text of JSON is one of TOML, but for this character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _write_key(key: str) -> str:
    return key if BARE_KEY.fullmatch(key) else _write(key)
