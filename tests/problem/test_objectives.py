"""What models are searched, judged and watched by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from include.problem.objectives.objective import Measure
from include.problem.objectives.regression import measure
from tests.bikes import BIKES
from tests.splits import PROBLEM

OBJECTIVE = PROBLEM.objective
ACTUAL, PREDICTED = np.array([10.0, 20, 30, 40]), np.array([12.0, 20, 27, 45])
ROWS = st.shared(st.integers(1, 50))
NUMBERS = arrays(np.float64, ROWS, elements=st.floats(-1e6, 1e6))


def list_measures() -> list[tuple[Measure, ...]]:
    return [OBJECTIVE.of_baselines, OBJECTIVE.in_tables, OBJECTIVE.in_bars, OBJECTIVE.in_slices]


def test_error_of_a_problem_is_named_in_one_place_and_in_its_own_unit() -> None:
    assert (OBJECTIVE.key, OBJECTIVE.name, OBJECTIVE.unit) == ("rmse", "RMSE", "minutes")
    assert (BIKES.objective.key, BIKES.objective.name, BIKES.objective.unit) == ("rmse", "RMSE", "bikes")


def test_error_is_shown_with_its_unit() -> None:
    assert OBJECTIVE.show(4.16201) == "4.162 minutes"
    assert OBJECTIVE.show(-0.25, signed=True) == "-0.25 minutes"
    assert OBJECTIVE.show(None) == ""
    assert OBJECTIVE.title == "RMSE, minutes"
    assert BIKES.model_copy(update={"unit": ""}).objective.show(4.0) == "4"


def test_every_list_of_measures_begins_with_the_main_one() -> None:
    assert [measures[0] for measures in list_measures()] == [OBJECTIVE.main] * 4


def test_every_named_measure_is_measured() -> None:
    named = {each.key for measures in list_measures() for each in measures}
    assert named <= OBJECTIVE.measure(ACTUAL, PREDICTED).keys()


def test_baselines_are_measured_by_the_database() -> None:
    assert all(each.sql for each in OBJECTIVE.of_baselines)


def test_mean_and_median_are_the_constant_baselines() -> None:
    target = {"mean": 12.5, "deciles": [1.0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 60]}
    assert OBJECTIVE.constants(target) == {"mean": 12.5, "median": 10.0}


def test_loss_of_a_row_is_its_squared_error() -> None:
    assert OBJECTIVE.loss(ACTUAL, PREDICTED).tolist() == [4, 0, 9, 25]


@given(NUMBERS, NUMBERS)
def test_error_is_the_aggregate_of_the_mean_loss(actual: np.ndarray, predicted: np.ndarray) -> None:
    losses = OBJECTIVE.loss(actual, predicted)
    assert losses.shape == actual.shape
    error = OBJECTIVE.measure_error(actual, predicted)
    assert error == float(OBJECTIVE.aggregate(losses.mean())) == OBJECTIVE.measure(actual, predicted)[OBJECTIVE.key]


@given(NUMBERS, NUMBERS)
def test_no_prediction_has_less_loss_than_the_actual_value(actual: np.ndarray, predicted: np.ndarray) -> None:
    assert (OBJECTIVE.loss(actual, actual) <= OBJECTIVE.loss(actual, predicted)).all()


def test_mean_losses_of_several_models_are_aggregated_one_by_one() -> None:
    assert OBJECTIVE.aggregate(np.array([4.0, 9.0])).tolist() == [2, 3]


# All measures of regression


def test_measures_of_known_errors() -> None:
    # Errors 2, 0, -3 and 5 minutes.
    measures = measure(np.array([10.0, 20, 30, 40]), np.array([12.0, 20, 27, 45]))
    assert measures == {
        "rmse": pytest.approx(3.08221),
        "mae": 2.5,
        "p50_error": 2.5,
        "p90_error": pytest.approx(4.4),
        "r2": pytest.approx(0.924),
    }


def test_perfect_predictions_have_no_error() -> None:
    actual = np.array([10.0, 20, 30])
    assert measure(actual, actual) == {"rmse": 0, "mae": 0, "p50_error": 0, "p90_error": 0, "r2": 1}


def test_mean_as_prediction_explains_nothing() -> None:
    assert measure(np.array([10.0, 20, 30]), np.full(3, 20.0))["r2"] == 0


def test_worse_than_the_mean_is_negative() -> None:
    assert measure(np.array([10.0, 20, 30]), np.array([30.0, 20, 10]))["r2"] == -3


@pytest.mark.parametrize(("predicted", "r2"), [([10.0, 10.0], 1), ([10.0, 12.0], 0)])
def test_r2_of_a_constant_target_is_a_number(predicted: list[float], r2: float) -> None:
    assert measure(np.array([10.0, 10.0]), np.array(predicted))["r2"] == r2


def test_r2_of_a_target_that_only_rounding_varies_is_that_of_a_constant_one() -> None:
    actual = np.array([0.1 + 0.2, 0.3, 0.3])
    assert np.ptp(actual) > 0
    assert measure(actual, np.full(3, 0.3 + 1e-16))["r2"] == 0
    assert measure(1e6 * actual, np.full(3, 4e5))["r2"] == 0
    assert measure(np.array([0.3, 0.3 + 1e-9]), np.array([0.3, 0.3 + 1e-9]))["r2"] == 1


def test_no_rows_are_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="There are no rows to measure an error on"):
        measure(np.array([]), np.array([]))
