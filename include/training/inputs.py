"""What the steps of a training start from: data, lineage, and how each fit is done."""

from collections.abc import Mapping
from typing import Any

from include.problem.data import Split
from include.problem.declaration import Problem
from include.sets.examples import Choose, TrainingSet, get_training_set, load_references, load_split, read_problem_of
from include.settings import Settings
from include.tracking.lineage import Lineage, find_commit
from include.training.job import Job


def lineage_of(url: str, job: Job) -> Lineage:
    """What the job's models are made of."""
    training_set = get_training_set(url, job.set_version)
    return Lineage(job.run_key, training_set, job.feature_set, find_commit(), job.random_state)


def link_to_run(job: Job) -> str:
    """As Markdown, which MLflow shows."""
    return f"Trained by [this Airflow run]({job.page})." if job.page else ""


def load_data(url: str, job: Job, choose: Choose | None = None) -> tuple[Problem, str, Mapping[str, Any], Split, Split]:
    """What data is encoded by and from: the declaration that the set was made with, and both splits.

    Args:
        choose: Says which rows of a split are wanted; without it, all of them.
    """
    train, validation = (load_split(url, job.set_version, split, choose) for split in ("train", "validation"))
    problem = read_problem_of(url, job.set_version)
    references = load_references(url, job.set_version)
    return problem, job.feature_set, references, train, validation


def is_sampled(settings: Settings, training_set: TrainingSet) -> bool:
    """Whether a search uses a sample of the set's rows."""
    return max(training_set.counts[split] for split in ("train", "validation")) > settings.tuning_rows


def fit_options(settings: Settings, job: Job) -> dict[str, Any]:
    """How every fit of a job is done, whatever the parameters."""
    return {
        "random_state": job.random_state,
        "threads": settings.threads_per_model,
        "device": settings.xgboost_device,
    }
