"""Access by Airflow's own logins and rights."""

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends

from include.dashboards.access import PREDICTION_DAG
from include.dashboards.context import Viewer


def find_viewer(user: Annotated[Any, Depends(get_user)]) -> Viewer:
    """The person that Airflow's token or cookie names, with the DAGs that may be read and started.

    Raises:
        HTTPException: 401, nobody is logged in.
    """
    manager = get_auth_manager()
    readable = manager.get_authorized_dag_ids(user=user, method="GET")
    runnable = {dag_id for dag_id in (*readable, PREDICTION_DAG) if _may_start(manager, user, dag_id)}
    return Viewer(user.get_name(), frozenset(readable), frozenset(runnable))


def _may_start(manager: Any, user: Any, dag_id: str) -> bool:
    from airflow.models.dag import DagModel

    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return manager.is_authorized_dag(method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user)
