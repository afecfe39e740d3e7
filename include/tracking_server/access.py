"""Who may do what with MLflow: a login for every request, and two roles.

MLflow's own login app hashes a password with each request, which takes longer than keeping a trial may. Passwords here
are generated ones of 24 random bytes, for which comparing in constant time is enough.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.tracking_server.routes import READER, WRITER, find_role

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

READER_PASSWORD, WRITER_PASSWORD = "MLFLOW_READER_PASSWORD", "MLFLOW_WRITER_PASSWORD"
LOGIN_NEEDED = (
    "MLflow requires a login. Programs take it from MLFLOW_TRACKING_USERNAME (reader or writer) and"
    " MLFLOW_TRACKING_PASSWORD; docs/tutorial.md says where the passwords are, docs/team.md where a team's server has"
    " them."
)
FOREIGN_PAGE = "A page from another address may not use MLflow in a browser."
READERS_CANNOT = "The login 'reader' may only read; 'writer' may do this (docs/tutorial.md, docs/team.md)."
CLOSED = "This stack does not offer this part of MLflow (include/tracking_server/routes.py)."


class PasswordsMissing(Exception):
    """The passwords of the two roles cannot be used."""


class Guard:
    """An ASGI application that lets requests pass to MLflow which its roles allow.

    Args:
        app: MLflow's application.
        environment: It holds the passwords of the roles.

    Raises:
        PasswordsMissing: A password is missing, or both are the same.
    """

    def __init__(self, app: "ASGIApp", environment: Mapping[str, str]) -> None:
        passwords = [environment.get(name, "") for name in (READER_PASSWORD, WRITER_PASSWORD)]
        if not all(passwords) or passwords[0] == passwords[1]:
            raise PasswordsMissing(f"{READER_PASSWORD} and {WRITER_PASSWORD} must both have a value, not the same one.")
        self._app = app
        self._tokens = {
            role: base64.b64encode(f"{role}:{password}".encode())
            for role, password in zip((READER, WRITER), passwords, strict=True)
        }

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answers, or lets MLflow answer; a body is not read before its request is allowed."""
        if scope["type"] != "http":
            # MLflow has no websockets, and its work at start and end is for parts that are closed here.
            return
        headers = dict(scope["headers"])
        role = self._find_role(headers.get(b"authorization", b""))
        needed = find_role(scope["method"], scope["path"])
        if role is None:
            await _refuse(send, 401, "UNAUTHENTICATED", LOGIN_NEEDED)
        elif _is_foreign(headers):
            await _refuse(send, 403, "PERMISSION_DENIED", FOREIGN_PAGE)
        elif needed is None:
            await _refuse(send, 403, "PERMISSION_DENIED", CLOSED)
        elif needed == WRITER and role == READER:
            await _refuse(send, 403, "PERMISSION_DENIED", READERS_CANNOT)
        else:
            await self._app(scope, receive, send)

    def _find_role(self, authorization: bytes) -> str | None:
        scheme, _, token = authorization.partition(b" ")
        # Each is compared, so that the time tells nothing.
        matches = [role for role, known in self._tokens.items() if hmac.compare_digest(known, token.strip())]
        return matches[0] if matches and scheme.lower() == b"basic" else None


def _is_foreign(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser sends this for a page of another origin, to which it would add the login that it knows."""
    origin = headers.get(b"origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get(b"host", b"").lower()


async def _refuse(send: "Send", status: int, code: str, message: str) -> None:
    body = json.dumps({"error_code": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="MLflow", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
