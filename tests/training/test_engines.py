"""Models that the workers of a Dask cluster fit: two processes, which read their rows by themselves."""

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import pytest
from distributed import LocalCluster, SchedulerPlugin

from include.errors import EngineUnavailable, SettingsError
from include.models import explanation
from include.models.artifact import Model
from include.models.fitting import encode
from include.models.libraries.table import LIBRARIES
from include.models.table import MODELS
from include.problem.data import Split
from include.problem.declaration import Problem
from include.sets.examples import get_training_set, load_references, load_split, read_problem_of
from include.settings import Settings
from include.tracking import registry, runs
from include.training.engines import dask_cluster, shares
from include.training.engines.dask_cluster import list_workers, open_cluster
from include.training.engines.dask_engine import OnDask, can_fit
from include.training.engines.dealing import Dealer, Dealt
from include.training.engines.in_task import InTask
from include.training.engines.shares import ADDRESS, Partition, Reading, Share, read_share
from include.training.engines.table import IN_TASK, choose_engine
from include.training.final_model import train_model
from include.training.job import Job
from include.training.rebuild import rebuild
from include.training.steps import register_best
from include.tuning.search import Limits
from tests.conftest import find_free_port
from tests.published_sets import publish_set

slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
SQUARED, LOG, LEAFWISE = "gbtree.squarederror", "gbtree.logsquarederror", "gbdt.squarederror"
# Without chance: what differs follows from the rows being on two machines alone.
EVERY_ROW = {
    SQUARED: {"max_depth": 6, "subsample": 1.0, "colsample_bytree": 1.0},
    LEAFWISE: {"num_leaves": 31, "bagging_fraction": 1.0, "feature_fraction": 1.0},
}
NOTHING = np.empty(0)
WORKERS = 2


@dataclass
class Graphs(SchedulerPlugin):
    """What was asked of the scheduler, task by task."""

    tasks: list[bytes] = field(default_factory=list)

    def update_graph(self, scheduler: Any, *, keys: Any, **_: Any) -> None:
        self.tasks += [pickle.dumps(scheduler.tasks[key].run_spec) for key in keys]


@pytest.fixture(scope="module")
def url(module_warehouse_url: str) -> str:
    """A warehouse with a published training set of the synthetic sample, in three splits."""
    settings = Settings(source="sample", sample_rows=6_000, minimum_rows=100)
    publish_set(module_warehouse_url, settings, months=["2024-01", "2024-02"], test_from="2024-02-15")
    return module_warehouse_url


@pytest.fixture(scope="module")
def cluster(url: str) -> Iterator[LocalCluster]:
    """A scheduler and two worker processes, which know the warehouse by their environment."""
    options = {"threads_per_worker": 1, "dashboard_address": None, "env": {ADDRESS: url}, "silence_logs": "ERROR"}
    # A local cluster gives a worker up that is not there again after 15 s, on a busy machine too.
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        LocalCluster(n_workers=WORKERS, **options) as cluster,
    ):
        yield cluster


@pytest.fixture
def engine(cluster: LocalCluster) -> OnDask:
    return OnDask(cluster.scheduler_address, WORKERS, validation_rows=1_500)


@dataclass(frozen=True)
class Published:
    """The published set as a task loads it."""

    problem: Problem
    references: dict[str, Any]
    train: Split
    validation: Split
    test: Split

    def encoded_by(self, encode: Callable[..., Any], model: str) -> Any:
        return encode(MODELS[model], self.problem, "rich", self.references, self.train, self.validation)


@pytest.fixture(scope="module")
def published(url: str) -> Published:
    splits = (load_split(url, 1, name) for name in ("train", "validation", "test"))
    return Published(read_problem_of(url, 1), load_references(url, 1), *splits)


def measure(model: Model, split: Split) -> float:
    return model.problem.objective.measure_error(split.target, model.predict(split.rows))


@slow
@pytest.mark.parametrize("name", [SQUARED, LEAFWISE])
def test_model_of_two_workers_is_as_good_as_that_of_one_task_and_the_same_kind_of_artifact(
    published: Published, engine: OnDask, tmp_path: Path, name: str
) -> None:
    parameters = {**MODELS[name].start, **EVERY_ROW[name]}
    models = []
    for by in (InTask(), engine):
        data = published.encoded_by(by.encode, name)
        estimator = by.fit(MODELS[name], parameters, data, 1, ["train"], random_state=42, threads=1)
        models.append(Model.of(data, estimator, {"family": MODELS[name].family, "model": name}))
    single, shared = models
    assert measure(shared, published.test) == pytest.approx(measure(single, published.test), rel=0.005)
    assert shared.encoder.to_dict() == single.encoder.to_dict()
    # It has stopped early by the rows that validate.
    rounds = [LIBRARIES[MODELS[name].family].count_rounds(model.estimator) for model in models]
    assert rounds[1] == pytest.approx(rounds[0], rel=0.5)
    directories = [tmp_path / "single", tmp_path / "shared"]
    for model, directory in zip(models, directories, strict=True):
        directory.mkdir()
        model.save(directory)
    single_files, shared_files = ({path.name for path in each.iterdir()} for each in directories)
    assert shared_files == single_files
    loaded = Model.load(directories[1])
    rows = {column: values[:20] for column, values in published.test.rows.items()}
    assert loaded.predict(rows).tolist() == shared.predict(rows).tolist()
    assert len(explanation.explain(loaded, rows).strengths) == len(explanation.explain(single, rows).strengths)


