"""Watches the source from the triggerer: an event soon after a month's file is new or has changed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

SECONDS_BETWEEN_READINGS = 5.0
WATERMARK = "seen"


class SourceWatch(BaseEventTrigger):
    """Fires when months are new at the source, by a watermark that Airflow keeps with the asset.

    The first look at a source only sets the watermark: files that were there before are no news, neither then nor
    after a restart. An event's payload: source and months.
    """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return "include.orchestration.source_watch.SourceWatch", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Looks every WATCH_INTERVAL seconds; settings are read anew each time."""
        from include.retraining.watching import find_news, read_signs
        from include.settings import read_settings
        from include.sources.location import mask

        assert self.asset_state_store is not None  # the triggerer sets it for the watchers of an asset
        source, pause = "", SECONDS_BETWEEN_READINGS
        before: dict[str, str] = {}
        while True:
            await asyncio.sleep(pause)
            try:
                settings = read_settings()
                if source != (source := mask(settings.problem.source)):
                    before = {}
                pause = settings.watch_interval or SECONDS_BETWEEN_READINGS
                watermark: Any = await self.asset_state_store.aget(WATERMARK) or {}
                known = watermark.get("source") == source
                seen = watermark["signs"] if known else {}
                now = await asyncio.to_thread(read_signs, settings, seen)
            except Exception as error:  # whatever it is, the watch goes on
                self.log.warning("The source could not be checked: %s", error)
                continue
            if now is None:
                continue
            months = find_news(seen, before, now) if known else []
            before = now
            if months or not known:
                signs = seen | {month: now[month] for month in months or now}
                # First: an event that is lost is made up for by the next look for a reason, a doubled one is not.
                await self.asset_state_store.aset(WATERMARK, {"source": source, "signs": signs})
            if months:
                yield TriggerEvent({"source": source, "months": months})
