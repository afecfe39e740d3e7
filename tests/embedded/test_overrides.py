"""Settings given to `make up` and `make run`."""

from pathlib import Path

import pytest

from include.embedded.overrides import show_override, write_overrides
from include.settings import Settings, build_settings, gather_settings


def read(home: Path) -> Settings:
    return build_settings(gather_settings((home / "settings.env",), {}))


def test_settings_in_the_environment_reach_the_file_that_tasks_read(tmp_path: Path) -> None:
    overrides = write_overrides(tmp_path, {"SOURCE": "tlc", "MONTHS": "2024-01,2024-02", "HOME": "/root"})
    assert overrides == {"MONTHS": "2024-01,2024-02", "SOURCE": "tlc"}
    assert read(tmp_path).months == ("2024-01", "2024-02")


def test_settings_given_before_are_gone_when_not_given_again(tmp_path: Path) -> None:
    write_overrides(tmp_path, {"SOURCE": "tlc"})
    write_overrides(tmp_path, {"MAX_EVALUATIONS": "3"})
    assert read(tmp_path).problem.source == "sample"
    assert read(tmp_path).max_evaluations == 3


@pytest.mark.parametrize(
    "value", ["file:///data/{month}.parquet", "a b#c", "it's", 'say "so"', "back\\slash", "$HOME ${HOME} $$b"]
)
def test_value_is_read_as_it_was_given(tmp_path: Path, value: str) -> None:
    write_overrides(tmp_path, {"SOURCE": value})
    assert read(tmp_path).problem.source == value


def test_tracking_address_of_the_shell_does_not_lead_tasks_elsewhere(tmp_path: Path) -> None:
    assert write_overrides(tmp_path, {"MLFLOW_TRACKING_URI": "http://elsewhere"}) == {}


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("SOURCE", "postgresql://ann:s3,cret@db/shop/public.orders", "postgresql://***@db/shop/public.orders"),
        ("SOURCE", "file:///data/{month}.parquet", "file:///data/{month}.parquet"),
        ("ZONES_SOURCE", "https://host/zones.csv?token=s3cret", "https://host/zones.csv?token=***"),
        (
            "BATCH_LOCATIONS",
            "https://a/*.csv?sig=s3cret#x, https://ann:s3cret@b/*.csv",
            "https://a/*.csv?sig=***#x,https://***@b/*.csv",
        ),
        ("ALERT_URLS", "slack://s3cret", "***"),
        ("MONTHS", "2024-01, 2024-02", "2024-01, 2024-02"),
    ],
)
def test_value_is_shown_without_its_secrets(key: str, value: str, shown: str) -> None:
    assert show_override(key, value) == shown
