"""A single row predicted by LightGBM, in half of the time: with the settings of a prediction read once for all rows.

The C interface has functions for it, the Python package does not:
https://lightgbm.readthedocs.io/en/latest/C-API.html#c.LGBM_BoosterPredictForMatSingleRowFastInit
"""

import ctypes
from typing import Any
from weakref import WeakKeyDictionary, finalize

import numpy as np
import numpy.typing as npt

from include.problem.data import Values

# As the C interface numbers them: rows of float32, and predictions rather than leaves or contributions.
_FLOAT32 = _PREDICTION = 0
_SETTINGS = b"num_threads=1"


class SingleRow:
    """Predicts single rows with a booster, by any number of threads."""

    def __init__(self, booster: Any) -> None:
        from lightgbm.basic import _LIB, _safe_call

        self._predict, self._check = _LIB.LGBM_BoosterPredictForMatSingleRowFast, _safe_call
        self._outputs = ctypes.c_double * booster.num_model_per_iteration()
        self._config = ctypes.c_void_p()
        self.width: int = booster.num_feature()
        self._check(
            _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,
                _PREDICTION,
                0,
                booster.best_iteration,
                _FLOAT32,
                ctypes.c_int32(self.width),
                _SETTINGS,
                ctypes.byref(self._config),
            )
        )
        finalize(self, _LIB.LGBM_FastConfigFree, self._config)

    def predict(self, row: npt.NDArray[np.float32]) -> Values:
        """What the booster's own method gives of a matrix with one row, (1, k): (1,), or (1, classes)."""
        found, length = self._outputs(), ctypes.c_int64()
        self._check(self._predict(self._config, ctypes.c_void_p(row.ctypes.data), ctypes.byref(length), found))
        predicted = np.array(found)
        return predicted if len(found) == 1 else predicted[np.newaxis]


_PREPARED: WeakKeyDictionary[Any, SingleRow] = WeakKeyDictionary()


def predict_single(booster: Any, matrix: Any) -> Values | None:
    """See `SingleRow.predict`; None where the matrix is not one such row, which the booster predicts itself."""
    if type(matrix) is not np.ndarray or matrix.dtype != np.float32 or len(matrix) != 1:
        return None
    prepared = _PREPARED.get(booster)
    if prepared is None:
        prepared = _PREPARED[booster] = SingleRow(booster)
    # The C function reads as many values as it was told of, whether they are there or not.
    if matrix.shape != (1, prepared.width) or not matrix.flags.c_contiguous:
        return None
    return prepared.predict(matrix)
