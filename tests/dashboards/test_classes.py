"""Explainability and playground of classes: probabilities and sets of classes instead of numbers and intervals."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from psycopg.types.json import Jsonb

from include.dashboards import playground
from include.dashboards.drawing.outcomes import ClassOutcome, list_outcomes
from include.dashboards.pages import explainability
from include.dashboards.playground import Predicted, draw_predictions
from include.dashboards.reading.explanations import Explained
from include.models.explanation import explain
from include.problem.declaration import Problem
from include.tracking.runs import open_tracker
from include.warehouse import connect
from tests.classified import (
    COLUMNS,
    CUSTOMER,
    FOREST,
    LEAVING,
    LINEAR,
    LOGISTIC,
    MULTICLASS,
    SOFTPROB,
    TIERS,
    declare,
    fit_model,
    make_split,
    register,
)
from tests.dashboards.conftest import OpenSite, Site
from tests.registered import configure

NAMES = (f"classes-{number}" for number in count())
ROWS = 40
DRAWN = ("beeswarm", "mean_contributions", "why_this_prediction")


def open_classes(open_site: OpenSite, warehouse_url: str, mlflow_url: str, problem: Problem, *models: str) -> Site:
    """The application where these models are registered, the first one the champion."""
    settings = configure(mlflow_url, next(NAMES), problem=problem)
    for model, alias in zip(models, ["champion", *[None] * len(models)], strict=False):
        register(open_tracker(settings), settings.registered_model, problem, model, alias)
    return open_site(warehouse_url, mlflow_url, settings.registered_model, problem=problem)


def publish(url: str, problem: Problem, version: int = 1, declared: Problem | None = None) -> None:
    """A training set whose validation split has seeded rows."""
    split = make_split(problem, ROWS, seed=8)
    rows = zip(range(ROWS), *(values.tolist() for values in (*split.rows.values(), split.target)), strict=True)
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO training.sets (version, state, months, declaration, settings, sources, counts, published_at)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, 'published', '{all}', %s, '{}', '{}', %s, now())",
            [version, Jsonb((declared or problem).to_dict()), Jsonb({"validation": ROWS})],
        )
        connection.execute(
            f"CREATE TABLE training.examples_{version} (row_number bigint, tenure double precision, contract text,"
            " target double precision, month text DEFAULT 'all', split text DEFAULT 'validation')"
        )
        connection.cursor().executemany(
            f"INSERT INTO training.examples_{version} (row_number, tenure, contract, target) VALUES (%s, %s, %s, %s)",
            list(rows),
        )


def list_in_words(labels: list[str]) -> str:
    return " or ".join([", ".join(labels[:-1]), labels[-1]] if labels[1:] else labels)


# What a page says of a prediction


def make_outcome(label: str = "No", label_set: list[str] | None = None, threshold: float | None = 0.25) -> ClassOutcome:
    return ClassOutcome(LEAVING, label, {"No": 0.8, "Yes": 0.2}, threshold, label_set)


def test_class_is_named_with_the_probability_of_the_positive_one_and_its_threshold() -> None:
    facts = make_outcome().list_facts("Predicted", "v1")
    assert [(fact.label, fact.value, fact.detail) for fact in facts] == [
        ("Predicted", "No", "v1"), ("Probability of Yes", "0.2", "taken for Yes from 0.25 on"),
    ]  # fmt: skip


def test_most_probable_of_several_classes_is_named_with_the_next_ones() -> None:
    tiers = ("a", "b", "c", "d")
    outcome = ClassOutcome(TIERS, "c", dict(zip(tiers, (0.1, 0.2, 0.65, 0.05), strict=True)), None, ["c", "b", "a"])
    assert outcome.list_facts("Tier", "")[1].detail == "b 0.2, a 0.1"
    assert (outcome.list_facts("Tier", "")[1].label, outcome.region) == ("Probability of c", "c, b or a")
    assert (outcome.axis, outcome.place, outcome.limit) == ("probability of the class decided for", 0.65, None)


@pytest.mark.parametrize(
    ("label_set", "told", "tone"), [(["No"], "No", "bad"), (["No", "Yes"], "No or Yes", ""), (None, "", "")]
)
def test_row_whose_class_is_not_in_the_set_is_marked_with_its_own_loss(
    label_set: list[str] | None, told: str, tone: str
) -> None:
    outcome = make_outcome(label_set=label_set)
    actual, error = outcome.judge(1.0, "a row", "from afar")
    assert outcome.region == told
    assert (actual.value, actual.detail) == ("Yes", "a row")
    assert (error.value, error.tone) == (f"{-np.log(0.2):.4g}", tone)
    assert error.detail == "log loss, from afar"


def test_programs_are_told_class_probabilities_threshold_and_set() -> None:
    assert make_outcome(label_set=["No"]).to_dict() == {
        "value": "No", "probability": 0.8, "probabilities": {"No": 0.8, "Yes": 0.2}, "threshold": 0.25,
        "label_set": ["No"], "shown": "No (0.2)",
    }  # fmt: skip


def test_models_are_compared_by_the_probability_of_the_positive_class_with_their_thresholds() -> None:
    first = Predicted(2, "a v2", "champion", LOGISTIC, make_outcome(label_set=["No", "Yes"]))
    drawn = draw_predictions(
        [first, replace(first, label="b v1", role="version", outcome=make_outcome(threshold=None))]
    )
    point, line, other = drawn.data
    assert drawn.layout.xaxis.title.text == "probability of Yes"
    assert (list(point.x), list(point.text), list(point.customdata)) == ([0.2], ["No (0.2)"], ["No or Yes"])
    assert (list(line.x), list(line.y), list(line.text)) == ([0.25], list(point.y), ["taken for Yes from 0.25 on"])
    assert (list(other.x), list(other.y)) == ([0.2], ["b v1"])


# Explainability


def explain_some(problem: Problem, name: str) -> list[dict[str, Any]]:
    """What the charts of a really fitted model are drawn from."""
    model, rows = fit_model(problem, name), make_split(problem, ROWS, seed=8)
    stored = [
        {column: values[at] for column, values in (*rows.rows.items(), ("target", rows.target))} for at in range(ROWS)
    ]
    outcomes = list_outcomes(model, model.predict(rows.rows), rows.rows)
    version: Any = SimpleNamespace(label="x v1", has_twin=False)
    explained = Explained(
        problem,
        {},
        version,
        stored,
        outcomes,
        explain(model, rows.rows),
        {},
        [dict.fromkeys(rows.rows, "3")] * ROWS,
    )
    return [{"explained": explained, "row": 0}]


def test_waterfall_goes_from_the_probability_of_a_typical_row_to_that_of_this_one_by_factors_on_the_odds() -> None:
    rows = explain_some(LEAVING, LOGISTIC)
    drawn = explainability.why_this_prediction(rows, LEAVING)
    made, predicted = drawn.data[0], rows[0]["explained"].outcomes[0].probabilities["Yes"]
    assert drawn.layout.yaxis.title.text == "probability of Yes"
    assert sum(made.y[:-1]) == pytest.approx(predicted, abs=1e-5)
    assert 0 < made.y[0] < 1
    assert all(text.startswith("x ") for text in made.text[1:-1])
    assert made.text[-1] == f"{predicted:.4g}"
    assert [made.x[0], made.x[-1]] == ["typical row", "prediction"]


@pytest.mark.parametrize("name", [SOFTPROB, MULTICLASS])
def test_waterfall_of_several_classes_names_the_one_that_is_decided_for(name: str) -> None:
    rows = explain_some(TIERS, name)
    for at, outcome in enumerate(rows[0]["explained"].outcomes):
        drawn = explainability.why_this_prediction([{**rows[0], "row": at}], TIERS)
        assert drawn.layout.yaxis.title.text == f"probability of {outcome.label}"
        assert sum(drawn.data[0].y[:-1]) == pytest.approx(outcome.probabilities[outcome.label], abs=1e-5)


def test_axes_of_contributions_are_of_factors_on_the_odds() -> None:
    rows = explain_some(LEAVING, LOGISTIC)
    swarm, bars = explainability.beeswarm(rows, LEAVING), explainability.mean_contributions(rows, LEAVING)
    assert swarm.layout.xaxis.title.text == "factor on the odds of Yes"
    assert bars.layout.xaxis.title.text == "mean factor on the odds of Yes"
    assert bars.layout.xaxis.ticktext[0] == "x 1.00"
    assert len(bars.layout.xaxis.ticktext) <= 5, "one beside the other in a narrow chart"
    strongest = rows[0]["explained"].explanation.strengths[0]["mean_abs_shap"]
    assert (bars.data[0].x[0], bars.data[0].customdata[0]) == (strongest, f"x {np.exp(strongest):.2f}")
    of_several = explainability.mean_contributions(explain_some(TIERS, SOFTPROB), TIERS)
    assert of_several.layout.xaxis.title.text == "mean factor on the odds of the most probable class"


# With models in a real MLflow


@pytest.mark.parametrize(("problem", "model"), [(LEAVING, LINEAR), (LEAVING, LOGISTIC), (TIERS, SOFTPROB)])
def test_selected_row_shows_both_classes_and_the_set(
    open_site: OpenSite, warehouse_url: str, mlflow_url: str, problem: Problem, model: str
) -> None:
    publish(warehouse_url, problem)
    site = open_classes(open_site, warehouse_url, mlflow_url, problem, model)
    made, split = fit_model(problem, model), make_split(problem, ROWS, seed=8)
    answer = made.outputs.answer(made.predict(split.rows), split.rows, 0.9)
    tones = set()
    for at in range(ROWS):
        predicted, probability, actual, error = site.answer("picked_row", row=at)["facts"]
        assert predicted["value"] == answer["predictions"][at]
        assert predicted["detail"].endswith(f" v1; 9 of 10: {list_in_words(answer['label_sets'][at])}")
        shown = probability["label"].removeprefix("Probability of ")
        assert probability["value"] == f"{answer['probabilities'][at][shown]:.4g}"
        assert actual["value"] == problem.labels[int(split.target[at])]
        assert (error["tone"] == "bad") == (actual["value"] not in answer["label_sets"][at])
        tones.add(error["tone"])
    assert tones == {"", "bad"}
    assert site.answer("why_this_prediction")["figure"]["layout"]["yaxis"]["title"]["text"].startswith("probability of")


def declare_more(problem: Problem) -> Problem:
    """The same customers after a column was added and their contract given up."""
    added = {"tenure": COLUMNS["tenure"], "contract": {"kind": "ignored"}, "region": {"kind": "category"}}
    return Problem(**{**problem.model_dump(exclude={"columns"}), "columns": added})


def list_rows(site: Site) -> list[Any]:
    answer = site.visit().get("/options/rows")
    assert answer.status_code == 200, answer.text
    return answer.json()["options"]


def test_model_is_explained_by_the_columns_that_it_was_trained_with(
    open_site: OpenSite, warehouse_url: str, mlflow_url: str
) -> None:
    publish(warehouse_url, LEAVING)
    before = open_classes(open_site, warehouse_url, mlflow_url, LEAVING, LOGISTIC)
    settings = before.sources.settings()
    site = open_site(warehouse_url, mlflow_url, settings.registered_model, problem=declare_more(LEAVING))
    kinds = {name: site.answer(name)["kind"] for name in (*DRAWN, "picked_row")}
    assert kinds == {**dict.fromkeys(DRAWN, "figure"), "picked_row": "facts"}
    assert len(list_rows(site)) == ROWS


@pytest.mark.parametrize(
    ("declared", "is_explained"),
    [(LEAVING, True), (declare_more(LEAVING), False), (declare("gone", "here", name="leaving"), False)],
    ids=["alike", "without a column", "with other labels"],
)
def test_newest_set_stands_in_for_a_dropped_one_only_if_its_rows_are_alike(
    open_site: OpenSite, warehouse_url: str, mlflow_url: str, declared: Problem, is_explained: bool
) -> None:
    publish(warehouse_url, LEAVING, 2, declared)
    if not is_explained:
        with connect(warehouse_url) as connection:
            connection.execute("ALTER TABLE training.examples_2 DROP COLUMN contract")
    site = open_classes(open_site, warehouse_url, mlflow_url, LEAVING, LOGISTIC)
    assert site.answer("picked_row")["kind"] == ("facts" if is_explained else "empty")
    assert bool(list_rows(site)) == is_explained


def test_playground_shows_the_class_its_probability_and_its_set(
    open_site: OpenSite, warehouse_url: str, mlflow_url: str
) -> None:
    site = open_classes(open_site, warehouse_url, mlflow_url, LEAVING, LOGISTIC, LINEAR, FOREST)
    answer = site.visit().post("/predict", json=CUSTOMER).json()
    first = answer["predictions"][0]
    assert [each["model"] for each in answer["predictions"]] == [LOGISTIC, FOREST, LINEAR]
    assert (first["value"], first["threshold"]) == ("Yes", 0.25)
    assert first["probability"] == first["probabilities"]["Yes"] > 0.5
    assert set(first["label_set"]) <= {"No", "Yes"}
    assert [fact["label"] for fact in answer["facts"]] == ["Who leaves", "Probability of Yes", "Model"]
    assert answer["facts"][0]["value"] == "Yes"
    assert answer["facts"][0]["detail"] == f"9 of 10: {list_in_words(first['label_set'])}"
    assert answer["contributions"]["layout"]["yaxis"]["title"]["text"] == "probability of Yes"
    assert sum(answer["contributions"]["data"][0]["y"][:-1]) == pytest.approx(first["probabilities"]["Yes"], abs=1e-5)
    points = [trace for trace in answer["models"]["data"] if not trace["name"].endswith("threshold")]
    assert [trace["x"][0] for trace in points] == [each["probabilities"]["Yes"] for each in answer["predictions"]]
    refused = site.visit().post("/predict", json={**CUSTOMER, "tenure": "old"})
    assert (refused.status_code, "tenure must be a number" in refused.json()["detail"]) == (422, True)


def test_playground_leaves_out_versions_that_predict_other_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [fit_model(problem, LINEAR) for problem in (LEAVING, TIERS, LEAVING)]
    monkeypatch.setattr(playground, "load_model", lambda _, at: models[at])
    assert playground._load_usable(None, [0, 1, 2]) == [(0, models[0]), (2, models[2])]  # type: ignore[arg-type,list-item]


def test_playground_leaves_out_versions_that_need_columns_which_the_champion_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_contract = Problem(**{**LEAVING.model_dump(exclude={"columns"}), "columns": {"contract": COLUMNS["contract"]}})
    models: list[Any] = [SimpleNamespace(problem=problem) for problem in (LEAVING, declare_more(LEAVING), of_contract)]
    monkeypatch.setattr(playground, "load_model", lambda _, at: models[at])
    assert playground._load_usable(None, [0, 1, 2]) == [(0, models[0]), (2, models[2])]  # type: ignore[arg-type,list-item]
