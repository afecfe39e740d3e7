"""Estimators in files of their libraries: an xgboost booster, or a scikit-learn estimator without arbitrary pickles."""

import json
import tempfile
import zipfile
from itertools import count
from pathlib import Path
from typing import Any

from include.errors import ModelInvalid
from include.models.fitting import predict_by_one_thread

# What the regressors of the model table are made of, beyond the types that skops trusts by itself.
ALLOWED_TYPES = frozenset({"sklearn.tree._tree.Tree"})
BOOSTER, ESTIMATOR = "estimator.ubj", "estimator.skops"
_SCHEMA = "schema.json"


def save_estimator(estimator: Any, directory: Path) -> str:
    """Writes an estimator into an existing directory; returns the file's name, which says what it is."""
    if hasattr(estimator, "save_raw"):
        estimator.save_model(directory / BOOSTER)
        return BOOSTER
    import skops.io

    skops.io.dump(estimator, directory / ESTIMATOR)
    _write_evenly(directory / ESTIMATOR)
    return ESTIMATOR


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


def load_estimator(path: Path, threads: int) -> Any:
    """Reads what `save_estimator` wrote.

    Args:
        threads: Those that a booster predicts with; scikit-learn's estimators predict with one.

    Raises:
        KeyError: The file's name says nothing.
        ModelInvalid: It holds a type that is not allowed.
    """
    return _LOADERS[path.name](path, threads)


def dump_estimator(estimator: Any) -> tuple[str, bytes]:
    """The name and the contents of an estimator's file."""
    with tempfile.TemporaryDirectory() as directory:
        name = save_estimator(estimator, Path(directory))
        return name, (Path(directory) / name).read_bytes()


def parse_estimator(name: str, contents: bytes, threads: int) -> Any:
    """Reads what `dump_estimator` gave, see `load_estimator`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_bytes(contents)
        return load_estimator(path, threads)


def _load_booster(path: Path, threads: int) -> Any:
    import xgboost

    booster = xgboost.Booster(model_file=path)
    booster.set_param({"nthread": threads})
    return booster


def _load_skops(path: Path, _: int) -> Any:
    import skops.io

    untrusted = skops.io.get_untrusted_types(file=path)
    refused = sorted(set(untrusted) - ALLOWED_TYPES)
    if refused:
        raise ModelInvalid(f"{path.name} contains types that are not allowed: {', '.join(refused)}.")
    return predict_by_one_thread(skops.io.load(path, trusted=untrusted))


_LOADERS = {BOOSTER: _load_booster, ESTIMATOR: _load_skops}
