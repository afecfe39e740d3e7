"""One engine and one team's stack for all tests of a run; each module takes them further."""

from collections.abc import Iterator

import pytest

from include.embedded.commands.airflow_api import Run
from tests.containers.base_images import make_base_images
from tests.containers.engine import Engine, EngineMissing, run_engine
from tests.containers.team_stack import TeamBench, TeamStack

EVALUATIONS = 4
# Slow enough for something to break in the middle of a search.
JOB = {
    "sample_rows": 10000,
    "max_evaluations": EVALUATIONS,
    "sklearn_models": "ensemble.RandomForestRegressor",
    "xgboost_models": "gbtree.squarederror,gbtree.gamma",
}


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine with the base images."""
    try:
        with run_engine() as running:
            make_base_images(running)
            yield running
    except EngineMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def stack(engine: Engine) -> TeamStack:
    """A team's stack, up and healthy; the engine removes it at its end."""
    laid_out = TeamStack.lay_out(engine, "first")
    laid_out.started = laid_out.start()
    return laid_out


@pytest.fixture(scope="session")
def bench(stack: TeamStack) -> Iterator[TeamBench]:
    """What the end-to-end tests do with a stack, with this one."""
    with stack.log_in("admin") as api:
        yield TeamBench(stack, api)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def job(bench: TeamBench) -> list[Run]:
    """The main job, to which nothing happens: its training runs."""
    return bench.run_main_job(**JOB)
