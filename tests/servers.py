"""Servers of sources: files by HTTP, objects by S3."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass
class WebServer:
    """What is served: path to body, or to a function of the query that gives status and body; and what was asked."""

    url: str = ""
    pages: dict[str, bytes | Callable[[dict[str, str]], tuple[int, bytes]]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def web_server() -> Iterator[WebServer]:
    """An HTTP server on this machine, empty at first."""
    web = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, with_body: bool) -> None:
            parts = urlsplit(self.path)
            web.requests.append((self.command, self.path))
            page = web.pages.get(parts.path, lambda query: (404, b"nothing here"))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, body = page(query) if callable(page) else (200, page)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **web.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def log_message(self, *_: Any) -> None:
            """Says nothing: the requests are kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield web
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """Address of an S3 server with an empty bucket `trips`, credentials and address set in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="trips")
        yield f"http://{host}:{port}"
    server.stop()
