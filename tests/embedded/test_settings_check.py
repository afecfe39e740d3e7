"""No setting that cannot be used gets as far as a running stack."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.configuration.layers import ROOT
from include.embedded import settings_check
from include.embedded.errors import StackError
from include.embedded.overrides import write_overrides
from include.embedded.settings_check import check_settings
from include.errors import SettingsError
from include.tracking.lineage import UNCOMMITTED


def test_code_that_no_commit_holds_is_refused_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMIT", "a" * 40 + UNCOMMITTED)
    with pytest.raises(SettingsError, match="REGISTER_UNCOMMITTED=true"):
        check_settings({})
    check_settings({"REGISTER_UNCOMMITTED": "true"})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("SOURCE", "green.docx", "cannot tell what it is"),
        ("SOURCE", "/data/green.parquet", "is the same for every month"),
        ("SOURCE", "data/green_{month}.parquet", "is relative; write the absolute path, /"),
        ("SOURCE", "https:///green_{month}.parquet", "has no host"),
        ("SOURCE", "htps://example.org/green_{month}.parquet", "htps:// cannot be read here"),
        ("SOURCE", "postgresql://me:secret@host/database", "ends in /database/schema.table"),
        ("ZONES_SOURCE", "nowhere", "give `auto`, `none`"),
        ("ZONES_SOURCE", "zones.csv", "is relative"),
        ("VALIDATION_FROM", "2023-01-01", "leaves a split without rows"),
        ("TEST_FROM", "2025-01-01", "must lie after"),
        ("ALERT_URLS", "slak://secret", "apprise does not understand address 1, slak"),
        ("AIRFLOW_PORT", "80", "greater than or equal to 1024, not '80'"),
        ("MLFLOW_DATABASE", "airflow", "already the name of AIRFLOW_DATABASE"),
        ("WAREHOUSE_DATABASE", "postgres", "is reserved by Postgres"),
        ("WAREHOUSE_DATABASE", "a/b", "cannot be a database's name"),
        ("WAREHOUSE_URL", "host=db password=secret", "write postgresql://user:password@host:port/database"),
        ("WAREHOUSE_URL", "mysql://me:secret@db/x", "write postgresql://"),
        ("ADMIN_USER", "me:admin", "cannot be a person's name"),
        ("START_TIMEOUT", "0", "greater than 0"),
        ("PARALLEL_TASKS", "none", "valid integer"),
        ("TEAM_USERS", "ann", "is not name:role"),
        ("MONTHS", "2024-1", "is not a month"),
    ],
)
def test_value_that_those_who_use_it_cannot_use_is_refused_by_its_key(key: str, value: str, message: str) -> None:
    with pytest.raises((SettingsError, StackError), match=message) as raised:
        check_settings({key: value})
    assert key in str(raised.value)
    assert "secret" not in str(raised.value)


def test_settings_as_they_are_shipped_are_good_and_give_nothing_to_warn_of() -> None:
    assert check_settings({})[1] == []


def test_names_that_are_nearly_settings_are_warned_of_with_the_nearest() -> None:
    warnings = check_settings(
        {}, ["MAX_EVALUATION", "MONTHS", "HOW", "EPOCHS", "MLTRAIN_HOME"], ["MAX_EVALUATONS", "EDITOR"]
    )[1]
    assert warnings == [
        "EPOCHS (given to make) is not a setting and has no effect",
        "MAX_EVALUATION (given to make) is not a setting and has no effect; did you mean MAX_EVALUATIONS?",
        "MAX_EVALUATONS (in the environment) is not a setting; did you mean MAX_EVALUATIONS?",
    ]


def test_env_file_is_searched_for_what_has_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "MAX_EVALUATION=3\nmonths=2024-01\nEPOCHS=3\nCOMPOSE_PROFILES=gpu\nMONTHS=-$A$B\nA=2024-01\nAIRFLOW_PORT=8080\n"
    )
    monkeypatch.setattr(settings_check, "ENV_FILE", path)
    with pytest.raises(SettingsError, match="MONTHS"):
        check_settings({})
    path.write_text("A=2024-0\n" + path.read_text().replace("-$A$B", "${A}1$B"))
    assert check_settings({})[1] == [
        f"MAX_EVALUATION ({path}, line 2) is not a setting; did you mean MAX_EVALUATIONS?",
        f"months ({path}, line 3) is not a setting; did you mean MONTHS?",
        f"EPOCHS ({path}, line 4) is not a setting and has no effect",
        f"{path} refers to $B, which is not set: it counts as empty.",
    ]
    monkeypatch.setattr(settings_check, "ENV_FILE", tmp_path / "none")
    assert check_settings({})[1] == [f"There is no {tmp_path}/none: every setting has its default."]


@pytest.mark.parametrize("command", ["up", "run"])
def test_refused_setting_leaves_everything_as_it_was(tmp_path: Path, command: str) -> None:
    write_overrides(tmp_path, {"MAX_EVALUATIONS": "3"})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "include.embedded", command],
        cwd=ROOT,
        env=os.environ | {"MLTRAIN_HOME": str(tmp_path), "MONTHS": "2024-1", "PGHOST": "elsewhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stdout.splitlines()
    assert line.startswith("SettingsError: Settings that cannot be used: MONTHS (from the command line")
    assert done.stderr == ""
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
