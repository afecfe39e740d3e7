"""What of the caller's environment reaches the launcher and the stack."""

from pathlib import Path

import pytest

from include.configuration import layers
from include.embedded.isolation import choose_environment, isolate

FOREIGN = {
    "PYTHONPATH": "/other/project",
    "PYTHONHOME": "/other",
    "AIRFLOW__CORE__EXECUTOR": "Other",
    "AIRFLOW_HOME": "/other",
    "MLFLOW_TRACKING_URI": "http://other",
    "PGHOST": "other",
    "VIRTUAL_ENV": "/other",
    "GIT_COMMIT": "0" * 40,
    "MAKEFLAGS": "x",
    "LD_PRELOAD": "/other.so",
    "GITHUB_TOKEN": "secret",
    "DATABASE_PASSWORD": "secret",
    "OMP_NUM_THREADS": "1",
    "REQUESTS_CA": "x",
}
NEEDED = {
    "PATH": "/usr/bin",
    "HOME": "/home/me",
    "LANG": "de_DE.UTF-8",
    "LC_ALL": "C",
    "TMPDIR": "/scratch",
    "https_proxy": "http://proxy:3128",
    "NO_PROXY": "example.org",
    "SSL_CERT_FILE": "/etc/ours.pem",
    "AWS_PROFILE": "mine",
    "AZURE_STORAGE_CONNECTION_STRING": "x",
    "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json",
    "CUDA_VISIBLE_DEVICES": "1",
}


def test_what_sources_and_the_machine_need_is_let_through_and_nothing_else() -> None:
    assert choose_environment(FOREIGN | NEEDED) == NEEDED


def test_variable_that_the_env_file_refers_to_is_let_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("SOURCE=https://example.org/{month}.parquet?sig=${MY_SIGNATURE}\n")
    monkeypatch.setattr("include.embedded.isolation.ENV_FILE", tmp_path / ".env")
    shell = {"MY_SIGNATURE": "abc", "OTHER": "x"}
    assert choose_environment(shell) == {"MY_SIGNATURE": "abc"}
    assert layers.read_env_file(tmp_path / ".env", shell).values["SOURCE"].endswith("sig=abc")


def test_launcher_removes_all_else_and_knows_what() -> None:
    environment = FOREIGN | NEEDED | {"TERM": "xterm", "MONTHS": "2024-01"}
    removed = isolate(environment, ["MONTHS"])
    assert removed == sorted(FOREIGN)
    assert environment == NEEDED | {"TERM": "xterm", "MONTHS": "2024-01"}
