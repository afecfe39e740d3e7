"""The engine that fits boosters on a Dask cluster: the task fits the encoder, the workers read the rows themselves."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from include.models.fitting import fit_encoder, fit_estimator, weigh, weights_of_validation
from include.models.libraries.protocol import EncodedData, Fits
from include.models.table import Family, ModelType
from include.problem.class_weights import find_class_weights
from include.problem.data import ROWS_AT_ONCE, Pieces
from include.problem.declaration import Problem
from include.training.engines.dask_cluster import Cluster, open_cluster
from include.training.engines.dask_lightgbm import LightGBMOnDask
from include.training.engines.dask_xgboost import XGBoostOnDask
from include.training.engines.dealing import Dealer, Dealt
from include.training.engines.shares import Reading

log = logging.getLogger(__name__)
NAME = "dask"
VALIDATION = "validation"
FITS: Mapping[Family, Fits] = {"xgboost": XGBoostOnDask(), "lightgbm": LightGBMOnDask()}


@dataclass(frozen=True)
class OnDask:
    """See `Engine`. Trees that are boosted without dropping any can be fitted so, see `can_fit`.

    Attributes:
        address: The scheduler's.
        workers: How many fit a model together, from which it follows.
        validation_rows: How many rows at most LightGBM validates on, which each worker holds.
    """

    address: str
    workers: int
    validation_rows: int

    @property
    def made_by(self) -> Mapping[str, Any]:
        return {"engine": {"name": NAME, "workers": self.workers, "validation_rows": self.validation_rows}}

    def encode(
        self,
        model: ModelType,
        problem: Problem,
        feature_set: str,
        references: Mapping[str, Any],
        train: Pieces,
        validation: Pieces | None = None,
    ) -> EncodedData:
        encoder = fit_encoder(model, problem, feature_set, references, train)
        weight = weigh(find_class_weights(problem, train.target), train.target, train.weights)
        data = EncodedData(encoder, None, train.target, train_weight=weight)
        if validation is None:
            return data
        own = weights_of_validation(validation)
        return replace(data, validation_target=validation.target, validation_weight=own)

    def fit(
        self,
        model: ModelType,
        parameters: Mapping[str, Any],
        data: EncodedData,
        set_version: int,
        splits: Sequence[str],
        **options: Any,
    ) -> Any:
        """See `Engine`.

        Raises:
            EngineUnavailable: The cluster does not answer, has too few workers, or lost one.
            SettingsError: Its workers run other code, or do not know the warehouse.
            WarehouseUnavailable: They do not reach it.
        """
        problem = data.encoder.problem
        class_weights = find_class_weights(problem, data.train_target)
        reading = Reading(data.encoder.to_dict(), class_weights, model.log_target, ROWS_AT_ONCE)

        def fit_on(cluster: Cluster) -> Any:
            train = Dealer(cluster, set_version, reading).deal(splits)
            log.info("The workers of the Dask cluster hold %s rows.", ", ".join(str(sum(each)) for each in train.rows))

            @cache
            def deal_validation() -> Dealt:
                dealer = Dealer(cluster, set_version, replace(reading, count_alike=data.validation_weight is None))
                if model.family == "xgboost":  # its workers add up their errors
                    return dealer.deal([VALIDATION])
                return dealer.repeat(VALIDATION, math.ceil(len(data.validation_target) / self.validation_rows))

            shared = replace(data, train=train, validation=deal_validation)
            return fit_estimator(model, parameters, shared, library=FITS[model.family], **options)

        with open_cluster(self.address, self.workers) as cluster:
            return cluster.watch(lambda: fit_on(cluster))


def can_fit(model: ModelType) -> bool:
    """Whether a model type can be fitted on several machines.

    Dart draws the trees to drop on each machine for itself, and xgboost's linear booster and scikit-learn are for one
    machine.
    """
    return model.family in FITS and model.stops_early
