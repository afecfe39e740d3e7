"""LightGBM on the workers of a Dask cluster, which the library connects by a network of its own.

Not by `lightgbm.dask`: given rows that validate, it fetches partitions to the client, and each worker would stop by its
own rows, so that the others wait for it; and it copies all rows once more.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from include.models.libraries.lightgbm_boosters import BINS, finish, load_library, plan, stopping
from include.models.libraries.protocol import EncodedData, FitOptions, Planned
from include.models.table import ModelType
from include.training.engines.shares import Partition

# LightGBM has one network per process. What a task that was cut off has begun may still run here.
_ONE_AT_A_TIME = Lock()


class LightGBMOnDask:
    """See `Fits`; the data's matrices are `Dealt`, that of validation is called for where it is needed."""

    def fit(self, model: ModelType, parameters: Mapping[str, Any], data: EncodedData, options: FitOptions) -> Any:
        cluster, planned = data.train.cluster, plan(model, parameters, options)
        ports = cluster.client.gather(cluster.on_each(find_port, [()] * len(cluster.workers)))
        hosts = [urlsplit(worker).hostname for worker in cluster.workers]
        machines = ",".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=True))
        categories = tuple(at for at, kind in enumerate(data.encoder.feature_types) if kind == "c")
        validation = data.validation().held if planned.stops else [None] * len(ports)
        texts = cluster.client.gather(
            cluster.on_each(
                boost,
                [
                    (held, of_validation, planned, categories, Place(rank, port, machines))
                    for rank, (held, of_validation, port) in enumerate(
                        zip(data.train.held, validation, ports, strict=True)
                    )
                ],
            )
        )
        return finish(texts[0], options)


@dataclass(frozen=True)
class Place:
    """Where a worker is in LightGBM's network.

    Attributes:
        machines: `host:port` of all, in the order of their ranks.
    """

    rank: int
    port: int
    machines: str


def find_port() -> int:
    """A port of this machine that is free."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def boost(
    partitions: Sequence[Partition],
    validation: Sequence[Partition] | None,
    planned: Planned,
    categories: Sequence[int],
    place: Place,
) -> str:
    """Fits on the worker, together with the others; the text of the booster from the first of them."""
    from distributed import get_worker

    lightgbm = load_library()
    options = {"categorical_feature": list(categories), "params": BINS}
    with _ONE_AT_A_TIME:
        train = _gather(lightgbm, partitions, **options)
        booster = lightgbm.train(
            {
                **planned.parameters,
                "num_threads": get_worker().state.nthreads,
                "tree_learner": "data",
                "pre_partition": True,
                "machines": place.machines,
                "local_listen_port": place.port,
            },
            train,
            planned.rounds,
            valid_sets=[_gather(lightgbm, validation, reference=train, **options)] if validation else None,
            callbacks=[_evenly(each) for each in stopping(lightgbm)] if validation else None,
            keep_training_booster=True,
        )
        booster.free_network()
    return booster.model_to_string() if place.rank == 0 else ""


def _gather(lightgbm: Any, partitions: Sequence[Partition], **options: Any) -> Any:
    weights = [each.weights for each in partitions if each.weights is not None]
    return lightgbm.Dataset(
        [each.matrix for each in partitions],
        np.concatenate([each.target for each in partitions]),
        weight=np.concatenate(weights) if weights else None,
        **options,
    )


def _evenly(callback: Any) -> Any:
    """A callback that sees errors with six digits: by the last ones, workers could stop at different rounds."""

    def follow(env: Any) -> None:
        seen = [
            type(each)(each.dataset_name, each.metric_name, float(f"{each.metric_value:.6g}"), each.maximize)
            for each in env.evaluation_result_list
        ]
        callback(replace(env, evaluation_result_list=seen))

    follow.order = callback.order  # type: ignore[attr-defined]
    return follow
