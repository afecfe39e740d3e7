"""The engine that fits in the task, with the cores and the memory of its machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from include.models.fitting import encode, fit_estimator
from include.models.libraries.protocol import EncodedData
from include.models.table import ModelType


class InTask:
    """See `Engine`."""

    @property
    def made_by(self) -> Mapping[str, Any]:
        return {}

    encode = staticmethod(encode)

    def fit(
        self,
        model: ModelType,
        parameters: Mapping[str, Any],
        data: EncodedData,
        set_version: int,
        splits: Sequence[str],
        **options: Any,
    ) -> Any:
        return fit_estimator(model, parameters, data, **options)
