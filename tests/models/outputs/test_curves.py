import json

import numpy as np
import pytest

from include.models.outputs.curves import MOST_POINTS, measure_classes

LABELS = ("No", "Yes")
# Of the rows of Yes, the model finds the second one less probable than a row of No.
ACTUAL = np.array([1.0, 0.0, 1.0, 0.0])
YES = np.array([0.9, 0.6, 0.4, 0.1])
PREDICTED = np.column_stack([1 - YES, YES])
SIZES = ("small", "medium", "large")
SIZED = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3]])


def pick(rows: list[dict], *keys: str) -> list[tuple]:
    """Some columns of a table."""
    return [tuple(row[key] for key in keys) for row in rows]


def test_curves_of_two_classes_are_those_of_the_second_one() -> None:
    tables = measure_classes(LABELS, ACTUAL, PREDICTED, None)
    assert pick(tables["roc"], "label", "false_positive_rate", "true_positive_rate", "probability") == [
        ("Yes", 0, 0, None), ("Yes", 0, 0.5, 0.9), ("Yes", 0.5, 0.5, 0.6), ("Yes", 0.5, 1, 0.4), ("Yes", 1, 1, 0.1),
    ]  # fmt: skip
    assert pick(tables["pr"], "recall", "precision", "probability") == [
        (0, 1, None), (0.5, 1, 0.9), (1, pytest.approx(2 / 3), 0.4), (1, 0.5, 0.1),
    ]  # fmt: skip


def test_classes_are_described_by_rows_areas_and_what_is_decided() -> None:
    no, yes = measure_classes(LABELS, ACTUAL, PREDICTED, 0.3)["classes"]
    assert (yes["label"], yes["rows"], yes["share"], yes["mean_probability"]) == ("Yes", 2, 0.5, 0.5)
    # Three of four pairs of a Yes and a No are in order; half of Yes at precision 1, half at 2 of 3.
    assert (yes["roc_auc"], yes["pr_auc"]) == (0.75, pytest.approx(0.5 + 0.5 * 2 / 3))
    assert (yes["precision"], yes["recall"], yes["threshold"]) == (pytest.approx(2 / 3), 1, 0.3)
    assert (no["precision"], no["recall"], no["threshold"]) == (1, 0.5, None)


def test_threshold_decides_between_two_classes_and_the_most_probable_one_without() -> None:
    def count(threshold: float | None) -> list[int]:
        return [row["rows"] for row in measure_classes(LABELS, ACTUAL, PREDICTED, threshold)["confusion"]]

    assert count(None) == [1, 1, 1, 1]
    assert count(0.4) == [1, 1, 0, 2], "from the threshold on"
    assert count(0.95) == [2, 0, 2, 0]


def test_of_more_classes_each_has_curves_and_the_most_probable_one_decides() -> None:
    tables = measure_classes(SIZES, np.array([0.0, 1, 1, 2]), SIZED, None)
    assert {row["label"] for row in tables["roc"]} == {row["label"] for row in tables["pr"]} == set(SIZES)
    found = {(row["actual"], row["decided"]): (row["rows"], row["share"]) for row in tables["confusion"]}
    assert found[("medium", "small")] == found[("medium", "medium")] == (1, 0.5)
    assert found[("large", "medium")] == (1, 1)
    assert len(found) == 9
    assert [row["threshold"] for row in tables["classes"]] == [None] * 3


def test_calibration_puts_probabilities_beside_frequencies_by_bin() -> None:
    yes = np.array([0.12, 0.18, 1.0, 0.96])
    tables = measure_classes(LABELS, np.array([0.0, 1, 1, 1]), np.column_stack([1 - yes, yes]), None)
    low, high = tables["calibration"]
    assert low == {"label": "Yes", "low": 0.1, "high": 0.2, "rows": 2, "mean_probability": pytest.approx(0.15),
                   "frequency": 0.5}  # fmt: skip
    assert (high["low"], high["high"], high["rows"], high["frequency"]) == (0.9, 1, 2, 1), "1 is in the last bin"


def test_scores_are_counted_by_actual_class() -> None:
    scores = measure_classes(LABELS, ACTUAL, PREDICTED, None)["scores"]
    assert [row["label"] for row in scores] == ["No"] * 20 + ["Yes"] * 20
    filled = [row for row in scores if row["rows"]]
    assert pick(filled, "label", "low", "share") == [
        ("No", 0.1, 0.5), ("No", 0.6, 0.5), ("Yes", 0.4, 0.5), ("Yes", 0.9, 0.5),
    ]  # fmt: skip
    [first] = [row for row in measure_classes(SIZES, np.array([0.0]), SIZED[:1], None)["scores"] if row["rows"]]
    assert (first["label"], first["low"]) == ("small", 0.7), "of the most probable class"


def test_curves_are_thinned_but_exact_at_their_ends_and_at_the_threshold() -> None:
    generator = np.random.default_rng(7)
    yes = generator.uniform(size=5000)
    actual = (generator.uniform(size=5000) < yes).astype(float)
    tables = measure_classes(LABELS, actual, np.column_stack([1 - yes, yes]), 0.37)
    for name, key, ends in (("roc", "true_positive_rate", (0, 1)), ("pr", "recall", (0, 1))):
        curve = tables[name]
        assert 90 < len(curve) <= MOST_POINTS
        assert (curve[0][key], curve[-1][key]) == ends
    assert tables["pr"][-1]["precision"] == pytest.approx(actual.mean()), "all rows"
    at = [row for row in tables["roc"] if row["probability"] is None or row["probability"] >= 0.37][-1]
    taken = yes >= 0.37
    assert at["true_positive_rate"] == pytest.approx(taken[actual == 1].mean())
    assert at["false_positive_rate"] == pytest.approx(taken[actual == 0].mean())
    [recall] = [row["recall"] for row in tables["classes"] if row["threshold"]]
    assert recall == pytest.approx(at["true_positive_rate"])


@pytest.mark.parametrize(
    ("labels", "actual", "predicted"),
    [
        (LABELS, np.zeros(4), PREDICTED),
        (LABELS, np.ones(4), PREDICTED),
        (SIZES, np.array([0.0, 0, 1, 1]), SIZED),
        (LABELS, np.ones(1), PREDICTED[:1]),
    ],
    ids=["none of the second", "none of the first", "none of the third", "a single row"],
)
@pytest.mark.parametrize("threshold", [None, 0.5, 0.999])
@pytest.mark.filterwarnings("error")
def test_class_without_rows_has_no_curve_and_all_values_are_json(
    labels: tuple[str, ...], actual: np.ndarray, predicted: np.ndarray, threshold: float | None
) -> None:
    tables = measure_classes(labels, actual, predicted, threshold)
    assert json.loads(json.dumps(tables, allow_nan=False)) == tables
    without = [row for row in tables["classes"] if not row["rows"]]
    assert {row["label"] for row in without}.isdisjoint(row["label"] for row in tables["roc"])
    assert all(row["roc_auc"] is None and row["recall"] is None for row in without)
    assert len(tables["classes"]) == len(labels)
