"""Which port each program of a stack listens on: the wanted one, or the next that is free."""

import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from include.embedded.credentials import write_private
from include.embedded.errors import StackError

HOST = "127.0.0.1"
PORTS_TO_TRY = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of this machine's loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: without it, a connection closed a minute ago makes the port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def load_ports(home: Path) -> dict[str, int]:
    """Program -> port, as last chosen for the stack in `home`; empty before its first start."""
    return {name: chosen for name, (_, chosen) in _load(home).items()}


@contextmanager
def hold_ports(home: Path, wanted: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Chooses a free port for each program and remembers it for the next start.

    No other stack of this user is given one of them before the block ends, in which the programs come to listen.

    Args:
        home: The stack's directory.
        wanted: Program -> the port that its setting names.

    Yields:
        Program -> the port chosen last time while the setting stays and the port is free, else the wanted port or
        the first free one after it.

    Raises:
        StackError: None of the ports after a wanted one is free.
    """
    with ExitStack() as held:
        yield _choose(home, wanted, held)


def _choose(home: Path, wanted: Mapping[str, int], held: ExitStack) -> dict[str, int]:
    remembered = _load(home)
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        before, last = remembered.get(name, (None, None))
        candidates = [last] if before == port and last else []
        candidates += range(port, min(port + PORTS_TO_TRY, 65536))
        # Held before it is looked at: whoever held it until then listens by now.
        free = (
            candidate
            for candidate in candidates
            if candidate not in chosen.values() and _hold(candidate, held) and is_free(candidate)
        )
        try:
            chosen[name] = next(free)
        except StopIteration:
            raise StackError(
                f"No free port for {name} from {port} to {candidates[-1]}: set {name.upper()}_PORT"
            ) from None
    text = json.dumps({name: [wanted[name], chosen[name]] for name in wanted}, indent=2)
    write_private(home / "ports.json", text + "\n")
    return chosen


def _hold(port: int, held: ExitStack) -> bool:
    # Outside of the home, as it is about other stacks; gone with the block.
    path = Path(tempfile.gettempdir()) / f"mltrain-port-{os.getuid()}-{port}"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        held.callback(os.close, file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    held.callback(path.unlink, missing_ok=True)
    return True


def _load(home: Path) -> dict[str, tuple[int, int]]:
    path = home / "ports.json"
    try:
        return {name: tuple(pair) for name, pair in json.loads(path.read_text(encoding="utf-8")).items()}
    except (FileNotFoundError, ValueError):  # cut off: stopping and deleting the stack must go on all the same
        return {}
