"""The names of a run's parameters: Airflow takes any, and the run goes on as if one that is misspelt were not there."""

from collections.abc import Iterable
from typing import Any

from include.configuration.layers import ROOT
from include.configuration.values import suggest
from include.errors import SettingsError

# Its row may have the source's names for its fields: `collect_inputs` looks at them.
OF_ROWS = "prediction"
MOST_TEXT = 60


def check_parameters(dag: Any, given: Iterable[str]) -> None:
    """Before a task of the DAG begins.

    Raises:
        SettingsError: The DAG declares no parameter of a name that the run was given; tells the nearest one.
    """
    if dag.dag_id != OF_ROWS and (refusal := _refuse(dag, given)):
        raise SettingsError(f"Start a new run: {refusal}")


def refuse_undeclared(dag_id: str, given: Iterable[str]) -> str | None:
    """What is wrong with the names in a request that starts a run, by the DAG as Airflow's database has it.

    DAGs from elsewhere may take what they like.
    """
    from airflow.models.serialized_dag import SerializedDagModel

    if not given or dag_id == OF_ROWS or not (ROOT / "dags" / f"{dag_id}.py").is_file():
        return None
    dag = SerializedDagModel.get_dag(dag_id)
    return _refuse(dag, given) if dag else None


def _refuse(dag: Any, given: Iterable[str]) -> str | None:
    known = list(dag.params)
    unknown = next((name[:MOST_TEXT] for name in given if name not in known), None)
    if unknown is None:
        return None
    others = suggest(unknown, known) or (f"; there are {', '.join(known)}" if known else "; it takes none")
    return f"{unknown} is not a parameter of {dag.dag_id}{others}"
