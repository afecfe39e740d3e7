"""A Dask cluster as training sees it: workers that run this code, for one fit at a time."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any, TypeVar

from include.errors import EngineUnavailable, SettingsError
from include.training.engines.shares import describe_process

log = logging.getLogger(__name__)
ADDRESS, WORKERS = "DASK_SCHEDULER_ADDRESS", "DASK_WORKERS"
# Seconds for the scheduler to answer, and for workers to arrive, which a cluster may have to start first.
ANSWER, ARRIVAL = 10.0, 60.0
# Seconds between two checks that all workers are there.
CHECK = 2.0
REPEAT = "Then clear the task: the search is kept, the fit begins again."
# Held by the fit that runs: LightGBM knows one network per process.
LOCK = "mltrain-fit"
Given = TypeVar("Given")


@dataclass(frozen=True)
class Cluster:
    """A cluster, and those of its workers that a fit uses, by address, in the order of their ranks."""

    client: Any
    workers: tuple[str, ...]

    def on_each(self, function: Callable[..., Any], arguments: Sequence[Sequence[Any]]) -> list[Any]:
        """Futures of a function, called once on each worker with its own arguments."""
        return [
            self.client.submit(function, *given, workers=[worker], allow_other_workers=False, pure=False)
            for worker, given in zip(self.workers, arguments, strict=True)
        ]

    def watch(self, work: Callable[[], Given]) -> Given:
        """What the work gives, which waits for the workers.

        Raises:
            EngineUnavailable: One of them was lost: the others would wait for it.
        """
        running: futures.Future[Given] = futures.Future()

        def run() -> None:
            try:
                running.set_result(work())
            except BaseException as error:
                running.set_exception(error)

        # A daemon: where a worker was lost, it may never end.
        Thread(target=run, daemon=True).start()
        while not futures.wait([running], timeout=CHECK).done:
            self._check()
        if running.exception():
            # The others fail as soon as one is lost, the scheduler hears of it a little later.
            time.sleep(CHECK)
            self._check()
        return running.result()

    def _check(self) -> None:
        try:
            lost = sorted({*self.workers} - list_workers(self.client).keys())
        except OSError as error:
            raise EngineUnavailable(f"The Dask scheduler was lost during the fit ({error}). {REPEAT}") from error
        if lost:
            # They wait for the lost one, and hold their rows.
            self.client.restart_workers([each for each in self.workers if each not in lost], raise_for_error=False)
            raise EngineUnavailable(
                f"The Dask cluster lost a worker during the fit: {', '.join(lost)}. The worker's log says why. If it"
                f" ran out of memory, give each worker more; or start more workers, and set {WORKERS} to their number,"
                f" so that each holds fewer rows. {REPEAT}"
            )


def list_workers(client: Any) -> dict[str, str]:
    """The workers of a cluster: address -> the key that ranks are in the order of."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    # As xgboost orders them, see xgboost.dask.CommunicatorContext.
    return {address: f"[xgboost.dask-{worker['name']}]:{address}" for address, worker in workers.items()}


@contextmanager
def open_cluster(address: str, count: int) -> Iterator[Cluster]:
    """So many workers of the cluster at that address, for one fit; waits until another one has ended.

    Raises:
        EngineUnavailable: The scheduler does not answer, or has too few workers.
        SettingsError: Workers run other code or other packages.
    """
    from distributed import Client, Lock

    try:
        client = Client(address, timeout=ANSWER, name="mltrain")
    except (OSError, ValueError) as error:
        raise EngineUnavailable(
            f"The Dask scheduler at {address} does not answer ({error}). Start the cluster, or set {ADDRESS} to the"
            " address that its scheduler logs, such as tcp://dask-scheduler:8786; or set TRAINING_ENGINE=task to fit in"
            " the task."
        ) from error
    with client:
        log.info("Waiting for the Dask cluster at %s.", address)
        with Lock(LOCK):
            workers = _wait_for_workers(client, address, count)
            _compare(client, workers)
            yield Cluster(client, workers)


def _wait_for_workers(client: Any, address: str, count: int) -> tuple[str, ...]:
    """The first so many workers by their ranks; those that a former fit has restarted may be on their way."""
    until = time.monotonic() + ARRIVAL
    while len(found := list_workers(client)) < count:
        if time.monotonic() > until:
            raise EngineUnavailable(
                f"The Dask cluster at {address} has {len(found)} of {count} workers. Start more of them, or set"
                f" {WORKERS} to the number of those that run."
            )
        time.sleep(CHECK)
    return tuple(sorted(found, key=lambda worker: found[worker])[:count])


def _compare(client: Any, workers: Sequence[str]) -> None:
    """Refuses workers, or a scheduler, that would fit something else than this process, or could not."""
    try:
        answers = client.run(describe_process, workers=workers, on_error="return")
        answers["the scheduler"] = client.run_on_scheduler(describe_process)
    except Exception as error:
        answers = {"the scheduler": error}
    own = describe_process()
    for process, answer in answers.items():
        failed = isinstance(answer, Exception)
        if other := f"cannot run this code ({answer!r})" if failed else describe_differences(own, answer):
            raise SettingsError(
                f"A process of the Dask cluster, {process}, {other}. Start its scheduler and workers from the image of"
                " this release; or in a directory with this code, from an environment with its requirements.txt."
            )


def describe_differences(own: Mapping[str, str], other: Mapping[str, str]) -> str:
    """What another process has otherwise than this one, for people; empty where there is nothing."""
    found = [f"{name} {other.get(name)} instead of {value}" for name, value in own.items() if other.get(name) != value]
    return f"has {', '.join(found)}" if found else ""
