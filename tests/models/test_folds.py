from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from include.models.fitting import MORE_ROUNDS, find_rounds, fit
from include.models.folds import ENOUGH_ROWS, FOLDS, choose_sample, divide, encode_folds, fit_folds
from include.models.table import MODELS
from include.problem.data import Columns, Split
from include.problem.declaration import Problem
from include.problem.kinds import MISSING_CODE
from tests.splits import LENGTHS, PROBLEM, REFERENCES, SHORT_OR_LONG, as_classes, make_split

MODEL = MODELS["gbtree.squarederror"]
COUNT = 103


def declare(**values: object) -> Problem:
    columns = {"day": {"kind": "time"}, "customer": {"kind": "category"}, "branch": {"kind": "code"}}
    return Problem(name="x", model="x", source="file:///x.csv", target="y", columns=columns, **values)  # type: ignore[arg-type]


def make_rows() -> Columns:
    draw = np.random.default_rng(3)
    days = draw.permutation(COUNT).astype("timedelta64[D]")
    customers = np.array([None, *(f"c{number}" for number in range(12))], dtype=object)[draw.integers(0, 13, COUNT)]
    branches = draw.choice([1, 2, 3, MISSING_CODE], COUNT)
    return {"day": np.datetime64("2024-01-01", "us") + days, "customer": customers, "branch": branches}


@pytest.mark.parametrize("values", [{}, {"time": "day"}, {"group": "customer"}, {"group": "branch"}])
def test_each_row_validates_once_what_was_learnt_from_the_other_folds(values: dict[str, str]) -> None:
    folds = divide(declare(**values), Split(make_rows(), np.zeros(COUNT)), 1)
    assert len(folds) == FOLDS
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(COUNT))
    for learnt, held_out in folds:
        assert sorted([*learnt, *held_out]) == list(range(COUNT))


def test_folds_are_blocks_of_time_where_a_problem_is_split_by_it() -> None:
    rows = make_rows()
    blocks = [rows["day"][held_out] for _, held_out in divide(declare(time="day"), Split(rows, np.zeros(COUNT)), 1)]
    assert all(before.max() < after.min() for before, after in pairwise(blocks))


@pytest.mark.parametrize(("group", "missing"), [("customer", None), ("branch", MISSING_CODE)])
def test_rows_of_one_group_are_in_one_fold_and_those_without_are_anywhere(group: str, missing: object) -> None:
    rows = make_rows()
    folds = [
        set(rows[group][held_out].tolist())
        for _, held_out in divide(declare(group=group), Split(rows, np.zeros(COUNT)), 1)
    ]
    for value in set(rows[group].tolist()) - {missing}:
        assert sum(value in fold for fold in folds) == 1
    assert sum(missing in fold for fold in folds) > 1


@pytest.mark.parametrize("clinics", [2, 5, 6])
def test_no_fold_is_empty_where_all_rows_of_a_group_are_of_one_class(clinics: int) -> None:
    problem = declare(group="customer", task="classification", classes=("no", "yes"))
    for seed in range(150):
        draw = np.random.default_rng(seed)
        groups = draw.integers(0, clinics, 200)
        classes = draw.integers(0, 2, clinics)[groups].astype(float)
        rows = {**make_rows(), "customer": np.array([f"c{group}" for group in groups], dtype=object)}
        folds = divide(problem, Split(rows, classes), seed)
        assert len(folds) > 1
        assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(200))
        assert all(len(learnt) and len(held_out) for learnt, held_out in folds)


def test_same_seed_gives_the_same_folds_and_another_seed_others() -> None:
    first, same, other = (
        divide(declare(), Split(make_rows(), np.zeros(COUNT)), seed)[0][1].tolist() for seed in (1, 1, 2)
    )
    assert first == same != other


def test_single_group_is_shuffled() -> None:
    rows = {**make_rows(), "customer": np.full(COUNT, "only", dtype=object)}
    assert len(divide(declare(group="customer"), Split(rows, np.zeros(COUNT)), 1)) == FOLDS


@pytest.mark.parametrize("most", [10, 50, COUNT - 1])
def test_sample_is_as_even_over_time_as_the_whole(most: int) -> None:
    times = make_rows()["day"]
    at = choose_sample(COUNT, times, most=most, random_state=1)
    assert at.tolist() == sorted(set(at.tolist()))
    assert len(at) == most
    # The days follow each other: one of each stretch.
    days = np.sort((times[at] - times.dtype.type("2024-01-01")) / np.timedelta64(1, "D"))
    assert np.abs(days - (np.arange(most) + 0.5) * COUNT / most).max() <= 0.5 * COUNT / most + 1


def test_sample_without_a_time_is_of_rows_from_everywhere_and_by_seed() -> None:
    first, same, other = (choose_sample(COUNT, None, most=40, random_state=seed).tolist() for seed in (1, 1, 2))
    assert len(set(first)) == 40
    assert (first == same, first == other) == (True, False)
    assert min(first) < COUNT / 4 < 3 * COUNT / 4 < max(first)


def test_sample_of_fewer_rows_is_all_of_them() -> None:
    assert choose_sample(COUNT, None, most=COUNT, random_state=1).tolist() == list(range(COUNT))


