"""What runs on the workers of a Dask cluster: each reads its share of a training set and encodes it.

The warehouse also says where the files of a large set are. Its address is in the worker's own environment, and so are
the credentials of the store: no password is part of a task.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Any

import numpy as np
import numpy.typing as npt

from include.errors import SettingsError
from include.models.encoder import Encoder
from include.models.fitting import weigh
from include.problem.data import Split, Values
from include.sets.examples import read_problem_of, stream_share
from include.training.making import describe_code

ADDRESS = "TRAINING_WAREHOUSE_URL"


@dataclass(frozen=True)
class Share:
    """One of so many equal shares of the rows of some splits.

    Attributes:
        number: From 0.
    """

    set_version: int
    splits: tuple[str, ...]
    number: int
    of: int


@dataclass(frozen=True)
class Reading:
    """How each worker encodes its rows.

    Attributes:
        encoder: See `Encoder.to_dict`.
        class_weights: See `find_class_weights`.
        is_log: Whether the logarithm of the target is learnt.
        at_once: Rows of a partition, at most.
        count_alike: Whether the weights that rows have of their own are not looked at, see `weights_of_validation`.
    """

    encoder: Mapping[str, Any]
    class_weights: Values
    is_log: bool
    at_once: int
    count_alike: bool = False


@dataclass(frozen=True)
class Partition:
    """Encoded rows: a matrix (n, k), what is learnt of them (n,), and how much each counts; None where all do alike."""

    matrix: npt.NDArray[np.float32]
    target: Values
    weights: Values | None


def read_share(share: Share, reading: Reading) -> list[Partition]:
    """Reads and encodes a share on the worker that holds it.

    Raises:
        SettingsError: The worker was not given the warehouse's address.
    """
    url = os.environ.get(ADDRESS)
    if not url:
        raise SettingsError(
            f"{ADDRESS} is missing in the environment of a Dask worker: start the workers with the address of the"
            " warehouse, postgresql://user:password@host:port/database."
        )
    encoder = Encoder.from_dict(read_problem_of(url, share.set_version), reading.encoder)
    return [
        _encode(encoder, reading, rows.take(places))
        for split in share.splits
        for rows in stream_share(url, share.set_version, split, share.number, share.of)
        for places in np.split(np.arange(len(rows)), range(reading.at_once, len(rows), reading.at_once))
    ]


def _encode(encoder: Encoder, reading: Reading, rows: Split) -> Partition:
    matrix = np.asarray(encoder.transform(rows.rows), dtype=np.float32)
    target = np.log(rows.target) if reading.is_log else rows.target
    own = None if reading.count_alike else rows.weights
    return Partition(matrix, target, weigh(reading.class_weights, rows.target, own))


def describe_process() -> dict[str, str]:
    """What a fit depends on, of this process."""
    made = describe_code()
    dask = {name: version_of(name) for name in ("dask", "distributed")}
    return {
        "Python": platform.python_version(),
        "commit": str(made["code"]["commit"]),
        "requirements.txt": str(made["code"]["lock"]),
        **made["library"],
        **dask,
    }


def count_rows(partitions: Sequence[Partition]) -> list[int]:
    """The rows of each partition."""
    return [len(partition.target) for partition in partitions]
