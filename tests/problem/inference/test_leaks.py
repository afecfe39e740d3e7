"""A column that says the target is found, whatever its kind; one that does not is not."""

import numpy as np

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
