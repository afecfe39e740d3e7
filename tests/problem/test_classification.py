"""The objective of classes, and what a problem of classes may declare."""

import re

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn import metrics

from include.configuration.values import split_numbers
from include.errors import SettingsError
from include.problem.declaration import Problem
from include.problem.objectives.classification import LEAST, find_calibration_error
from include.settings import Settings
from tests.models.outputs.test_calibration import draw
from tests.splits import LENGTHS, SHORT_OR_LONG, declare_classes

ACTUAL = np.array([0.0, 1, 1, 0])
PREDICTED = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
OBJECTIVE = SHORT_OR_LONG.objective


def declare(**values: object) -> Problem:
    return declare_classes("No", "Yes", **values)


# Measures


def test_error_of_classes_is_the_log_loss_and_has_no_unit() -> None:
    assert (OBJECTIVE.key, OBJECTIVE.title, OBJECTIVE.show(0.4043)) == ("log_loss", "log loss", "0.4043")
    assert OBJECTIVE.measure_error(ACTUAL, PREDICTED) == pytest.approx(metrics.log_loss(ACTUAL, PREDICTED))


def test_loss_of_a_row_is_that_of_its_own_class() -> None:
    assert OBJECTIVE.loss(ACTUAL, PREDICTED) == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.5]))


def test_class_that_was_ruled_out_has_a_finite_loss() -> None:
    assert OBJECTIVE.loss(np.array([0.0]), np.array([[0.0, 1.0]])) == pytest.approx([-np.log(LEAST)])


@pytest.mark.parametrize("classes", [2, 3])
def test_measures_are_those_of_scikit_learn(classes: int) -> None:
    problem = SHORT_OR_LONG if classes == 2 else LENGTHS
    actual, predicted = draw(500, classes)
    found = problem.objective.measure(actual, predicted)
    scores = predicted[:, 1] if classes == 2 else predicted
    assert found["log_loss"] == pytest.approx(metrics.log_loss(actual, predicted))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(actual, scores))
    assert found["accuracy"] == metrics.accuracy_score(actual, predicted.argmax(axis=1))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(actual, scores, multi_class="ovr"))
    single = [metrics.average_precision_score(actual == at, predicted[:, at]) for at in range(classes)]
    assert found["pr_auc"] == pytest.approx(single[1] if classes == 2 else np.mean(single))


def test_calibration_error_is_found_by_hand() -> None:
    # Two bins: of four rows at 0.25 one is so; of two at 0.85 both are, 0.15 more than said.
    happened = np.array([True, False, False, False, True, True])
    given = np.array([0.25, 0.25, 0.25, 0.25, 0.85, 0.85])
    assert find_calibration_error(happened, given) == pytest.approx(2 / 6 * 0.15)
    assert find_calibration_error(np.array([True]), np.array([1.0])) == 0


def test_rows_of_one_class_have_no_area_under_a_curve() -> None:
    found = OBJECTIVE.measure(np.zeros(4), PREDICTED)
    assert found.keys() == {"log_loss", "brier", "accuracy", "calibration_error"}


def test_no_rows_are_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="There are no rows to measure an error on"):
        OBJECTIVE.measure(np.array([]), np.empty((0, 2)))


def test_every_named_measure_is_measured_and_those_of_baselines_by_the_database() -> None:
    lists = [OBJECTIVE.of_baselines, OBJECTIVE.in_tables, OBJECTIVE.in_bars, OBJECTIVE.in_slices]
    assert {each.key for measures in lists for each in measures} <= OBJECTIVE.measure(ACTUAL, PREDICTED).keys()
    assert [measures[0] for measures in lists] == [OBJECTIVE.main] * 4
    assert all(each.sql for each in OBJECTIVE.of_baselines)


