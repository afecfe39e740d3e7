import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from include.models.estimator_files import dump_estimator, parse_estimator
from include.models.fitting import encode, fit_estimator, predict_encoded
from include.models.table import MODELS
from tests.splits import PROBLEM, REFERENCES, make_split

NAMES = (
    "linear_model.LinearRegression", "linear_model.Lasso", "svm.LinearSVR", "ensemble.RandomForestRegressor",
    "gbdt.squarederror",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_same_fit_has_the_same_bytes_each_time_on_any_number_of_threads(name: str) -> None:
    model, contents = MODELS[name], []
    data = encode(model, PROBLEM, "rich", REFERENCES, make_split(20_000), make_split(500, 1))
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            estimator = fit_estimator(model, dict(model.start), data, random_state=7, threads=threads)
        contents.append(dump_estimator(estimator))
    assert contents[0] == contents[1]
    again = parse_estimator(*contents[0], threads=1)
    assert np.array_equal(predict_encoded(again, data.validation), predict_encoded(estimator, data.validation))
