"""Stands before Airflow's API where runs are started: refuses what is wrong in short words, and shortens Airflow's own.

Airflow repeats the value and the schema in its text, which took a minute and a megabyte for 10,001 rows.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = logging.getLogger(__name__)
STARTS_RUN = re.compile(r"/api/v2/dags/([^/]+)/dagRuns/?$")
# 10,000 rows take about 1.5 MB.
MOST_BYTES = 16 * 1024 * 1024
REFUSED = 400


class StartRequests:
    """An ASGI application in front of another one; all but `POST .../dagRuns` passes through untouched."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one request."""
        found = STARTS_RUN.search(scope.get("path", "")) if scope["type"] == "http" else None
        # Whoever may not start the run is refused by Airflow, and learns nothing of what a row must be like.
        if not found or scope["method"] != "POST" or not await _may_start(scope, found[1]):
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            await _answer(send, 413, f"A request that starts a run may have at most {MOST_BYTES // 1024**2} MB.")
            return
        if refusal := await _find_refusal(found[1], body):
            await _answer(send, REFUSED, refusal)
            return
        await self.app(scope, _replay(body, receive), _shorten(send))


async def _may_start(scope: Message, dag_id: str) -> bool:
    # Most processes that load this never start a run.
    from include.orchestration.rights import may_start

    try:
        return await may_start(scope, dag_id)
    except Exception:  # Airflow's database is away, for example: its own answer says so
        log.exception("Whether a request may start a run of %s could not be checked", dag_id)
        return False


async def _read(receive: Receive) -> bytes | None:
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _find_refusal(dag_id: str, body: bytes) -> str | None:
    from anyio.to_thread import run_sync

    try:
        return await run_sync(_check_request, dag_id, body)
    except Exception:  # a setting that cannot be used, or no database: the tasks look as well
        log.exception("The request to start a run of %s could not be checked", dag_id)
        return None


def _check_request(dag_id: str, body: bytes) -> str | None:
    from include.orchestration.connections import get_warehouse_url
    from include.orchestration.parameters import refuse_undeclared
    from include.prediction.refusals import find_refusal, read_parameters
    from include.settings import read_settings

    refusal = find_refusal(dag_id, body, read_settings, get_warehouse_url)
    return refusal or refuse_undeclared(dag_id, read_parameters(body) or {})


def _shorten(send: Send) -> Send:
    """Holds a refusal back until it is whole, and sends it with short words."""
    held: list[Message] = []

    async def pass_on(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == REFUSED:
            held.append(message)
        elif held and message["type"] == "http.response.body":
            held.append(message)
            if not message.get("more_body"):
                await _send_short(send, held)
        else:
            await send(message)

    return pass_on


async def _send_short(send: Send, held: list[Message]) -> None:
    from include.prediction.refusals import shorten

    body = b"".join(message.get("body", b"") for message in held[1:])
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = None
    if isinstance(detail, str):
        await _answer(send, REFUSED, shorten(detail))
        return
    for message in held:
        await send(message)


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
