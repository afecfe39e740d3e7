"""Tuning trials in the warehouse: kept as they finish, read back by other workers and when a killed search goes on.

The estimators of the best trials so far are kept with them, so that training need not fit them a second time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from psycopg.types.json import Jsonb

from include.models.estimator_files import dump_estimator, parse_estimator
from include.tuning.proposals import Parameters
from include.tuning.search import Trial
from include.warehouse import KeptConnection, connect

# A larger one is fitted again: a statement takes no more than a gigabyte, in hexadecimal digits.
MOST_ESTIMATOR_BYTES = 256 * 2**20
_KEEP = """
    WITH former AS (DELETE FROM training.estimators WHERE kept_at < now() - interval '7 days')
    INSERT INTO training.estimators (run_key, model, parameters, file, contents) VALUES (%s, %s, %s, %s, %b)
    ON CONFLICT (run_key, model, parameters) DO UPDATE
    SET file = excluded.file, contents = excluded.contents, kept_at = now()
"""
# The best trials of a search that have a model of their own: of those with the same parameters the first.
_BEST = """
    SELECT parameters, min(number) AS number FROM training.trials
    WHERE run_key = %(run_key)s AND model = %(model)s AND loss IS NOT NULL AND NOT has_ended
    GROUP BY parameters ORDER BY min(loss), min(number) LIMIT %(most)s
"""
_DROP = f"""
    DELETE FROM training.estimators WHERE run_key = %(run_key)s AND model = %(model)s
      AND parameters NOT IN (SELECT parameters FROM ({_BEST}) AS best)
"""
# The best parameters of each of the last searches, and of the one that the champion came of.
LAST_SEARCHES = 2
_KNOWN = """
    WITH searches AS (
        SELECT run_key, model, best_loss, finished_at, row_number() OVER (ORDER BY finished_at DESC) AS at
        FROM training.tunings WHERE model = %(model)s AND set_version <= %(newest)s AND run_key <> %(run_key)s
    )
    SELECT (SELECT parameters FROM training.trials WHERE run_key = s.run_key AND model = s.model AND loss = s.best_loss
            ORDER BY number LIMIT 1)
    FROM searches AS s WHERE at <= %(last)s OR run_key = %(champion)s ORDER BY at
"""
_COLUMNS = "number, parameters, loss, metrics, error, started_at, finished_at, curve, has_ended"
# What two workers must not do at once, beside the trials, which are numbered from 0.
_ALONE = -1


class WarehouseTrials:
    """The trials of one search, named by the run that does it and the model type.

    A context manager, for one worker: its connection is kept until it ends, and holds the worker's claims. They are
    advisory locks, so that those of a worker that is killed are free as soon as the server misses it.

    Args:
        keep: How many of the best trials the estimators are kept of.
    """

    def __init__(self, url: str, run_key: str, model: str, set_version: int, keep: int = 1) -> None:
        self.url, self.run_key, self.model, self.set_version, self.keep = url, run_key, model, set_version, keep
        self._connection = KeptConnection(url)

    def __enter__(self) -> Self:
        self._connection.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.__exit__(*error)

    def begin(self, first: Sequence[Parameters]) -> list[Parameters]:
        """The points that the search begins with: those given, unless a worker has given others before."""
        self._connection.execute(
            "INSERT INTO training.searches (run_key, model, first) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [self.run_key, self.model, Jsonb([dict(point) for point in first])],
        )
        [(begun,)] = self._connection.execute(
            "SELECT first FROM training.searches WHERE run_key = %s AND model = %s", [self.run_key, self.model]
        )
        return list(begun)

    def load(self, start: int = 0) -> list[Trial]:
        """The finished trials from a number on, in order."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM training.trials WHERE run_key = %s AND model = %s AND number >= %s"
            " ORDER BY number",
            [self.run_key, self.model, start],
        )
        return [Trial(*row) for row in rows]

    def claim(self, number: int) -> bool:
        """Whether no other worker does this trial; none will, until it is released or this worker is dead."""
        [(is_ours,)] = self._connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, %s))", self._at(number)
        )
        return bool(is_ours)

    def release(self, number: int) -> None:
        """Gives a claimed trial back, finished or not."""
        self._connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, %s))", self._at(number))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until no other worker of the search is in such a block, and keeps them out of it."""
        self._connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, %s))", self._at(_ALONE))
        try:
            yield
        finally:
            self.release(_ALONE)

    def _at(self, number: int) -> list[Any]:
        return [f"{self.run_key}/{self.model}", number]

    def find_known(self, champion: str | None, *, also_of_this_set: bool) -> list[dict[str, Any]]:
        """The model type's best parameters by the last other searches, the newest first.

        Args:
            champion: The run that made the champion, whose parameters are among them.
            also_of_this_set: Whether those on the same training set count; without them, a search on a set is the same
                however often it is done.
        """
        values = {
            "model": self.model,
            "newest": self.set_version - (not also_of_this_set),
            "run_key": self.run_key,
            "last": LAST_SEARCHES,
            "champion": champion,
        }
        with connect(self.url) as connection:
            return [parameters for (parameters,) in connection.execute(_KNOWN, values)]

    def append(self, trial: Trial) -> None:
        """Stores one trial for good; storing the same number again changes nothing."""
        # Before the trial: where a kill comes between the two, the trial is done again.
        if trial.estimator is not None:
            self._keep(trial)
        self._connection.execute(
            f"INSERT INTO training.trials (run_key, model, set_version, status, {_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                self.run_key,
                self.model,
                self.set_version,
                "ok" if trial.loss is not None else "failed",
                trial.number,
                Jsonb(dict(trial.parameters)),
                trial.loss,
                Jsonb(dict(trial.metrics)),
                trial.error,
                trial.started_at,
                trial.finished_at,
                Jsonb(list(trial.curve)),
                trial.has_ended,
            ],
        )
        if trial.estimator is not None:
            values = {"run_key": self.run_key, "model": self.model, "most": self.keep}
            self._connection.execute(_DROP, values)

    def _keep(self, trial: Trial) -> None:
        file, contents = dump_estimator(trial.estimator)
        if len(contents) <= MOST_ESTIMATOR_BYTES:
            values = [self.run_key, self.model, Jsonb(dict(trial.parameters)), file, contents]
            self._connection.execute(_KEEP, values)


def list_best(url: str, run_key: str, model: str, most: int) -> dict[int, dict[str, Any]]:
    """Numbers and parameters of a search's best trials, the best first.

    Trials that failed or were ended early are not among them, and of those with the same parameters only the first is.
    """
    values = {"run_key": run_key, "model": model, "most": most}
    with connect(url) as connection:
        return {number: parameters for parameters, number in connection.execute(_BEST, values)}


def load_estimator_of(url: str, run_key: str, model: str, parameters: Mapping[str, Any], threads: int) -> Any:
    """The estimator that a search has fitted with these parameters, of its best ones; None where it is not kept."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT file, contents FROM training.estimators WHERE run_key = %s AND model = %s AND parameters = %s",
            [run_key, model, Jsonb(dict(parameters))],
        ).fetchone()
    return parse_estimator(row[0], row[1], threads) if row else None
