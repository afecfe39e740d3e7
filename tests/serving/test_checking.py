"""Checks of the registry that many requests ask for at once."""

import asyncio
import threading
from pathlib import Path

import anyio.to_thread
import httpx
import pytest

from include.prediction.inputs import InputFormat
from include.serving.access import Secrets
from include.serving.app import create_app
from include.serving.checking import Checks
from include.serving.holder import Holder
from include.serving.log_writer import LogWriter
from include.serving.metrics import Metrics
from include.serving.parts import Parts
from include.settings import Settings
from tests.serving.conftest import KEY, SECRET

MANY = 45


class Registry:
    """Stands for one that answers when it is let; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked, self.release = 0, threading.Event()

    def answer(self, insist: bool) -> bool:
        """Whether there is another champion."""
        assert insist
        self.asked += 1
        self.release.wait()
        return True


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def holder(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Holder:
    """A holder whose registry takes its time."""
    holder = Holder(Metrics(), Settings)
    monkeypatch.setattr(holder, "_refresh", registry.answer)
    return holder


def test_requests_that_wait_for_a_check_hold_no_thread_and_share_the_next_one(
    holder: Holder, registry: Registry, tmp_path: Path
) -> None:
    metrics, form = Metrics(), InputFormat.of(Settings().problem)
    app = create_app(Parts(holder, LogWriter("", 1, metrics, tmp_path), metrics, Secrets(KEY, SECRET)), form)

    async def ask() -> list[bool]:
        transport, headers = httpx.ASGITransport(app), {"X-API-Key": KEY}
        async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client:
            asking = [asyncio.create_task(client.post("/reload")) for _ in range(MANY)]
            while not registry.asked:
                await asyncio.sleep(0.01)
            asking += [asyncio.create_task(client.post("/reload")) for _ in range(MANY)]
            await asyncio.sleep(0.5)
            held = anyio.to_thread.current_default_thread_limiter().borrowed_tokens
            registry.release.set()
            answers = await asyncio.gather(*asking)
        assert held == 1
        return [answer.json()["swapped"] for answer in answers]

    assert asyncio.run(ask()) == [True] * 2 * MANY
    assert registry.asked < MANY


def test_who_hangs_up_ends_the_check_for_nobody_else(holder: Holder, registry: Registry) -> None:
    async def ask() -> bool:
        checks = Checks(holder)
        gone, waiting = (asyncio.create_task(checks.check()) for _ in range(2))
        while not registry.asked:
            await asyncio.sleep(0.01)
        gone.cancel()
        registry.release.set()
        return await waiting

    assert asyncio.run(ask())
