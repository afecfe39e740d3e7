"""Requests that are predicted together."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from include.models.artifact import Model
from include.prediction.inputs import InputFormat
from include.serving.batching import MOST_ROWS_TOGETHER, Batcher
from include.serving.holder import Champion
from include.settings import Settings
from include.tracking.registry import RegisteredVersion
from include.tracking.store import LoadedModel
from tests.registered import BOOSTER, LASSO, VALIDATION, make_model
from tests.splits import take

FORM = InputFormat.of(Settings().problem)


def make_champion(model: Model, version: int = 1) -> Champion:
    now = datetime.now(UTC)
    return Champion(LoadedModel(RegisteredVersion("served", version, {}, now), {}, model), FORM, now)


class Counting:
    """A model that counts how often it is asked."""

    def __init__(self, model: Model) -> None:
        self.model, self.asked = model, 0

    def predict(self, trips: Any) -> Any:
        self.asked += 1
        return self.model.predict(trips)


async def ask_together(batcher: Batcher, *requests: tuple[Champion, slice]) -> list[Any]:
    waiting = [batcher.predict(champion, take(VALIDATION.rows, rows)) for champion, rows in requests]
    return await asyncio.gather(*waiting, return_exceptions=True)


def test_each_request_gets_its_own_predictions_of_one_look_at_the_model() -> None:
    counting = Counting(make_model(BOOSTER))
    champion = make_champion(counting)  # type: ignore[arg-type]
    rows = [slice(0, 1), slice(1, 4), slice(4, 5)]
    answers = asyncio.run(ask_together(Batcher(), *((champion, part) for part in rows)))
    expected = make_model(BOOSTER).predict(VALIDATION.rows)
    for answer, part in zip(answers, rows, strict=True):
        np.testing.assert_array_equal(answer, expected[part])
    assert counting.asked == 1


def test_requests_of_two_champions_are_not_mixed() -> None:
    old, new = make_champion(make_model(LASSO)), make_champion(make_model(BOOSTER), 2)
    answers = asyncio.run(ask_together(Batcher(), *((champion, slice(0, 2)) for champion in (old, new, old, new))))
    for answer, model in zip(answers, (LASSO, BOOSTER, LASSO, BOOSTER), strict=True):
        np.testing.assert_allclose(answer, make_model(model).predict(take(VALIDATION.rows, slice(0, 2))))


def test_large_request_does_not_wait_for_others_nor_they_for_it() -> None:
    counting = Counting(make_model(BOOSTER))
    champion = make_champion(counting)  # type: ignore[arg-type]
    large = slice(0, MOST_ROWS_TOGETHER + 1)
    answers = asyncio.run(ask_together(Batcher(), (champion, large), (champion, slice(0, 1)), (champion, slice(1, 2))))
    assert [len(answer) for answer in answers] == [MOST_ROWS_TOGETHER + 1, 1, 1]
    assert counting.asked == 2


def test_model_that_fails_fails_its_own_requests_alone() -> None:
    class Broken:
        def predict(self, trips: Any) -> Any:
            raise ValueError("it is broken")

    broken, good = make_champion(Broken()), make_champion(make_model(LASSO))  # type: ignore[arg-type]
    answers = asyncio.run(ask_together(Batcher(), (broken, slice(0, 1)), (good, slice(0, 1)), (broken, slice(0, 1))))
    assert [type(answer) for answer in answers] == [ValueError, np.ndarray, ValueError]


def test_caller_who_hangs_up_leaves_the_others_their_answers() -> None:
    async def ask() -> Any:
        batcher, champion = Batcher(), make_champion(make_model(LASSO))
        tasks = [asyncio.create_task(batcher.predict(champion, take(VALIDATION.rows, slice(0, 1)))) for _ in range(2)]
        # Both have asked, nothing is predicted yet.
        await asyncio.sleep(0)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    gone, answer = asyncio.run(ask())
    assert isinstance(gone, asyncio.CancelledError)
    assert answer == pytest.approx(make_model(LASSO).predict(take(VALIDATION.rows, slice(0, 1))))
