"""What the steps of a training start from: data, lineage, and how each fit is done."""

import logging
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

from include.models.fitting import reads_batches
from include.models.folds import sample
from include.models.table import ModelType
from include.problem.data import Pieces, Split
from include.problem.declaration import Problem
from include.sets.examples import TrainingSet, get_training_set, load_references, open_rows, read_problem_of
from include.settings import Settings
from include.tracking.lineage import Lineage, find_commit
from include.training.job import Job

log = logging.getLogger(__name__)


def lineage_of(url: str, job: Job) -> Lineage:
    """What the job's models are made of."""
    training_set = get_training_set(url, job.set_version)
    return Lineage(job.run_key, training_set, job.feature_set, find_commit(), job.random_state)


def link_to_run(job: Job) -> str:
    """As Markdown, which MLflow shows."""
    return f"Trained by [this Airflow run]({job.page})." if job.page else ""


def describe_data(url: str, job: Job) -> tuple[Problem, str, Mapping[str, Any]]:
    """What rows are encoded by: the declaration that the set was made with, the feature set, and what it looks up."""
    return read_problem_of(url, job.set_version), job.feature_set, load_references(url, job.set_version)


def read_rows(url: str, version: int, splits: Sequence[str], most: int | None) -> Pieces:
    """The rows of some splits, in memory where there are at most so many, else to be read in pieces.

    Args:
        most: None: however many there are, they are held in memory.
    """
    rows = open_rows(url, version, splits)
    return rows if most is not None and len(rows) > most else rows.load()


def read_together(url: str, version: int, splits: Mapping[str, Pieces], most: int) -> Pieces:
    """The rows of all splits, by their names, as `read_rows` gives them."""
    if sum(map(len, splits.values())) > most:
        return open_rows(url, version, [*splits])
    return reduce(add, (rows for rows in splits.values() if isinstance(rows, Split)))


def hold_rows(problem: Problem, rows: Pieces, most: int, random_state: int) -> Split:
    """The rows in memory; of more than `most` of them a sample of so many."""
    if isinstance(rows, Split):
        return rows
    log.info("In memory are %d of %d rows, evenly over time (IN_MEMORY_ROWS).", most, len(rows))
    return sample(problem, rows, most=most, random_state=random_state)


def limit_search(settings: Settings, model: ModelType) -> int:
    """How many rows of a split a search of the model type uses at most."""
    # What needs all rows at once is fitted to no more in the end: an estimator that a search has fitted to more would
    # be used with an encoder that was fitted to fewer.
    return settings.tuning_rows if reads_batches(model) else min(settings.tuning_rows, settings.in_memory_rows)


def is_sampled(settings: Settings, training_set: TrainingSet, model: ModelType) -> bool:
    """Whether a search of the model type uses a sample of the set's rows."""
    most = limit_search(settings, model)
    return max(training_set.counts[split] for split in ("train", "validation")) > most


def fit_options(settings: Settings, job: Job) -> dict[str, Any]:
    """How every fit of a job is done, whatever the parameters."""
    return {
        "random_state": job.random_state,
        "threads": settings.threads_per_model,
        "device": settings.xgboost_device,
    }
