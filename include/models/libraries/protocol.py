"""What a family's library has to be able to do. A new family is a module beside this one, and an entry in the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from include.models.encoder import Encoder
from include.models.table import ModelType
from include.problem.data import Values

# How the margin, which contributions add up to, becomes the prediction: it is it, or its logarithm, or the log-odds of
# the second of two classes, or each class's share in the logarithm.
Link = Literal["identity", "log", "logit", "softmax"]
MAXIMUM_ROUNDS = 1500
EARLY_STOPPING_ROUNDS = 20


@dataclass(frozen=True)
class EncodedData:
    """The matrices that every trial of a model type shares, encoded once, in the form that its library takes.

    What is prepared is a matrix of the encoder or, of more rows than are held in memory, a `Spool`. The targets are
    those of the splits, also where the matrices hold their logarithms. The weights say how much each row counts, (n,);
    None where all count alike. There is no validation split where a fit does not look at it.
    """

    encoder: Encoder
    train: Any
    train_target: Values
    validation: Any = None
    validation_target: Values = field(default_factory=lambda: np.empty(0))
    train_weight: Values | None = None
    validation_weight: Values | None = None


class Watch(Protocol):
    """Follows the fit of a booster that stops early."""

    def __call__(self, rounds: int, error: float, /) -> bool:
        """Takes the validation error after so many rounds; True where the fit is to be ended."""


@dataclass(frozen=True)
class FitOptions:
    """How a fit is done, whatever its parameters.

    Attributes:
        device: Where a library that can choose computes, `cpu` or `cuda`.
        metric: Name of the measure by which a booster stops early, as its library calls it.
        classes: How many there are; 0 where a number is predicted.
        watch: Told of each round of a booster that stops early.
    """

    random_state: int
    threads: int
    device: str
    metric: str
    watch: Watch | None
    classes: int = 0


@dataclass(frozen=True)
class Planned:
    """What a booster's library is called with.

    Attributes:
        rounds: How many at most.
        stops: Whether the validation split says how many of them are best.
    """

    parameters: dict[str, Any]
    rounds: int
    stops: bool


@dataclass(frozen=True)
class Contributions:
    """What the encoded columns add to predictions.

    Attributes:
        values: Shape (n, columns); of several classes, each of which has a margin, (n, columns, k).
        base: The margin without any column; of several classes, (k,).
    """

    values: npt.NDArray[np.float64]
    base: npt.NDArray[np.float64]
    link: Link


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

    def link(self, estimator: Any) -> Link:
        """How the estimator's margin becomes its prediction."""

    def predict(self, estimator: Any, matrix: Any) -> npt.ArrayLike:
        """Predictions of the target, (n,), of classes their probabilities, (n, k).

        Args:
            matrix: One of the encoder, or one that `prepare` made.
        """

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


class Fits(Protocol):
    """What fits the estimators of a family: its library, or that library on several machines."""

    def fit(self, model: ModelType, parameters: Mapping[str, Any], data: EncodedData, options: FitOptions) -> Any:
        """Fits with all parameters given; a booster that stops early keeps the rounds to its best one."""


class Library(Estimators, Fits, Protocol):
    """One library of models: how its estimators are fitted, and what can be done with them.

    Attributes:
        packages: The distributions without which its models cannot be loaded.
        values_per_thread: Values of a matrix, rows by columns, from which on one more thread makes a fit quicker.
    """

    packages: tuple[str, ...]
    values_per_thread: int

    def prepare(self, model: ModelType, data: EncodedData) -> EncodedData:
        """The matrices of the encoder in the library's own form."""

    def count_rounds(self, estimator: Any) -> int:
        """The rounds of a booster."""
