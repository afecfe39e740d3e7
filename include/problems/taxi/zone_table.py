"""The zones in the warehouse: their table, and what of it is frozen, hashed and shown."""

import hashlib
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import dict_row

from include.problems.taxi.features import NO_POSITIONS, Positions
from include.problems.taxi.zones import SCHEMA, read_zones, split_source
from include.settings import Settings
from include.warehouse import append_rows, connect

_LOCK = 7_202_403
_CREATE = """
    CREATE TABLE IF NOT EXISTS raw.zones (
        zone_id   integer PRIMARY KEY,
        name      text NOT NULL,
        borough   text,
        longitude double precision,
        latitude  double precision
    )
"""
_DIGEST = """
    SELECT md5(string_agg(concat_ws('|', zone_id, name, borough, longitude, latitude), E'\\n' ORDER BY zone_id))
    FROM raw.zones
"""


class ZoneTable:
    """The reference `zones`; see `include.sources.references.ReferenceTable`."""

    def create(self, connection: psycopg.Connection) -> None:
        """Makes the table where it is missing."""
        connection.execute(_CREATE)

    def load(self, url: str, settings: Settings) -> dict[str, Any]:
        """Replaces the zones by those of ZONES_SOURCE in one transaction, where they differ; `none` leaves none.

        Args:
            url: The warehouse's libpq address.

        Returns:
            `rows`, and `sha256` of the contents.
        """
        frame = read_zones(settings)
        table = pa.Table.from_pandas(frame, SCHEMA, preserve_index=False) if frame is not None else SCHEMA.empty_table()
        with connect(url) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            stored = connection.cursor(row_factory=dict_row).execute(
                "SELECT zone_id, name, borough, longitude, latitude FROM raw.zones ORDER BY zone_id"
            )
            if stored.fetchall() != table.to_pylist():
                connection.execute("DELETE FROM raw.zones")
                append_rows(connection, sql.Identifier("raw", "zones"), SCHEMA, table.to_batches())
        return {"rows": table.num_rows, "sha256": hashlib.sha256(repr(table.to_pylist()).encode()).hexdigest()}

    def list_addresses(self, settings: Settings) -> list[str]:
        """The files that ZONES_SOURCE names; a SettingsError where it names nothing that can be read."""
        return split_source(settings)

    def digest(self, connection: psycopg.Connection) -> str | None:
        """A hash of the zones; None where there are none."""
        row = connection.execute(_DIGEST).fetchone()
        return row[0] if row else None

    def freeze(self, connection: psycopg.Connection) -> dict[str, list[float | None]]:
        """The positions, as `Positions.to_dict` has them."""
        rows = connection.execute("SELECT zone_id, longitude, latitude FROM raw.zones WHERE zone_id >= 0").fetchall()
        return (Positions.from_zones(*zip(*rows, strict=True)) if rows else NO_POSITIONS).to_dict()

    def read_names(self, connection: psycopg.Connection) -> dict[str, str]:
        """Zone id -> name, ordered by id."""
        rows = connection.execute("SELECT zone_id::text AS id, name FROM raw.zones ORDER BY zone_id").fetchall()
        return dict(rows)


ZONES = ZoneTable()