def test_shares_of_the_classes_are_the_baseline() -> None:
    target = {"count": 10, "frequent": {"long": 2, "short": 8}}
    assert OBJECTIVE.constants(target) == {"class shares": [0.8, 0.2]}
    assert LENGTHS.objective.constants(target) == {"class shares": [0.8, 0.0, 0.2]}


def test_distance_of_the_actual_classes_is_the_loss() -> None:
    certain = np.eye(2)[ACTUAL.astype(int)]
    assert OBJECTIVE.distance(PREDICTED, certain) == pytest.approx(OBJECTIVE.loss(ACTUAL, PREDICTED))
    assert OBJECTIVE.distance(PREDICTED, PREDICTED) == pytest.approx(np.zeros(4))


def test_residuals_say_whether_a_class_is_given_too_often() -> None:
    assert OBJECTIVE.residuals(ACTUAL, PREDICTED) == pytest.approx([0.1, -0.2, -0.6, 0.5])
    three = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    assert LENGTHS.objective.residuals(np.array([0.0, 1]), three) == pytest.approx([-0.5, 0.8])


# Declaration


def test_positive_class_is_the_second_whatever_the_order() -> None:
    assert declare().labels == declare(positive="Yes").labels == ("No", "Yes")
    assert declare(positive="No").labels == ("Yes", "No")
    assert declare_classes("a", "b", "c").labels == ("a", "b", "c")


def test_weights_can_be_written_in_one_line() -> None:
    assert split_numbers("Yes=10, No=1.5") == {"Yes": "10", "No": "1.5"}
    assert declare(class_weights="Yes=10").class_weights == {"Yes": 10.0}
    assert declare(class_weights="balanced").class_weights == "balanced"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": ()}, "classes: name the two or more values of the target, each once, such as CLASSES=No,Yes"),
        ({"classes": ("No",)}, "classes: name the two or more values"),
        ({"classes": ("No", "Yes", "No")}, "classes: name the two or more values of the target, each once"),
        ({"classes": tuple(map(str, range(51)))}, "classes: 51 are too many to tell apart; at most 50 can be"),
        ({"classes": ("No", "")}, "classes: '' is no value of a source, which is read without blanks around it"),
        ({"positive": "yes"}, "positive: 'yes' is none of the classes No, Yes"),
        ({"unit": "minutes"}, "task: a class has no unit and no bounds: leave out unit, target_min and target_max"),
        ({"target_max": 3}, "task: a class has no unit and no bounds"),
        ({"horizon": 1, "time": "pickup_at"}, "horizon: an earlier class says nothing of probabilities; leave it out"),
        ({"class_weights": {"Maybe": 2}}, "class_weights: 'Maybe' is none of the classes No, Yes"),
        ({"class_weights": {"Yes": 0}}, "class_weights: the weight of 'Yes' must be above 0, not 0"),
        ({"cost_missed": 0}, "greater than 0"),
        ({"cost_missed": 5, "least_recall": 0.9}, "cost_missed: costs, least_precision and least_recall exclude each"),
        ({"least_precision": 0.5, "least_recall": 0.9}, "exclude each other; keep one of them"),
        ({"classes": ("a", "b", "c"), "positive": "a"}, "positive: it is for two classes, but there are 3"),
        ({"classes": ("a", "b", "c"), "least_recall": 0.9}, "least_recall: it is for two classes, but there are 3"),
        ({"task": "regression"}, "classes: only a classification has it: set TASK=classification, or leave it out"),
        ({"elapsed": ("pickup_at", "pickup_at"), "unit": "minutes"}, "task: the time between two columns is a number"),
    ],
)
def test_contradiction_is_named_with_the_way_out(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        declare(**values)


@pytest.mark.parametrize("given", ["yes=many", "many"])
def test_weights_that_are_none_are_told_by_their_key(given: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"^Settings that cannot be used: CLASS_WEIGHTS: .*, not '{given}'"
    ) as error:
        Settings(problem="churn", class_weights=given)  # type: ignore[arg-type, call-arg]
    assert "problem.toml" not in str(error.value)
