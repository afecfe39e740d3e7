"""Routes that predict: `/predict` and `/explain`."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio.to_thread
import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json

from include.configuration.values import suggest
from include.models.explanation import Explanation, can_explain, explain
from include.models.intervals import DEFAULT_LEVEL, LEVELS
from include.prediction.inputs import MOST_ROWS, InputFormat
from include.prediction.log import Predictions
from include.prediction.request import make_answer
from include.problem.data import Columns, Values
from include.problem.declaration import Problem
from include.serving.access import answer_known, require_key
from include.serving.batching import MOST_ROWS_TOGETHER, Batcher
from include.serving.holder import Champion
from include.serving.parts import REFUSALS, Parts
from include.serving.routes import answers
from include.serving.routes.bodies import describe_body, read_rows

MOST_EXPLAINED = 100
MOST_REQUEST_ID = 128
# The one parameter of both routes.
LEVEL = "level"
Level = Annotated[
    float,
    Query(
        ge=LEVELS[0] / 100,
        le=LEVELS[-1] / 100,
        description="Share of actual values that the interval or label set beside each prediction is to hold",
    ),
]
ROW_REFUSALS = REFUSALS | {
    400: {"model": answers.Refused, "description": "The header X-Request-ID has characters that cannot be printed"},
    413: {"model": answers.Refused, "description": "The body is too large"},
    422: {"description": "A row is invalid: its position, the field and what is wrong"},
}


def add_predictions(app: FastAPI, parts: Parts, form: InputFormat) -> None:
    """Adds the routes to an application."""
    router = APIRouter(
        dependencies=[Depends(require_key(parts.secrets)), Depends(_refuse_unknown)],
        route_class=answer_known(parts.secrets),
    )
    batcher, problem, told = Batcher(), form.problem, answers.ANSWERS[form.problem.task]

    @router.post(
        "/predict",
        summary=f"Predict {(problem.title or problem.model).lower()}",
        responses={
            200: {"model": told.predicted, "description": f"A prediction per {problem.row[0]}"},
            **ROW_REFUSALS,
        },
        openapi_extra={"requestBody": describe_body(form, MOST_ROWS)},
    )
    async def predict(request: Request, level: Level = DEFAULT_LEVEL) -> Response:
        request_id = _read_request_id(request)
        champion = parts.take_champion()
        rows = await read_rows(request, champion.form)
        predicted = await batcher.predict(champion, rows)
        if len(predicted) > MOST_ROWS_TOGETHER:
            return await anyio.to_thread.run_sync(keep_and_answer, champion, rows, predicted, request_id, level)
        return keep_and_answer(champion, rows, predicted, request_id, level)

    def keep_and_answer(
        champion: Champion, rows: Columns, predicted: Values, request_id: str | None, level: float
    ) -> Response:
        kinds, kept = champion.form.problem.input_kinds, champion.model.outputs.record(predicted)
        # Before the answer leaves: whoever has it finds it in prediction.log, even if the process is killed now.
        parts.writer.put(Predictions(datetime.now(UTC), "service", request_id, champion.version, rows, kinds, kept))
        unusual = champion.model.learnt.find_unusual(rows)
        parts.metrics.rows.inc(len(predicted))
        for label, count in Counter(kept.get("predicted_class", ())).items():
            parts.metrics.decided.labels(label).inc(count)
        for each in unusual:
            parts.metrics.unusual.labels(each.column, each.reason).inc()
        return _answer(make_answer(champion.loaded, rows, predicted, unusual, level))

    @router.post(
        "/explain",
        summary="Explain predictions",
        responses={
            200: {"model": told.explained, "description": "The contribution of each feature to each prediction"},
            501: {"model": answers.Refused, "description": "Models of this type cannot be explained"},
            **ROW_REFUSALS,
        },
        openapi_extra={"requestBody": describe_body(form, MOST_EXPLAINED)},
    )
    async def explain_rows(request: Request, level: Level = DEFAULT_LEVEL) -> Response:
        champion = parts.take_champion()
        rows = await read_rows(request, champion.form, MOST_EXPLAINED)
        if not can_explain(champion.model):
            kind = type(champion.model.estimator).__name__
            reason = f"{kind} cannot be explained here; boosters and linear models can."
            raise HTTPException(status.HTTP_501_NOT_IMPLEMENTED, reason)
        return await anyio.to_thread.run_sync(_explain, champion, rows, level)

    app.include_router(router)


async def _refuse_unknown(request: Request) -> None:
    """Only requests with a query string come here, see `answer_known`."""
    for name in request.query_params.keys() - {LEVEL}:
        message = f"is not a parameter{suggest(name, [LEVEL]) or f'; there is only {LEVEL}'}"
        raise RequestValidationError([{"type": "parameter_unknown", "loc": ["query", name], "msg": message}])


def _explain(champion: Champion, rows: Columns, level: float) -> Response:
    model = champion.model
    found, predicted, unusual = explain(model, rows), model.predict(rows), model.learnt.find_unusual(rows)
    return _answer(make_answer(champion.loaded, rows, predicted, unusual, level) | _tell(found, model.problem))


def _tell(found: Explanation, problem: Problem) -> dict[str, Any]:
    """An explanation as JSON values. Of several classes each row has the base of its own most probable one."""
    base, contributions = found.base.tolist(), _name_features(found, found.contributions)
    told = {"contributions": contributions, "contributions_unit": found.unit}
    if not problem.labels:
        return {"base": base[0], **told}
    of_classes = {"factor_on": found.factor_on, "probability_changes": _name_features(found, found.changes)}
    return {"base": base if len(problem.labels) > 2 else base[0], **told, **of_classes}


def _name_features(found: Explanation, values: npt.NDArray[np.float64]) -> list[dict[str, float]]:
    return [dict(zip(found.features, row, strict=True)) for row in values.tolist()]


def _read_request_id(request: Request) -> str | None:
    request_id = request.headers.get("x-request-id")
    if request_id and not request_id.isprintable():
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "X-Request-ID must consist of printable characters.")
    return request_id[:MOST_REQUEST_ID] if request_id else None


def _answer(content: dict[str, Any]) -> Response:
    return Response(to_json(content), media_type="application/json")
