"""Pages of registered models and the playground, with models in a real MLflow."""

import json
import re
from collections.abc import Callable
from itertools import count, pairwise
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from include.dashboards import playground
from include.dashboards.reading import registered
from include.dashboards.reading.explanations import _read_sample, _show_features
from include.models import explanation
from include.problem.declaration import Problem
from include.sets.examples import load_split
from include.settings import Settings
from include.tracking.runs import open_tracker
from include.warehouse import connect
from tests.dashboards.conftest import OpenSite, Site, store_trials
from tests.redeclared import ADDED, make_later, remove
from tests.registered import BLEND, BOOSTER, FOREST, LASSO, LOG_BLEND, configure, register
from tests.warehouse_rows import store_zones

NAMES = (f"dashboards-{number}" for number in count())
TRIP = {"pickup_zone": 1, "dropoff_zone": 3, "trip_distance": 2.5, "pickup_at": "2024-01-05T18:00"}
DAG_OF = {LASSO: "sklearn_training", FOREST: "sklearn_training", BOOSTER: "xgboost_training"}


@pytest.fixture
def settings(mlflow_url: str) -> Settings:
    return configure(mlflow_url, next(NAMES))


@pytest.fixture
def models_site(open_site: OpenSite, settings: Settings, warehouse_url: str) -> Site:
    """The application where a boosted champion and two others are registered."""
    tracker, name = open_tracker(settings), settings.registered_model
    for model, alias in ((FOREST, None), (LASSO, "challenger"), (BOOSTER, "champion")):
        version = register(tracker, name, model, alias)
        tracker.client.set_model_version_tag(name, str(version.version), "dag_id", DAG_OF[model])
    return open_site(warehouse_url, str(settings.mlflow_tracking_uri), name)


def test_columns_that_are_called_like_parts_of_a_time_are_shown_as_the_numbers_that_they_are() -> None:
    columns = {"day": {"kind": "time"}, "hour": {}, "weekday": {}}
    problem = Problem(name="rents", source="file:///rents.csv", target="rent", time="day", columns=columns)  # type: ignore[call-arg, arg-type]
    rows = {
        "day": np.array(["2024-01-05T18:30"], "datetime64[us]"),
        "hour": np.array([250.0]),
        "weekday": np.array([9.0]),
    }
    features = {"hour": rows["hour"], "weekday": rows["weekday"], "day_hour": np.array([18.5])}
    model: Any = SimpleNamespace(
        problem=problem, encoder=SimpleNamespace(features=SimpleNamespace(cyclic=("day_hour", "day_weekday")))
    )
    shown = _show_features(model, {}, features, rows, 0)
    assert shown == {"hour": "250", "weekday": "9", "day_hour": "18:30"}


