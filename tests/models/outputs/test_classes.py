import json

import numpy as np
import pytest

from include.models.fitting import encode, fit
from include.models.outputs.classes import Classes
from include.models.table import MODELS
from tests.models.outputs.test_calibration import draw, sharpen
from tests.splits import LENGTHS, REFERENCES, SHORT_OR_LONG, as_classes, declare_classes, make_split

TWO = np.array([[0.7, 0.3], [0.2, 0.8]])


def start(*labels: str, **values: object) -> Classes:
    return Classes.start(declare_classes(*labels, **values), np.array([0.0, 1, 1, 1]))


def test_answer_says_class_probabilities_threshold_and_set() -> None:
    actual, given = draw()
    problem = declare_classes("no", "yes", cost_missed=3.0)
    outputs, across = Classes.start(problem, actual).calibrate(problem, actual, given)
    answer = outputs.bound(actual, across, {}).answer(TWO, {}, 0.95)
    assert answer == {
        "predictions": ["yes", "yes"],
        "probabilities": [{"no": 0.7, "yes": 0.3}, {"no": 0.2, "yes": 0.8}],
        "threshold": 0.25,
        "label_sets": answer["label_sets"],
        "level": 0.95,
    }
    assert answer["label_sets"][0] == ["no", "yes"]
    assert json.loads(json.dumps(answer)) == answer


def test_most_probable_of_several_classes_is_decided_for() -> None:
    answer = start("a", "b", "c").answer(np.array([[0.3, 0.3, 0.4], [0.5, 0.25, 0.25]]), {}, 0.9)
    assert (answer["predictions"], answer["threshold"], answer["label_sets"]) == (["c", "a"], None, None)


def test_positive_class_is_the_second() -> None:
    assert start("yes", "no", positive="yes").answer(TWO, {}, 0.9)["predictions"] == ["no", "yes"]


@pytest.mark.parametrize("weights", [{"long": 10.0}, "balanced"])
@pytest.mark.parametrize("name", ["linear_model.LogisticRegression", "gbtree.logistic", "gbdt.binary"])
def test_weights_of_classes_leave_probabilities_right(name: str, weights: object) -> None:
    rare = declare_classes("short", "long", class_weights=weights)
    splits = [as_classes(make_split(2_000, seed)) for seed in (1, 2)]
    model, losses = MODELS[name], []
    for problem in (SHORT_OR_LONG, rare):
        data = encode(model, problem, "default", REFERENCES, *splits)
        assert (data.train_weight is None) == (problem is SHORT_OR_LONG)
        losses.append(fit(model, model.start, data, random_state=0, threads=1).loss)
    assert losses[1] == pytest.approx(losses[0], rel=0.4)


def test_weights_are_taken_out_of_what_the_estimator_says() -> None:
    outputs = start("no", "yes", class_weights={"yes": 4.0})
    # Odds of 1 among rows where the second class counts four times are odds of a quarter.
    assert outputs.finish(np.array([[0.5, 0.5]])) == pytest.approx(np.array([[0.8, 0.2]]))


def test_balanced_classes_count_alike() -> None:
    assert start("no", "yes", class_weights="balanced").weights == pytest.approx([2.0, 2 / 3])


def test_balance_of_a_second_fit_is_that_of_its_own_rows() -> None:
    problem = declare_classes("no", "yes", class_weights="balanced", cost_missed=3.0)
    actual, given = draw()
    first, _ = Classes.start(problem, np.array([0.0, 1, 1, 1])).calibrate(problem, actual, given)
    second = first.refit(problem, np.array([0.0, 0, 0, 1]))
    assert second.weights == pytest.approx([2 / 3, 2.0])
    assert (second.calibration, second.threshold) == (first.calibration, 0.25)


@pytest.mark.parametrize("classes", [2, 3])
def test_stored_outputs_are_the_same(classes: int) -> None:
    problem = SHORT_OR_LONG if classes == 2 else LENGTHS
    actual, right = draw(classes=classes)
    given = sharpen(right, 3.0)
    outputs, across = Classes.start(problem, actual).calibrate(problem, actual, given)
    outputs = outputs.bound(actual, across, {})
    again = Classes.from_dict(problem, json.loads(json.dumps(outputs.to_dict())))
    assert again.answer(again.finish(given[:5]), {}, 0.9) == outputs.answer(outputs.finish(given[:5]), {}, 0.9)
    assert again.cover(actual, across, {}, 0.9).mean() == pytest.approx(0.9, abs=0.01)  # type: ignore[union-attr]
