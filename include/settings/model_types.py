"""The model types that settings may name: those of the table, each in the setting of its family."""

from typing import Annotated

from pydantic import AfterValidator

from include.configuration.values import Names, suggest
from include.models.table import Family, names_of


def _check_sklearn(names: tuple[str, ...]) -> tuple[str, ...]:
    return _check_models(names, "sklearn")


def _check_xgboost(names: tuple[str, ...]) -> tuple[str, ...]:
    return _check_models(names, "xgboost")


def _check_models(names: tuple[str, ...], family: Family) -> tuple[str, ...]:
    known = names_of(family)
    for name in names:
        if name not in known:
            near = suggest(name, known) or f"; there are {', '.join(known)}"
            raise ValueError(f"{name!r} is not a model type of {family}{near}")
    if not names:
        raise ValueError(f"no model type is given; there are {', '.join(known)}")
    return tuple(dict.fromkeys(names))


SklearnModels = Annotated[Names, AfterValidator(_check_sklearn)]
XgboostModels = Annotated[Names, AfterValidator(_check_xgboost)]
