"""Tuning trials in the warehouse: kept as they finish, read back when a killed search goes on."""

from typing import Self

from psycopg.types.json import Jsonb

from include.tuning.search import Trial
from include.warehouse import KeptConnection, connect

_COLUMNS = "number, parameters, loss, metrics, document, generator, started_at, finished_at"


class WarehouseTrials:
    """The trials of one search, named by the run that does it and the model type.

    A context manager: the connection that trials are stored by is kept until it ends.
    """

    def __init__(self, url: str, run_key: str, model: str, set_version: int) -> None:
        self.url, self.run_key, self.model, self.set_version = url, run_key, model, set_version
        self._connection = KeptConnection(url)

    def __enter__(self) -> Self:
        self._connection.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.__exit__(*error)

    def load(self) -> list[Trial]:
        """The finished trials, in order."""
        with connect(self.url) as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM training.trials WHERE run_key = %s AND model = %s ORDER BY number",
                [self.run_key, self.model],
            ).fetchall()
        return [
            Trial(
                number=number,
                parameters=parameters,
                loss=loss,
                metrics=metrics,
                error=document["result"]["error"],
                started_at=started_at,
                finished_at=finished_at,
                document=document,
                generator=generator,
            )
            for number, parameters, loss, metrics, document, generator, started_at, finished_at in rows
        ]

    def append(self, trial: Trial) -> None:
        """Stores one trial for good; storing the same number again changes nothing."""
        self._connection.execute(
            f"INSERT INTO training.trials (run_key, model, set_version, status, {_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                self.run_key,
                self.model,
                self.set_version,
                "ok" if trial.loss is not None else "failed",
                trial.number,
                Jsonb(dict(trial.parameters)),
                trial.loss,
                Jsonb(dict(trial.metrics)),
                Jsonb(dict(trial.document)),
                Jsonb(dict(trial.generator)),
                trial.started_at,
                trial.finished_at,
            ],
        )
