"""The application: pages, the answers of their charts, layouts, and the playground's predictions."""

import gzip
import json
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import ValidationError

from include.dashboards.access import NOT_RUNNABLE, PREDICTION_DAG, FindViewer, require_reader, require_runner
from include.dashboards.answers import answer
from include.dashboards.context import Context, Filters, Sources, Viewer
from include.dashboards.drawing.charts import CHARTS, charts_of
from include.dashboards.drawing.palette import template
from include.dashboards.layouts import Layout, read_layout, save_layout
from include.dashboards.options import OPTIONS
from include.dashboards.pages import PAGES, load_pages
from include.dashboards.playground import describe_form, predict
from include.dashboards.reading.summary import summarize
from include.errors import MltrainError
from include.models.table import MODELS
from include.prediction.inputs import InputsInvalid
from include.request_bodies import cut, describe, parse_json, read_body, refuse_briefly

# A layout of all cards has a few kilobytes.
MOST_BYTES = 64 * 1024
HERE = Path(__file__).parent
STATIC = HERE / "static"
TEMPLATES = Jinja2Templates(HERE / "templates")
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# plotly draws parallel coordinates by WebGL programs that it compiles from text; all else is our own files.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; frame-ancestors 'self'"
)


def create_app(find_viewer: FindViewer, sources: Sources) -> FastAPI:
    """The application; every route of it is behind `find_viewer`.

    Args:
        find_viewer: A dependency that gives the `Viewer` of a request, or answers 401.
    """
    load_pages()
    app = FastAPI(title="Dashboards", openapi_url=None)
    refuse_briefly(app)
    _refuse_people_in_words(app)
    _report_errors(app)
    app.include_router(make_routes(require_reader(find_viewer), sources))
    return app


def _refuse_people_in_words(app: FastAPI) -> None:
    """Lets a browser show what is wrong with an address, and a way out; programs are answered as before."""
    refuse: Any = app.exception_handlers[RequestValidationError]

    @app.exception_handler(RequestValidationError)
    async def show(request: Request, error: RequestValidationError) -> Response:
        brief: Response = await refuse(request, error)
        if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
            return brief
        values = {"base": request.scope.get("root_path", ""), "reasons": json.loads(bytes(brief.body))["detail"]}
        return _show(request, "refused", values, brief.status_code)


def _report_errors(app: FastAPI) -> None:
    """Lets the application answer 503 with what is wrong, on any route: a setting, or a server that is away."""

    @app.exception_handler(MltrainError)
    async def report(_: Request, error: MltrainError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503)


def make_routes(reader: FindViewer, sources: Sources) -> APIRouter:
    """The routes, each of which asks `reader` who is there."""
    routes = APIRouter(dependencies=[Depends(reader)])
    _add_files(routes)
    _add_charts(routes, reader, sources)
    _add_predictions(routes, reader, sources)
    _add_pages(routes, reader, sources)
    return routes


def _add_files(routes: APIRouter) -> None:
    @routes.get("/static/plotly.js")
    def plotly() -> Response:
        headers = {"Cache-Control": "private, max-age=31536000, immutable", "Content-Encoding": "gzip"}
        return Response(packed_plotly(), media_type="text/javascript", headers=headers)

    @routes.get("/static/{path:path}")
    def static(path: str) -> FileResponse:
        file = _find_file(path)
        if file is None:
            raise HTTPException(404, cut(f"No file {path}"))
        return FileResponse(file, media_type=KINDS[file.suffix], headers={"Cache-Control": "private, no-cache"})


def _add_charts(routes: APIRouter, reader: FindViewer, sources: Sources) -> None:
    @routes.get("/charts/{name}")
    def chart(name: str, viewer: Annotated[Viewer, Depends(reader)], filters: Annotated[Filters, Query()]) -> Response:
        if name not in CHARTS:
            raise HTTPException(404, cut(f"No chart {name}"))
        return Response(answer(CHARTS[name], Context(viewer, filters, sources)), media_type="application/json")

    @routes.get("/options/{name}")
    def options(
        name: str, viewer: Annotated[Viewer, Depends(reader)], filters: Annotated[Filters, Query()]
    ) -> dict[str, Any]:
        if name not in OPTIONS:
            raise HTTPException(404, cut(f"No options {name}"))
        return asdict(OPTIONS[name](Context(viewer, filters, sources)))

    @routes.get("/summary")
    def summary(viewer: Annotated[Viewer, Depends(reader)]) -> dict[str, Any]:
        return asdict(summarize(Context(viewer, Filters(), sources)))


