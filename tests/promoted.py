"""What the warehouse knows of a champion, without a registry."""

import psycopg
from psycopg.types.json import Jsonb

from include.problem.declaration import Problem
from include.settings import Settings


def promote(url: str, version: int, problem: Problem, *, state: str = "promoted") -> None:
    """A version of the settings' model that was trained on a set of rows as the problem declares them."""
    with psycopg.connect(url) as connection:
        made = connection.execute(
            "INSERT INTO training.sets (state, months, declaration, settings, sources)"
            " VALUES ('superseded', '{}', %s, '{}', '{}') RETURNING version",
            [Jsonb(problem.to_dict())],
        ).fetchone()
        assert made
        connection.execute(
            "INSERT INTO training.promotions (kind, name, version, set_version, reason, state, run_key, moved_at)"
            " VALUES ('judgement', %s, %s, %s, 'better', %s, 'model_promotion/run', clock_timestamp())",
            [Settings().registered_model, version, made[0], state],
        )
