"""scikit-learn: estimators by the name of their class, in files of skops without arbitrary pickles."""

import json
import zipfile
from collections.abc import Mapping
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from include.errors import ModelInvalid
from include.models.encoder import Encoder
from include.models.libraries.protocol import Contributions, EncodedData, FitOptions, Link
from include.models.table import ModelType

# What the regressors of the model table are made of, beyond the types that skops trusts by itself.
ALLOWED_TYPES = frozenset({"sklearn.tree._tree.Tree"})
_SCHEMA = "schema.json"


class ScikitLearn:
    """See `Library`."""

    packages: tuple[str, ...] = ("scikit-learn", "skops")
    # Each tree of a forest is a thread's own work.
    values_per_thread: int = 1
    file = "estimator.skops"

    def owns(self, estimator: Any) -> bool:
        return hasattr(estimator, "get_params")

    def explains(self, estimator: Any) -> bool:
        return False

    def link(self, estimator: Any) -> Link:
        if not hasattr(estimator, "predict_proba") or not hasattr(estimator, "coef_"):
            return "identity"
        return "logit" if estimator.n_classes_of_problem == 2 else "softmax"

    def prepare(self, model: ModelType, data: EncodedData) -> EncodedData:
        return data

    def fit(self, model: ModelType, parameters: Mapping[str, Any], data: EncodedData, options: FitOptions) -> Any:
        from threadpoolctl import threadpool_limits

        chosen = dict(parameters)
        if model.seeded:
            chosen["random_state"] = options.random_state
        if model.parallel:
            chosen["n_jobs"] = options.threads
        module, class_name = model.name.rsplit(".", 1)
        if options.classes and np.ptp(data.train_target) == 0:
            # As in a fold of a class that comes late. Most classifiers refuse that.
            module, class_name, chosen = "dummy", "DummyClassifier", {}
        estimator = getattr(import_module(f"sklearn.{module}"), class_name)(**chosen)
        # Sums of linear algebra are other ones in their last digits with other threads.
        weights = {} if data.train_weight is None else {"sample_weight": data.train_weight}
        with threadpool_limits(1, user_api="blas"):
            estimator.fit(data.train, data.train_target, **weights)
        if options.classes:
            # Those of which it has seen no row are not among its own.
            estimator.n_classes_of_problem = options.classes
        # How far a Lasso was from its optimum: no prediction needs it, and its last digits are not always the same.
        vars(estimator).pop("dual_gap_", None)
        return _predict_by_one_thread(estimator)

    def predict(self, estimator: Any, matrix: Any) -> npt.ArrayLike:
        if not hasattr(estimator, "predict_proba"):
            predicted: npt.ArrayLike = estimator.predict(matrix)
            return predicted
        given = estimator.predict_proba(matrix)
        probabilities = np.zeros((len(given), estimator.n_classes_of_problem))
        probabilities[:, estimator.classes_.astype(np.intp)] = given
        return probabilities

    def count_rounds(self, estimator: Any) -> int:
        raise TypeError(f"{type(estimator).__name__} has no rounds that stop early")

    def contribute(self, estimator: Any, matrix: Any, encoder: Encoder) -> Contributions:
        raise TypeError(f"{type(estimator).__name__} has no Shapley values of its own")

    def save(self, estimator: Any, path: Path) -> None:
        import skops.io

        skops.io.dump(estimator, path)
        _write_evenly(path)

    def load(self, path: Path, threads: int) -> Any:
        import skops.io

        untrusted = skops.io.get_untrusted_types(file=path)
        refused = sorted(set(untrusted) - ALLOWED_TYPES)
        if refused:
            raise ModelInvalid(f"{path.name} contains types that are not allowed: {', '.join(refused)}.")
        return _predict_by_one_thread(skops.io.load(path, trusted=untrusted))


def _predict_by_one_thread(estimator: Any) -> Any:
    """The same estimator, set so that its predictions are the same every time.

    A forest adds up its trees in the order in which threads finish: with two, the last digits differ by chance.
    """
    if "n_jobs" in estimator.get_params():
        estimator.set_params(n_jobs=1)
    return estimator


def _write_evenly(path: Path) -> None:
    """Writes a file of skops so that equal estimators have equal bytes.

    skops names parts by their addresses in memory, and the archive says when it was written.
    """
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema, numbers = json.loads(parts.pop(_SCHEMA)), count()
    names: dict[str, str] = {}
    identities: dict[Any, int] = {}

    def number(node: Any) -> Any:
        if isinstance(node, list):
            return [number(each) for each in node]
        if not isinstance(node, dict):
            return node
        numbered = {key: number(value) for key, value in node.items()}
        if "__id__" in node:
            # Which plain values are one object in memory is chance.
            key = object() if node.get("is_json") else node["__id__"]
            numbered["__id__"] = identities.setdefault(key, next(numbers))
        if node.get("file") in parts:
            name = Path(node["file"])
            numbered["file"] = names.setdefault(name.name, f"{len(names)}{name.suffix}")
        return numbered

    schema = number(schema)
    with zipfile.ZipFile(path, "w") as archive:
        for name, new in names.items():
            archive.writestr(zipfile.ZipInfo(new), parts[name])
        archive.writestr(zipfile.ZipInfo(_SCHEMA), json.dumps(schema))
