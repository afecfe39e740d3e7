"""Watches the source from the triggerer: an event soon after a month's file is new or has changed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from include.orchestration.connections import get_warehouse_url

SECONDS_BETWEEN_READINGS = 5.0


class SourceWatch(BaseEventTrigger):
    """Fires when months are new at the source, see `Watch`. An event's payload: source and months."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return "include.orchestration.source_watch.SourceWatch", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Looks again and again, see `choose_pause`; settings are read anew each time."""
        from include.retraining.watching import Watch, choose_pause
        from include.settings import read_settings
        from include.sources.location import mask

        watch, pause = None, SECONDS_BETWEEN_READINGS
        while True:
            await asyncio.sleep(pause)
            try:
                settings = read_settings()
                pause = choose_pause(settings) or SECONDS_BETWEEN_READINGS
                watch = watch or Watch(await asyncio.to_thread(get_warehouse_url))
                months = await asyncio.to_thread(watch.look, settings)
            except Exception as error:  # whatever it is, the watch goes on
                self.log.warning("The source could not be checked: %s", error)
                continue
            if months:
                yield TriggerEvent({"source": mask(settings.problem.source), "months": months})
