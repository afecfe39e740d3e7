"""An SMTP server that keeps each message as a file.

`python -m include.embedded.programs.mail_sink <port> <directory>` runs it until it is asked to end.
"""

import asyncio
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from include.embedded.programs.ports import HOST

MAXIMUM_BYTES = 32 * 1024 * 1024


class MailSink:
    """Keeps every message it is handed as `<UTC time>-<n>.eml`; a file appears whole or not at all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802, SMTP's
        """Stores one message and answers as SMTP wants it."""
        content = envelope.content or b""
        try:
            path = store_message(self.directory, content if isinstance(content, bytes) else content.encode())
        except OSError as error:
            # A full disk is not the message's fault: who sends it may come back.
            print(f"A message could not be stored: {error}", flush=True)
            return f"452 The message could not be stored: {error.strerror}"
        print(f"{path.name}: from {envelope.mail_from} to {', '.join(envelope.rcpt_tos)}", flush=True)
        return "250 OK"


def store_message(directory: Path, content: bytes) -> Path:
    """Writes `content` to a new file of `directory` and returns its path."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    temporary = directory / f".{stamp}-{os.getpid()}.part"
    try:
        temporary.write_bytes(content)
        for number in count(1):
            path = directory / f"{stamp}-{number}.eml"
            # Unlike a rename, a link never replaces a message that is there.
            with suppress(FileExistsError):
                path.hardlink_to(temporary)
                return path
    finally:
        temporary.unlink(missing_ok=True)
    raise AssertionError("unreachable: numbers do not end")


async def serve(port: int, directory: Path) -> None:
    """Accepts mail on the loopback address until the process ends."""
    directory.mkdir(parents=True, exist_ok=True)
    sink = MailSink(directory)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="localhost", data_size_limit=MAXIMUM_BYTES, loop=loop), HOST, port
    )
    print(f"Storing mail for {HOST}:{port} in {directory}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
