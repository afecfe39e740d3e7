"""Builds a registered version again, from its sources on, and compares the files byte by byte."""

import tempfile
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from include.errors import ModelInvalid
from include.models.artifact import Model
from include.models.fitting import reads_batches
from include.models.manifest import find_changes
from include.models.table import get_model, type_of
from include.sets.build import discard, transform
from include.sets.examples import load_references, read_problem_of
from include.sets.plan import Plan
from include.settings import Settings
from include.tracking import registry, runs
from include.tracking.registry import RegisteredVersion
from include.training.engines.table import engine_of
from include.training.inputs import hold_rows, read_rows
from include.training.making import describe_changes, describe_code, describe_set, describe_set_now
from include.warehouse import connect


@dataclass(frozen=True)
class Rebuilt:
    """What became of building a version again.

    Attributes:
        files: Those that differ from the registered ones; None where it could not be built.
        changes: What is otherwise now than when the version was made, a sentence each.
    """

    version: int
    files: tuple[str, ...] | None
    changes: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether every file has the registered bytes."""
        return self.files == ()

    def describe(self) -> str:
        """The outcome, for people."""
        if self.is_identical:
            lines = [f"Version {self.version} is identical: built again, each of its files has the same bytes."]
        elif self.files is None:
            lines = [f"Version {self.version} cannot be built again."]
        else:
            lines = [f"Version {self.version} differs in {', '.join(self.files)}."]
        return "\n".join([*lines, *self.changes])


def rebuild(url: str, settings: Settings, number: int) -> Rebuilt:
    """Builds the version's training set under a scratch version, fits once, and compares.

    Raises:
        ModelInvalid: The version cannot be loaded, or was registered by other means.
        SettingsError: It was fitted on a cluster, and the settings name none.
        TrackingUnavailable: MLflow is away, or has no such version.
    """
    tracker = runs.open_tracker(settings)
    version = registry.get_version(tracker, settings.registered_model, number)
    with tempfile.TemporaryDirectory() as directory:
        stored = registry.download_model(tracker, version, Path(directory))
        registered = Model.load(stored, digest=version.digest)
        metadata = registered.metadata
        if version.training_set is None or "made_of" not in metadata:
            raise ModelInvalid(
                f"Version {number} of {version.name} does not say what it was made of: only versions that a training"
                " DAG has registered can be built again."
            )
        before = metadata["made_of"]
        plan, now = _plan_again(url, settings, version)
        changes = describe_changes(before, {**now, **describe_code()})
        if any(now[kind] != before[kind] for kind in ("source", "reference")):
            return Rebuilt(number, None, (*changes, "Load the sources as they were, by data_preparation; then repeat."))
        again = Path(directory) / "again"
        again.mkdir()
        _fit_again(url, settings, version, plan, registered).save(again)
        return Rebuilt(number, tuple(find_changes(stored, again)), tuple(changes))


def _plan_again(url: str, settings: Settings, version: RegisteredVersion) -> tuple[Plan, Any]:
    """The plan of a version's training set, and what the set would be made of now."""
    made = describe_set(url, version.training_set or 0)
    months = tuple(sorted(made["source"]))
    with connect(url) as connection:
        now = describe_set_now(connection, settings, months)
    # Whether they were declared or chosen by shares: the same days split the same rows alike.
    days = made["preparation"]["validation_from"], made["preparation"]["test_from"]
    return Plan(months, *days, settings.outdated_after), now


def _fit_again(url: str, settings: Settings, version: RegisteredVersion, plan: Plan, registered: Model) -> Model:
    """The model with its encoder and estimator made again; its outputs, which its twin has calibrated, stay."""
    metadata, random_state = registered.metadata, int(version.tags["random_state"])
    model_type, fit = get_model(type_of(metadata["model"])), metadata["fit"]
    engine, names = engine_of(settings, fit), metadata.get("splits", ["train"])
    # Only where there were more rows is it known, and decides.
    most = fit.get("in_memory_rows")
    created_by = f"rebuild/{version.version}/{uuid.uuid4()}"
    try:
        scratch = transform(url, settings, plan, created_by)
        problem, references = read_problem_of(url, scratch), load_references(url, scratch)
        rows = read_rows(url, scratch, names, most)
        if most is not None and not reads_batches(model_type):
            rows = hold_rows(problem, rows, most, random_state)
        # Where a fit on all rows follows another one, that one has found how many rounds are best.
        is_first = model_type.stops_early and not fit["found"]
        validation = read_rows(url, scratch, ["validation"], most) if is_first else None
        data = engine.encode(model_type, problem, version.tags["feature_set"], references, rows, validation)
        estimator = engine.fit(
            model_type,
            {**metadata["parameters"], **fit["found"]},
            data,
            scratch,
            names,
            random_state=random_state,
            threads=settings.threads_per_model,
            device=fit["device"],
        )
    finally:
        with connect(url) as connection:
            discard(connection, created_by)
    return replace(registered, encoder=data.encoder, estimator=estimator)
