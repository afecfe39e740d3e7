"""`python -m benchmarks.load`: sends one request again and again from a process of its own, and times the answers.

Takes a `Load` as JSON on standard input and prints an `Outcome` as JSON. Only sockets and uvloop: a common HTTP client
would take as long for a request as the server that is measured.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import uvloop

from include.settings import ROOT

MOST_BODIES = 20


@dataclass(frozen=True)
class Load:
    """What is sent, and how.

    Attributes:
        rate: Requests a second, sent whether or not earlier ones were answered; 0: each connection sends its next one
            when it has its answer.
    """

    url: str
    body: str
    headers: dict[str, str]
    seconds: float
    rate: float = 0
    connections: int = 16


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        milliseconds: From sending to the answer's last byte, ascending.
        errors: Requests without a good answer.
        bodies: Different answers, and how often each came; at most `MOST_BODIES` of them.
    """

    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0
    bodies: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """The time within which that share of the good answers came, in milliseconds."""
        return self.milliseconds[min(int(share * len(self.milliseconds)), len(self.milliseconds) - 1)]

    @property
    def throughput(self) -> float:
        """Good answers a second."""
        return len(self.milliseconds) / self.seconds


def put_under(load: Load) -> subprocess.Popen[str]:
    """Starts to send; `read_outcome` waits for the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdin
    process.stdin.write(json.dumps(asdict(load)))
    process.stdin.close()
    return process


def read_outcome(process: subprocess.Popen[str]) -> Outcome:
    """What came of a load, at its end."""
    assert process.stdout
    outcome = Outcome(**json.loads(process.stdout.read()))
    process.wait()
    return outcome


class Connection:
    """One connection that is kept alive, and opened again where the server closed it."""

    def __init__(self, load: Load) -> None:
        parts = urlsplit(load.url)
        self.address = parts.hostname, parts.port
        lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in load.headers.items()]
        lines += [f"Content-Length: {len(load.body.encode())}", "", load.body]
        self.request = "\r\n".join(lines).encode()
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self) -> bytes:
        """The body of a good answer; an OSError for any other."""
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*self.address)
        try:
            self.writer.write(self.request)
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await self.reader.readexactly(length)
        except (OSError, EOFError, ValueError) as error:
            self.writer.close()
            self.reader = self.writer = None
            raise OSError("the connection broke") from error
        if not head.startswith(b"http/1.1 200"):
            raise OSError(body.decode(errors="replace")[:200])
        return body


async def send(load: Load) -> Outcome:
    """Sends for as long as the load says."""
    outcome, bodies = Outcome(), Counter[str]()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(load.connections):
        free.put_nowait(Connection(load))

    async def ask(connection: Connection, due: float) -> None:
        try:
            body = (await connection.ask()).decode()
            outcome.milliseconds.append(1000 * (time.perf_counter() - due))
            if body in bodies or len(bodies) < MOST_BODIES:
                bodies[body] += 1
        except OSError:
            outcome.errors += 1
        free.put_nowait(connection)

    begun = time.perf_counter()
    asking: set[asyncio.Task[None]] = set()
    sent = 0
    while (now := time.perf_counter() - begun) < load.seconds:
        if load.rate and now < sent / load.rate:
            await asyncio.sleep(sent / load.rate - now)
        connection = await free.get()
        # A request that had to wait for a connection has waited for the service, too.
        due = begun + sent / load.rate if load.rate else time.perf_counter()
        task = asyncio.create_task(ask(connection, due))
        asking.add(task)
        task.add_done_callback(asking.discard)
        sent += 1
    await asyncio.gather(*asking)
    outcome.seconds = time.perf_counter() - begun
    outcome.milliseconds.sort()
    outcome.bodies = dict(bodies)
    return outcome


if __name__ == "__main__":
    found = uvloop.run(send(Load(**json.loads(sys.stdin.read()))))
    # A pipe that does not block takes a part of a long line, as one without a buffer does: the rest is lost.
    os.set_blocking(sys.stdout.fileno(), True)
    with open(sys.stdout.fileno(), "w", closefd=False) as buffered:
        json.dump(asdict(found), buffered)
