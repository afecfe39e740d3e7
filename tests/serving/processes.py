"""The service as a process of its own, which is asked over real connections and can be killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from include.settings import ROOT
from tests.conftest import find_free_port
from tests.serving.conftest import KEY, SECRET
from tests.waiting import wait_until


@dataclass
class Process:
    """A service that runs, and how to speak to it."""

    program: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx.Response:
        """An answer, by a connection of its own."""
        return httpx.get(f"{self.url}{path}", headers={"X-API-Key": KEY}, trust_env=False, timeout=60)

    def predict(self, body: Any) -> Any:
        """A good answer to `/predict`."""
        headers = {"X-API-Key": KEY}
        answer = httpx.post(f"{self.url}/predict", json=body, headers=headers, trust_env=False, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def connect(self) -> socket.socket:
        """A bare connection, which gives up after a minute."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def kill(self) -> None:
        """Ends it without a word."""
        self.program.send_signal(signal.SIGKILL)
        self.program.wait()

    def answers(self) -> bool:
        """Whether it lives; an error if it has ended."""
        assert self.program.poll() is None, f"it ended with {self.program.returncode}:\n{self.log.read_text()}"
        try:
            return self.get("/healthz").is_success
        except httpx.TransportError:
            return False


@contextmanager
def run_process(mlflow_url: str, name: str, warehouse_url: str, home: Path) -> Iterator[Process]:
    """A service with that registered model, whose files are in `home`, for the length of the block."""
    port, log = find_free_port(), home / "log"
    environment = os.environ | {
        "MLTRAIN_HOME": str(home),
        "MLFLOW_TRACKING_URI": mlflow_url,
        "REGISTERED_MODEL": name,
        "SERVING_HOST": "127.0.0.1",
        "SERVING_PORT": str(port),
        "SERVING_WAREHOUSE_URL": warehouse_url,
        "SERVING_API_KEY": KEY,
        "SERVING_WEBHOOK_SECRET": SECRET,
    }
    with log.open("ab") as output:
        program = subprocess.Popen(
            [sys.executable, "-m", "include.serving"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    process = Process(program, port, log)
    try:
        wait_until(process.answers, "the service answers")
        yield process
    finally:
        program.terminate()
        program.wait()
