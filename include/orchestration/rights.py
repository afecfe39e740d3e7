"""Who stands behind a request to Airflow's API server, and what they may do."""

from typing import Any

from fastapi import HTTPException, Request


async def may_start(scope: Any, dag_id: str) -> bool:
    """Whether the request's token or cookie names a person whom Airflow lets start runs of the DAG."""
    from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
    from anyio.to_thread import run_sync

    request = Request(scope)
    try:
        user = await get_user(request, None, await bearer_scheme(request))
    except HTTPException:
        return False
    return await run_sync(is_starter, user, dag_id)


def is_starter(user: Any, dag_id: str) -> bool:
    """Whether Airflow lets a person start runs of the DAG."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
    from airflow.models.dag import DagModel

    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
    )
