"""What a family's library has to be able to do. A new family is a new module like this, and an entry in the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from include.models.encoder import Encoder
from include.models.table import ModelType
from include.problem.data import Values

Watch = Callable[[int, float], bool]
MAXIMUM_ROUNDS = 1500
EARLY_STOPPING_ROUNDS = 20


@dataclass(frozen=True)
class EncodedData:
    """The matrices that every trial of a model type shares, encoded once, in the form that its library takes.

    The targets are those of the splits, also where the matrices hold their logarithms.
    """

    encoder: Encoder
    train: Any
    train_target: Values
    validation: Any
    validation_target: Values


@dataclass(frozen=True)
class FitOptions:
    """How a fit is done, whatever its parameters.

    Attributes:
        device: Where a library that can choose computes, `cpu` or `cuda`.
        metric: Key of the measure by which a booster stops early, as libraries of boosters call it too.
        watch: Told the number of rounds and the validation error after each round of a booster that stops early; ends
            the fit where it says True.
    """

    random_state: int
    threads: int
    device: str
    metric: str
    watch: Watch | None


@dataclass(frozen=True)
class Contributions:
    """What the encoded columns add to predictions.

    Attributes:
        values: Shape (n, k), of n rows and k columns.
        base: The margin without any column.
        multiplies: Whether the margin is the logarithm of the prediction.
    """

    values: npt.NDArray[np.float64]
    base: float
    multiplies: bool


class Library(Protocol):
    """One library of models.

    Attributes:
        packages: The distributions without which its models cannot be loaded.
        file: The name of the file that holds an estimator.
        explains: Whether its estimators know their Shapley values.
    """

    packages: tuple[str, ...]
    file: str
    explains: bool

    def owns(self, estimator: Any) -> bool:
        """Whether the estimator is one of its own."""

    def prepare(self, model: ModelType, data: EncodedData) -> EncodedData:
        """The matrices of the encoder in the library's own form."""

    def fit(self, model: ModelType, parameters: Mapping[str, Any], data: EncodedData, options: FitOptions) -> Any:
        """Fits with all parameters given; a booster that stops early keeps the rounds to its best one."""

    def predict(self, estimator: Any, matrix: Any) -> npt.ArrayLike:
        """Predictions of the target, (n,), from a matrix of the encoder, or from one that `prepare` made."""

    def count_rounds(self, estimator: Any) -> int:
        """The rounds of a booster."""

    def contribute(self, estimator: Any, matrix: Any, encoder: Encoder) -> Contributions:
        """The Shapley values of predictions from a matrix of the encoder."""

    def save(self, estimator: Any, path: Path) -> None:
        """Writes the estimator; an equal one gives equal bytes."""

    def load(self, path: Path, threads: int) -> Any:
        """Reads what `save` wrote.

        Args:
            threads: Those that a booster predicts with; scikit-learn's estimators predict with one.

        Raises:
            ModelInvalid: It holds a type that is not allowed.
        """
