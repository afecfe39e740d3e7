"""What a family's library has to be able to do. A new family is a module beside this one, and an entry in the table."""

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


class Estimators(Protocol):
    """One kind of fitted estimators: those of a library, or blends of them.

    Attributes:
        file: The name of the file that holds an estimator, or of the directory.
    """

    file: str

    def owns(self, estimator: Any) -> bool:
        """Whether the estimator is of this kind."""

    def explains(self, estimator: Any) -> bool:
        """Whether the estimator knows its Shapley values."""

    def multiplies(self, estimator: Any) -> bool:
        """Whether the estimator's margin, which contributions add up to, is the logarithm of its prediction."""

    def predict(self, estimator: Any, matrix: Any) -> npt.ArrayLike:
        """Predictions of the target, (n,), from a matrix of the encoder, or from one that `prepare` made."""

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


class Library(Estimators, Protocol):
    """One library of models: how its estimators are fitted, and what can be done with them.

    Attributes:
        packages: The distributions without which its models cannot be loaded.
    """

    packages: tuple[str, ...]

    def prepare(self, model: ModelType, data: EncodedData) -> EncodedData:
        """The matrices of the encoder in the library's own form."""

    def fit(self, model: ModelType, parameters: Mapping[str, Any], data: EncodedData, options: FitOptions) -> Any:
        """Fits with all parameters given; a booster that stops early keeps the rounds to its best one."""

    def count_rounds(self, estimator: Any) -> int:
        """The rounds of a booster."""
