"""Feature sets: what is computed of a row before any model sees it.

A problem declares its own, as code beside its file; what these do not consider has the default features of its kind,
so that a column that is added to the file is trained on without any code. Everything works on columns held as NumPy
arrays, because the same code prepares half a million rows for training and a single row within a millisecond for
serving.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from include.errors import SettingsError
from include.problem.data import Columns
from include.problem.declaration import Problem
from include.problem.kinds import KindName
from include.problem.texts import GROUPS, count_groups

# Days are counted from 2000-01-01.
FIRST_DAY = 10_957
MINUTES_OF_DAY = 1_440


@dataclass(frozen=True)
class FeatureSet:
    """How rows become features, and which of these are categories.

    Attributes:
        compute: Makes the features of the columns of `Problem.dtypes` and of the references by name, of which one that
            is not loaded is missing.
        categorical: Features that are categories, as codes or texts.
        cyclic: Numeric features that a linear model needs as categories, by their whole part.
        unscaled: Numeric features that the one-hot encoding neither clips nor standardises.
        uses: The input columns that it considers, whether it makes features of them or not.
        leaves_out: Columns that it does without, whether they are inputs or not.
    """

    compute: Callable[[Columns, Mapping[str, Any]], Columns]
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    cyclic: tuple[str, ...] = ()
    unscaled: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    leaves_out: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All features."""
        return (*self.categorical, *self.numeric, *self.cyclic)


def _as_numeric(column: str) -> FeatureSet:
    return FeatureSet(lambda columns, _: {column: columns[column]}, numeric=(column,), uses=(column,))


def _as_category(column: str) -> FeatureSet:
    return FeatureSet(lambda columns, _: {column: columns[column]}, categorical=(column,), uses=(column,))


def _as_time(column: str) -> FeatureSet:
    """Hour with its fraction, weekday from Monday, month, day of the year, and days since 2000."""
    hour, weekday, month, day_of_year, day = (
        f"{column}_{part}" for part in ("hour", "weekday", "month", "day_of_year", "day")
    )

    def compute(columns: Columns, _: Mapping[str, Any]) -> Columns:
        times = columns[column]
        clock, days, months = (times.astype(f"datetime64[{unit}]").astype(np.int64) for unit in ("m", "D", "M"))
        year_began = times.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        features = {
            hour: clock % MINUTES_OF_DAY / 60,
            # Day 0 of the epoch was a Thursday: 0 is Monday.
            weekday: (days + 3) % 7,
            month: months % 12 + 1,
            day_of_year: days - year_began + 1,
            day: days - FIRST_DAY,
        }
        missing = np.isnat(times)
        return {name: np.where(missing, np.nan, values) for name, values in features.items()}

    return FeatureSet(compute, numeric=(day_of_year, day), cyclic=(hour, weekday, month), uses=(column,))


def _as_text(column: str) -> FeatureSet:
    """How often each group of letters is in the text; the names say whose they are, as those of categories do."""
    names = tuple(f"{column}={group:02}" for group in range(GROUPS))

    def compute(columns: Columns, _: Mapping[str, Any]) -> Columns:
        return dict(zip(names, count_groups(columns[column]).T, strict=True))

    return FeatureSet(compute, numeric=names, uses=(column,))


# Kind -> the features of a column that no feature set considers.
DEFAULTS: Mapping[KindName, Callable[[str], FeatureSet]] = MappingProxyType(
    {
        "number": _as_numeric,
        "flag": _as_numeric,
        "code": _as_category,
        "category": _as_category,
        "time": _as_time,
        "text": _as_text,
    }
)


def find_feature_set(problem: Problem, name: str) -> FeatureSet:
    """The feature set that the problem declares by that name, and the default features of the inputs behind it.

    `default` has the default features of all inputs.

    Raises:
        SettingsError: There is none, it uses what is no input, or two features have one name.
    """
    if name not in problem.feature_set_names:
        raise SettingsError(f"Unknown feature set '{name}'; choose one of: {', '.join(problem.feature_set_names)}.")
    declared = [problem.resolve(problem.feature_sets[name])] if name in problem.feature_sets else []
    used = {column for each in declared for column in each.uses}
    if unknown := sorted(used - problem.dtypes.keys()):
        raise SettingsError(
            f"The feature set '{name}' uses {', '.join(unknown)}, which no model knows when it predicts; the inputs are"
            f" {', '.join(problem.dtypes)}."
        )
    used |= {column for each in declared for column in each.leaves_out}
    others = [DEFAULTS[column.kind](column.name) for column in problem.inputs if column.name not in used]
    return _join([*declared, *others], name)


def _join(parts: Sequence[FeatureSet], name: str) -> FeatureSet:
    if len(parts) == 1:
        return parts[0]
    twice = [feature for feature, count in Counter(f for part in parts for f in part.names).items() if count > 1]
    if twice:
        raise SettingsError(
            f"The feature set '{name}' has two features of the name {' and of '.join(twice)}: name the feature, or the"
            " column, otherwise."
        )

    def compute(columns: Columns, references: Mapping[str, Any]) -> Columns:
        features: dict[str, npt.NDArray[Any]] = {}
        for part in parts:
            features |= part.compute(columns, references)
        return features

    def collect(attribute: str) -> tuple[str, ...]:
        return tuple(feature for part in parts for feature in getattr(part, attribute))

    return FeatureSet(compute, *map(collect, ("categorical", "numeric", "cyclic", "unscaled", "uses")))
