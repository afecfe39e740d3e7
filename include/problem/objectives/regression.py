"""Regression: a number is predicted, and a large error costs more than several small ones."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.problem.objectives.objective import Measure, Objective
from include.problem.words import show_amount

if TYPE_CHECKING:
    from include.problem.data import Values
    from include.problem.declaration import Problem


def make_regression(problem: "Problem") -> Objective:
    """The root of the mean squared error, in the target's unit."""
    unit = problem.unit
    rmse = Measure("rmse", "RMSE", unit, "sqrt(avg(power({predicted} - {actual}, 2)))")
    mae = Measure("mae", "MAE", unit, "avg(abs({predicted} - {actual}))")
    return Objective(
        main=rmse,
        article="an",
        loss=square_errors,
        aggregate=take_root,
        distance=square_errors,
        residuals=subtract,
        center="median",
        tell_shift=lambda shift, limit: (
            f"predictions are {show_amount(abs(shift), unit)} {'higher' if shift > 0 else 'lower'} against the actual"
            f" values than where it was judged (limit {show_amount(limit)})"
        ),
        measure=measure,
        constants=list_constants,
        of_baselines=(rmse, mae),
        in_tables=(rmse, mae, Measure("r2", "R²")),
        in_bars=(
            rmse,
            mae,
            Measure("p50_error", "median error", unit),
            Measure("p90_error", "90th percentile of errors", unit),
        ),
        in_slices=(rmse, mae, Measure("p90_error", "90th percentile", unit)),
    )


def square_errors(actual: "Values", predicted: "Values") -> "Values":
    """The squared error of each row, (n,), in the square of the target's unit."""
    return (predicted - actual) ** 2


def subtract(actual: "Values", predicted: "Values") -> "Values":
    """Predicted minus actual by row, (n,)."""
    return predicted - actual


def take_root(mean: Any) -> Any:
    """The error, in the target's unit, by a mean of squared ones; element by element where there are several."""
    import numpy as np

    return np.sqrt(mean)


def list_constants(target: Mapping[str, Any]) -> dict[str, float]:
    """The mean and the median of the training split's target."""
    return {"mean": target["mean"], "median": target["deciles"][5]}


def measure(actual: "Values", predicted: "Values") -> dict[str, float]:
    """Errors of `predicted` against `actual`, both (n,).

    Returns:
        rmse, mae, the median and the 90 % quantile of the absolute error in the target's unit, and r2 (if `actual` is
        constant: 1 without any error, else 0, which unlike NaN can be stored as JSON).

    Raises:
        ValueError: There are no rows.
    """
    import numpy as np

    if not len(actual):
        raise ValueError("There are no rows to measure an error on: choose days or a slice that hold some.")
    error = predicted - actual
    absolute = np.abs(error)
    # Values such as 0.1 + 0.2 and 0.3 are one value, which rounding alone has made two: they may differ by several
    # roundings, relative to their size.
    rounding = 8 * float(np.finfo(np.float64).eps)
    is_constant = float(np.ptp(actual)) <= rounding * float(np.abs(actual).max())
    spread = 0.0 if is_constant else float(np.sum((actual - actual.mean()) ** 2))
    p50, p90 = np.quantile(absolute, [0.5, 0.9])
    return {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(absolute.mean()),
        "p50_error": float(p50),
        "p90_error": float(p90),
        "r2": 1 - float(np.sum(error**2)) / spread if spread else float(not absolute.any()),
    }
