"""Counts and times requests, as ASGI middleware: one dictionary look-up beside the request's own work."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from include.serving.metrics import Metrics


class Measuring:
    """Wraps an application and measures each of its requests by route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = time.perf_counter()
        try:
            await self._app(scope, receive, watch)
        finally:
            # Paths that lead nowhere are one label: whoever asks must not be able to make new ones.
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.seconds.labels(route).observe(time.perf_counter() - begun)
            self._metrics.requests.labels(route, str(status)).inc()
