"""Requests that arrive together are predicted together: a model takes little longer for twenty rows than for one."""

import asyncio

import anyio.to_thread
import numpy as np

from include.problem.data import Columns, Values, count_rows
from include.serving.holder import Champion

# With more rows than this a request is predicted on its own, beside the loop that answers the others.
MOST_ROWS_TOGETHER = 50


class Batcher:
    """Collects the rows of the requests that the event loop has at hand, and predicts them before it waits again."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Champion, Columns, asyncio.Future[Values]]] = []

    async def predict(self, champion: Champion, rows: Columns) -> Values:
        """The champion's predictions of one request's rows."""
        if count_rows(rows) > MOST_ROWS_TOGETHER:
            return await anyio.to_thread.run_sync(champion.model.predict, rows)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # Behind the requests that were read along with this one.
            loop.call_soon(self._flush)
        future: asyncio.Future[Values] = loop.create_future()
        self._waiting.append((champion, rows, future))
        return await future

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        # Around a promotion there can be two.
        for champion in {id(champion): champion for champion, _, _ in waiting}.values():
            together = [(rows, future) for of, rows, future in waiting if of is champion]
            try:
                predicted = champion.model.predict(_join([rows for rows, _ in together]))
            except Exception as error:
                for _, future in together:
                    if not future.done():
                        future.set_exception(error)
                continue
            at = 0
            for rows, future in together:
                count = count_rows(rows)
                # Whoever has hung up is not waiting any more.
                if not future.done():
                    future.set_result(predicted[at : at + count])
                at += count


def _join(parts: list[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
