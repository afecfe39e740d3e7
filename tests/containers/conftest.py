"""One engine and one team's stack for all tests of a run; each module takes them further."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from include.embedded.commands.airflow_api import Run
from tests.conftest import ROOT
from tests.containers.base_images import make_base_images
from tests.containers.engine import Engine, EngineMissing, run_engine
from tests.containers.team_stack import TeamBench, TeamStack

# v0.2.0, by its hash: a checkout may be without tags. It may also be without history.
PREVIOUS_RELEASE = "579132a"
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
def previous(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Future[TeamStack]]:
    """A stack of the previous release that is not started; its image is built beside the other one if a test needs it."""
    with ThreadPoolExecutor() as pool:
        if any("second" in item.fixturenames for item in request.session.items):  # type: ignore[attr-defined]
            yield pool.submit(_build_previous, engine)
        else:
            yield Future()


def _build_previous(engine: Engine) -> TeamStack:
    known = subprocess.run(["git", "cat-file", "-e", f"{PREVIOUS_RELEASE}^{{commit}}"], cwd=ROOT, check=False)
    assert known.returncode == 0, f"{ROOT} has no commit {PREVIOUS_RELEASE}: run `git fetch --unshallow` to get it"
    laid_out = TeamStack.lay_out(engine, "second", PREVIOUS_RELEASE)
    # Its services would build the image one beside the other: where it is there, they have nothing to do.
    laid_out.compose("build", "migrations")
    return laid_out


@pytest.fixture(scope="session")
def stack(engine: Engine, previous: Future[TeamStack]) -> TeamStack:
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
