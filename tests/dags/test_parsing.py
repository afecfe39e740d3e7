"""What holds for every DAG file; Airflow parses them in processes of their own, as its DAG processor does."""

import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from include.orchestration.presentation import TAGS
from tests.dags.conftest import DAG_IDS, ROOT

EVERY_DAG = pytest.mark.parametrize("dag_id", DAG_IDS)
# What a DAG file may not load at its top is what the linter forbids at any module's top.
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["flake8-tidy-imports"]
SLOW_LIBRARIES = sorted(LINTER["banned-module-level-imports"])
FAIL_ON_PURPOSE = {"alert_drill"}

PARSE = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization

root, answer, *libraries = sys.argv[1:]
bag = BundleDagBag(dag_folder=root, bundle_path=Path(root), bundle_name="mltrain")
loaded = [name for name in libraries if name in sys.modules]
Path(answer).write_text(json.dumps({
    "import_errors": bag.import_errors,
    "loaded": loaded,
    "dags": {dag_id: {
        "file": dag.relative_fileloc,
        "documentation": dag.doc_md,
        "without_policy": [task.task_id for task in dag.tasks if not task.retry_policy],
        "without_retries": [task.task_id for task in dag.tasks if not task.retries],
        "queues": {task.task_id: task.queue for task in dag.tasks},
        "description": dag.description,
        "is_paused_at_first": dag.is_paused_upon_creation is not False,
        "tags": sorted(dag.tags),
        "params": {name: {**param.schema, "description": param.description} for name, param in
            ((name, dag.params.get_param(name)) for name in dag.params)},
        # By which Airflow tells whether a DAG has changed.
        "hash": SerializedDagModel.hash(DagSerialization.to_dict(dag)),
    } for dag_id, dag in bag.dags.items()},
}))
"""
IMPORT_DOMAIN = """
import importlib, pkgutil, sys

sys.path.insert(0, sys.argv[1])
import include

rooms = [
    "configuration", "declaring", "errors", "models", "monitoring", "prediction", "problems", "promotion", "raw",
    "retraining", "sets", "settings", "sources", "tracking", "training", "tuning", "warehouse",
]
names = [
    module.name for module in pkgutil.walk_packages(include.__path__, "include.")
    if module.name.split(".")[1] in rooms and not module.name.endswith("__main__")
]
for name in names:
    importlib.import_module(name)
print(len(names), "airflow" in sys.modules)
"""


def run(code: str, *arguments: str | Path, **environment: str) -> str:
    """The last line that the code prints, in a process outside of the project."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=os.environ["AIRFLOW_HOME"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (done.stdout.splitlines() or [""])[-1]


@cache
def parse(
    hash_seed: int, device: str = "cpu", months: str = "2024-01,2024-02", trials: str = "10", blend: str = "0"
) -> dict[str, Any]:
    """What Airflow makes of the bundle; sets are iterated in an order that follows the seed."""
    settings = {"XGBOOST_DEVICE": device, "MONTHS": months, "MAX_EVALUATIONS": trials, "BLEND_TRIALS": blend}
    with TemporaryDirectory() as directory:
        answer = Path(directory) / "answer.json"
        run(PARSE, ROOT, answer, *SLOW_LIBRARIES, PYTHONHASHSEED=str(hash_seed), **settings)
        return json.loads(answer.read_text())


def test_bundle_has_no_import_errors() -> None:
    assert parse(1)["import_errors"] == {}


def test_setting_that_cannot_be_used_is_one_import_error_that_names_its_key() -> None:
    parsed = parse(1, months="2024-1")
    [(file, error)] = parsed["import_errors"].items()
    assert file.endswith("dags/data_preparation.py")
    assert error.splitlines()[-1].startswith("include.errors.SettingsError: Settings that cannot be used: MONTHS (")
    assert parsed["dags"].keys() == set(DAG_IDS) - {"data_preparation"}


def test_bundle_holds_one_dag_a_file_of_the_same_name_and_nothing_else() -> None:
    found = {dag_id: facts["file"] for dag_id, facts in parse(1)["dags"].items()}
    assert found == {dag_id: f"dags/{dag_id}.py" for dag_id in DAG_IDS}


@pytest.mark.parametrize(
    ("device", "queues"),
    [
        (
            "cpu",
            {
                ("sklearn_training", "tune"): "cpu",
                ("xgboost_training", "tune"): "cpu",
                ("lightgbm_training", "tune"): "cpu",
            },
        ),
        (
            "cuda",
            {
                ("sklearn_training", "tune"): "cpu",
                ("lightgbm_training", "tune"): "cpu",
                ("xgboost_training", "tune"): "gpu",
                ("xgboost_training", "train"): "gpu",
            },
        ),
    ],
)
def test_tuning_asks_for_the_workers_that_its_device_needs(device: str, queues: dict[tuple[str, str], str]) -> None:
    found = {
        (dag_id, task_id): queue
        for dag_id, facts in parse(1, device)["dags"].items()
        for task_id, queue in facts["queues"].items()
    }
    assert {task: queue for task, queue in found.items() if queue != "default"} == queues


