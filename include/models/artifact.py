"""The registered model as one directory: features, encoder and estimator together, without arbitrary pickles.

model.json      problem, encoder with what its features look up, intervals, model type, parameters and lineage
estimator.ubj   an xgboost booster, or
estimator.txt   a booster of LightGBM, or
estimator.skops a scikit-learn estimator, loaded only if each type in it is allowed, or
members/        of a blend: 01/, 02/, ..., each with one of these files
manifest.json   SHA-256 of all others, compared before any library reads them: a damaged booster would end the process
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from include.errors import ModelInvalid
from include.models.encoder import Encoder
from include.models.estimator_files import load_estimator, save_estimator
from include.models.fitting import predict_encoded
from include.models.intervals import DEFAULT_LEVEL, Intervals, calibrate
from include.models.learnt import Learnt
from include.models.manifest import check_files, write_manifest
from include.problem.data import Columns, Split, Values, columns_of_frame, count_rows
from include.problem.declaration import Problem

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 5


@dataclass(frozen=True)
class Model:
    """A model that takes rows and gives predictions of the target.

    Attributes:
        metadata: Model type, parameters, metrics and lineage, as plain JSON values.
        intervals: How far actual values are from predictions; None where too few rows were held out to say.
    """

    encoder: Encoder
    estimator: Any
    metadata: Mapping[str, Any]
    intervals: Intervals | None = None

    @property
    def problem(self) -> Problem:
        """What it predicts, from what: as it was declared when the model was trained."""
        return self.encoder.problem

    @property
    def learnt(self) -> Learnt:
        """What the columns of its training rows held."""
        return self.encoder.learnt

    def predict(self, rows: Columns) -> Values:
        """Predictions, shape (n,), in the problem's unit, of n rows with the columns of `Problem.dtypes`.

        Raises:
            ModelInvalid: The rows have not all columns that the model was trained with.
        """
        if missing := self.problem.dtypes.keys() - rows.keys():
            raise ModelInvalid(
                f"The model was trained with {', '.join(sorted(missing))}, which the problem does not declare any more:"
                " declare it again, or train a new model."
            )
        return predict_encoded(self.estimator, self.encoder.transform(rows))

    def predict_guarded(self, rows: Columns) -> Values:
        """What `predict` gives, of an estimator that may fail in any way.

        Raises:
            ModelInvalid: It failed, or did not give a number for each row; says how.
        """
        try:
            predicted = np.asarray(self.predict(rows), dtype="float64")
        except MemoryError:  # the machine's fault, not the model's
            raise
        except Exception as error:
            raise ModelInvalid(f"It cannot predict: {error!r}.") from error
        expected = count_rows(rows)
        if predicted.shape != (expected,):
            raise ModelInvalid(f"It returns predictions of shape {predicted.shape} for {expected} rows.")
        return predicted

    def calibrate(self, judged: Split, predicted: Values) -> "Model":
        """The model with intervals that follow from predictions of rows not learnt from.

        Args:
            predicted: Of the rows, (n,), in the model's stead by one that has not learnt from them.
        """
        # Bands of numbers are large, and errors by bands of the prediction hold in them; times do not come again.
        names = [part.column for part in self.problem.slices if part.most_frequent and part.column in judged.rows]
        categories = {name: judged.rows[name] for name in names if judged.rows[name].dtype.kind != "M"}
        return replace(self, intervals=calibrate(judged.target, predicted, categories))

    def find_intervals(
        self, predicted: Values, rows: Columns, level: float = DEFAULT_LEVEL
    ) -> tuple[Values, Values] | None:
        """Both ends, each (n,), of the intervals of n predictions, see `Intervals.find`; None where none are known."""
        if self.intervals is None:
            return None
        low, high = self.intervals.find(predicted, rows, level)
        # What training never sees below 0 is not said to be there.
        is_never_negative = self.problem.target_min is not None and self.problem.target_min >= 0
        return (np.maximum(low, 0.0), np.maximum(high, 0.0)) if is_never_negative else (low, high)

    def save(self, directory: Path) -> None:
        """Writes the model into an existing empty directory."""
        document = {
            "format": FORMAT,
            "estimator": save_estimator(self.estimator, directory),
            "problem": self.problem.to_dict(),
            "encoder": self.encoder.to_dict(),
            "intervals": self.intervals and self.intervals.to_dict(),
            "metadata": dict(self.metadata),
        }
        (directory / "model.json").write_text(json.dumps(document, allow_nan=False))
        write_manifest(directory)

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1, digest: str | None = None) -> "Model":
        """Reads what `save` wrote.

        Args:
            threads: Those that a booster predicts with; scikit-learn's estimators predict with one.
            digest: Of the manifest, where the caller knows it from elsewhere.

        Raises:
            ModelInvalid: A file is missing, damaged or one too many, of another format, or holds a type that is not
                allowed.
        """
        check_files(directory, digest)
        try:
            document = json.loads((directory / "model.json").read_text())
            if document["format"] != FORMAT:
                raise ModelInvalid(f"{directory}: format {document['format']}, but this code reads format {FORMAT}.")
            encoder = Encoder.from_dict(Problem.from_dict(document["problem"]), document["encoder"])
            estimator = load_estimator(directory / document["estimator"], threads)
            intervals = Intervals.from_dict(document["intervals"]) if document["intervals"] else None
        except ModelInvalid:
            raise
        # What is whole but no model of ours can fail in any way that its library has.
        except Exception as error:
            raise ModelInvalid(f"{directory}: not a model that this code can load ({error}).") from error
        return cls(encoder, estimator, document["metadata"], intervals)


class PyfuncModel:
    """What MLflow's generic loader hands out: frames in, predictions out."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, model_input: "pd.DataFrame", params: Mapping[str, Any] | None = None) -> Values:
        """Predictions, shape (n,), of a frame with the columns of `Problem.dtypes`."""
        return self.model.predict(columns_of_frame(self.model.problem, model_input))


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """Entry point that MLflow calls by this name."""
    return PyfuncModel(Model.load(Path(data_path)))
