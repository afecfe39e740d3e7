"""Tuning trials in the warehouse: kept as they finish, read back when a killed search goes on."""

from dataclasses import dataclass

from psycopg.types.json import Jsonb

from include.tuning.search import Trial
from include.warehouse import connect

_COLUMNS = "number, parameters, loss, metrics, document, generator, started_at, finished_at"


@dataclass(frozen=True)
class WarehouseTrials:
    """The trials of one search, named by the run that does it and the model type."""

    url: str
    run_key: str
    model: str
    set_version: int

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
        """Stores one trial; storing the same number again changes nothing."""
        with connect(self.url) as connection:
            connection.execute(
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