@EVERY_DAG
def test_dag_is_documented_from_what_starts_it_to_its_parameters(dag_id: str) -> None:
    documentation = parse(1)["dags"][dag_id]["documentation"]
    assert [part for part in ("**Starts**", "**Produces**") if part not in documentation] == []
    assert [name for name in parse(1)["dags"][dag_id]["params"] if f"`{name}`" not in documentation] == []


@EVERY_DAG
def test_dag_is_found_by_its_description_and_by_tags_that_are_known(dag_id: str) -> None:
    facts = parse(1)["dags"][dag_id]
    assert facts["description"] and "\n" not in facts["description"]
    assert facts["description"].split() == facts["documentation"].split("\n\n")[0].split()
    assert facts["tags"] and set(facts["tags"]) <= TAGS


def test_main_dags_are_those_that_lead_from_data_to_a_champion() -> None:
    main = {dag_id for dag_id, facts in parse(1)["dags"].items() if "main" in facts["tags"]}
    trainings = {"sklearn_training", "xgboost_training", "lightgbm_training"}
    assert main == {"data_preparation", *trainings, "model_promotion", "automatic_retraining"}


def test_dags_that_other_dags_or_programs_start_are_not_paused_at_first() -> None:
    # A run of a paused DAG waits for ever. People start the others, which ends the pause.
    assert {dag_id for dag_id, dag in parse(1)["dags"].items() if dag["is_paused_at_first"]} == {
        "alert_drill",
        "example",
    }


@EVERY_DAG
def test_form_shows_each_parameter_by_a_title_a_description_and_what_holds_without_it(dag_id: str) -> None:
    params = parse(1)["dags"][dag_id]["params"]
    assert [name for name, param in params.items() if not param.get("title") or not param["description"]] == []
    # A person knows the value that holds from the form alone, without the file that the key is in.
    keys = r"^[Ee]mpty:|[Ee]mpty: [A-Z]+(_[A-Z]+)*\b"
    assert [name for name, param in params.items() if re.search(keys, param["description"])] == []
    # Airflow shows the bare word null otherwise, and marks what has a type as required.
    unnamed = {
        name
        for name, param in params.items()
        if None in param.get("enum", ()) and not param.get("values_display", {}).get("null")
    }
    assert unnamed == set()
    assert [name for name, param in params.items() if param.get("type") == "boolean"] == []


def test_form_shows_the_settings_that_hold_and_follows_them() -> None:
    params, changed = (parse(1, trials=given)["dags"] for given in ("10", "77"))
    assert "Empty: 10 (MAX_EVALUATIONS)." in params["sklearn_training"]["params"]["max_evaluations"]["description"]
    assert "Empty: 77 (MAX_EVALUATIONS)." in changed["sklearn_training"]["params"]["max_evaluations"]["description"]
    named = params["model_promotion"]["params"]["approval"]["values_display"]
    assert named == {"null": "auto (APPROVAL)"}


def test_training_dags_have_a_task_that_adds_the_blend_where_the_settings_ask_for_one() -> None:
    trainings = {"sklearn_training", "xgboost_training", "lightgbm_training"}
    tasks, blending = (
        {dag_id: set(facts["queues"]) for dag_id, facts in parse(1, blend=given)["dags"].items()} for given in "05"
    )
    assert {dag_id for dag_id in tasks if blending[dag_id] - tasks[dag_id] == {"blend"}} == trainings
    assert all("blend" not in of_dag for of_dag in tasks.values())


@EVERY_DAG
def test_every_task_is_retried_by_the_policy(dag_id: str) -> None:
    facts = parse(1)["dags"][dag_id]
    assert facts["without_policy"] == []
    assert dag_id in FAIL_ON_PURPOSE or facts["without_retries"] == []


@pytest.mark.slow
@EVERY_DAG
def test_dag_is_the_same_each_time_it_is_parsed(dag_id: str) -> None:
    # Otherwise Airflow would store a new version of it at every parse.
    assert parse(1)["dags"][dag_id]["hash"] == parse(2)["dags"][dag_id]["hash"]


def test_parsing_loads_none_of_the_slow_libraries() -> None:
    assert {"pandas", "sklearn", "xgboost", "mlflow", "hyperopt"} <= set(SLOW_LIBRARIES)
    assert parse(1)["loaded"] == []


def test_domain_knows_nothing_of_airflow() -> None:
    modules, loads_airflow = run(IMPORT_DOMAIN, ROOT).split()
    assert int(modules) > 30
    assert loads_airflow == "False"
