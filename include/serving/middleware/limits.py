"""How many requests are answered at once; further ones are asked to retry, except health checks."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from include.serving.middleware.connections import CROWDED

MOST_REQUESTS = 256
HEALTH = frozenset({"/healthz", "/readyz"})
BUSY = "The service is at its limit; try again in a second."


class Limited:
    """Wraps an application and answers 503 for it while too many requests are in progress."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["path"] in HEALTH:
            await self._app(scope, receive, send)
            return
        if self._under_way >= MOST_REQUESTS or scope.get("state", {}).get(CROWDED):
            # Closed, so that a connection beyond the limit is free again.
            headers = {"Retry-After": "1", "Connection": "close"}
            await JSONResponse({"detail": BUSY}, 503, headers)(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
