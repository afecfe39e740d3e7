"""What Airflow's pages show of a DAG: its first sentence, its tags, and the form that starts a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Param

from include.settings import read_usable_settings

# From data to a champion: where to begin. The others follow from these, or keep them going.
MAIN = "main"
DATA, MODELS, PREDICTIONS, MAINTENANCE, EXAMPLE = "data", "models", "predictions", "maintenance", "example"
TAGS = frozenset({MAIN, DATA, MODELS, PREDICTIONS, MAINTENANCE, EXAMPLE})


def first_sentence(documentation: str | None) -> str:
    """A DAG's `description`, for lists and the search: the first paragraph of its documentation, on one line."""
    return " ".join((documentation or "").strip().partition("\n\n")[0].split())


def in_force(key: str, otherwise: str = "") -> str:
    """What holds where a form's field is left empty: `10 (MAX_EVALUATIONS)`.

    Args:
        key: The setting's key.
        otherwise: What holds where the setting is empty too.
    """
    value = getattr(read_usable_settings(), key.lower())
    return f"{_write(value) or otherwise} ({key})"


def flag(title: str, description: str) -> Param:
    """A switch that is off by default. With a type instead of the two values, the form would mark it as required."""
    return Param(False, enum=[False, True], title=title, description=description)


def choice(title: str, description: str, options: Sequence[Any], empty: str, **schema: Any) -> Param:
    """A drop-down.

    Args:
        title: The field's label.
        description: The text below it.
        options: What can be chosen.
        empty: How it reads that nothing is chosen, which is null in JSON.
        schema: More of the JSON schema, such as another type or names for the options in `values_display`.
    """
    names: Mapping[str, str] = {"null": empty, **schema.pop("values_display", {})}
    return Param(
        None,
        **{"type": ["string", "null"], **schema},
        enum=[None, *options],
        values_display=names,
        title=title,
        description=description,
    )


def hidden(description: str, **schema: Any) -> Param:
    """What one DAG hands to another, checked like any parameter, and left out of the form.

    The form hides a field with `const`, which the JSON schema of draft 4 does not know and so does not check.
    """
    draft: dict[str, Any] = {"$schema": "http://json-schema.org/draft-04/schema#", "const": "hidden"}
    return Param(None, **draft, **schema, title="Internal", description=description)


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
