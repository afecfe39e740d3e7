"""Which ports a stack chooses."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from include.embedded.errors import StackError
from include.embedded.programs.ports import HOST, hold_ports, is_free, load_ports
from include.settings import ROOT


def listen() -> socket.socket:
    server = socket.socket()
    server.bind((HOST, 0))
    server.listen()
    return server


def choose_ports(home: Path, wanted: dict[str, int]) -> dict[str, int]:
    with hold_ports(home, wanted) as chosen:
        return chosen


def test_port_is_not_free_while_somebody_listens() -> None:
    with listen() as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_next_free_port_is_chosen_when_the_wanted_one_is_taken(tmp_path: Path) -> None:
    with listen() as server:
        taken = server.getsockname()[1]
        chosen = choose_ports(tmp_path, {"mlflow": taken})
    assert taken < chosen["mlflow"] <= taken + 200


def test_two_programs_never_share_a_port(tmp_path: Path) -> None:
    with listen() as server:
        port = server.getsockname()[1]
    chosen = choose_ports(tmp_path, {"airflow": port, "mlflow": port})
    assert chosen["airflow"] != chosen["mlflow"]


def test_two_stacks_that_start_at_once_never_share_a_port(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    with listen() as server:
        port = server.getsockname()[1]
    with hold_ports(homes[0], {"mlflow": port}) as one, hold_ports(homes[1], {"mlflow": port}) as two:
        assert one["mlflow"] == port
        assert two["mlflow"] > port
    assert choose_ports(tmp_path, {"mlflow": port}) == {"mlflow": port}


def test_chosen_port_is_kept_while_its_setting_stays(tmp_path: Path) -> None:
    with listen() as server:
        taken = server.getsockname()[1]
        first = choose_ports(tmp_path, {"mlflow": taken})
    assert choose_ports(tmp_path, {"mlflow": taken}) == first
    assert load_ports(tmp_path) == first


def test_changed_setting_wins_over_the_port_chosen_before(tmp_path: Path) -> None:
    with listen() as one, listen() as two:
        first, second = one.getsockname()[1], two.getsockname()[1]
    choose_ports(tmp_path, {"mlflow": first})
    assert choose_ports(tmp_path, {"mlflow": second}) == {"mlflow": second}


def test_ports_that_were_cut_off_are_chosen_again(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"mlflow": [50')
    assert load_ports(tmp_path) == {}
    chosen = choose_ports(tmp_path, {"mlflow": 5000})
    assert load_ports(tmp_path) == chosen


def test_full_disk_leaves_the_ports_chosen_before(tmp_path: Path) -> None:
    chosen = choose_ports(tmp_path, {"mlflow": 5000})
    script = (
        "import resource, sys, tempfile\n"
        "from pathlib import Path\n"
        "from include.embedded.programs.ports import hold_ports\n"
        "tempfile.gettempdir()  # which tries to write\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "with hold_ports(Path(sys.argv[1]), {'mlflow': 6000}): pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert "File too large" in done.stderr
    assert load_ports(tmp_path) == chosen


def test_error_names_the_setting_when_no_port_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.embedded.programs.ports.is_free", lambda port: False)
    with pytest.raises(StackError, match="MLFLOW_PORT"):
        choose_ports(tmp_path, {"mlflow": 5000})
