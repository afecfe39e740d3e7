"""What a reference has to offer: a table that features look up, such as the positions of places."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from include.problem.declaration import Problem
from include.settings import Settings

if TYPE_CHECKING:
    import psycopg


class ReferenceTable(Protocol):
    """A reference's table in the warehouse; a problem's folder holds the object."""

    def create(self, connection: "psycopg.Connection") -> None:
        """Makes its table where it is missing."""

    def load(self, url: str, settings: Settings) -> dict[str, Any]:
        """Replaces its rows by those of its source, where they differ; returns what a run shows of it."""

    def list_addresses(self, settings: Settings) -> list[str]:
        """The addresses that it reads; a SettingsError where its source says nothing that it understands."""

    def digest(self, connection: "psycopg.Connection") -> str | None:
        """A hash of its rows, part of a training set's identity; None where there is none."""

    def freeze(self, connection: "psycopg.Connection") -> Mapping[str, Any]:
        """Its rows as plain JSON values, from which the reference's `value` is made."""

    def read_names(self, connection: "psycopg.Connection") -> dict[str, str]:
        """Value of a column that it is the reference of -> what people call it."""


def list_references(problem: Problem) -> list[tuple[str, ReferenceTable]]:
    """The problem's references by name."""
    return [(name, problem.resolve(reference.table)) for name, reference in problem.references.items()]
