"""What one run of a training DAG does: its job, completed from the settings."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from include.errors import SettingsError
from include.models.table import Family, get_model, names_for, names_for_skewed, names_of
from include.problem.features import find_feature_set
from include.sets.examples import TargetShape, TrainingSet
from include.settings import Settings
from include.tracking.lineage import check_commit
from include.training.results import JobValues
from include.tuning.search import Limits

# From this skewness on, the logarithm of a target is easier to learn.
SKEWED = 2.0


@dataclass(frozen=True)
class Job:
    """What one run of a training DAG does, the same for each of its model types.

    Attributes:
        run_key: Names the run, `DAG id/run id`; trials and MLflow runs are found again by it.
        page: Address of the run's page, for those who look at its models; empty where there is none.
    """

    run_key: str
    family: Family
    set_version: int
    feature_set: str
    limits: Limits
    random_state: int
    page: str = ""

    def to_dict(self) -> JobValues:
        """The job as plain JSON values."""
        return cast(JobValues, asdict(self))

    @classmethod
    def from_dict(cls, values: JobValues) -> "Job":
        """The inverse of `to_dict`."""
        fields: dict[str, Any] = {**values, "limits": Limits(**values["limits"])}
        return cls(**fields)


def make_job(
    settings: Settings,
    family: Family,
    run_key: str,
    training_set: TrainingSet,
    *,
    max_evaluations: int | None = None,
    time_budget: float | None = None,
    random_state: int | None = None,
    feature_set: str | None = None,
    page: str = "",
) -> Job:
    """Completes a job from the settings.

    Raises:
        SettingsError: There is no such feature set, or the code differs from its commit.
    """
    check_commit(settings)
    name = feature_set or settings.feature_set
    find_feature_set(settings.problem, name)
    return Job(
        run_key=run_key,
        family=family,
        set_version=training_set.version,
        feature_set=name,
        limits=Limits(
            settings.max_evaluations if max_evaluations is None else max_evaluations,
            time_budget or settings.tuning_time_budget,
            settings.tuning_patience,
            settings.tuning_workers,
            settings.tuning_concurrency,
        ),
        random_state=settings.random_state if random_state is None else random_state,
        page=page,
    )


def choose_models(settings: Settings, family: Family, names: Sequence[str] | None) -> list[str]:
    """The model types to train, each checked against the table.

    Raises:
        SettingsError: One is unknown, or predicts something else than the problem asks for.
    """
    chosen = list(dict.fromkeys(names or settings.list_model_types(family)))
    problem = settings.problem
    for name in chosen:
        if not get_model(name, family).fits(problem):
            wanted = f"{len(problem.labels)} classes" if problem.labels else "a number"
            raise SettingsError(
                f"{name} does not predict {wanted}; choose from: {', '.join(names_for(family, problem))}."
            )
    return chosen


@dataclass(frozen=True)
class Chosen:
    """The model types that a run trains, and a sentence for each that the target forbids or asks for."""

    models: tuple[str, ...]
    notes: tuple[str, ...]


def match_target(models: Sequence[str], set_version: int, target: TargetShape, *, add: bool = False) -> Chosen:
    """Leaves out the model types that cannot be fitted to a training set's target.

    Args:
        models: Names in the table of model types, of one family.
        target: What the set's targets are like.
        add: Whether those that learn the logarithm are trained, too, where the target is above zero and skewed.

    Raises:
        SettingsError: None is left.
    """
    entries, lowest = [get_model(name) for name in models], target.lowest
    notes = [
        f"{entry.name} is left out: it needs targets {entry.targets}, but training set {set_version} has {lowest:g}."
        for entry in entries
        if not entry.allows(lowest)
    ]
    chosen = [entry.name for entry in entries if entry.allows(lowest)]
    for name in names_for_skewed(entries[0].family) if add and target.skewness > SKEWED else ():
        entry = get_model(name)
        if entry.task == entries[0].task and entry.allows(lowest) and name not in chosen:
            chosen.append(name)
            notes.append(f"{name} is trained, too: the target's skewness is {target.skewness:.1f}.")
    if not chosen:
        family = entries[0].family
        possible = [
            name
            for name in names_of(family)
            if get_model(name).task == entries[0].task and get_model(name).allows(lowest)
        ]
        raise SettingsError(
            f"{' '.join(notes)} No model type is left to train: set {family.upper()}_MODELS to one or more of"
            f" {', '.join(possible)}."
        )
    return Chosen(tuple(chosen), tuple(notes))
