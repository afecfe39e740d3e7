"""Limits of connections and requests, over real sockets: what a caller without the key can make the service keep."""

import asyncio
import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from include.serving.access import MOST_SIGNED_AT_ONCE
from include.serving.middleware import limits
from include.serving.middleware.connections import CONNECTIONS_FOR_HEALTH, MOST_CONNECTIONS, MOST_HEAD_BYTES
from include.serving.middleware.limits import Limited
from include.tracking.runs import Tracker
from tests.registered import LASSO, register
from tests.serving.conftest import KEY, TRIP
from tests.serving.processes import Process, run_process
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]
TRIP_BODY = json.dumps(TRIP)
# Headers of a webhook as of the moment of sending.
SIGNED = "signed now"


@pytest.fixture(scope="module")
def process(tracker: Tracker, module_warehouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service with a champion, version 1."""
    register(tracker, "connected", LASSO)
    with run_process(tracker.uri, "connected", module_warehouse_url, tmp_path_factory.mktemp("home")) as running:
        wait_until(lambda: running.get("/readyz").status_code == 200, "the service is ready")
        yield running
        assert running.answers()
        assert "Traceback" not in running.log.read_text()


def open_many(process: Process, number: int, data: bytes) -> list[socket.socket]:
    connections = [process.connect() for _ in range(number)]
    for connection in connections:
        connection.sendall(data)
    return connections


def read_all(connection: socket.socket) -> bytes:
    """What comes until the service closes the connection; an error if it never does."""
    received = b""
    with connection:
        try:
            while data := connection.recv(65536):
                received += data
        # Closed while more of ours was under way.
        except ConnectionError:
            pass
    return received


def ask(process: Process, data: bytes) -> bytes:
    """The beginning of an answer."""
    with process.connect() as connection:
        connection.sendall(data)
        return connection.recv(65536)


def is_answered(connection: socket.socket) -> bool:
    """Whether a question for the service's health on that connection has a good answer."""
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def read_answers(connection: socket.socket, number: int) -> None:
    """Reads as many good answers to predictions; heads and bodies come by themselves."""
    received = b""
    while received.count(b'"version":1},"warnings":[]}') < number:
        part = connection.recv(65536)
        assert part, received
        received += part
    assert received.count(b"HTTP/1.1 200 ") == number


def post(path: str, headers: str, length: int | None) -> bytes:
    if headers == SIGNED:
        headers = f"X-MLflow-Signature: v1,AAAA\r\nX-MLflow-Timestamp: {int(time.time())}\r\n"
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}{size}\r\n\r\n".encode()


