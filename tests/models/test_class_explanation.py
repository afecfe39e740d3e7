"""Explanations of classes: contributions to log-odds, and what they change of probabilities."""

from dataclasses import replace

import numpy as np
import pytest

from include.models.artifact import Model
from include.models.explanation import Explanation, draw_summary, explain
from include.models.fitting import predict_encoded
from include.models.libraries.table import blend
from include.models.linear import _complete
from include.models.outputs.calibration import Calibration
from include.problem.declaration import Problem
from tests.classified import BINARY, LEAVING, LINEAR, LOGISTIC, MULTICLASS, SOFTPROB, TIERS, fit_model, make_split

TWO = (LOGISTIC, BINARY, LINEAR)
SEVERAL = (SOFTPROB, MULTICLASS)
OF_TWO, OF_SEVERAL = make_split(LEAVING, 30, seed=5), make_split(TIERS, 30, seed=5)


def ask_estimator(model: Model, rows: dict) -> np.ndarray:
    """The estimator's own probabilities."""
    return predict_encoded(model.estimator, model.encoder.transform(rows))


def take_softmax(margins: np.ndarray) -> np.ndarray:
    powers = np.exp(margins)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", TWO)
def test_contributions_and_base_add_up_to_the_log_odds_of_the_second_class(name: str) -> None:
    model = fit_model(LEAVING, name)
    found = explain(model, OF_TWO.rows)
    odds = np.exp(found.contributions.sum(axis=1) + found.base)
    assert odds / (1 + odds) == pytest.approx(ask_estimator(model, OF_TWO.rows)[:, 1], rel=1e-4)
    assert (found.unit, found.factor_on) == ("log-odds", "the odds of Yes")
    assert set(found.features) == {"tenure", "contract"}


@pytest.mark.parametrize("name", SEVERAL)
def test_contributions_to_each_of_several_classes_add_up_to_its_share_in_the_softmax(name: str) -> None:
    model = fit_model(TIERS, name)
    found = explain(model, OF_SEVERAL.rows)
    values, base = found.of_each
    shares = take_softmax(values.sum(axis=1) + base)
    assert shares == pytest.approx(ask_estimator(model, OF_SEVERAL.rows), rel=1e-4)
    assert found.factor_on == "the odds of the most probable class"


def test_contributions_of_a_linear_model_add_up_to_the_share_of_each_of_several_classes() -> None:
    model = fit_model(TIERS, LINEAR)
    values, base = explain(model, OF_SEVERAL.rows).of_each
    assert take_softmax(values.sum(axis=1) + base) == pytest.approx(ask_estimator(model, OF_SEVERAL.rows))


@pytest.mark.parametrize("name", SEVERAL)
def test_of_several_classes_the_one_that_is_decided_for_is_explained_against_the_mean_of_all(name: str) -> None:
    model = fit_model(TIERS, name)
    found = explain(model, OF_SEVERAL.rows)
    values, base = found.of_each
    assert found.classes.tolist() == model.outputs.decide(model.predict(OF_SEVERAL.rows)).tolist()
    for row, chosen in enumerate(found.classes):
        against = values[row, :, chosen] - values[row].mean(axis=1)
        assert found.contributions[row] == pytest.approx(against)
        assert found.base[row] == pytest.approx(base[chosen] - base.mean())
        assert found.name_scale(row) == f"probability of {TIERS.labels[chosen]}"


@pytest.mark.parametrize(
    ("problem", "name"), [*((LEAVING, name) for name in TWO), *((TIERS, name) for name in SEVERAL)]
)
def test_start_and_changes_add_up_to_the_calibrated_probability(problem: Problem, name: str) -> None:
    model = fit_model(problem, name)
    rows = make_split(problem, 30, seed=5).rows
    found, predicted = explain(model, rows), model.predict(rows)
    own = predicted[np.arange(len(predicted)), found.classes]
    assert found.start + found.changes.sum(axis=1) == pytest.approx(own, abs=1e-5)
    assert found.predicted == pytest.approx(own, abs=1e-5)


def test_changes_are_those_of_the_strongest_contribution_first() -> None:
    contributions, base = np.array([[0.5, -2.0], [1.0, 0.25]]), np.array([-1.0, -1.0])
    found = replace(explain(fit_model(LEAVING, LOGISTIC), OF_TWO.rows), contributions=contributions, base=base,
                    features=("a", "b"), classes=np.ones(2, dtype=int))  # fmt: skip
    found = replace(found, scale=replace(found.scale, finish=lambda given: given))
    sigmoid = lambda margin: 1 / (1 + np.exp(-margin))  # noqa: E731
    assert found.start == pytest.approx(sigmoid(-1))
    assert found.changes[0] == pytest.approx([sigmoid(-2.5) - sigmoid(-3), sigmoid(-3) - sigmoid(-1)])
    assert found.changes[1] == pytest.approx([sigmoid(0) - sigmoid(-1), sigmoid(0.25) - sigmoid(0)])


def test_changes_are_of_what_a_calibration_makes_of_probabilities() -> None:
    model = fit_model(LEAVING, LOGISTIC, is_calibrated=False)
    ends = np.array([-30.0, 30.0])
    halved = replace(model, outputs=replace(model.outputs, calibration=Calibration("platt", ((ends, ends / 2),))))
    plain, found = explain(model, OF_TWO.rows), explain(halved, OF_TWO.rows)
    odds = np.exp((plain.contributions.sum(axis=1) + plain.base) / 2)
    assert found.contributions == pytest.approx(plain.contributions), "in log-odds they stay the same"
    assert found.start + found.changes.sum(axis=1) == pytest.approx(odds / (1 + odds), abs=1e-6)


def test_changes_of_numbers_are_the_contributions() -> None:
    found = Explanation(("a", "b"), np.array([[1.0, -3.0]]), np.array([10.0]), "euros")
    assert found.changes.tolist() == [[1.0, -3.0]]
    assert (found.start.tolist(), found.predicted.tolist(), found.name_scale(0)) == ([10.0], [8.0], "")


@pytest.mark.parametrize(("problem", "name"), [(LEAVING, LOGISTIC), (TIERS, SOFTPROB)])
def test_blend_is_explained_as_it_predicts(problem: Problem, name: str) -> None:
    rows = make_split(problem, 30, seed=5).rows
    model = fit_model(problem, name)
    blended = replace(model, estimator=blend([model.estimator, model.estimator]))
    found, predicted = explain(blended, rows), blended.predict(rows)
    assert found.predicted == pytest.approx(predicted[np.arange(len(predicted)), found.classes], abs=1e-5)


def test_class_that_a_linear_model_has_not_seen_is_as_good_as_impossible() -> None:
    coefficients, start = _complete(np.array([[2.0, -1.0]]), np.array([0.5]), np.array([0, 2]), 3)
    shares = take_softmax(np.array([[3.0, 1.0]]) @ coefficients.T + start)
    assert shares[0, 2] == pytest.approx(1 / (1 + np.exp(-5.5)))
    assert shares[0, 1] < 1e-9


def test_summary_of_classes_has_factors_on_the_odds_on_its_axes() -> None:
    figure = draw_summary(explain(fit_model(LEAVING, BINARY), OF_TWO.rows), "title")
    figure.canvas.draw()
    for axes in figure.axes:
        assert axes.get_xlabel() == "factor on the odds of Yes"
        assert all(text.get_text().startswith("x ") for text in axes.get_xticklabels())
