"""Names of the zones in a small file beside the stack's other files, for forms that are made without a database."""

import json
from pathlib import Path

from include.settings import HOME

PATH = HOME / "zone_names.json"


def write_zone_names(url: str, path: Path = PATH) -> None:
    """Replaces the file by the names in `raw.zones`, unless it holds them already.

    Args:
        url: The warehouse's libpq address.
    """
    # Only here: a DAG file reads the names, and is to be read quickly.
    from include.warehouse import connect

    with connect(url) as connection:
        names = connection.execute("SELECT zone_id, name FROM raw.zones ORDER BY zone_id").fetchall()
    text = json.dumps(dict(names))
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def read_zone_names(path: Path = PATH) -> dict[int, str]:
    """Zone id -> name, ordered by id; empty where no zones were loaded on this machine yet."""
    if not path.exists():
        return {}
    return {int(zone): name for zone, name in json.loads(path.read_text(encoding="utf-8")).items()}
