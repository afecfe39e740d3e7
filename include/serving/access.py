"""Who may ask: the key in a header, or as the password of a login for a browser; and webhooks by their signature."""

import base64
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import HTTPException, Request, Security, status
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBasicCredentials

from include.serving.bodies import read_body

KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The key, SERVING_API_KEY.")
LOGIN = HTTPBasic(auto_error=False, description="Any name, and the key as password: for a browser.")
# As MLflow signs its webhooks, after https://www.standardwebhooks.com.
SIGNATURE, DELIVERY, SENT_AT = "X-MLflow-Signature", "X-MLflow-Delivery-Id", "X-MLflow-Timestamp"
SECONDS_OF_VALIDITY = 300


@dataclass(frozen=True)
class Secrets:
    """What callers must know.

    Attributes:
        webhook_secret: Signs webhooks; empty: none are accepted.
    """

    api_key: str = field(repr=False)
    webhook_secret: str = field(default="", repr=False)


def require_key(secrets: Secrets) -> Callable[..., Awaitable[None]]:
    """A dependency that refuses whoever does not show the key."""

    async def check(
        key: Annotated[str | None, Security(KEY_HEADER)],
        login: Annotated[HTTPBasicCredentials | None, Security(LOGIN)],
    ) -> None:
        shown = key or (login.password if login else "")
        if not hmac.compare_digest(shown.encode(), secrets.api_key.encode()):
            raise HTTPException(
                status.HTTP_401_UNAUTHORIZED,
                "Show the key in the header X-API-Key.",
                headers={"WWW-Authenticate": 'Basic realm="predictions", charset="UTF-8"'},
            )

    return check


def require_key_or_signature(secrets: Secrets) -> Callable[..., Awaitable[None]]:
    """A dependency that also lets in what is signed as a webhook."""
    require = require_key(secrets)

    async def check(
        request: Request,
        key: Annotated[str | None, Security(KEY_HEADER)],
        login: Annotated[HTTPBasicCredentials | None, Security(LOGIN)],
    ) -> None:
        if SIGNATURE in request.headers and is_signed(
            request.headers, await read_body(request), secrets.webhook_secret
        ):
            return
        await require(key, login)

    return check


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether a webhook was signed with the secret, and lately."""
    sent_at = headers.get(SENT_AT, "")
    if not secret or not sent_at.isdecimal() or abs(time.time() - int(sent_at)) > SECONDS_OF_VALIDITY:
        return False
    signed = f"{headers.get(DELIVERY, '')}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()
    return hmac.compare_digest(headers.get(SIGNATURE, "").encode(), expected.encode())
