"""The table of families: the library that each one's models are of."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from include.models.libraries.blends import Blend, Blends
from include.models.libraries.lightgbm_boosters import LightGBM
from include.models.libraries.protocol import Estimators, Library
from include.models.libraries.scikit_learn import ScikitLearn
from include.models.libraries.xgboost_boosters import XGBoost
from include.models.table import Family

LIBRARIES: Mapping[Family, Library] = MappingProxyType(
    {"sklearn": ScikitLearn(), "xgboost": XGBoost(), "lightgbm": LightGBM()}
)
_BLENDS = Blends(tuple(LIBRARIES.values()))
KINDS: tuple[Estimators, ...] = (*LIBRARIES.values(), _BLENDS)


def kind_of(estimator: Any) -> Estimators:
    """The kind that an estimator is of.

    Raises:
        TypeError: It is of none.
    """
    for kind in KINDS:
        if kind.owns(estimator):
            return kind
    raise TypeError(f"{type(estimator).__name__} is an estimator of no family")


def blend(estimators: Sequence[Any]) -> Any:
    """What predicts the mean of one or more estimators of a model type, see `Blends`; of a single one, itself."""
    return _BLENDS.blend(estimators) if len(estimators) > 1 else estimators[0]


def members_of(estimator: Any) -> tuple[Any, ...]:
    """The inverse of `blend`."""
    return estimator.members if isinstance(estimator, Blend) else (estimator,)
