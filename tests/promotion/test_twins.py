"""Versions that have learnt from the rows that judge, and their twins, which have not."""

from functools import reduce
from operator import add

import numpy as np
import pytest

from include.models.artifact import Model
from include.models.fitting import encode, fit_estimator
from include.models.table import MODELS
from include.problem.data import Split, Values
from include.problem.objectives.regression import measure
from include.promotion import decisions, judging
from include.promotion.comparison import find_disagreement
from include.sets.examples import load_references, load_split, read_problem_of
from include.settings import Settings
from include.tracking import registry, runs
from tests.promotion.versions import FOREST, LINEAR, RUN, SMALL_FOREST, store
from tests.published_sets import publish_set
from tests.warehouse_rows import query

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]


def load_all(url: str) -> dict[str, Split]:
    return {name: load_split(url, 1, name) for name in ("train", "validation", "test")}


def train(url: str, split: Split, model: str = LINEAR) -> Model:
    data = encode(MODELS[model], read_problem_of(url, 1), "rich", load_references(url, 1), split, split)
    parameters = SMALL_FOREST if model == FOREST else {}
    return Model.of(data, fit_estimator(MODELS[model], parameters, data, random_state=0), {"parameters": {}})


def register(url: str, settings: Settings, model: str = LINEAR, target: Values | None = None) -> tuple[int, Model]:
    """A version that has learnt from all splits, or from another target of them, and its twin."""
    splits = load_all(url)
    every = reduce(add, splits.values())
    served = train(url, every if target is None else Split(every.rows, target), model)
    twin = train(url, splits["train"], model)
    return store(url, settings, served, model, splits["validation"], twin), twin


def find_figures(url: str, version: int) -> tuple[float, float, int]:
    columns = "challenger_error, champion_error, rows"
    [figures] = query(url, f"SELECT {columns} FROM training.promotions WHERE version = {version}")
    return figures


def find_error(model: Model, split: Split) -> float:
    return measure(split.target, model.predict(split.rows))["rmse"]


def test_twin_is_judged_and_the_version_that_knows_all_rows_is_promoted(url: str, settings: Settings) -> None:
    version, twin = register(url, settings)
    judging.judge(url, settings, version, RUN)
    test = load_split(url, 1, "test")
    own, _, rows = find_figures(url, version)
    assert (own, rows) == (pytest.approx(find_error(twin, test), rel=1e-6), len(test))
    assert judging.promote(url, settings, [version], RUN)
    tracker = runs.open_tracker(settings)
    champion = registry.find_version(tracker, settings.registered_model, registry.CHAMPION)
    assert champion
    assert (champion.version, champion.has_twin) == (version, True)
    assert find_error(registry.load_model(tracker, champion), test) < own


def test_champion_is_compared_by_its_twin_where_it_knows_every_row(url: str, settings: Settings) -> None:
    champion, twin = register(url, settings)
    judging.judge(url, settings, champion, RUN)
    judging.promote(url, settings, [champion], RUN)
    challenger, _ = register(url, settings, FOREST)
    judging.judge(url, settings, challenger, RUN)
    test = load_split(url, 1, "test")
    _, other, rows = find_figures(url, challenger)
    assert (other, rows) == (pytest.approx(find_error(twin, test), rel=1e-6), len(test))


def test_champion_is_compared_by_itself_on_rows_of_newer_months(url: str, settings: Settings) -> None:
    champion, _ = register(url, settings)
    judging.judge(url, settings, champion, RUN)
    judging.promote(url, settings, [champion], RUN)
    sample = settings.change(source="sample", sample_rows=1_500, minimum_rows=100)
    second = publish_set(url, sample, "second", months=["2024-01", "2024-02", "2024-03"])
    challenger, _ = register(url, settings, FOREST)
    judging.judge(url, settings, challenger, RUN)
    found = registry.get_version(runs.open_tracker(settings), settings.registered_model, champion)
    served = registry.load_model(runs.open_tracker(settings), found)
    newest = load_split(url, second.version, "test")
    _, other, rows = find_figures(url, challenger)
    assert (other, rows) == (pytest.approx(find_error(served, newest), rel=1e-6), len(newest))


def test_version_that_went_astray_when_it_was_fitted_on_all_rows_is_refused(url: str, settings: Settings) -> None:
    every = reduce(add, load_all(url).values())
    version, _ = register(url, settings, target=every.target[::-1] + 30)
    judging.judge(url, settings, version, RUN)
    found = decisions.find_judgement(url, settings.registered_model, version)
    assert found
    assert found.state == "rejected"
    assert found.reason.startswith(
        "Fitted on all rows, the model predicts otherwise than the twin that was judged: by "
    )


def test_twin_whose_files_were_exchanged_is_refused(url: str, settings: Settings) -> None:
    version, _ = register(url, settings)
    tracker = runs.open_tracker(settings)
    registry.tag_version(tracker, settings.registered_model, version, {registry.JUDGED_DIGEST_TAG: "0" * 64})
    judging.judge(url, settings, version, RUN)
    found = decisions.find_judgement(url, settings.registered_model, version)
    assert found
    assert found.state == "rejected"
    assert "not the files that were registered under this version" in found.reason


@pytest.mark.parametrize(
    ("moved", "agrees"), [(0.0, True), (0.9, True), (1.1, False), (np.inf, False), (np.nan, False)]
)
def test_predictions_may_differ_from_those_of_the_twin_by_its_own_error(moved: float, agrees: bool) -> None:
    actual = np.zeros(50)
    judged = actual + 1.0
    assert (find_disagreement(Settings().problem.objective, actual, judged, judged - moved) is None) == agrees
