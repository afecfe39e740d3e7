"""Who may see and do what: one function finds the person behind a request, and everyone else is refused."""

import hmac
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response

from include.dashboards.context import Viewer

# The DAG that a person must be allowed to start to predict.
PREDICTION_DAG = "prediction"
COOKIE = "mltrain_key"
NO_DAGS = "You do not have permission to read any DAG; ask an administrator for it."
NOT_RUNNABLE = "Predicting requires permission to start the DAG {dag}, which you do not have."

FindViewer = Callable[..., Any]


def require_reader(find_viewer: FindViewer) -> FindViewer:
    """A dependency that gives the person, who may read at least one DAG.

    Raises:
        HTTPException: 403, there is none to read; `find_viewer` answers 401 itself.
    """

    def reader(viewer: Annotated[Viewer, Depends(find_viewer)]) -> Viewer:
        if not viewer.readable:
            raise HTTPException(403, NO_DAGS)
        return viewer

    return reader


def require_runner(viewer: Viewer) -> None:
    """Refuses anyone who may not start the prediction DAG.

    Raises:
        HTTPException: 403.
    """
    if PREDICTION_DAG not in viewer.runnable:
        raise HTTPException(403, NOT_RUNNABLE.format(dag=PREDICTION_DAG))


def viewer_by_key(key: str, list_dags: Callable[[], frozenset[str]]) -> FindViewer:
    """Access for development, without Airflow's logins: anyone with the key has full access.

    The key comes in the query string once, then in the cookie that `remember_key` sets.
    """

    def find_viewer(request: Request) -> Viewer:
        given = request.query_params.get("key") or request.cookies.get(COOKIE) or ""
        if not hmac.compare_digest(given.encode(), key.encode()):
            raise HTTPException(401, "The key is missing or wrong; use the address that was printed at startup.")
        dags = list_dags()
        return Viewer("developer", dags, dags)

    return find_viewer


def remember_key(app: FastAPI) -> None:
    """Lets a browser keep the key that an address brought, so that links need not carry it."""

    @app.middleware("http")
    async def set_cookie(request: Request, respond: Callable[[Request], Any]) -> Response:
        response: Response = await respond(request)
        if "key" in request.query_params:
            response.set_cookie(COOKIE, request.query_params["key"], httponly=True, samesite="strict")
        return response
