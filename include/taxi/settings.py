"""Every setting of the domain, read once from the environment and handed on as one frozen object.

A value comes from the process environment, else from the overrides that the last `make run` was given, else from
the tracked `.env`, which explains each key. Nothing here is secret: addresses with passwords reach the domain as
arguments.
"""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from include.taxi.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
# Everything that a stack on this machine writes; another directory is another stack beside the first.
HOME = Path(os.environ.get("MLTRAIN_HOME") or ROOT / ".local").resolve()
ENV_FILES = (ROOT / ".env", HOME / "settings.env")
MONTH_PATTERN = "^[0-9]{4}-(0[1-9]|1[0-2])$"


def _split_list(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list)]
OptionalText = Annotated[str | None, BeforeValidator(_none_if_blank)]


class Settings(BaseSettings):
    """The domain's settings; field `column_pickup_at` is the key `COLUMN_PICKUP_AT` of `.env`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file=ENV_FILES, env_file_encoding="utf-8")

    # Where trips and zones come from
    source: str = "sample"
    months: Names = ("2024-01", "2024-02")
    zones_source: str = "auto"
    source_timezone: str = "America/New_York"
    source_records: str = ""
    source_timeout: float = Field(60.0, gt=0)
    sample_rows: int = Field(20_000, gt=0)
    sample_seed: int = 7

    # How the source names its columns
    column_pickup_at: str = "lpep_pickup_datetime"
    column_dropoff_at: str = "lpep_dropoff_datetime"
    column_pickup_zone: str = "PULocationID"
    column_dropoff_zone: str = "DOLocationID"
    column_trip_distance: str = "trip_distance"
    column_target: OptionalText = None

    # Which rows are refused, and when that is too many
    month_tolerance_days: int = Field(31, ge=0)
    trip_distance_min: float = 0.0
    trip_distance_max: float = 1_000_000.0
    rejected_max_share: float = Field(0.05, ge=0, le=1)

    # What the training set holds
    target_min: float = 1.0
    target_max: float = 60.0
    validation_from: OptionalText = None
    test_from: OptionalText = None
    feature_set: str = "rich"
    minimum_rows: int = Field(1_000, gt=0)
    outdated_after: float = Field(168.0, gt=0)
    keep_versions: int = Field(5, ge=1)

    # How models are trained
    sklearn_models: Names = ("linear_model.LinearRegression", "linear_model.Lasso")
    xgboost_models: Names = ("gbtree.squarederror", "gbtree.gamma")
    max_evaluations: int = Field(10, ge=1)
    tuning_time_budget: float = Field(600.0, gt=0)
    tuning_patience: int = Field(25, ge=1)
    random_state: int = 42
    threads_per_model: int = Field(0, ge=0)
    xgboost_device: Literal["cpu", "cuda"] = "cpu"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # Where models are tracked and registered
    mlflow_tracking_uri: OptionalText = None
    mlflow_experiment: str = "trip-duration"
    registered_model: str = "trip-duration"

    # When a challenger becomes champion
    approval: Literal["auto", "human"] = "auto"
    approval_deadline: float = Field(48.0, gt=0)
    min_improvement: float = Field(0.01, ge=0, lt=1)
    max_slice_regression: float = Field(0.05, ge=0)
    slice_minimum_rows: int = Field(200, ge=1)

    # How the champion is watched
    monitoring_schedule: str = "0 6 * * *"
    drift_psi: float = Field(0.2, gt=0)
    drift_ks: float = Field(0.1, gt=0, le=1)
    drift_js: float = Field(0.1, gt=0, le=1)
    drift_window_days: int = Field(7, ge=1)
    drift_windows: int = Field(3, ge=1)
    drift_windows_needed: int = Field(2, ge=1)
    drift_minimum_rows: int = Field(200, ge=1)

    # When models are trained again
    retraining_schedule: str = "0 * * * *"
    rolling_months: Annotated[int | None, BeforeValidator(_none_if_blank)] = Field(None, ge=1)
    max_model_age: float = Field(30.0, gt=0)
    ignore_failures: bool = True
    watch_interval: float = Field(10.0, ge=0)

    # How predictions are served
    serving_poll_seconds: float = Field(2.0, gt=0, le=60)
    serving_queue_rows: int = Field(100_000, ge=1)

    # Who is told what
    alert_to_error: Names = ("team@localhost",)
    alert_to_warning: Names = ("team@localhost",)
    alert_to_info: Names = ("team@localhost",)
    alert_urls: SecretStr = SecretStr("")
    alert_urls_from: Literal["info", "warning", "error"] = "warning"
    alert_repeat_after: float = Field(6.0, ge=0)
    alert_schedule: str = "*/5 * * * *"

    @field_validator("months")
    @classmethod
    def _months_are_months(cls, months: tuple[str, ...]) -> tuple[str, ...]:
        for month in months:
            if not re.fullmatch(MONTH_PATTERN, month):
                raise ValueError(f"'{month}' is not a month; write months as YYYY-MM, separated by commas")
        return tuple(dict.fromkeys(months))

    @property
    def columns(self) -> dict[str, str]:
        """Neutral column name -> the source's name, for the columns that the settings name."""
        names = {
            "pickup_at": self.column_pickup_at,
            "dropoff_at": self.column_dropoff_at,
            "pickup_zone": self.column_pickup_zone,
            "dropoff_zone": self.column_dropoff_zone,
            "trip_distance": self.column_trip_distance,
        }
        if self.column_target:
            names["target"] = self.column_target
        return {neutral: name for neutral, name in names.items() if name}


def read_settings(**overrides: Any) -> Settings:
    """Reads the settings anew; `overrides` win over every file.

    Raises:
        SettingsError: A value cannot be used; the message names each key and what is wrong with it.
    """
    try:
        return Settings(**{key: value for key, value in overrides.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"Settings that cannot be used (see .env): {problems}") from error


@lru_cache(maxsize=1)
def default_settings() -> Settings:
    """The settings without overrides, read once a process."""
    return read_settings()
