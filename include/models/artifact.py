"""The registered model as one directory: features, encoder and estimator together, without arbitrary pickles.

model.json      problem, encoder with what its features look up, outputs, model type, parameters and lineage
estimator.ubj   an xgboost booster, or
estimator.txt   a booster of LightGBM, or
estimator.skops a scikit-learn estimator, loaded only if each type in it is allowed, or
members/        of a blend: 01/, 02/, ..., each with one of these files
manifest.json   SHA-256 of all others, compared before any library reads them: a damaged booster would end the process
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from include.errors import ModelInvalid
from include.models.encoder import Encoder
from include.models.estimator_files import load_estimator, save_estimator
from include.models.fitting import predict_encoded
from include.models.learnt import Learnt
from include.models.libraries.protocol import EncodedData
from include.models.manifest import check_files, write_manifest
from include.models.outputs.protocol import Outputs
from include.models.outputs.table import OUTPUTS
from include.problem.data import Columns, Pieces, Values, columns_of_frame, count_rows, cut
from include.problem.declaration import Problem
from include.problem.mapped import collect

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 6


@dataclass(frozen=True)
class Model:
    """A model that takes rows and gives predictions of the target.

    Attributes:
        outputs: How what the estimator gives becomes predictions, and how sure these are.
        metadata: Model type, parameters, metrics and lineage, as plain JSON values.
    """

    encoder: Encoder
    estimator: Any
    outputs: Outputs
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, data: EncodedData, estimator: Any, metadata: Mapping[str, Any]) -> "Model":
        """The model of an estimator that was fitted to encoded data; its outputs are not calibrated yet."""
        problem = data.encoder.problem
        return cls(data.encoder, estimator, OUTPUTS[problem.task].start(problem, data.train_target), metadata)

    @property
    def problem(self) -> Problem:
        """What it predicts, from what: as it was declared when the model was trained."""
        return self.encoder.problem

    @property
    def learnt(self) -> Learnt:
        """What the columns of its training rows held."""
        return self.encoder.learnt

    def predict(self, rows: Columns) -> Values:
        """Predictions of n rows with the columns of `Problem.dtypes`.

        Returns:
            Shape (n,), in the problem's unit; of classes their probabilities, (n, k), in the order of `Problem.labels`.

        Raises:
            ModelInvalid: The rows have not all columns that the model was trained with.
        """
        return self.outputs.finish(self.estimate(rows))

    def estimate(self, rows: Columns) -> Values:
        """What the estimator gives of n rows, before the outputs make predictions of it; see `predict`."""
        if missing := self.problem.dtypes.keys() - rows.keys():
            raise ModelInvalid(
                f"The model was trained with {', '.join(sorted(missing))}, which the problem does not declare any more:"
                " declare it again, or train a new model."
            )
        parts = (predict_encoded(self.estimator, self.encoder.transform(part)) for _, part in cut(rows))
        return collect(parts, count_rows(rows))

    def estimate_pieces(self, rows: Pieces, change: Callable[[Columns], Columns] = dict) -> Values:
        """What `estimate` gives of n rows, which are read piece by piece.

        Args:
            change: Makes the rows of each piece others.
        """
        return collect((self.estimate(change(piece.rows)) for piece in rows.pieces()), len(rows))

    def predict_guarded(self, rows: Columns) -> Values:
        """What `predict` gives, of an estimator that may fail in any way.

        Raises:
            ModelInvalid: It failed, or did not give a number for each row, of classes for each of them; says how.
        """
        try:
            predicted = np.asarray(self.predict(rows), dtype="float64")
        except (MemoryError, ModelInvalid):  # the machine's fault, or one that says what it is
            raise
        except Exception as error:
            raise ModelInvalid(f"It cannot predict: {error!r}.") from error
        count, classes = count_rows(rows), len(self.problem.labels)
        if predicted.shape != ((count, classes) if classes else (count,)):
            raise ModelInvalid(f"It returns predictions of shape {predicted.shape} for {count} rows.")
        return predicted

    def bound(self, judged: Pieces, predicted: Values) -> "Model":
        """The model with what says how sure its predictions are, by those of rows not learnt from.

        Args:
            predicted: Of the rows, in the model's stead by one that has not learnt from them.
        """
        # Bands of numbers are large, and errors by bands of the prediction hold in them; times do not come again.
        dtypes = self.problem.dtypes
        frequent = [part.column for part in self.problem.slices if part.most_frequent]
        names = [name for name in frequent if name in dtypes and not dtypes[name].startswith("datetime64")]
        return replace(self, outputs=self.outputs.bound(judged.target, predicted, judged.columns(names)))

    def save(self, directory: Path) -> None:
        """Writes the model into an existing empty directory."""
        document = {
            "format": FORMAT,
            "estimator": save_estimator(self.estimator, directory),
            "problem": self.problem.to_dict(),
            "encoder": self.encoder.to_dict(),
            "outputs": self.outputs.to_dict(),
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
            problem = Problem.from_dict(document["problem"])
            encoder = Encoder.from_dict(problem, document["encoder"])
            estimator = load_estimator(directory / document["estimator"], threads)
            outputs = OUTPUTS[problem.task].from_dict(problem, document["outputs"])
        except ModelInvalid:
            raise
        # What is whole but no model of ours can fail in any way that its library has.
        except Exception as error:
            raise ModelInvalid(f"{directory}: not a model that this code can load ({error}).") from error
        return cls(encoder, estimator, outputs, document["metadata"])


class PyfuncModel:
    """What MLflow's generic loader hands out: frames in, predictions out."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, model_input: "pd.DataFrame", params: Mapping[str, Any] | None = None) -> Values:
        """Predictions, see `Model.predict`, of a frame with the columns of `Problem.dtypes`."""
        return self.model.predict(columns_of_frame(self.model.problem, model_input))


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """Entry point that MLflow calls by this name."""
    return PyfuncModel(Model.load(Path(data_path)))
