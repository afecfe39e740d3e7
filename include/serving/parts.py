"""What the routes work with, and the refusals that they share."""

from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, status

from include.serving.access import Secrets
from include.serving.holder import Champion, Holder
from include.serving.log_writer import LogWriter
from include.serving.metrics import Metrics
from include.serving.routes import answers

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": answers.Refused, "description": "The key is missing or wrong"},
    503: {"model": answers.Refused, "description": "There is no champion yet"},
}


@dataclass(frozen=True)
class Parts:
    """What the application works with."""

    holder: Holder
    writer: LogWriter
    metrics: Metrics
    secrets: Secrets

    def take_champion(self) -> Champion:
        """The champion in memory; answered as 503 where there is none."""
        champion = self.holder.current
        if champion is None:
            reason = f"There is no champion yet. {self.holder.problem or ''}"
            raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, reason)
        return champion