def test_requests_that_are_not_sent_to_their_end_are_given_up_while_others_are_answered(process: Process) -> None:
    heads = open_many(process, 200, b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    slow = heads[0]
    silent = open_many(process, 20, b"")
    lines = open_many(process, 20, b"\r\n")
    bodies = open_many(process, 20, post("/predict", f"X-API-Key: {KEY}\r\n", 1000) + b"{")
    chunks = open_many(process, 20, post("/predict", f"X-API-Key: {KEY}\r\n", None) + b"1\r\n{\r\n")
    kept, begun = process.connect(), process.connect()
    assert is_answered(kept)
    assert is_answered(begun)
    begun.sendall(b"\r\n")
    assert process.predict(TRIP)["predictions"]
    assert process.get("/readyz").status_code == 200
    # A head that comes byte by byte is given up, too.
    while not select.select([slow], [], [], 0.2)[0]:
        slow.sendall(b"x")
    for connection in (*heads, *silent, *lines, *bodies, *chunks, begun):
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")
    # Nothing is owed on a connection that is kept for the next request.
    with kept:
        assert is_answered(kept)


def test_caller_who_hangs_up_within_a_body_leaves_no_trace(process: Process) -> None:
    for connection in open_many(process, 5, post("/predict", f"X-API-Key: {KEY}\r\n", 1000) + b"{"):
        connection.close()
    assert process.predict(TRIP)["predictions"]
    assert "Traceback" not in process.log.read_text()


def test_connection_that_is_kept_alive_can_be_used_again_and_again(process: Process) -> None:
    request = post("/predict", f"X-API-Key: {KEY}\r\n", len(TRIP_BODY)) + TRIP_BODY.encode()
    with process.connect() as connection:
        for _ in range(200):
            connection.sendall(request)
            read_answers(connection, 1)
        # Two at once, and one in two parts.
        connection.sendall(request + request + request[:40])
        read_answers(connection, 2)
        connection.sendall(request[40:])
        read_answers(connection, 1)


def test_head_and_body_of_an_answer_are_one_packet(process: Process) -> None:
    request = post("/predict", f"X-API-Key: {KEY}\r\n", len(TRIP_BODY)) + TRIP_BODY.encode()
    with process.connect() as connection:
        for _ in range(100):
            connection.sendall(request)
            assert connection.recv(65536).endswith(b'"warnings":[]}')


def test_head_without_a_body_is_sent(process: Process) -> None:
    with process.connect() as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 405 ")
        # Nothing of it comes later, in front of the next answer.
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_caller_who_asks_first_is_told_to_send_the_body(process: Process) -> None:
    head = post("/predict", f"X-API-Key: {KEY}\r\nExpect: 100-continue\r\n", len(TRIP_BODY))
    with process.connect() as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(TRIP_BODY.encode())
        read_answers(connection, 1)


@pytest.mark.parametrize(
    "begin",
    [b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ", b"GET /", b"GET /healthz HTTP/1.1\r\n", b""],
    ids=["one header", "path", "many headers", "trailers"],
)
def test_head_without_end_is_cut_off(process: Process, begin: bytes) -> None:
    more = b"X-More: x\r\n" * 1000 if begin.endswith(b"\r\n") else b"x" * 10_000
    if not begin:
        begin, more = post("/predict", f"X-API-Key: {KEY}\r\n", None) + b"1\r\n{\r\n0\r\n", b"X-More: x\r\n" * 1000
    with process.connect() as connection:
        sent = 0
        try:
            connection.sendall(begin)
            while not select.select([connection], [], [], 0)[0]:
                connection.sendall(more)
                sent += len(more)
                assert sent < 100 * MOST_HEAD_BYTES
        # Closed at once, with more of ours under way.
        except ConnectionError:
            pass
    assert sent >= MOST_HEAD_BYTES / 2


def test_body_in_small_chunks_is_no_long_head(process: Process) -> None:
    trips = json.dumps([TRIP] * 2000)
    with process.connect() as connection:
        connection.sendall(post("/predict", f"X-API-Key: {KEY}\r\n", None))
        for at in range(0, len(trips), 4):
            part = trips[at : at + 4]
            connection.sendall(f"{len(part):x}\r\n{part}\r\n".encode())
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("headers", "length", "status"),
    [
        ("X-MLflow-Signature: x\r\n", 16_000_000, 401),
        ("X-MLflow-Signature: x\r\nX-MLflow-Timestamp: 1\r\n", 16_000_000, 401),
        (SIGNED, 16_000_000, 413),
        (SIGNED, 10**400, 413),
        (f"X-API-Key: {KEY}\r\n", 16_000_000, 200),
    ],
    ids=["signature alone", "old", "signed now", "no such length", "key"],
)
def test_reload_answers_before_a_large_body_has_come(process: Process, headers: str, length: int, status: int) -> None:
    answer = ask(process, post("/reload", headers, length))
    # A length that no number of the parser holds is no request.
    assert answer.startswith((f"HTTP/1.1 {status} ".encode(), b"HTTP/1.1 400 " if length > 10**20 else b"none"))


def test_signature_makes_the_service_read_no_more_than_a_webhook_has(process: Process) -> None:
    part = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for _ in range(40):
        with process.connect() as connection:
            connection.sendall(post("/reload", SIGNED, None) + part + b"1\r\n \r\n")
            # The body could go on for as long as it likes; the answer is there.
            assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_webhooks_whose_bodies_do_not_come_are_few_and_given_up(process: Process) -> None:
    waiting = open_many(process, MOST_SIGNED_AT_ONCE, post("/reload", SIGNED, 100) + b"{")
    wait_until(lambda: ask(process, post("/reload", SIGNED, 100)).startswith(b"HTTP/1.1 429 "), "all places are taken")
    assert process.predict(TRIP)["predictions"]
    for connection in waiting:
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")
    assert ask(process, post("/reload", SIGNED, 2) + b"{}").startswith(b"HTTP/1.1 401 ")


def test_health_is_answered_where_there_are_too_many_connections(process: Process) -> None:
    head = b"GET /model HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY.encode() + b"\r\n"
    with ExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            stack.enter_context(process.connect()).sendall(head)
        answer = ask(process, head + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        for path in ("/healthz", "/readyz"):
            assert process.get(path).status_code == 200
        beyond = [stack.enter_context(process.connect()) for _ in range(CONNECTIONS_FOR_HEALTH + 20)]
        assert read_all(beyond[-1]).startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: process.get("/model").status_code == 200, "connections are free again")


def test_connection_that_has_not_been_used_for_the_longest_makes_room(process: Process) -> None:
    with ExitStack() as stack:
        kept = [stack.enter_context(process.connect()) for _ in range(MOST_CONNECTIONS)]
        for connection in kept:
            assert is_answered(connection)
            if connection is kept[0]:
                # What happens within a thousandth of a second happens at once to the service's clock.
                time.sleep(0.01)
        assert process.get("/model").status_code == 200
        assert kept[0].recv(1) == b""
        assert is_answered(kept[1])
        assert is_answered(kept[-1])


ODD = {
    "NUL in the path": b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
    "high byte in the path": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "escaped NUL": b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "escaped surrogate": b"GET /%ED%A0%80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "broken escape": b"GET /%zz?%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "no path": b"GET ?x HTTP/1.1\r\nHost: x\r\n\r\n",
    "other server": b"GET http://other:99999/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a header": b"GET /model HTTP/1.1\r\nHost: x\r\nX-API-Key: a\x00b\r\n\r\n",
    "high bytes in a header": b"GET /model HTTP/1.1\r\nHost: x\r\nX-API-Key: \xff\xfe\r\n\r\n",
    "login that is no base64": b"GET /model HTTP/1.1\r\nHost: x\r\nAuthorization: Basic \xff\r\n\r\n",
    "login that is no text": b"GET /model HTTP/1.1\r\nHost: x\r\nAuthorization: Basic /////w==\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two lengths": b"POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "length below zero": b"POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "chunk that is none": b"POST /predict HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY.encode()
    + b"\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "websocket": b"GET /model HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_request_is_refused_as_the_callers_fault(process: Process, name: str) -> None:
    assert ask(process, ODD[name]).startswith(b"HTTP/1.1 4")


def test_requests_beyond_the_limit_are_told_to_come_again_but_for_those_for_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MOST_REQUESTS", 3)

    async def run() -> list[Any]:
        ended, answers = asyncio.Event(), []

        async def work(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/predict":
                await ended.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        app = Limited(work)

        async def ask_for(path: str) -> None:
            async def keep(message: Any) -> None:
                if message["type"] == "http.response.start":
                    answers.append((path, message["status"], dict(message["headers"]).get(b"retry-after")))

            await app({"type": "http", "path": path}, None, keep)  # type: ignore[arg-type]

        waiting = [asyncio.create_task(ask_for("/predict")) for _ in range(3)]
        await asyncio.sleep(0)
        for path in ("/predict", "/docs", "/healthz", "/readyz"):
            await ask_for(path)
        ended.set()
        await asyncio.gather(*waiting)
        await ask_for("/predict")
        return answers

    assert asyncio.run(run()) == [
        ("/predict", 503, b"1"), ("/docs", 503, b"1"), ("/healthz", 200, None), ("/readyz", 200, None),
        *[("/predict", 200, None)] * 4,
    ]  # fmt: skip
