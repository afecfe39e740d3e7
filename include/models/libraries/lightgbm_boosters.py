"""LightGBM: boosters of trees, in the text files of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from include.models.encoder import Encoder
from include.models.libraries.leaf_masks import LeafMasks
from include.models.libraries.lightgbm_rows import predict_single
from include.models.libraries.openmp import refuse
from include.models.libraries.protocol import (
    EARLY_STOPPING_ROUNDS,
    MAXIMUM_ROUNDS,
    Contributions,
    EncodedData,
    FitOptions,
    Link,
    Planned,
    Watch,
)
from include.models.spool import Spool
from include.models.table import ModelType
from include.problem.data import ROWS_AT_ONCE, Values

LINKS: Mapping[str, Link] = MappingProxyType(
    {"gamma": "log", "tweedie": "log", "binary": "logit", "multiclass": "softmax"}
)
# Those that change how a matrix is divided into bins: fixed, because trials share the bins. A leaf's fewest rows differ
# from trial to trial, so that no column may be left out for them.
BINS = {"max_bin": 255, "feature_pre_filter": False, "verbosity": -1}

# So many rows take longer than to make the masks of a booster; of masks that are there, fewer make it worth while.
MAKING_ROWS, MASKED_ROWS = 4_096, 1_024
# What a booster's text says of where it was fitted, and what it says of one process with one thread.
_NO_PLACE = MappingProxyType(
    {"num_threads": "1", "machines": "", "num_machines": "1", "local_listen_port": "12400", "time_out": "120"}
)
_PLACE = re.compile(rf"^\[({'|'.join(_NO_PLACE)}): .*\]$", re.MULTILINE)


@dataclass(frozen=True)
class _Binned:
    """The rows that validate, in bins, and as they were: LightGBM predicts from those alone."""

    bins: Any
    matrix: Any


class LightGBM:
    """See `Library`."""

    packages: tuple[str, ...] = ("lightgbm",)
    # Its threads meet after each step of each leaf: with fewer values they wait for longer than they compute.
    values_per_thread: int = 4_000_000
    file = "estimator.txt"

    def owns(self, estimator: Any) -> bool:
        return hasattr(estimator, "model_to_string")

    def explains(self, estimator: Any) -> bool:
        return True

    def link(self, estimator: Any) -> Link:
        return LINKS.get(estimator.params["objective"], "identity")

    def prepare(self, model: ModelType, data: EncodedData) -> EncodedData:
        lightgbm = load_library()
        categories = [at for at, kind in enumerate(data.encoder.feature_types) if kind == "c"]

        def make(matrix: Any, target: Values, weight: Values | None, reference: Any = None) -> Any:
            rows = _sequence(matrix) if isinstance(matrix, Spool) else matrix
            options = {"categorical_feature": categories, "params": BINS}
            return lightgbm.Dataset(rows, target, weight=weight, reference=reference, **options).construct()

        train = make(data.train, data.train_target, data.train_weight)
        if data.validation is None:
            return replace(data, train=train)
        validation = make(data.validation, data.validation_target, data.validation_weight, train)
        return replace(data, train=train, validation=_Binned(validation, data.validation))

    def fit(self, model: ModelType, parameters: Mapping[str, Any], data: EncodedData, options: FitOptions) -> Any:
        lightgbm = load_library()
        planned = plan(model, parameters, options)
        callbacks = stopping(lightgbm) if planned.stops else []
        if planned.stops and options.watch:
            callbacks.append(_watching(options.watch))
        booster = lightgbm.train(
            {**planned.parameters, "num_threads": options.threads},
            data.train,
            planned.rounds,
            valid_sets=[data.validation.bins] if planned.stops else None,
            callbacks=callbacks,
            keep_training_booster=True,
        )
        return finish(booster.model_to_string(), options)

    def predict(self, estimator: Any, matrix: Any) -> npt.ArrayLike:
        raw = matrix.matrix if isinstance(matrix, _Binned) else matrix
        threads = estimator.params["num_threads"]
        if masks := _find_masks(estimator, len(raw)):
            return masks.predict(raw, threads)
        found = predict_single(estimator, raw)
        predicted = np.asarray(estimator.predict(raw, num_threads=threads) if found is None else found)
        return np.column_stack([1 - predicted, predicted]) if estimator.params["objective"] == "binary" else predicted

    def count_rounds(self, estimator: Any) -> int:
        return int(estimator.current_iteration())

    def contribute(self, estimator: Any, matrix: Any, encoder: Encoder) -> Contributions:
        values = np.asarray(estimator.predict(matrix, pred_contrib=True), dtype=np.float64)
        if self.link(estimator) == "softmax":  # one after the other, those of each class
            values = values.reshape(len(values), estimator.num_model_per_iteration(), -1).transpose(0, 2, 1)
        return Contributions(values[:, :-1], values[0, -1], self.link(estimator))

    def save(self, estimator: Any, path: Path) -> None:
        estimator.save_model(path)

    def load(self, path: Path, threads: int) -> Any:
        return _read(path.read_text(encoding="utf-8"), threads)


def plan(model: ModelType, parameters: Mapping[str, Any], options: FitOptions) -> Planned:
    """What LightGBM is called with, but for the threads."""
    chosen = {
        **BINS,
        **parameters,
        "seed": options.random_state,
        # The same model with any number of threads.
        "deterministic": True,
        "force_row_wise": True,
        "metric": options.metric,
        **({"num_class": options.classes} if model.classes == "several" else {}),
    }
    stops = model.stops_early and "n_estimators" not in chosen
    return Planned(chosen, chosen.pop("n_estimators", MAXIMUM_ROUNDS), stops)


def finish(text: str, options: FitOptions) -> Any:
    """The booster of LightGBM's text, which holds the rounds to the best one: the same wherever it was fitted."""
    return _read(_PLACE.sub(_name_no_place, text), options.threads)


