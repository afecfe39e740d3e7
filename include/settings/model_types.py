"""The model types that settings may name: those of the table, each in the setting of its family."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from include.configuration.values import Names, suggest
from include.models.table import Family, names_of


def _check(family: Family) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def check(names: tuple[str, ...]) -> tuple[str, ...]:
        known = names_of(family)
        for name in names:
            if name not in known:
                near = suggest(name, known) or f"; there are {', '.join(known)}"
                raise ValueError(f"{name!r} is not a model type of {family}{near}")
        return tuple(dict.fromkeys(names))

    return check


SklearnModels = Annotated[Names, AfterValidator(_check("sklearn"))]
XgboostModels = Annotated[Names, AfterValidator(_check("xgboost"))]
LightgbmModels = Annotated[Names, AfterValidator(_check("lightgbm"))]
