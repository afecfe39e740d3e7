"""Checks of the registry that requests ask for: one at a time, however many ask."""

import asyncio
from functools import partial

import anyio.to_thread

from include.serving.holder import Holder


class Checks:
    """Lets those who ask wait without a thread, of which the predictions need each."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[bool] | None = None

    async def check(self) -> bool:
        """Whether a check that began after this call has put another champion into memory.

        All who ask before it begins share it. One that is under way may have asked the registry too early.
        """
        self._next = self._next or asyncio.create_task(self._check())
        # Who hangs up ends it for nobody else.
        return await asyncio.shield(self._next)

    async def _check(self) -> bool:
        async with self._turn:
            self._next = None
            return await anyio.to_thread.run_sync(partial(self._holder.refresh, insist=True))