def test_with_few_rows_that_validate_the_error_is_the_mean_of_the_folds() -> None:
    train, validation = make_split(300), make_split(100, seed=1)
    folds = encode_folds(MODEL, PROBLEM, "rich", REFERENCES, train, validation, random_state=7)
    assert [len(data.train_target) for data in folds] == [320] * FOLDS
    fitted = fit_folds(MODEL, MODEL.start, folds, random_state=7, threads=1)
    errors = [fit(MODEL, MODEL.start, data, random_state=7, threads=1).metrics["rmse"] for data in folds]
    assert fitted.loss == fitted.metrics["rmse"] == pytest.approx(np.mean(errors))
    assert np.std(errors) > 0


@dataclass
class Told:
    """Ends a trial after so many folds."""

    most: int
    folds: list[tuple[int, int, float]] = field(default_factory=list)
    rounds: int = 0

    def __call__(self, rounds: int, error: float) -> bool:
        self.rounds = rounds
        return False

    def after_fold(self, folds: int, of: int, error: float) -> bool:
        self.folds.append((folds, of, error))
        return folds == self.most

    def limit(self, loss: float) -> float:
        return loss + 1


@pytest.mark.parametrize("most", [1, 2, FOLDS + 1])
def test_trial_that_is_ended_has_the_errors_of_its_folds_so_far(most: int) -> None:
    folds = encode_folds(MODEL, PROBLEM, "rich", REFERENCES, make_split(300), make_split(100, seed=1), random_state=7)
    told = Told(most)
    fitted = fit_folds(MODEL, MODEL.start, folds, random_state=7, threads=1, watch=told)
    alone = [fit(MODEL, MODEL.start, data, random_state=7, threads=1).metrics for data in folds[:most]]
    means = [float(np.mean([each["rmse"] for each in alone[: at + 1]])) for at in range(len(alone))]
    assert [(at, of) for at, of, _ in told.folds] == [(at + 1, FOLDS) for at in range(len(alone))]
    assert [error for *_, error in told.folds] == pytest.approx(means)
    # The error that decides is what the watch makes of it.
    assert fitted.loss == fitted.metrics["rmse"] == pytest.approx(means[-1] + (1 if most <= FOLDS else 0))
    assert fitted.metrics["mae"] == pytest.approx(np.mean([each["mae"] for each in alone]))
    assert told.rounds == 0


def test_trial_on_one_split_is_followed_round_by_round() -> None:
    model, told = MODELS["gbdt.squarederror"], Told(1)
    splits = make_split(300), make_split(ENOUGH_ROWS, seed=1)
    folds = encode_folds(model, PROBLEM, "rich", REFERENCES, *splits, random_state=7)
    fitted = fit_folds(model, model.start, folds, random_state=7, threads=1, watch=told)
    assert told.rounds >= find_rounds(model, fitted.estimator)["n_estimators"] / MORE_ROUNDS
    assert told.folds == []


def test_with_enough_rows_the_splits_are_as_they_are() -> None:
    train, validation = make_split(300), make_split(ENOUGH_ROWS, seed=1)
    [data] = encode_folds(MODEL, PROBLEM, "rich", REFERENCES, train, validation, random_state=7)
    assert (data.train_target.tolist(), data.validation_target.tolist()) == (
        train.target.tolist(),
        validation.target.tolist(),
    )


@pytest.mark.parametrize("name", ["linear_model.LogisticRegression", "gbtree.softprob", "gbdt.multiclass"])
def test_fold_without_a_class_is_measured_by_what_it_has(name: str) -> None:
    problem, split = LENGTHS, as_classes(make_split(400), 3)
    order = np.argsort(split.rows["pickup_at"])
    # The class comes with the newest rows alone: earlier folds neither validate nor, at last, learn it.
    split = Split({key: values[order] for key, values in split.rows.items()}, np.where(np.arange(400) < 360, 0.0, 2.0))
    halves = split.take(np.arange(0, 400, 2)), split.take(np.arange(1, 400, 2))
    folds = encode_folds(MODELS[name], problem, "default", REFERENCES, *halves, random_state=1)
    fitted = fit_folds(MODELS[name], MODELS[name].start, folds, random_state=1, threads=1)
    assert len(folds) == FOLDS
    assert np.isfinite(fitted.loss)
    assert "log_loss" in fitted.metrics
    assert "roc_auc" not in fitted.metrics


@pytest.mark.parametrize(("classes", "of_each"), [(2, 1), (2, 2), (3, 3), (2, FOLDS - 1)])
@pytest.mark.parametrize("group", ["", "customer"])
def test_classes_of_fewer_rows_than_folds_make_fewer_folds(classes: int, of_each: int, group: str) -> None:
    labels = [f"class {number}" for number in range(classes)]
    columns = {"customer": {"kind": "category"}}
    problem = Problem(
        name="x", model="x", source="file:///x.csv", target="y", task="classification", classes=labels, columns=columns,
        group=group or None,
    )  # type: ignore[arg-type]  # fmt: skip
    count = classes * of_each
    customers = np.array([f"c{number}" for number in range(count)], dtype=object)
    split = Split({"customer": customers}, np.repeat(np.arange(float(classes)), of_each))
    folds = divide(problem, split, 1)
    # Of single rows, no class can be dealt out: each row is a fold.
    assert len(folds) == (of_each if of_each > 1 else count)
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(count))
    if of_each > 1:
        assert all(len(np.unique(split.target[learnt])) == classes for learnt, _ in folds)


def test_classes_are_dealt_out_evenly_to_folds() -> None:
    rare = Split({}, (np.arange(1_000) % 100 == 0).astype("float64"))
    hashed = Problem(**{**SHORT_OR_LONG.to_dict(), "time": None, "slices": []})
    folds = divide(hashed, rare, 1)
    assert [int(rare.target[held_out].sum()) for _, held_out in folds] == [2] * FOLDS
