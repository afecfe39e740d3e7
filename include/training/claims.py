"""Which run trains a family on a training set: what reaches it by two ways, an event and a trigger, is done once."""

from datetime import datetime

from include.warehouse import connect


def claim_training(url: str, family: str, set_version: int, run_key: str, since: datetime | None = None) -> bool:
    """Claims a family's training on a set.

    Args:
        run_key: `DAG id/run id`; a run keeps what it has claimed, so that it can be tried again.
        since: A claim of another run from before this time gives way; None: none does.

    Returns:
        False where another run's claim stands.
    """
    with connect(url) as connection:
        row = connection.execute(
            "INSERT INTO training.claims AS c (family, set_version, run_key) VALUES (%s, %s, %s)"
            " ON CONFLICT (family, set_version) DO UPDATE SET run_key = excluded.run_key, claimed_at = now()"
            " WHERE c.run_key = excluded.run_key OR c.claimed_at < %s::timestamptz RETURNING run_key",
            [family, set_version, run_key, since],
        ).fetchone()
    return row is not None