def test_sample_that_is_explained_is_evenly_spread_over_all_rows(
    published_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = len(load_split(published_url, 1, "validation"))
    version, problem = cast(Any, SimpleNamespace(set_version="1")), Settings().problem  # type: ignore[call-arg]
    monkeypatch.setattr(explanation, "SAMPLE_ROWS", rows)
    everything = _read_sample(published_url, version, problem)
    size = rows * 2 // 3
    monkeypatch.setattr(explanation, "SAMPLE_ROWS", size)
    chosen = [everything.index(row) for row in _read_sample(published_url, version, problem)]
    assert len(chosen) == size
    assert chosen[-1] == rows - 1
    assert {after - before for before, after in pairwise(chosen)} == {1, 2}


def test_models_in_use_show_error_and_version(models_site: Site) -> None:
    facts = models_site.answer("models_in_use")["facts"]
    assert [(fact["label"], fact["value"]) for fact in facts] == [
        ("Champion, RMSE", "1.25 minutes"), ("Challenger, waiting to be judged, RMSE", "1.25 minutes"),
        ("Waiting to be judged, RMSE", "1.25 minutes"),
    ]  # fmt: skip
    assert facts[0]["detail"].startswith("gbtree.squarederror v3")
    assert [fact["tone"] for fact in facts] == ["", "quiet", "quiet"], "on rows of their own, not to be compared"


def test_models_in_use_are_compared_on_the_rows_that_both_were_judged_on(
    models_site: Site, settings: Settings, warehouse_url: str
) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO training.promotions (kind, name, version, rival_version, judged_on, split, rows, reason,"
            " challenger_error, champion_error, state, run_key, decided_at) VALUES"
            " ('judgement', %(name)s, 1, NULL, 1, 'test', 500, 'r', 6.5, 14.4, 'promoted', 'd/1',"
            " now() - interval '3 h'),"
            " ('judgement', %(name)s, 3, 1, 2, 'test', 500, 'r', 5.1, 6.7, 'promoted', 'd/2', now() - interval '2 h'),"
            " ('judgement', %(name)s, 2, 3, 2, 'test', 500, 'r', 5.4, 5.1, 'rejected', 'd/3', now() - interval '1 h')",
            {"name": settings.registered_model},
        )
    open_tracker(settings).client.set_registered_model_alias(settings.registered_model, "previous", "1")
    facts = models_site.answer("models_in_use")["facts"]
    assert [(fact["label"], fact["value"], fact["tone"]) for fact in facts] == [
        ("Champion, RMSE", "5.1 minutes", ""), ("Previous champion, RMSE", "6.7 minutes", ""),
        ("Judged, not better, RMSE", "5.4 minutes", ""),
    ]  # fmt: skip
    assert "promoted 2 h ago · on test rows of training set 2" in facts[0]["detail"]
    assert [fact["detail"].partition(" · ")[2] for fact in facts[1:]] == [
        "against 5.1 for the champion on the same rows", "against 5.1 for the champion on the same rows",
    ]  # fmt: skip


def test_models_that_were_judged_on_the_same_rows_against_the_champion_before_are_compared(
    models_site: Site, settings: Settings, warehouse_url: str
) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO training.promotions (kind, name, version, rival_version, judged_on, split, rows, reason,"
            " challenger_error, champion_error, state, run_key) VALUES"
            " ('judgement', %(name)s, 1, 9, 1, 'test', 500, 'r', 7.5, 7.7, 'rejected', 'd/1'),"
            " ('judgement', %(name)s, 2, 9, 2, 'test', 500, 'r', 5.4, 6.7, 'promoted', 'd/2'),"
            " ('judgement', %(name)s, 3, 9, 2, 'test', 500, 'r', 5.1, 6.7, 'promoted', 'd/2')",
            {"name": settings.registered_model},
        )
    facts = models_site.answer("models_in_use")["facts"]
    assert [(fact["value"], fact["tone"]) for fact in facts] == [
        ("5.1 minutes", ""), ("5.4 minutes", ""), ("7.5 minutes", "quiet"),
    ]  # fmt: skip
    assert [fact["detail"].partition(" · ")[2] for fact in facts[1:]] == [
        "on test rows of training set 2", "on test rows of training set 1",
    ]  # fmt: skip


def test_version_that_is_older_than_those_offered_is_found_by_its_number(
    models_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registered, "MOST_VERSIONS", 1)
    for wanted, label in ((1, "RandomForestRegressor v1"), (77, "gbtree.squarederror v3")):
        found = registered.find_registered(models_site.context(version=wanted))
        assert found and found.label == label


def test_models_of_dags_that_may_not_be_read_are_not_shown(models_site: Site) -> None:
    offered = models_site.visit("sklearn").get("/options/versions").json()["options"]
    assert [text for _, text in offered] == ["Lasso v2 (challenger)", "RandomForestRegressor v1"]


def test_home_card_names_the_champion(models_site: Site) -> None:
    [champion, _] = models_site.visit().get("/summary").json()["facts"]
    assert (champion["label"], champion["value"]) == ("Champion", "gbtree.squarederror v3")
    assert champion["detail"].startswith("validation RMSE 1.25 minutes")


def test_playground_predicts_with_the_champion_and_the_others_and_says_why(models_site: Site) -> None:
    answer = models_site.visit().post("/predict", json=TRIP).json()
    assert [(each["label"], each["role"]) for each in answer["predictions"]] == [
        ("gbtree.squarederror v3", "champion"), ("Lasso v2", "challenger"), ("RandomForestRegressor v1", "version"),
    ]  # fmt: skip
    predicted = answer["predictions"][0]["value"]
    assert answer["predictions"][0]["low"] < predicted < answer["predictions"][0]["high"]
    made = answer["contributions"]["data"][0]
    assert sum(made["y"][:-1]) == pytest.approx(predicted, abs=0.01)
    assert answer["models"]["data"][0]["x"][0] == pytest.approx(predicted)
    assert answer["row"]["pickup_at"] == "2024-01-05T18:00:00"
    far = models_site.visit().post("/predict", json=TRIP | {"trip_distance": 90_000}).json()
    assert set(far["warnings"]) - set(answer["warnings"])
    assert all(warning.startswith("trip_distance 90000 is above") for warning in set(far["warnings"]))


@pytest.mark.parametrize("change", [make_later, remove])
def test_playground_asks_for_what_the_champion_was_trained_with_though_the_declaration_has_changed(
    open_site: OpenSite,
    models_site: Site,
    settings: Settings,
    warehouse_url: str,
    change: Callable[[Problem], Problem],
) -> None:
    changed = change(settings.problem)
    site = open_site(warehouse_url, str(settings.mlflow_tracking_uri), settings.registered_model, problem=changed)
    form = playground.describe_form(site.context())
    assert {field["name"] for field in form["fields"]} == settings.problem.dtypes.keys()
    answer = site.visit().post("/predict", json=TRIP)
    assert answer.status_code == 200, answer.text
    assert answer.json()["row"]["trip_distance"] == 2.5
    assert site.visit().post("/predict", json=TRIP | {ADDED: 1}).status_code == 422


@pytest.mark.parametrize("blend", [BLEND, LOG_BLEND])
def test_playground_predicts_and_explains_with_a_blend(
    open_site: OpenSite, settings: Settings, warehouse_url: str, blend: str
) -> None:
    tracker, name = open_tracker(settings), settings.registered_model
    version = register(tracker, name, blend, "champion")
    tracker.client.set_model_version_tag(name, str(version.version), "dag_id", DAG_OF[BOOSTER])
    site = open_site(warehouse_url, str(settings.mlflow_tracking_uri), name)
    answer = site.visit().post("/predict", json=TRIP).json()
    [predicted] = answer["predictions"]
    assert (predicted["label"], predicted["model"]) == (f"{blend} v1", blend)
    made = answer["contributions"]["data"][0]
    assert sum(made["y"][:-1]) == pytest.approx(predicted["value"], abs=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pickup_zone": "nowhere"}, "pickup_zone must be a whole number"),
        ({"trip_distance": -1}, "trip_distance must be a number from 0"),
        ({"passenger": "Jo"}, "passenger is not a field of a trip"),
    ],
)
def test_playground_refuses_a_trip_by_the_name_of_its_field(models_site: Site, change: dict, words: str) -> None:
    answer = models_site.visit().post("/predict", json=TRIP | change)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_playground_without_a_model_says_what_to_do(
    open_site: OpenSite, settings: Settings, warehouse_url: str
) -> None:
    empty = open_site(warehouse_url, str(settings.mlflow_tracking_uri), settings.registered_model)
    answer = empty.visit().post("/predict", json=TRIP)
    assert (answer.status_code, answer.json()["detail"]) == (
        503, "No model is registered yet: start sklearn_training, xgboost_training or lightgbm_training.",
    )  # fmt: skip


