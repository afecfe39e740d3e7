"""What an engine has to be able to do."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from include.models.libraries.protocol import EncodedData
from include.models.table import ModelType
from include.problem.data import Pieces
from include.problem.declaration import Problem


class Engine(Protocol):
    """What fits models."""

    @property
    def made_by(self) -> Mapping[str, Any]:
        """What a model's record says of it, so that the model can be built again."""

    def encode(
        self,
        model: ModelType,
        problem: Problem,
        feature_set: str,
        references: Mapping[str, Any],
        train: Pieces,
        validation: Pieces | None = None,
    ) -> EncodedData:
        """What `fit` takes; see `include.models.fitting.encode`."""

    def fit(
        self,
        model: ModelType,
        parameters: Mapping[str, Any],
        data: EncodedData,
        set_version: int,
        splits: Sequence[str],
        **options: Any,
    ) -> Any:
        """Fits as `fit_estimator` does, with its options.

        Args:
            data: What `encode` gave.
            splits: Those of the set that the model learns from, which `encode` was given as one.
        """
