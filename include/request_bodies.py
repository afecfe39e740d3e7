"""Request bodies for both web applications: read within a limit, parsed strictly, refused without an echo."""

from typing import Any

from fastapi import FastAPI, HTTPException, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_core import from_json

# Long enough for what is wrong with a row, too short to send a body back.
MOST_REASON = 500
MOST_REASONS = 20


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The body, which is read no further than the limit.

    Raises:
        HTTPException: It is longer, answered as 413; or the caller hung up, which nobody reads the answer of.
    """
    announced = request.headers.get("content-length", "")
    # A length of any number of digits can be announced.
    if announced.isdecimal() and (len(announced) > len(str(most_bytes)) or int(announced) > most_bytes):
        raise _too_large(most_bytes)
    chunks, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(status.HTTP_400_BAD_REQUEST, "The body was not sent completely.")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > most_bytes:
            raise _too_large(most_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(most_bytes: int) -> HTTPException:
    return HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, f"A body may have at most {most_bytes} bytes.")


def parse_json(body: bytes) -> Any:
    """The document in a body; text in it is Unicode that can be written again, without lone surrogates.

    Raises:
        RequestValidationError: It is not JSON; answered as 422.
    """
    try:
        return from_json(body)
    except ValueError as error:
        raise RequestValidationError([describe("json_invalid", (), f"is not JSON: {error}")]) from None


def describe(kind: str, place: tuple[int | str, ...], message: str) -> dict[str, Any]:
    """One reason for a 422, as FastAPI writes them; `place` leads to it within the body."""
    return {"type": kind, "loc": ["body", *(part for part in place if part != "")], "msg": message}


def refuse_briefly(app: FastAPI) -> None:
    """Lets an application answer 422 with what is wrong and where, but without what was sent."""

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
        reasons = [
            {
                "type": reason["type"],
                "loc": [cut(part) if isinstance(part, str) else part for part in reason["loc"]],
                "msg": cut(reason["msg"]),
            }
            for reason in error.errors()[:MOST_REASONS]
        ]
        return JSONResponse({"detail": reasons}, status.HTTP_422_UNPROCESSABLE_CONTENT)


def cut(text: str) -> str:
    """The beginning of a text that may hold what was sent, in characters that can be sent back."""
    kept = text if len(text) <= MOST_REASON else f"{text[:MOST_REASON]}…"
    return kept.encode(errors="replace").decode()
