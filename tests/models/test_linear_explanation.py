import pytest

from include.models.artifact import Model
from include.models.explanation import can_explain, explain, is_linear
from tests.registered import BOOSTER, FOREST, LASSO, VALIDATION, make_model

LINEAR = ["linear_model.LinearRegression", LASSO, "svm.LinearSVR"]


@pytest.mark.parametrize("name", LINEAR)
def test_contributions_and_base_add_up_to_the_prediction(name: str) -> None:
    found = explain(make_model(name), VALIDATION.rows)
    total = found.contributions.sum(axis=1) + found.base
    assert total == pytest.approx(make_model(name).predict(VALIDATION.rows))
    assert found.unit == "minutes"


def test_base_is_the_mean_prediction_of_the_training_split() -> None:
    found = explain(make_model(LASSO), VALIDATION.rows)
    # What a linear model with an intercept predicts on average is the mean of what it was fitted to.
    assert found.base == pytest.approx(make_model(LASSO).predict(VALIDATION.rows).mean(), rel=0.1)


def test_columns_of_a_feature_are_added_up() -> None:
    found = explain(make_model(LASSO, "reference"), VALIDATION.rows)
    assert set(found.features) == {"PU_DO", "trip_distance"}
    assert found.contributions.shape == (len(VALIDATION), 2)


def test_contributions_are_told_from_zero_where_the_model_knows_no_means() -> None:
    model = make_model(LASSO)
    without = Model(model.encoder, model.estimator, model.outputs, {})
    assert explain(without, VALIDATION.rows).base == pytest.approx(float(model.estimator.intercept_))


def test_booster_is_no_linear_model_and_a_forest_cannot_be_explained() -> None:
    assert not is_linear(make_model(BOOSTER))
    forest = make_model(FOREST)
    assert not is_linear(forest)
    assert not can_explain(forest)
    with pytest.raises(TypeError, match="RandomForestRegressor has no Shapley values of its own"):
        explain(forest, VALIDATION.rows)
