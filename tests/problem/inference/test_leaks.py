"""A column that says the target is found, whatever its kind; one that does not is not."""

import numpy as np
import pytest

from include.problem.inference.leaks import SUSPICIOUS, describe_suspect, explain_alone, find_suspects
from include.problem.kinds import MISSING_CODE

RANDOM = np.random.default_rng(5)
TARGET = RANDOM.normal(size=900)


def test_suspects_of_every_kind_are_found_largest_share_first() -> None:
    steps = np.digitize(TARGET, [-1, -0.3, 0.3, 1])
    columns = {
        "noise": RANDOM.normal(size=900),
        "grade": np.array(list("abcde"), dtype=object)[steps],
        "near": TARGET + RANDOM.normal(scale=0.1, size=900),
        "level": steps.astype(np.int64),
        "when": TARGET.astype("datetime64[us]"),
    }
    kinds = {"noise": "number", "grade": "category", "near": "number", "level": "code", "when": "time"}
    suspects = find_suspects(columns, kinds, TARGET)
    assert set(suspects) == {"near", "grade", "level"}
    assert list(suspects.values()) == sorted(suspects.values(), reverse=True)
    assert min(suspects.values()) >= SUSPICIOUS


def test_missing_values_and_targets_are_no_trouble() -> None:
    target = np.where(np.arange(900) % 7 == 0, np.nan, TARGET)
    columns = {
        "number": np.where(np.arange(900) % 5 == 0, np.nan, 3 * TARGET),
        "text": np.array([None, "a", "b"] * 300, dtype=object),
        "code": np.where(np.arange(900) % 2 == 0, MISSING_CODE, 4),
    }
    found = explain_alone(columns, {"number": "number", "text": "category", "code": "code"}, target)
    assert found["number"] > SUSPICIOUS
    assert max(found["text"], found["code"]) < 0.1


def test_too_few_rows_and_one_value_say_nothing() -> None:
    assert explain_alone({"x": TARGET[:20]}, {"x": "number"}, TARGET[:20]) == {}
    assert explain_alone({"x": TARGET}, {"x": "number"}, np.ones(900)) == {}


def test_person_is_told_what_to_do() -> None:
    assert describe_suspect("dep_delay", 0.78, "arr_delay") == (
        "'dep_delay' alone explains 78% of arr_delay. If it is not known when you predict, add it to known_later "
        "(KNOWN_LATER=dep_delay)"
    )


# Classes


def draw_classes(shares: list[float], rows: int = 3_000) -> np.ndarray:
    return np.random.default_rng(7).choice(len(shares), rows, p=shares).astype(float)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.99, 0.01], [0.6, 0.3, 0.1], [0.02, 0.95, 0.03]])
def test_column_that_says_the_class_is_found_however_rare_the_class_is(shares: list[float]) -> None:
    target = draw_classes(shares)
    columns = {
        "noise": RANDOM.normal(size=len(target)),
        "near": target + RANDOM.normal(scale=0.1, size=len(target)),
        "word": np.array(["no", "yes", "perhaps"], dtype=object)[target.astype(int)],
        "part": np.where(RANDOM.random(len(target)) < 0.4, target, -1).astype(np.int64),
    }
    kinds = {"noise": "number", "near": "number", "word": "category", "part": "code"}
    explained = explain_alone(columns, kinds, target, are_classes=True)
    assert explained["noise"] < 0.1
    assert explained["word"] == pytest.approx(1)
    assert explained["noise"] < explained["part"] < SUSPICIOUS
    assert set(find_suspects(columns, kinds, target, are_classes=True)) == {"near", "word"}


def test_share_of_two_classes_is_that_of_the_variance() -> None:
    target = draw_classes([0.7, 0.3])
    column = {"x": target + RANDOM.normal(scale=0.8, size=len(target))}
    as_classes = explain_alone(column, {"x": "number"}, target, are_classes=True)["x"]
    assert as_classes == pytest.approx(explain_alone(column, {"x": "number"}, target)["x"], abs=0.05)


def test_class_of_one_row_and_missing_values_are_no_trouble() -> None:
    target = np.array([0.0] * 60 + [1.0] * 30 + [2.0] + [np.nan] * 9)
    column = {"x": np.where(np.arange(100) % 4 == 0, np.nan, target)}
    assert 0 < explain_alone(column, {"x": "number"}, target, are_classes=True)["x"] < 1
    assert explain_alone(column, {"x": "number"}, np.zeros(100), are_classes=True) == {}