def _name_no_place(setting: re.Match[str]) -> str:
    return f"[{setting[1]}: {_NO_PLACE[setting[1]]}]"


def stopping(lightgbm: Any) -> list[Any]:
    """The callbacks of a booster that stops early."""
    return [lightgbm.early_stopping(EARLY_STOPPING_ROUNDS, verbose=False)]


def _sequence(spool: Spool) -> Any:
    """The matrix as LightGBM reads it: single rows, which say how it is divided into bins, and then batches."""

    # The spool is an attribute: a class, which is a cycle, would hold it until the next collection of garbage.
    class Batches(load_library().Sequence):  # type: ignore[misc]
        batch_size = ROWS_AT_ONCE

        def __init__(self, spool: Spool) -> None:
            self._spool = spool

        def __len__(self) -> int:
            return len(self._spool)

        def __getitem__(self, at: Any) -> Any:
            if isinstance(at, slice):
                return self._spool.read(at.start, at.stop).astype(np.float64)
            return self._spool.read(at, at + 1)[0].astype(np.float64)

    return Batches(spool)


def _watching(watch: Watch) -> Any:
    from lightgbm.callback import EarlyStopException

    # Each round with its errors; the first of the best ones is where the booster ends.
    rounds: list[tuple[int, Any]] = []

    def follow(env: Any) -> None:
        rounds.append((env.iteration, env.evaluation_result_list))
        if watch(env.iteration + 1, env.evaluation_result_list[0][2]):
            raise EarlyStopException(*min(rounds, key=lambda each: each[1][0][2]))

    return follow


def _read(text: str, threads: int) -> Any:
    """The booster of LightGBM's text, which predicts with so many threads."""
    booster = load_library().Booster(model_str=text)
    booster.params["num_threads"] = threads
    _texts[booster] = text
    return booster


# What boosters were read from, as long as no masks have been made of it: to write it again takes as long as the masks.
_texts: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
_masks: WeakKeyDictionary[Any, LeafMasks | None] = WeakKeyDictionary()


def _find_masks(booster: Any, rows: int) -> LeafMasks | None:
    """The booster's masks, made once; None where they would not give its predictions of so many rows sooner."""
    if booster not in _masks and rows >= MAKING_ROWS:
        _masks[booster] = LeafMasks.of(_texts.pop(booster, "") or booster.model_to_string())
    return _masks.get(booster) if rows >= MASKED_ROWS else None


def load_library() -> Any:
    """LightGBM.

    Raises:
        SettingsError: The system has not what it is linked with.
    """
    try:
        import lightgbm
    except OSError as error:
        raise refuse(error) from error
    return lightgbm