@slow
def test_each_worker_holds_its_share_and_no_task_holds_a_password(
    cluster: LocalCluster, url: str, published: Published
) -> None:
    password = b"test-password"
    assert password in url.encode()
    graphs = Graphs()
    cluster.scheduler.add_plugin(graphs, name="graphs")
    encoder = published.encoded_by(encode, SQUARED).encoder
    with open_cluster(cluster.scheduler_address, WORKERS) as opened:
        dealt = Dealer(opened, 1, Reading(encoder.to_dict(), NOTHING, False, 1_000)).deal(["train", "validation"])
        where = opened.client.who_has(list(dealt.held))
    cluster.scheduler.remove_plugin("graphs")
    rows = [sum(each) for each in dealt.rows]
    every = len(published.train) + len(published.validation)
    assert sum(rows) == every
    assert rows == [pytest.approx(every / WORKERS, rel=0.05)] * WORKERS
    assert all(count <= 1_000 for each in dealt.rows for count in each)
    assert [where[held.key] for held in dealt.held] == [(worker,) for worker in opened.workers]
    assert any(b"read_share" in task for task in graphs.tasks)
    assert not any(password in task for task in graphs.tasks)


@slow
def test_rows_that_validate_may_count_nothing_at_all(url: str, engine: OnDask, tmp_path: Path) -> None:
    path, hours = tmp_path / "survey.csv", np.datetime64("2024-01-01T00") + np.arange(1_000)
    # The newest rows validate, of which none counts.
    lines = [f"{at}:00,{row % 9},{int(row < 500)},{row % 9 * 2}\n" for row, at in enumerate(hours)]
    path.write_text("asked_at,size,people,spent\n" + "".join(lines))
    columns = {
        "asked_at": {"kind": "time"},
        "size": {"kind": "number"},
        "people": {"kind": "number", "required": True, "min": 0},
    }
    declared: Any = {"source": path.as_uri(), "target": "spent", "time": "asked_at", "weight": "people"}
    problem = Problem(name="survey", columns=columns, **declared)
    version = publish_set(url, Settings(problem=problem, minimum_rows=10)).version
    train, validation = (load_split(url, version, name) for name in ("train", "validation"))
    assert train.weights.any()
    assert not validation.weights.any()
    data = engine.encode(MODELS[SQUARED], problem, "default", {}, train, validation)
    fitted = engine.fit(MODELS[SQUARED], MODELS[SQUARED].start, data, version, ["train"], random_state=42, threads=1)
    assert LIBRARIES["xgboost"].count_rounds(fitted) > 5


@slow
def test_version_of_a_cluster_is_built_again_by_one_alone(url: str, cluster: LocalCluster, settings: Settings) -> None:
    named = settings.change(
        source="sample", sample_rows=6_000, minimum_rows=100, tuning_rows=1_000,
        training_engine="dask", dask_scheduler_address=cluster.scheduler_address,
    )  # fmt: skip
    job = Job("xgboost_training/dask", "xgboost", 1, "rich", Limits(1, 600, 25), 42)
    lineage = runs.Lineage(job.run_key, get_training_set(url, 1), job.feature_set, "c0ffee", job.random_state)
    run_id = runs.open_run(runs.open_tracker(named), lineage, "xgboost", LOG)
    tuned: Any = {"model": LOG, "run_id": run_id, "parameters": {**MODELS[LOG].start, "max_depth": 5}}
    trained = train_model(url, named, job, tuned)
    version = register_best(url, named, job, [trained])["version"]
    tracker = runs.open_tracker(named)
    model = registry.load_model(tracker, registry.get_version(tracker, named.registered_model, version))
    made_by = {"name": "dask", "workers": WORKERS, "validation_rows": 1_000}
    assert model.metadata["fit"]["engine"] == made_by
    assert model.estimator.attr("learnt") == "logarithm"
    with pytest.raises(SettingsError, match="fitted by 2 workers .* set TRAINING_ENGINE=dask and DASK_SCHEDULER_ADDR"):
        rebuild(url, named.change(training_engine="task"), version)
    found = rebuild(url, named, version)
    assert (found.files, found.changes) == ((), ())


