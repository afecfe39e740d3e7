"""Limits of a connection that uvicorn does not have: on the size of a head, the time it takes, and their number."""

import logging
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)
MOST_CONNECTIONS = 512
# Beyond that these are let in for the routes of health alone, see `limits`.
CONNECTIONS_FOR_HEALTH = 32
MOST_HEAD_BYTES = 64 * 1024
TICKS_BETWEEN_LOOKS = 5  # of a tenth of a second each
# How long a peer may keep the service waiting, in seconds: for a whole head, a whole body, for room to write an answer,
# and for the end of a connection.
PATIENCE = {"head": 10.0, "body": 30.0, "answer": 30.0, "end": 5.0}
CROWDED = "crowded"
# How uvicorn's heads begin, but for that of `100 Continue`, which nothing follows.
HEADS = tuple(b"HTTP/1.1 %d" % kind for kind in (2, 3, 4, 5))


def _plain(status: str, text: str, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(text)}\r\n{headers}"
    return f"{head}connection: close\r\n\r\n{text}".encode()


TOO_SLOW = _plain("408 Request Timeout", "The request did not arrive in time.")
TOO_LONG = _plain("431 Request Header Fields Too Large", f"Request headers may have at most {MOST_HEAD_BYTES} bytes.")
TOO_MANY = _plain("503 Service Unavailable", "Too many connections.", "retry-after: 1\r\n")


class Answering:
    """A transport that holds the head of an answer back until its body comes: together they are one packet.

    uvicorn sends each by itself, so that the caller is woken twice, the first time for nothing.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Sends a part of an answer."""
        if not self._head and data.startswith(HEADS):
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = b""

    def flush(self) -> None:
        """Sends a head without a body."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Closes the connection when everything is sent."""
        self.flush()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """One connection.

    What the peer owes is found out by looking at each connection twice a second, so that a request costs nothing more.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Bytes since the head began that were no body's.
        self._head_bytes = 0
        self._owed: tuple[Any, str] = (None, "head")
        self._owed_since = 0.0

    def connection_made(self, transport: Any) -> None:
        """Accepts a connection, or refuses it where there are too many."""
        self._answering = Answering(transport)
        super().connection_made(self._answering)  # type: ignore[arg-type]
        self._owed_since = self.loop.time()
        self._make_room()
        if len(self.connections) > MOST_CONNECTIONS + CONNECTIONS_FOR_HEALTH:
            self._refuse(TOO_MANY)

    def data_received(self, data: bytes) -> None:
        """Takes what has arrived, unless the head grows too large."""
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(TOO_LONG)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 0
        # The application sees it, and answers questions for its health alone.
        self.scope["state"][CROWDED] = len(self.connections) > MOST_CONNECTIONS

    def on_chunk_header(self) -> None:
        """The frame of a part of a body is no head."""
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        """A part of a body has come."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_response_complete(self) -> None:
        """An answer has been written."""
        self._answering.flush()
        super().on_response_complete()

    def look(self) -> None:
        """Ends the connection if the peer has kept it waiting for too long."""
        now, owed = self.loop.time(), self._find_owed()
        # A tuple of the very same exchange and stage.
        if owed[0] is not self._owed[0] or owed[1] != self._owed[1]:
            self._owed, self._owed_since = owed, now
        elif now - self._owed_since > PATIENCE.get(owed[1], float("inf")):
            if owed[1] in ("head", "body"):
                self._refuse(TOO_SLOW)
            else:
                self.transport.abort()

    def _find_owed(self) -> tuple[Any, str]:
        if self.transport.is_closing():
            return self.cycle, "end"
        if self.flow.write_paused:
            return self.cycle, "answer"
        if self.kept_until:
            return self.cycle, "nothing"
        if self.cycle is None or self.cycle.response_complete:
            return self.cycle, "head"
        return self.cycle, "body" if self.cycle.more_body else "nothing"

    @property
    def kept_until(self) -> float:
        """When uvicorn closes it, as all that was asked is answered; 0 while it is in use."""
        timer = self.timeout_keep_alive_task
        return 0.0 if timer is None else timer.when()

    def _make_room(self) -> None:
        """Closes a connection where there are too many: that which has not been used for the longest."""
        if len(self.connections) <= MOST_CONNECTIONS:
            return
        kept = [one for one in self.connections if isinstance(one, Connection) and one.kept_until]
        if kept:
            longest = min(kept, key=lambda one: one.kept_until)
            # At once: it would be told that it has ended after the new one's request is read.
            self.connections.discard(longest)
            longest.transport.close()

    def _refuse(self, answer: bytes) -> None:
        # In the midst of an answer another one would be read as its end.
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(answer)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server, which looks after its connections."""

    async def on_tick(self, counter: int) -> bool:
        """Is called ten times a second."""
        if counter % TICKS_BETWEEN_LOOKS == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.look()
        return await super().on_tick(counter)
