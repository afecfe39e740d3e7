"""Published training sets of trips and of the tables of which a number is predicted, as a search finds them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.running import running_stack, settings_of
from benchmarks.tables import CLASSES, TABLES, declare, find_directory, is_wanted
from benchmarks.trip_data import find_trips
from include.problem.data import Split
from include.problem.declaration import Problem
from include.sets import build, preparation
from include.sets.examples import load_references, load_split, read_problem_of
from include.settings import Settings

# The same rows, whatever the horizon.
LEFT_OUT = ("energy, one step",)


@dataclass(frozen=True)
class Rows:
    """A table's published splits; the test split judges."""

    name: str
    problem: Problem
    references: Mapping[str, Any]
    train: Split
    validation: Split
    test: Split


def _simply(_: str, work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments)


def publish_all() -> Iterator[Rows]:
    """Trips of two months, and each table of which a number is predicted, one after the other."""
    trips = find_trips()
    settings = settings_of(trips.settings, months=("2024-01", "2024-02"))
    yield _publish("trips", settings)
    for table in filter(is_wanted, TABLES):
        if table.name not in LEFT_OUT and not CLASSES.items() <= table.given.items():
            with declare(table, find_directory()) as problem:
                yield _publish(table.name, settings_of({"PROBLEM": problem}))


def publish_set(url: str, settings: Settings, do: Callable[..., Any] = _simply) -> int:
    """Prepares a training set in a warehouse; gives its version.

    Args:
        do: Called with the name of each task of the preparation, its function and arguments; returns its result.
    """
    do("load_references", preparation.load_references, url, settings)
    plan = do("plan", preparation.plan, url, settings, {}).plan
    for month in plan.months:
        do("ingest", preparation.ingest, url, settings, month)
    do("validate_raw", preparation.validate_raw, url, settings, plan.to_dict())
    version: int = do("transform", preparation.transform, url, settings, plan.to_dict(), "benchmark")
    do("build", build.build, url, version)
    do("validate_training_set", build.validate, url, settings, version)
    do("publish", preparation.publish, url, settings, version)
    return version


def _publish(name: str, settings: Settings) -> Rows:
    with running_stack(("postgres",)) as stack:
        url = stack.warehouse_url
        version = publish_set(url, settings)
        train, validation, test = (load_split(url, version, split) for split in ("train", "validation", "test"))
        of_set = read_problem_of(url, version), load_references(url, version)
        return Rows(name, *of_set, train, validation, test)
