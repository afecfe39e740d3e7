"""The service's answers, for the OpenAPI document; the answers themselves are written without these classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, Field

from include.problem.objectives.table import Task


class ModelName(BaseModel):
    """The model that answered."""

    name: str
    version: int


class Answer(BaseModel):
    """What every answer has."""

    level: float
    model: ModelName
    warnings: list[str] = Field(
        description="Values that are not as those the model learnt from: a category that is new and predicted as"
        " missing, a number out of the range learnt, a value missing where none was. Several rows are named `inputs[0]`"
    )


class Predicted(Answer):
    """A prediction for each row, in the order of the request."""

    predictions: list[float]
    unit: str = Field(description="The unit of what is predicted")
    intervals: list[tuple[float, float]] | None = Field(
        description="For each prediction both ends of an interval that holds the actual value with the probability"
        " `level`, calibrated on rows that the model had not learnt from; null where the model knows none"
    )


class PredictedClasses(Answer):
    """A class for each row, in the order of the request."""

    predictions: list[str] = Field(description="The label that is decided for")
    probabilities: list[dict[str, float]] = Field(description="Calibrated, by label")
    threshold: float | None = Field(
        description="From which probability of the positive class on it is decided for; null where there are more than"
        " two classes, of which the most probable one is"
    )
    label_sets: list[list[str]] | None = Field(
        description="For each row the labels among which the actual one is with the probability `level`, calibrated on"
        " rows that the model had not learnt from; null where the model knows none"
    )


class Explained(Predicted):
    """Why each prediction: the base and the contributions add up to it, in the contributions' unit."""

    base: float
    contributions: list[dict[str, float]] = Field(description="By feature, one object per row")
    contributions_unit: str = Field(description="The unit, or its logarithm")


class ExplainedClasses(PredictedClasses):
    """Why each probability: the base and the contributions add up to log-odds, from which it is calibrated."""

    base: float | list[float] = Field(description="Of more than two classes one per row")
    contributions: list[dict[str, float]] = Field(description="By feature, one object per row")
    contributions_unit: str = Field(description="log-odds")
    factor_on: str = Field(description="What a contribution multiplies, by its exponential: the odds of which class")
    probability_changes: list[dict[str, float]] = Field(
        description="What each feature changes of the calibrated probability of that class, the strongest first"
    )


@dataclass(frozen=True)
class Answers:
    """What is answered to `/predict` and to `/explain`."""

    predicted: type[Answer]
    explained: type[Answer]


ANSWERS: Mapping[Task, Answers] = MappingProxyType(
    {
        "regression": Answers(Predicted, Explained),
        "classification": Answers(PredictedClasses, ExplainedClasses),
    }
)


class ModelInMemory(ModelName):
    """The champion in memory, and where it comes from."""

    family: str
    model: str
    parameters: dict[str, Any]
    lineage: dict[str, str]
    metrics: dict[str, float]
    since: datetime
    service_version: str = Field(description="Of the code that answers; the lineage names the one that trained")


class Ready(BaseModel):
    """Whether a champion is loaded, and what prevents loading a newer one."""

    ready: bool
    version: int | None
    since: datetime | None
    looked_at: datetime | None = Field(description="When the registry last named a champion")
    problem: str | None


class Reloaded(BaseModel):
    """The result of checking the registry."""

    swapped: bool
    version: int | None
    problem: str | None


class Refused(BaseModel):
    """Why a request was refused."""

    detail: str