@slow
def test_lost_worker_is_an_error_and_the_next_fit_goes_on_with_its_successor(
    published: Published, cluster: LocalCluster, engine: OnDask, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = published.encoded_by(engine.encode, LEAFWISE)
    deal, timers = Dealer.deal, []

    def deal_and_kill(self: Dealer, splits: Any) -> Dealt:
        dealt = deal(self, splits)
        process = self.cluster.client.run(os.getpid, workers=[self.cluster.workers[1]])[self.cluster.workers[1]]
        timers.append(Timer(1.0, os.kill, [process, signal.SIGKILL]))
        timers[0].start()
        return dealt

    def fit(rounds: int) -> Any:
        parameters = {**MODELS[LEAFWISE].start, "n_estimators": rounds}
        return engine.fit(MODELS[LEAFWISE], parameters, data, 1, ["train"], random_state=42, threads=1)

    monkeypatch.setattr(Dealer, "deal", deal_and_kill)
    with pytest.raises(EngineUnavailable, match="lost a worker during the fit: tcp://.* clear the task"):
        fit(1_000_000)
    monkeypatch.undo()
    assert fit(5).current_iteration() == 5


@slow
def test_workers_of_other_code_are_refused(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("GIT_COMMIT", "d" * 40)
        with (
            pytest.raises(SettingsError, match="tcp://.*, has commit cccc.* instead of dddd.* from the image of this"),
            open_cluster(cluster.scheduler_address, WORKERS),
        ):
            pass
    with open_cluster(cluster.scheduler_address, WORKERS) as opened:
        assert len(opened.workers) == WORKERS


@slow
def test_too_few_workers_are_an_error_that_says_how_many(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "ARRIVAL", 0.1)
    with (
        pytest.raises(EngineUnavailable, match=r"has 2 of 3 workers\. Start more of them, or set DASK_WORKERS"),
        open_cluster(cluster.scheduler_address, WORKERS + 1),
    ):
        pass
    with open_cluster(cluster.scheduler_address, WORKERS) as opened:
        assert set(opened.workers) == set(list_workers(opened.client))


def test_scheduler_that_does_not_answer_is_an_error_whose_way_out_is_the_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask_cluster, "ANSWER", 0.5)
    address = f"tcp://127.0.0.1:{find_free_port()}"
    expected = "does not answer .* DASK_SCHEDULER_ADDRESS .* TRAINING_ENGINE=task"
    with pytest.raises(EngineUnavailable, match=expected), open_cluster(address, WORKERS):
        pass
    given = Settings(training_engine="dask", dask_scheduler_address=address)
    assert choose_engine(given, MODELS[SQUARED]) == OnDask(address, WORKERS, given.tuning_rows)
    assert choose_engine(given.change(training_engine="task"), MODELS[SQUARED]) is IN_TASK


@slow
@pytest.mark.parametrize("name", [LOG, LEAFWISE])
def test_shares_of_the_workers_are_the_rows_that_a_task_encodes(
    url: str, published: Published, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(ADDRESS, url)
    encoder = published.encoded_by(encode, name).encoder
    reading = Reading(encoder.to_dict(), NOTHING, MODELS[name].log_target, 500)
    found = [read_share(Share(1, ("train", "test"), number, 3), reading) for number in range(3)]
    both = published.train + published.test
    learnt = np.log(both.target) if MODELS[name].log_target else both.target
    expected = np.column_stack([encoder.transform(both.rows), learnt])
    assert all(found)
    assert in_order(join(partition for share in found for partition in share)) == in_order(expected)


def join(partitions: Iterator[Partition]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.column_stack([each.matrix, each.target]) for each in partitions])


def in_order(rows: npt.NDArray[np.float64]) -> list[bytes]:
    return sorted(row.tobytes() for row in rows)


@slow
def test_weights_of_classes_and_of_rows_are_multiplied(published: Published) -> None:
    rows = published.test.take(np.arange(4))
    weighed = Split(rows.rows, np.array([0.0, 1.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.5, 2.0]))
    encoder = published.encoded_by(encode, SQUARED).encoder
    partition = shares._encode(encoder, Reading({}, np.array([1.0, 3.0]), False, 500), weighed)
    assert partition.weights is not None
    assert partition.weights.tolist() == [1.0, 3.0, 1.5, 2.0]
    alike = shares._encode(encoder, Reading({}, np.array([1.0, 3.0]), False, 500, count_alike=True), weighed)
    assert alike.weights is not None
    assert alike.weights.tolist() == [1.0, 3.0, 3.0, 1.0]


def test_worker_without_the_address_of_the_warehouse_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    with pytest.raises(SettingsError, match=r"TRAINING_WAREHOUSE_URL is missing .* postgresql://user:password@host"):
        read_share(Share(1, ("train",), 0, 1), Reading({}, NOTHING, False, 500))


@pytest.mark.parametrize(("name", "is_shared"), [
    (SQUARED, True), ("gbtree.softprob", True), ("gbdt.binary", True), ("dart.squarederror", False),
    ("gblinear.squarederror", False), ("linear_model.Lasso", False),
])  # fmt: skip
def test_boosted_trees_alone_are_fitted_on_a_cluster(name: str, is_shared: bool) -> None:
    given = Settings(training_engine="dask", dask_scheduler_address="tcp://dask-scheduler:8786")
    assert can_fit(MODELS[name]) is is_shared
    assert isinstance(choose_engine(given, MODELS[name]), OnDask if is_shared else InTask)