def _add_predictions(routes: APIRouter, reader: FindViewer, sources: Sources) -> None:
    @routes.post("/predict")
    def predict_row(
        row: Annotated[dict[str, Any], Depends(read_document)], viewer: Annotated[Viewer, Depends(reader)]
    ) -> dict[str, Any]:
        require_runner(viewer)
        try:
            return predict(Context(viewer, Filters(), sources), row)
        except InputsInvalid as error:
            raise HTTPException(422, cut(str(error))) from error


def _add_pages(routes: APIRouter, reader: FindViewer, sources: Sources) -> None:
    @routes.get("/")
    def home(request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/overview")

    @routes.put("/layouts/{page}", status_code=204)
    def keep_layout(
        page: str,
        document: Annotated[dict[str, Any], Depends(read_document)],
        viewer: Annotated[Viewer, Depends(reader)],
    ) -> None:
        if page not in PAGES:
            raise HTTPException(404, cut(f"No page {page}"))
        try:
            layout = Layout.model_validate(document)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None
        save_layout(sources.warehouse_url(), viewer.name, page, layout)

    @routes.get("/{page}")
    def show_page(
        page: str, request: Request, viewer: Annotated[Viewer, Depends(reader)], filters: Annotated[Filters, Query()]
    ) -> HTMLResponse:
        if page not in PAGES:
            raise HTTPException(404, cut(f"No page {page}"))
        return _render(request, page, Context(viewer, filters, sources))


async def read_document(request: Request) -> dict[str, Any]:
    """The JSON object in a body.

    A dependency, so that a route asks who is there before it reads; FastAPI reads the body of a parameter first, all
    of it, and takes lone surrogates, which no answer and no table can hold.
    """
    document = parse_json(await read_body(request, MOST_BYTES))
    if not isinstance(document, dict):
        raise RequestValidationError([describe("object_type", (), "must be an object")])
    return document


def _find_file(path: str) -> Path | None:
    try:
        file = (STATIC / path).resolve()
        return file if file.is_relative_to(STATIC) and file.is_file() and file.suffix in KINDS else None
    # Names that no file can have: too long, or with a NUL.
    except (OSError, ValueError):
        return None


def _render(request: Request, page: str, context: Context) -> HTMLResponse:
    base = request.scope.get("root_path", "")
    cards = [
        {"name": chart.name, "title": chart.title, "hint": chart.describe(context.settings.problem),
         "columns": chart.columns, "height": chart.height, "live": chart.live}
        for chart in charts_of(page, context.settings.problem)
    ]  # fmt: skip
    state = {
        "page": page,
        "base": base,
        "cards": cards,
        "layout": read_layout(context.sources.warehouse_url, context.viewer.name, page),
        "templates": plotly_templates(),
        "form": describe_form(context) if page == "playground" else None,
    }
    values = {
        "page": PAGES[page],
        "pages": PAGES.values(),
        "base": base,
        "state": json.dumps(state).replace("<", "\\u003c"),
        "plotly_version": metadata.version("plotly"),
        "context": context,
        "row_noun": context.settings.problem.row[0],
        "models": [name for name, model in MODELS.items() if model.fits(context.settings.problem)],
        "may_predict": PREDICTION_DAG in context.viewer.runnable,
        "not_runnable": NOT_RUNNABLE.format(dag=PREDICTION_DAG),
    }
    return _show(request, _template_of(page), values)


def _show(request: Request, template: str, values: dict[str, Any], status: int = 200) -> HTMLResponse:
    response = TEMPLATES.TemplateResponse(request, f"{template}.html", values, status)
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _template_of(page: str) -> str:
    return page if (HERE / "templates" / f"{page}.html").exists() else "page"


@lru_cache(maxsize=1)
def plotly_templates() -> dict[str, Any]:
    """The look of charts in each theme, as plotly.js takes it."""
    return {theme: template(theme).to_plotly_json() for theme in ("light", "dark")}


@lru_cache(maxsize=1)
def packed_plotly() -> bytes:
    """plotly.js from the installed package, compressed once: a third of its 5 MB."""
    return gzip.compress(resources.files("plotly").joinpath("package_data", "plotly.min.js").read_bytes(), 6)
