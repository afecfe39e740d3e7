"""What tasks and runs are handed: each hand-over of each DAG, and asset events with anything in them."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import XComArg
from hypothesis import given
from hypothesis import strategies as st

from include.errors import NothingHandedOver, SettingsError
from include.orchestration.handover import LARGEST_VERSION, check_handed_over, list_versions
from include.orchestration.runs import list_type_notes
from tests.dags.conftest import DAG_IDS
from tests.dags.test_params import find_dag

# Where nothing is something: no report, no alarm.
MAY_BE_NONE = {("model_monitoring", "raise_alarm")}
MISSPELT = [
    ("model_promotion", "roll_back", "did you mean rollback?"),
    ("sklearn_training", "max_evaluation", "did you mean max_evaluations?"),
    ("automatic_retraining", "forced", "did you mean force?"),
    ("batch_prediction", "mnths", "did you mean months?"),
    ("data_preparation", "month", "did you mean months?"),
    ("example", "x", "there are numbers"),
    ("model_monitoring", "x", "it takes none"),
]


class Resolved:
    """A task that is about to begin, with values in place of references."""

    def __init__(self, task: Any, **values: Any) -> None:
        self.task_id, self.dag, self.upstream_task_ids = task.task_id, task.dag, task.upstream_task_ids
        self.template_fields = task.template_fields
        self.python_callable = getattr(task, "python_callable", None) or getattr(task, "partial_kwargs", {}).get(
            "python_callable"
        )
        for name, value in values.items():
            setattr(self, name, value)


def check(task: Any, conf: dict[str, Any] | None = None) -> None:
    """What happens before a task of a run that was given `conf` begins."""
    check_handed_over({"task": task, "dag_run": SimpleNamespace(conf=conf)})


def list_handovers(dag_id: str) -> list[tuple[Any, dict[str, Any], str, str]]:
    """For each value that a task takes from another one: the task, what it is given, which is None, and by whom."""
    found = []
    for task in find_dag(dag_id).tasks:
        function = getattr(task, "python_callable", None) or getattr(task, "partial_kwargs", {}).get("python_callable")
        if function is None:
            found += [
                (task, {field: None}, field, value.operator.task_id)
                for field in task.template_fields
                if isinstance(value := getattr(task, field, None), XComArg)
            ]
            continue
        partial = getattr(task, "partial_kwargs", {})
        given = {**partial.get("op_kwargs", {}), **(getattr(task, "op_kwargs", None) or {})}
        given |= getattr(getattr(task, "op_kwargs_expand_input", None), "value", None) or {}
        names = function.__code__.co_varnames
        given |= dict(zip(names, getattr(task, "op_args", None) or (), strict=False))
        there = {name: "something" if isinstance(value, XComArg) else value for name, value in given.items()}
        for name, value in given.items():
            if isinstance(value, XComArg):
                [operator] = {operator.task_id for operator, _ in XComArg.iter_xcom_references(value)}
                found.append((task, {"op_args": (), "op_kwargs": {**there, name: None}}, name, operator))
    return found


HANDOVERS = [(dag_id, *handover) for dag_id in DAG_IDS for handover in list_handovers(dag_id)]


def test_there_are_handovers_between_the_tasks_of_most_dags() -> None:
    assert {handover[0] for handover in HANDOVERS} >= {
        "automatic_retraining", "batch_prediction", "data_preparation", "example", "model_promotion",
        "sklearn_training", "xgboost_training", "lightgbm_training",
    }  # fmt: skip


@pytest.mark.parametrize("handover", HANDOVERS, ids=lambda found: f"{found[0]}.{found[1].task_id}-{found[3]}")
def test_task_that_finds_nothing_says_which_task_left_nothing_and_what_to_do(handover: tuple[Any, ...]) -> None:
    dag_id, task, values, name, source = handover
    resolved = Resolved(task, **values)
    if (dag_id, task.task_id) in MAY_BE_NONE:
        check(resolved)
        return
    with pytest.raises(
        NothingHandedOver, match=f"^{task.task_id} cannot start: {source} has passed on no `{name}`.*clear"
    ):
        check(resolved)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_task_looks_at_what_it_was_handed(dag_id: str) -> None:
    for task in find_dag(dag_id).tasks:
        hook = task.partial_kwargs["pre_execute"] if task.is_mapped else task._pre_execute_hook
        assert hook is check_handed_over, task.task_id


def test_mapped_task_that_left_nothing_is_named_too() -> None:
    class LazyXComSequence(tuple):
        """What Airflow gives for the results of a mapped task."""

    register = find_dag("sklearn_training").get_task("register")
    values = {"op_args": (), "op_kwargs": {"job": {}, "trained": LazyXComSequence()}}
    with pytest.raises(NothingHandedOver, match="register cannot start: train has passed on no `trained`"):
        check(Resolved(register, **values))


def find_first_task(dag_id: str) -> Any:
    """A task that takes nothing from others, as it begins."""
    task = next(task for task in find_dag(dag_id).tasks if not task.upstream_task_ids)
    return Resolved(task, op_args=(), op_kwargs={})


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_run_that_was_given_what_its_dag_declares_begins(dag_id: str) -> None:
    for conf in (None, {}, {name: param.value for name, param in find_dag(dag_id).params.items()}):
        check(find_first_task(dag_id), conf)


@pytest.mark.parametrize(("dag_id", "name", "answer"), MISSPELT)
def test_run_that_was_given_a_parameter_by_a_name_that_there_is_not_does_nothing(
    dag_id: str, name: str, answer: str
) -> None:
    with pytest.raises(SettingsError, match=f"^Start a new run: {name} is not a parameter of {dag_id}; {answer}"):
        check(find_first_task(dag_id), {name: None})


def test_row_to_predict_may_have_the_names_of_the_source() -> None:
    check(find_first_task("prediction"), {"PULocationID": 74})


@pytest.mark.parametrize(
    ("handed_on", "notes"),
    [
        ([["one", "two"], ["three"]], ["one", "two", "three"]),
        ([["one"], None], ["one"]),
        ([[], []], []),
        ([None, None], []),
    ],
    ids=["of both tasks", "without a blend", "none", "nothing left"],
)
def test_sentences_on_model_types_and_on_the_blend_are_read_together(handed_on: list[Any], notes: list[str]) -> None:
    asked: list[Any] = []
    instance = SimpleNamespace(xcom_pull=lambda **asked_for: asked.append(asked_for) or handed_on)
    assert list_type_notes(instance) == notes
    assert asked == [{"task_ids": ["load_models", "blend"], "key": "type_notes"}]


def test_approval_that_was_marked_as_success_by_hand_promotes_nothing() -> None:
    left = {("ask", "approval"): "human", ("approve", "return_value"): None}
    promote = find_dag("model_promotion").get_task("promote").python_callable
    instance = SimpleNamespace(xcom_pull=lambda task_ids, key="return_value": left[task_ids, key])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(promote.__globals__, "get_warehouse_url", lambda: "postgresql://nowhere")
        with pytest.raises(NothingHandedOver, match="approve has passed on no `decision`"):
            promote([{"version": 1}], outlet_events={}, ti=instance)


# Asset events


def events(*extras: Any) -> dict[str, Any]:
    return {"triggering_asset_events": {"asset": [SimpleNamespace(extra=extra) for extra in extras]}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(json_values | st.fixed_dictionaries({"version": json_values}, optional={"name": json_values})))
def test_event_by_hand_names_a_version_that_can_be_one_or_none(extras: list[Any]) -> None:
    for name in (None, "trip-duration"):
        versions = list_versions(events(*extras), name)
        assert all(type(version) is int and 0 < version <= LARGEST_VERSION for version in versions)


@pytest.mark.parametrize(
    "extra",
    [None, [], "text", {}, {"version": "latest"}, {"version": "7"}, {"version": None}, {"version": [7]},
     {"version": True}, {"version": 7.0}, {"version": -7}, {"version": 0}, {"version": 2**63}, {"Version": 7}],
)  # fmt: skip
def test_odd_event_names_no_version_and_hides_no_other(extra: Any) -> None:
    assert list_versions(events(extra, {"version": 7})) == {7}


def test_event_on_another_model_names_none() -> None:
    assert list_versions(events({"name": "other", "version": 7}, {"version": 8}, {"name": "m"}), "m") == set()
    assert list_versions(events({"name": "m", "version": 7}), "m") == {7}
    assert list_versions({"triggering_asset_events": {}}) == set()
    assert list_versions(copy.copy({})) == set()
