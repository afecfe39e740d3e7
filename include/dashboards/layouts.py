"""How each person has arranged each page, kept in the warehouse."""

import logging
from collections.abc import Callable
from typing import Annotated, Any

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field

from include.warehouse import connect

log = logging.getLogger(__name__)
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")]
Names = Annotated[list[Name], Field(max_length=60)]


class Size(BaseModel):
    """A card's size: columns of twelve, and pixels."""

    model_config = ConfigDict(extra="forbid")

    columns: int = Field(ge=2, le=12)
    height: int = Field(ge=100, le=2000)


class Layout(BaseModel):
    """The order of cards, those that are hidden, and the sizes that differ from the charts' own."""

    model_config = ConfigDict(extra="forbid")

    order: Names = []
    hidden: Names = []
    sizes: Annotated[dict[Name, Size], Field(max_length=60)] = {}


def read_layout(warehouse_url: Callable[[], str], person: str, page: str) -> dict[str, Any]:
    """The person's layout of a page; the default one if there is none or the warehouse is unavailable."""
    try:
        with connect(warehouse_url()) as connection:
            row = connection.execute(
                "SELECT layout FROM dashboards.layouts WHERE person = %s AND page = %s", [person, page]
            ).fetchone()
        return Layout.model_validate(row[0] if row else {}).model_dump()
    except Exception:
        # The page works without it, and its cards say what is wrong.
        log.warning("The layout of %s for %s could not be read", page, person, exc_info=True)
        return Layout().model_dump()


def save_layout(url: str, person: str, page: str, layout: Layout) -> None:
    """Replaces the person's layout of a page."""
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO dashboards.layouts (person, page, layout) VALUES (%s, %s, %s)"
            " ON CONFLICT (person, page) DO UPDATE SET layout = excluded.layout, updated_at = now()",
            [person, page, Jsonb(layout.model_dump())],
        )
