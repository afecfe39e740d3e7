"""Who may send requests: the key in a header, or as the password of a browser's login; webhooks by signature."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import HTTPException, Request, Response, Security, status
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBasicCredentials
from starlette.types import Receive, Scope, Send

from include.request_bodies import read_body

KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The API key, SERVING_API_KEY.")
LOGIN = HTTPBasic(auto_error=False, description="For browsers: any user name, with the API key as the password.")
# As MLflow signs its webhooks, after https://www.standardwebhooks.com.
SIGNATURE, DELIVERY, SENT_AT = "X-MLflow-Signature", "X-MLflow-Delivery-Id", "X-MLflow-Timestamp"
SECONDS_OF_VALIDITY = 300
# A moment in seconds has ten digits, and a signature 44 letters behind its version.
MOST_DIGITS, MOST_SIGNATURE = 12, 64
# What anybody may make the service keep before the signature is known: MLflow's webhooks have less than a kilobyte.
MOST_SIGNED_BYTES, MOST_SIGNED_AT_ONCE, SECONDS_TO_SEND = 64 * 1024, 8, 5.0


@dataclass(frozen=True)
class Secrets:
    """What callers must know.

    Attributes:
        webhook_secret: Signs webhooks; empty: none are accepted.
    """

    api_key: str = field(repr=False)
    webhook_secret: str = field(default="", repr=False)

    def is_key(self, shown: str) -> bool:
        """Whether that is the API key."""
        return hmac.compare_digest(shown.encode(), self.api_key.encode())


def require_key(secrets: Secrets) -> Callable[..., Awaitable[None]]:
    """A dependency that refuses requests without the key."""

    async def check(
        key: Annotated[str | None, Security(KEY_HEADER)],
        login: Annotated[HTTPBasicCredentials | None, Security(LOGIN)],
    ) -> None:
        if not secrets.is_key(key or (login.password if login else "")):
            raise HTTPException(
                status.HTTP_401_UNAUTHORIZED,
                "Send the API key in the header X-API-Key, or log in with any name and the key as the password.",
                headers={"WWW-Authenticate": 'Basic realm="predictions", charset="UTF-8"'},
            )

    return check


def answer_known(secrets: Secrets) -> type[APIRoute]:
    """A class of routes that need the key and can do without parameters.

    Where a request has the key in the header and no query, as nearly all have, the function gets it at once: to find
    that there are no parameters takes FastAPI as long as a prediction. All others go the way of FastAPI.
    """

    class Known(APIRoute):
        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            is_known = secrets.is_key(request.headers.get(KEY_HEADER.model.name, ""))
            if is_known and not scope["query_string"] and scope["method"] in self.methods:
                response: Response = await self.endpoint(request)
                await response(scope, receive, send)
            else:
                await super().handle(scope, receive, send)

    return Known


def require_key_or_signature(secrets: Secrets) -> Callable[..., Awaitable[None]]:
    """A dependency that also accepts signed webhooks."""
    require, arriving = require_key(secrets), asyncio.Semaphore(MOST_SIGNED_AT_ONCE)

    async def check(
        request: Request,
        key: Annotated[str | None, Security(KEY_HEADER)],
        login: Annotated[HTTPBasicCredentials | None, Security(LOGIN)],
    ) -> None:
        if not may_be_signed(request.headers, secrets.webhook_secret):
            await require(key, login)
            return
        if arriving.locked():
            raise HTTPException(
                status.HTTP_429_TOO_MANY_REQUESTS, "Too many webhooks at once.", headers={"Retry-After": "1"}
            )
        async with arriving:
            body = await _read_soon(request)
        if not is_signed(request.headers, body, secrets.webhook_secret):
            await require(key, login)

    return check


async def _read_soon(request: Request) -> bytes:
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            return await read_body(request, MOST_SIGNED_BYTES)
    except TimeoutError:
        raise HTTPException(
            status.HTTP_408_REQUEST_TIMEOUT, "The body did not arrive in time.", headers={"Connection": "close"}
        ) from None


def may_be_signed(headers: Mapping[str, str], secret: str) -> bool:
    """Whether the headers of a webhook are such that its body is worth reading."""
    signature, sent_at = headers.get(SIGNATURE, ""), headers.get(SENT_AT, "")
    if not secret or not 0 < len(signature) <= MOST_SIGNATURE:
        return False
    # Of digits alone, and few: to read a number of thousands of digits is an error.
    if not (sent_at.isascii() and sent_at.isdecimal() and len(sent_at) <= MOST_DIGITS):
        return False
    return abs(time.time() - int(sent_at)) <= SECONDS_OF_VALIDITY


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether a webhook was signed with the secret, and recently."""
    if not may_be_signed(headers, secret):
        return False
    signed = f"{headers.get(DELIVERY, '')}.{headers[SENT_AT]}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()
    return hmac.compare_digest(headers[SIGNATURE].encode(), expected.encode())
