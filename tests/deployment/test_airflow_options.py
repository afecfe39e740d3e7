"""What values.yaml and docs/production.md tell Airflow does what they say, in Airflow itself."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from include.settings import ROOT

BEAT = (
    "from airflow._shared.observability.metrics import stats\n"
    "from airflow.observability.metrics import stats_utils\n"
    "stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)\n"
    "stats.incr('scheduler_heartbeat')\n"
)
READ_BUNDLE = (
    "import json, os, sys\n"
    "from airflow._shared.module_loading import import_string\n"
    "given = json.loads(os.environ['BUNDLE'])\n"
    "bundle = import_string(given['classpath'])(name=given['name'], **given['kwargs'])\n"
    "bundle.initialize()\n"
    "bundle.refresh()\n"
    "print(bundle.get_current_version().version, (bundle.path / 'dags' / 'one.py').read_text())\n"
)


def run(code: str, home: Path, **environment: str) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW_", "OTEL_"))}
    given = kept | {"AIRFLOW_HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False, cwd=home
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def listen_by_http() -> Iterator[tuple[str, list[bytes]]]:
    """Keeps what is posted."""
    heard: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()


def test_metrics_reach_a_statsd_server(tmp_path: Path) -> None:
    pytest.importorskip("statsd", reason="statsd is not installed (requirements-team.txt)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        host, port = server.getsockname()
        run(BEAT, tmp_path, AIRFLOW__METRICS__STATSD_ON="True", AIRFLOW__METRICS__STATSD_HOST=host,
            AIRFLOW__METRICS__STATSD_PORT=str(port))  # fmt: skip
        heard = [server.recv(1000)]
        while b"scheduler_heartbeat" not in heard[-1]:
            heard.append(server.recv(1000))
        assert heard[-1].startswith(b"airflow.scheduler_heartbeat:1|c")


def test_metrics_reach_an_opentelemetry_collector(tmp_path: Path) -> None:
    with listen_by_http() as (address, heard):
        run(BEAT, tmp_path, AIRFLOW__METRICS__OTEL_ON="True", OTEL_EXPORTER_OTLP_ENDPOINT=address,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")  # fmt: skip
    assert b"scheduler_heartbeat" in b"".join(heard)


@pytest.mark.skipif(not find_spec("airflow.providers.git"), reason="the Git provider is not installed")
def test_bundle_of_the_chart_stays_at_its_commit(tmp_path: Path) -> None:
    repository, home = tmp_path / "repository", tmp_path / "airflow"
    (repository / "dags").mkdir(parents=True)
    home.mkdir()

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        command = ["git", *identity, "-C", str(repository), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    commits = []
    for text in ("first", "second"):
        (repository / "dags" / "one.py").write_text(text)
        git("add", ".")
        git("commit", "--quiet", "--message", text)
        commits.append(git("rev-parse", "HEAD"))
    values = yaml.safe_load((ROOT / "deploy" / "helm" / "values.yaml").read_text())
    bundle = values["dagProcessor"]["dagBundleConfigList"][0]
    bundle["kwargs"]["tracking_ref"] = commits[0]
    connection = json.dumps({"conn_type": "git", "host": str(repository)})
    said = run(READ_BUNDLE, home, BUNDLE=json.dumps(bundle), AIRFLOW_CONN_MLTRAIN_GIT=connection,
               AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH=str(home / "bundles"))  # fmt: skip
    assert said.strip().splitlines()[-1] == f"{commits[0]} first"
