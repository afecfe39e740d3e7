"""Which values settings take, and what is said of those that they do not."""

import logging
from pathlib import Path
from typing import Any

import pytest

from include.configuration.layers import find_misspelt, gather, warn_once
from include.embedded.settings import STACK_KEYS
from include.errors import SettingsError
from include.settings import NEAR, SETTING_KEYS, Settings, read_settings, read_usable_settings
from include.settings import reading as module
from include.settings.team import TEAM_KEYS

# Key, value, what is said of it.
REFUSED = [
    ("MONTHS", "2024-1", "'2024-1' is not a month; write months as YYYY-MM"),
    ("MONTHS", "2024-13", "is not a month"),
    ("MONTHS", "0000-01", "is not a month"),
    ("SOURCE", "a\nb", "line break"),
    ("TIMEZONE", "America/NewYork", "did you mean America/New_York"),
    ("TIMEZONE", "America", "is not a time zone"),
    ("TIMEZONE", "../passwd", "is not a time zone"),
    ("SOURCE_TIMEOUT", "inf", "finite number"),
    ("SOURCE_TIMEOUT", "0", "greater than 0, not '0'"),
    ("SAMPLE_SEED", "-1", "greater than or equal to 0"),
    ("COLUMN_DROPOFF_ZONE", "PULocationID", "the name of COLUMN_PICKUP_ZONE already"),
    ("TARGET", "trip_distance", "the name of COLUMN_TRIP_DISTANCE already"),
    ("TRIP_DISTANCE_MIN", "1000000", "1e.06 is not above TRIP_DISTANCE_MIN"),
    ("TRIP_DISTANCE_MAX", "-1", "-1 is not above TRIP_DISTANCE_MIN, which is 0"),
    ("TARGET_MAX", "1", "1 is not above TARGET_MIN, which is 1"),
    ("TARGET_MIN", "nan", "finite number"),
    ("VALIDATION_FROM", "2024-02-30", "is not a day; write it as YYYY-MM-DD"),
    ("TEST_FROM", "soon", "is not a day"),
    ("FEATURE_SET", "richer", "there is no feature set 'richer'; there are rich, reference, pickup, default"),
    ("SKLEARN_MODELS", "linear_model.Laso", "did you mean linear_model.Lasso"),  # codespell:ignore laso
    ("SKLEARN_MODELS", "gbtree.gamma", "not a model type of sklearn"),
    ("LIGHTGBM_MODELS", "gbtree.gamma", "not a model type of lightgbm"),
    ("MAX_EVALUATIONS", "many", "valid integer.*, not 'many'"),
    ("MAX_EVALUATIONS", "1_0_", "valid integer"),
    ("BLEND_TRIALS", "1", "a blend is of 2 trials or more; 0 is no blend"),
    ("BLEND_TRIALS", "21", "less than or equal to 20"),
    ("BLEND_TRIALS", "-1", "greater than or equal to 0"),
    ("RANDOM_STATE", "4294967296", "less than or equal to"),
    ("LOG_LEVEL", "verbose", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ("REGISTERED_MODEL", "trips/duration", "it contains / or :"),
    ("APPROVAL_DEADLINE", "1e12", "less than or equal to 87840"),
    ("MONITORING_SCHEDULE", "0 6 * *", "write minute, hour, day of month, month and day of week"),
    ("RETRAINING_SCHEDULE", "61 * * * *", "is not a cron expression"),
    ("ALERT_SCHEDULE", "0 0 31 2 *", "is not a cron expression"),
    ("ALERT_SCHEDULE", "", "is not a cron expression"),
    ("DRIFT_WINDOWS_NEEDED", "4", "4 can never be reached: DRIFT_WINDOWS is 3"),
    ("DRIFT_WINDOWS", "1", "2 can never be reached: DRIFT_WINDOWS is 1"),
    ("ROLLING_MONTHS", "0", "greater than or equal to 1"),
    ("IGNORE_FAILURES", "perhaps", "valid boolean"),
    ("ALERT_TO_ERROR", "me@example.org;you@example.org", "several separated by commas"),
    ("ALERT_TO_INFO", "Me <me@example.org>", "is not a mail address"),
    ("ALERT_URLS", "slack:token", "has no ://"),
    ("BATCH_LOCATIONS", "https://user:cut/off@host/x.csv", r"^(?!.*cut).*'host/x.csv' is not an address.* / as %2F"),
    ("PARQUET_LOCATION", "sets", "'sets' is no place for files; write it as s3://bucket/directory or /directory"),
    ("PARQUET_LOCATION", "https://example.org/sets", "no place for files"),
    ("PARQUET_LOCATION", "s3://name:secret@bucket/sets", r"PARQUET_LOCATION(?!.*secret@).* credentials in the environ"),
]


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.env` of the test's own, alone with the environment without settings."""
    for key in SETTING_KEYS:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(module, "ENV_FILE", tmp_path / ".env")
    monkeypatch.setattr(module, "OVERRIDES", tmp_path / "settings.env")
    warn_once.cache_clear()
    return tmp_path / ".env"


def write(path: Path, **values: str) -> None:
    from include.configuration.env_file import quote

    path.write_text("# A comment\n" + "".join(f"{key}={quote(value)}\n" for key, value in values.items()))


@pytest.mark.parametrize(("key", "value", "message"), REFUSED)
def test_value_that_cannot_be_used_is_refused_with_what_is_right(
    env_file: Path, key: str, value: str, message: str
) -> None:
    write(env_file, **{key: value})
    with pytest.raises(SettingsError, match=message) as raised:
        read_settings()
    assert key in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ({"DASK_SCHEDULER_ADDRESS": ""}, "TRAINING_ENGINE.* dask needs DASK_SCHEDULER_ADDRESS, such as tcp://"),
        ({"XGBOOST_DEVICE": "cuda"}, "TRAINING_ENGINE.* dask fits on CPUs, and XGBOOST_DEVICE is cuda; set it to cpu"),
    ],
)
def test_cluster_that_could_not_fit_is_refused(env_file: Path, missing: dict[str, str], expected: str) -> None:
    given = {"TRAINING_ENGINE": "dask", "DASK_SCHEDULER_ADDRESS": "tcp://dask-scheduler:8786"}
    write(env_file, **{**given, **missing})
    with pytest.raises(SettingsError, match=expected):
        read_settings()
    write(env_file, **given)
    assert read_settings().dask_workers == 2


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("XGBOOST_DEVICE", "CUDA", "cuda"),
        ("APPROVAL", "Human", "human"),
        ("ALERT_URLS_FROM", " Error ", "error"),
        ("MONTHS", "2024-02, 2024-01,2024-02,\n", ("2024-02", "2024-01")),
        ("SOURCE", " tlc\n", "tlc"),
        ("VALIDATION_FROM", "20240203", "2024-02-03"),
        ("ALERT_TO_INFO", "", ()),
        ("MONITORING_SCHEDULE", "@daily", "@daily"),
        ("MONITORING_SCHEDULE", "*/10 6-8 * * mon-fri", "*/10 6-8 * * mon-fri"),
        ("ROLLING_MONTHS", "", None),
        ("IGNORE_FAILURES", "No", False),
    ],
)
def test_value_is_taken_as_people_write_it(env_file: Path, key: str, value: str, read: Any) -> None:
    write(env_file, **{key: value})
    settings = read_settings()
    assert getattr(settings, key.lower(), None) == read or getattr(settings.problem, key.lower()) == read


def test_message_says_where_the_value_stands(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(env_file, MONTHS="2024-1", TARGET_MIN="x")
    write(env_file.with_name("settings.env"), MAX_EVALUATIONS="-1")
    monkeypatch.setenv("KEEP_VERSIONS", "none")
    with pytest.raises(SettingsError) as raised:
        read_settings()
    directory = env_file.parent
    for place in (
        f"MONTHS ({directory}/.env, line 2)",
        f"TARGET_MIN ({directory}/.env, line 3)",
        f"MAX_EVALUATIONS ({directory}/settings.env, line 2)",
        "KEEP_VERSIONS (from the command line or the environment)",
    ):
        assert place in str(raised.value)


def test_environment_wins_over_overrides_and_these_over_the_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(env_file, MAX_EVALUATIONS="1", KEEP_VERSIONS="1", MINIMUM_ROWS="1")
    write(env_file.with_name("settings.env"), KEEP_VERSIONS="2", MINIMUM_ROWS="2")
    monkeypatch.setenv("MINIMUM_ROWS", "3")
    settings = read_settings()
    assert (settings.max_evaluations, settings.keep_versions, settings.minimum_rows) == (1, 2, 3)


def test_secret_is_in_no_message(env_file: Path) -> None:
    write(env_file, ALERT_URLS="token-of-slack")
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert "token-of-slack" not in str(raised.value)


def test_override_that_is_no_setting_is_refused_with_the_nearest_name(env_file: Path) -> None:
    with pytest.raises(SettingsError, match="max_evaluation is not a setting; did you mean max_evaluations"):
        read_settings(max_evaluation=3)


def test_misspelt_key_and_missing_file_are_warned_of_once(env_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_settings()
        write(env_file, MAX_EVALUATION="3", AIRFLOW_PORT="8080", MY_TOKEN="x")
        read_settings()
        read_settings()
    [missing, misspelt] = caplog.messages
    assert missing.startswith("There is no ")
    assert misspelt == f"MAX_EVALUATION ({env_file}, line 2) is not a setting; did you mean MAX_EVALUATIONS?"


def test_no_key_of_the_stacks_is_taken_for_a_misspelt_one(env_file: Path) -> None:
    write(env_file, **dict.fromkeys(STACK_KEYS | TEAM_KEYS, "x"))
    assert find_misspelt(gather(Settings.model_fields, (env_file,), {}), SETTING_KEYS, NEAR) == []


def test_dag_files_are_read_with_the_default_for_each_value_that_cannot_be_used(env_file: Path) -> None:
    write(env_file, MONTHS="2024-1", RETRAINING_SCHEDULE="0 5 * * *", ALERT_SCHEDULE="whenever")
    settings = read_usable_settings()
    assert settings.retraining_schedule == "0 5 * * *"
    assert (settings.months, settings.alert_schedule) == (Settings().months, Settings().alert_schedule)


@pytest.mark.parametrize("text", ["TARGET_MIN=70\n", "SOURCE='tlc\n", "TARGET_MAX=0.5\nTARGET_MIN=x\n"])
def test_dag_files_are_read_whatever_the_file_says(env_file: Path, text: str) -> None:
    env_file.write_text(text)
    assert read_usable_settings() == Settings()
