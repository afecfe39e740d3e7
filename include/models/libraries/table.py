"""The table of families: the library that each one's models are of."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from include.models.libraries.lightgbm_boosters import LightGBM
from include.models.libraries.protocol import Library
from include.models.libraries.scikit_learn import ScikitLearn
from include.models.libraries.xgboost_boosters import XGBoost
from include.models.table import Family

LIBRARIES: Mapping[Family, Library] = MappingProxyType(
    {"sklearn": ScikitLearn(), "xgboost": XGBoost(), "lightgbm": LightGBM()}
)


def library_of(estimator: Any) -> Library:
    """The library that an estimator is of.

    Raises:
        TypeError: It is of none.
    """
    for library in LIBRARIES.values():
        if library.owns(estimator):
            return library
    raise TypeError(f"{type(estimator).__name__} is an estimator of no family")
