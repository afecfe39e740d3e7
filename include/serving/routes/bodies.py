"""Request bodies turned into rows; what cannot be used is answered by row and field."""

from typing import Any

import anyio.to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError

from include.prediction.inputs import MOST_ROWS, InputFormat, InputsInvalid, describe_row, parse_rows
from include.problem.data import Columns
from include.problem.words import make_example, name_one
from include.request_bodies import describe, parse_json, read_body

MOST_BYTES = 16 * 1024 * 1024
# Above this a body is parsed beside the loop that answers the others.
INLINE_BYTES = 16 * 1024


async def read_rows(request: Request, form: InputFormat, most_rows: int = MOST_ROWS) -> Columns:
    """The rows of a request whose body is one row or a list of them.

    Raises:
        RequestValidationError: Rows cannot be used; answered as 422.
        HTTPException: The body is too large; answered as 413.
    """
    body = await read_body(request, MOST_BYTES)
    if len(body) <= INLINE_BYTES:
        return parse_body(body, form, most_rows)
    return await anyio.to_thread.run_sync(parse_body, body, form, most_rows)


def parse_body(body: bytes, form: InputFormat, most_rows: int) -> Columns:
    """The rows in a JSON document; raises RequestValidationError."""
    document, rows = parse_json(body), form.problem.row[1]
    if not isinstance(document, dict | list):
        raise _refuse("rows_type", (), f"must be {name_one(form.problem)} or a list of {rows}")
    records = document if isinstance(document, list) else [document]
    if not 1 <= len(records) <= most_rows:
        raise _refuse("rows_number", (), f"must contain 1 to {most_rows} {rows}, not {len(records)}")
    try:
        return parse_rows(records, form)
    except InputsInvalid as error:
        problems = []
        for problem in error.problems:
            place = (problem.row, problem.field) if isinstance(document, list) else (problem.field,)
            problems.append(describe("row_invalid", place, problem.message))
        raise RequestValidationError(problems) from None


def describe_body(form: InputFormat, most_rows: int) -> dict[str, Any]:
    """The body for the OpenAPI document."""
    row = describe_row(form)
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [row, {"type": "array", "items": row, "minItems": 1, "maxItems": most_rows}]},
                "example": make_example(form.problem),
            }
        },
    }


def _refuse(kind: str, place: tuple[int | str, ...], message: str) -> RequestValidationError:
    return RequestValidationError([describe(kind, place, message)])
