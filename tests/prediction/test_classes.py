"""What is answered and kept of classes by the runs of `prediction`."""

from pathlib import Path
from typing import Any

import pytest

from include.prediction.request import describe, predict
from include.problem.declaration import Problem
from include.raw.tables import ensure_columns
from include.settings import Settings
from include.tracking.runs import open_tracker
from tests.classified import CUSTOMER, LEAVING, LINEAR, LOGISTIC, SOFTPROB, TIERS, register
from tests.warehouse_rows import query


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
@pytest.mark.parametrize(
    ("problem", "model"), [(LEAVING, LINEAR), (LEAVING, LOGISTIC), (TIERS, SOFTPROB)], ids=["linear", "two", "three"]
)
def test_champion_decides_for_a_class_and_both_are_logged(
    warehouse_url: str,
    mlflow_url: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    problem: Problem,
    model: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    settings = Settings(problem=problem, mlflow_tracking_uri=mlflow_url, registered_model=request.node.name)
    version = register(open_tracker(settings), settings.registered_model, problem, model)
    ensure_columns(warehouse_url, problem)
    answer = predict(warehouse_url, settings, [CUSTOMER, {**CUSTOMER, "tenure": 55}], "manual__1", store=tmp_path)
    assert answer["model"] == {"name": settings.registered_model, "version": version}
    assert [set(row) for row in answer["probabilities"]] == [set(problem.labels)] * 2
    assert [sum(row.values()) for row in answer["probabilities"]] == pytest.approx([1, 1])
    assert (answer["threshold"], answer["level"]) == (0.25 if problem is LEAVING else None, 0.9)
    assert all(label in problem.labels for label in answer["predictions"])
    assert all(0 < len(labels) <= len(problem.labels) for labels in answer["label_sets"])
    logged = query(
        warehouse_url,
        "SELECT tenure, predicted, predicted_class, probabilities FROM prediction.log ORDER BY tenure",
    )
    assert logged == [
        (tenure, None, label, [row[each] for each in problem.labels])
        for tenure, label, row in zip((12, 55), answer["predictions"], answer["probabilities"], strict=True)
    ]


ANSWER: dict[str, Any] = {
    "predictions": ["No"],
    "probabilities": [{"No": 0.85, "Yes": 0.15}],
    "threshold": 0.2,
    "label_sets": [["No", "Yes"]],
    "level": 0.9,
    "model": {"name": "leaving", "version": 3},
    "warnings": [],
}


def test_class_of_two_is_told_with_what_it_was_decided_by() -> None:
    told = "No: the probability of Yes is 15.0%, the threshold 20.0% (90%: No or Yes), by version 3 of leaving."
    assert describe(ANSWER) == told
    assert describe({**ANSWER, "label_sets": None}) == told.replace(" (90%: No or Yes)", "")


def test_class_of_several_is_told_with_its_own_probability() -> None:
    several = {"threshold": None, "probabilities": [{"No": 0.5, "Yes": 0.3, "Later": 0.2}], "warnings": ["x is new"]}
    assert describe({**ANSWER, **several}) == (
        "No, with a probability of 50.0% (90%: No or Yes), by version 3 of leaving. Warning: x is new."
    )


def test_number_is_told_with_its_unit_and_interval() -> None:
    answer = {
        "predictions": [9.12], "unit": "minutes", "intervals": [[6.4, 14.2]], "level": 0.9,
        "model": {"name": "trip-duration", "version": 3}, "warnings": [],
    }  # fmt: skip
    assert describe(answer) == "9.12 minutes (90%: 6.4 to 14.2 minutes), by version 3 of trip-duration."
    assert describe({**answer, "intervals": None}) == "9.12 minutes, by version 3 of trip-duration."
