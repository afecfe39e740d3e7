"""Request bodies turned into trips; what cannot be used is answered by trip and field."""

from typing import Any

import anyio.to_thread
from fastapi import Request
from fastapi.exceptions import RequestValidationError

from include.prediction.inputs import MOST_ROWS, InputFormat, InputsInvalid, describe_row, parse_rows
from include.problem.data import Columns
from include.request_bodies import describe, parse_json, read_body

MOST_BYTES = 16 * 1024 * 1024
# Above this a body is parsed beside the loop that answers the others.
INLINE_BYTES = 16 * 1024


async def read_trips(request: Request, form: InputFormat, most_trips: int = MOST_ROWS) -> Columns:
    """The trips of a request whose body is one trip or a list of them.

    Raises:
        RequestValidationError: Trips cannot be used; answered as 422.
        HTTPException: The body is too large; answered as 413.
    """
    body = await read_body(request, MOST_BYTES)
    if len(body) <= INLINE_BYTES:
        return parse_body(body, form, most_trips)
    return await anyio.to_thread.run_sync(parse_body, body, form, most_trips)


def parse_body(body: bytes, form: InputFormat, most_trips: int) -> Columns:
    """The trips in a JSON document; raises RequestValidationError."""
    document = parse_json(body)
    if not isinstance(document, dict | list):
        raise _refuse("trips_type", (), "must be a trip or a list of trips")
    records = document if isinstance(document, list) else [document]
    if not 1 <= len(records) <= most_trips:
        raise _refuse("trips_number", (), f"must contain 1 to {most_trips} trips, not {len(records)}")
    try:
        return parse_rows(records, form)
    except InputsInvalid as error:
        problems = []
        for problem in error.problems:
            place = (problem.trip, problem.field) if isinstance(document, list) else (problem.field,)
            problems.append(describe("trip_invalid", place, problem.message))
        raise RequestValidationError(problems) from None


def describe_body(form: InputFormat, most_trips: int) -> dict[str, Any]:
    """The body for the OpenAPI document."""
    trip = describe_row(form)
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [trip, {"type": "array", "items": trip, "minItems": 1, "maxItems": most_trips}]},
                "example": {"pickup_zone": 74, "dropoff_zone": 75, "trip_distance": 1.98},
            }
        },
    }


def _refuse(kind: str, place: tuple[int | str, ...], message: str) -> RequestValidationError:
    return RequestValidationError([describe(kind, place, message)])
