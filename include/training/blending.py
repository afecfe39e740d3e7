"""Adds the blend of a run, the mean of the best trials of its best model type, to what is trained."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from include.models.fitting import join_members
from include.models.table import name_blend
from include.settings import Settings
from include.tracking import runs
from include.training.inputs import lineage_of, link_to_run
from include.training.job import Job
from include.training.results import Candidate, Tuned
from include.training.steps import rank
from include.tuning.trials import list_best

log = logging.getLogger(__name__)


class Candidates(NamedTuple):
    """What a run trains.

    Attributes:
        notes: A sentence where there is no blend.
    """

    models: list[Candidate]
    notes: list[str]


def add_blend(url: str, settings: Settings, job: Job, tuned: Sequence[Tuned]) -> Candidates:
    """What was tuned, and the blend, which has an MLflow run of its own.

    A blend is of one model type, because its members share an encoder and a link: contributions stay exact.
    """
    best = min(tuned, key=lambda each: rank(each["model"], each["loss"]))
    found = list_best(url, job.run_key, best["model"], settings.blend_trials)
    if len(found) < 2:
        note = (
            f"There is no blend: it takes two different trials of {best['model']} that were fitted to their end, and"
            " there is only one."
        )
        log.warning(note)
        return Candidates([*tuned], [note])
    name = name_blend(best["model"])
    about = f"The mean of trials {', '.join(map(str, found))} of {best['model']}."
    log.info("%s: %s", name, about)
    tracker, note = runs.open_tracker(settings), f"{about} {link_to_run(job)}".strip()
    run_id = runs.open_run(tracker, lineage_of(url, job), job.family, name, note)
    blend: Candidate = {"model": name, "run_id": run_id, "parameters": join_members(list(found.values()))}
    return Candidates([*tuned, blend], [])
