"""What an objective is: the one object that knows how an error is measured, and what it is called.

DAG files read it with the problem, and pages and mails name errors by it: it imports nothing slow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from include.problem.words import name_unit, show_amount

if TYPE_CHECKING:
    from include.problem.data import Values


@dataclass(frozen=True)
class Measure:
    """One figure that says how good predictions are.

    Attributes:
        key: As it is stored; behind the name of a split, as in `validation_mae`, where there are several.
        name: As people read it.
        unit: Of its amounts; empty where it has none.
        sql: The aggregate over rows that gives it, with `{actual}` and `{predicted}` for their columns; empty where it
            is measured in Python alone.
    """

    key: str
    name: str
    unit: str = ""
    sql: str = ""


@dataclass(frozen=True)
class Objective:
    """What models are searched, judged and watched by.

    It is made of a loss per row, so that less is always better, differences can be tested row by row, and rows can be
    put together in any way: the error of rows is `aggregate` of the mean of their losses.

    Attributes:
        main: The measure that decides, which is that error.
        article: Of its name in a sentence, `a` or `an`.
        loss: The loss of each row, (n,), by its actual values, (n,), and its predictions, (n,), or (n, k) of k classes.
        aggregate: The error, in the unit of `main`, by a mean of losses; element by element where there are several.
        distance: How far other predictions are from predictions by row, (n,), measured like a loss: that of the actual
            values is the loss.
        residuals: Predicted minus actual by row, (n,), in the unit of the target, or as a probability.
        center: What of the residuals says whether predictions are to one side.
        tell_shift: What is said of predictions whose center of residuals has moved by so much, where so much more would
            not have been: a clause, by both.
        measure: All measures, by their keys, of n > 0 rows; raises ValueError where there are none.
        constants: Baselines that predict the same of every row, by their names as they read after "the": what they
            predict, by the figures of the training split's target, see `profile_split`. The first one stands in where
            another baseline has no value.
        labels: Of the classes, in the order of their numbers and probabilities; empty where a number is predicted.
        score: What of predictions is watched for drift beside the columns, (n,); None where nothing is.
        region: What is told beside a prediction and holds the actual value with a given probability.
        holds_more: Whether it is no fault where more actual values are in regions.
        least: The error that may be there although so many rows show none.
        logged: The column of `prediction.log` that takes the place of `{predicted}` in the `sql` of measures.
        sql_actual: The aggregate over rows that look alike that takes the place of `{actual}`.
        of_baselines: The measures that baselines have too, each with its `sql`; like those that follow, `main` first.
        in_tables: Those in tables of models.
        in_bars: Those in charts that have one axis for all of them.
        in_slices: Those of a slice of the rows.
    """

    main: Measure
    article: str
    loss: Callable[["Values", "Values"], "Values"]
    aggregate: Callable[[Any], Any]
    distance: Callable[["Values", "Values"], "Values"]
    residuals: Callable[["Values", "Values"], "Values"]
    center: Literal["mean", "median"]
    tell_shift: Callable[[float, float], str]
    measure: Callable[["Values", "Values"], dict[str, float]]
    constants: Callable[[Mapping[str, Any]], Mapping[str, float | list[float]]]
    of_baselines: tuple[Measure, ...]
    in_tables: tuple[Measure, ...]
    in_bars: tuple[Measure, ...]
    in_slices: tuple[Measure, ...]
    labels: tuple[str, ...] = ()
    score: Callable[["Values"], "Values"] | None = None
    region: str = "interval"
    holds_more: bool = False
    least: Callable[[int], float] = lambda _: 0.0
    logged: str = "predicted"
    sql_actual: str = "avg(target)"

    @property
    def key(self) -> str:
        """The key of the main measure."""
        return self.main.key

    @property
    def name(self) -> str:
        """The name of the main measure."""
        return self.main.name

    @property
    def unit(self) -> str:
        """The unit of the main measure; empty where it has none."""
        return self.main.unit

    @property
    def title(self) -> str:
        """The name of the main measure with its unit, see `name_unit`."""
        return name_unit(self.name, self.unit)

    def show(self, error: float | None, *, signed: bool = False) -> str:
        """An error, or a difference of two, with its unit, see `show_amount`."""
        return show_amount(error, self.unit, signed=signed)

    def measure_error(self, actual: "Values", predicted: "Values") -> float:
        """The error of predictions of n > 0 rows, in the unit of `main`."""
        return float(self.aggregate(self.loss(actual, predicted).mean()))
