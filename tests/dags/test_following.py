from typing import Any

import pytest

from include.orchestration import following

MASTER, OWN = "automatic_retraining", "manual__2"


def describe_run(dag_id: str, run_id: str, queued_at: str = "2024-01-01T00:00:00Z") -> dict[str, Any]:
    return {"dag_id": dag_id, "dag_run_id": run_id, "queued_at": queued_at}


OWN_RUN = describe_run(MASTER, OWN, "2024-01-01T00:00:05Z")
TRAINING_RUN = describe_run("xgboost_training", "asset_triggered__1")


@pytest.mark.parametrize(
    ("looks", "event", "rival"),
    [
        pytest.param([[]], None, None, id="alone"),
        pytest.param([[describe_run("prediction", "manual__1")]], None, None, id="others are none"),
        pytest.param([[TRAINING_RUN]], None, "xgboost_training/asset_triggered__1", id="training"),
        pytest.param([[describe_run(MASTER, "manual__1")]], None, f"{MASTER}/manual__1", id="older of the same DAG"),
        pytest.param([[describe_run(MASTER, "manual__3", "2024-01-01T00:00:09Z")]], None, None, id="younger"),
        pytest.param([[]], "sklearn_training", "an event for sklearn_training", id="event not taken up yet"),
        pytest.param(
            [[], [TRAINING_RUN]], None, "xgboost_training/asset_triggered__1", id="event taken up between the looks"
        ),
    ],
)
def test_rival_is_what_prepares_or_trains_or_is_about_to(
    looks: list[list[dict[str, Any]]], event: str | None, rival: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Airflow shows for some milliseconds only.
    remaining = iter([*looks, looks[-1]])
    monkeypatch.setattr(following, "list_active_runs", lambda: [OWN_RUN, *next(remaining)])
    monkeypatch.setattr(following, "list_queued_events", lambda dag_id: [{"asset_id": 1}] if dag_id == event else [])
    assert following.find_rival(MASTER, OWN) == rival
