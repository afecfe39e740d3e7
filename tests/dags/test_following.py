from typing import Any

import pytest

from include.orchestration import following

MASTER, OWN = "automatic_retraining", "manual__2"


def describe_run(dag_id: str, run_id: str, queued_at: str = "2024-01-01T00:00:00Z") -> dict[str, Any]:
    return {"dag_id": dag_id, "dag_run_id": run_id, "queued_at": queued_at}


OWN_RUN = describe_run(MASTER, OWN, "2024-01-01T00:00:05Z")
# Both are started by one schedule, and so have one id.
OF_THE_SAME_ID = describe_run("alert_maintenance", OWN, "2024-01-01T00:00:09Z")
TRAINING_RUN = describe_run("xgboost_training", "asset_triggered__1")


@pytest.mark.parametrize(
    ("looks", "event", "rival"),
    [
        pytest.param([[]], None, None, id="alone"),
        pytest.param([[describe_run("prediction", "manual__1")]], None, None, id="others are none"),
        pytest.param([[TRAINING_RUN]], None, "xgboost_training/asset_triggered__1", id="training"),
        pytest.param([[describe_run(MASTER, "manual__1")]], None, f"{MASTER}/manual__1", id="older of the same DAG"),
        pytest.param([[describe_run(MASTER, "manual__3", "2024-01-01T00:00:09Z")]], None, None, id="younger"),
        pytest.param(
            [[OF_THE_SAME_ID, describe_run(MASTER, "manual__3", "2024-01-01T00:00:07Z")]],
            None,
            None,
            id="of the same id",
        ),
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
    monkeypatch.setattr(following, "list_active_runs", lambda dag_ids: [*next(remaining), OWN_RUN])
    monkeypatch.setattr(following, "list_queued_events", lambda dag_id: [{"asset_id": 1}] if dag_id == event else [])
    monkeypatch.setattr(following, "list_paused", lambda dag_ids: [])
    assert following.find_rival(MASTER, OWN) == rival


def test_run_that_is_not_among_the_oldest_gives_way_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "list_active_runs", lambda dag_ids: [describe_run(MASTER, "manual__1")])
    assert following.find_rival(MASTER, OWN) == f"{MASTER}/manual__1"


def test_rivals_are_asked_for_by_name_so_that_other_runs_cannot_hide_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(following, "list_active_runs", lambda dag_ids: asked.append(set(dag_ids)) or [OWN_RUN])
    monkeypatch.setattr(following, "list_queued_events", lambda dag_id: [])
    monkeypatch.setattr(following, "list_paused", lambda dag_ids: [])
    assert following.find_rival(MASTER, OWN) is None
    assert asked == [{MASTER, "data_preparation", "sklearn_training", "xgboost_training", "lightgbm_training"}] * 2


def test_event_that_a_paused_dag_does_not_take_up_is_no_rival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "list_active_runs", lambda dag_ids: [OWN_RUN])
    monkeypatch.setattr(following, "list_queued_events", lambda dag_id: [{"asset_id": 1}])
    monkeypatch.setattr(following, "list_paused", lambda dag_ids: set(dag_ids) - {"lightgbm_training"})
    assert following.find_rival(MASTER, OWN) == "an event for lightgbm_training"
    monkeypatch.setattr(following, "list_paused", lambda dag_ids: list(dag_ids))
    assert following.find_rival(MASTER, OWN) is None