def test_playground_offers_zones_by_name(site: Site, warehouse_url: str) -> None:
    store_zones(warehouse_url, [(74, "East Harlem North", None, None), (1, "<Newark>", None, None)])
    text = site.visit().get("/playground").text
    state = json.loads(re.search(r'<script id="state"[^>]*>(.*?)</script>', text)[1])
    fields = {field["name"]: field for field in state["form"]["fields"]}
    assert fields["pickup_zone"]["choices"] == [[1, "<Newark>"], [74, "East Harlem North"]]
    assert fields["dropoff_zone"]["choices"] == fields["pickup_zone"]["choices"]
    assert (fields["trip_distance"]["type"], fields["trip_distance"]["title"]) == ("number", "Trip distance (miles)")
    assert state["form"]["example"] == {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98}
    assert "<Newark>" not in text


def test_playground_shows_the_range_that_the_champion_learnt(open_site: OpenSite, published_url: str) -> None:
    text = open_site(published_url).visit().get("/playground").text
    state = json.loads(re.search(r'<script id="state"[^>]*>(.*?)</script>', text)[1])
    fields = {field["name"]: field for field in state["form"]["fields"]}
    assert re.fullmatch(r"0\.\d+ to \d+\.\d+", fields["trip_distance"]["placeholder"])
    assert not any(field["folded"] for field in fields.values())


def test_playground_shows_nothing_of_the_newest_set_to_who_may_see_neither_it_nor_a_model(
    open_site: OpenSite, published_url: str
) -> None:
    site = open_site(published_url)
    shown = {
        person: {
            field["name"]: (field["placeholder"], field["value"], field["choices"])
            for field in playground.describe_form(site.context(person))["fields"]
        }
        for person in ("viewer", "sklearn")
    }
    assert " to " in shown["viewer"]["trip_distance"][0]
    assert shown["sklearn"]["trip_distance"] == ("1.98", None, [])


def test_viewer_is_told_why_predicting_is_not_possible(site: Site) -> None:
    text = site.visit("viewer").get("/playground").text
    assert "requires permission to start the DAG prediction" in text
    assert "disabled" in text


def test_run_leads_to_airflow_and_to_mlflow(open_site: OpenSite, settings: Settings, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/manual__1+1", LASSO, [5.0])
    address = str(settings.mlflow_tracking_uri)
    site = open_site(warehouse_url, address, settings.registered_model)
    links = [fact["to"] for fact in site.answer("run_facts")["facts"] if fact["to"]]
    assert links[0] == "/dags/sklearn_training/runs/manual__1%2B1"
    assert [link.partition("/#/experiments/")[0] for link in links[1:]] == [address]
    assert "run_key" in links[1]


def test_run_does_not_lead_to_an_mlflow_that_no_browser_can_reach(
    open_site: OpenSite, settings: Settings, warehouse_url: str
) -> None:
    store_trials(warehouse_url, "sklearn_training/manual__1+1", LASSO, [5.0])
    site = open_site(warehouse_url, "http://mlflow:5000", settings.registered_model)
    assert [fact["label"] for fact in site.answer("run_facts")["facts"] if fact["to"]] == ["Run in Airflow"]


def test_login_in_the_address_of_mlflow_reaches_nobody(
    open_site: OpenSite, settings: Settings, warehouse_url: str
) -> None:
    store_trials(warehouse_url, "sklearn_training/manual__1+1", LASSO, [5.0])
    address = str(settings.mlflow_tracking_uri).replace("://", "://someone:secret@")
    answer = open_site(warehouse_url, address, settings.registered_model).answer("run_facts")
    assert answer["kind"] == "facts"
    assert "secret" not in str(answer)
