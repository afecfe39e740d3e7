"""Access by Airflow's own logins and rights."""

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends

from include.dashboards.access import PREDICTION_DAG
from include.dashboards.context import Viewer
from include.orchestration.rights import is_starter


def find_viewer(user: Annotated[Any, Depends(get_user)]) -> Viewer:
    """The person that Airflow's token or cookie names, with the DAGs that may be read and started.

    Raises:
        HTTPException: 401, nobody is logged in.
    """
    readable = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    runnable = {dag_id for dag_id in (*readable, PREDICTION_DAG) if is_starter(user, dag_id)}
    return Viewer(user.get_name(), frozenset(readable), frozenset(runnable))
