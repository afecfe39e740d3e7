"""Predictions by the current champion.

Send one row or a list of rows, with the neutral field names or the source's. Numbers may be strings. Values that
are not as those the model learnt from are predicted and listed in `warnings`: a category that is new counts as missing.
An invalid value is refused, with the name of its field.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from include.prediction.inputs import InputFormat
from include.request_bodies import refuse_briefly
from include.serving.access import require_key
from include.serving.middleware.limits import Limited
from include.serving.middleware.measuring import Measuring
from include.serving.parts import Parts
from include.serving.routes.docs import render_docs
from include.serving.routes.operation import add_operation
from include.serving.routes.predictions import add_predictions
from include.version import VERSION


def create_app(parts: Parts, form: InputFormat) -> FastAPI:
    """The application; its start and end are the parts'.

    Args:
        form: How rows are written, for the OpenAPI document.
    """

    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        parts.holder.start()
        parts.writer.start()
        yield
        parts.holder.stop()
        parts.writer.stop()

    app = FastAPI(
        title=form.problem.title or form.problem.model,
        version=VERSION,
        description=__doc__,
        lifespan=run,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    # The last is the outermost: what is refused is counted as well.
    app.add_middleware(Limited)
    app.add_middleware(Measuring, metrics=parts.metrics)
    refuse_briefly(app)
    add_predictions(app, parts, form)
    add_operation(app, parts)
    _add_documents(app, parts)
    return app


def _add_documents(app: FastAPI, parts: Parts) -> None:
    known = [Depends(require_key(parts.secrets))]

    @app.get("/openapi.json", include_in_schema=False, dependencies=known)
    async def openapi() -> dict[str, Any]:
        return app.openapi()

    @app.get("/docs", include_in_schema=False, dependencies=known)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(render_docs(app.openapi(), str(request.base_url).rstrip("/")))

    @app.get("/", include_in_schema=False, dependencies=known)
    async def home() -> RedirectResponse:
        return RedirectResponse("docs")
