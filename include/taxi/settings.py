"""Every setting of the domain, read once and handed on as one frozen object.

A value comes from the process environment, else from the overrides that the last `make run` was given, else from
the tracked `.env`, which explains each key. Nothing here is secret: addresses with passwords reach the domain as
arguments.
"""

import os
from typing import Any

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator

from include.taxi.errors import SettingsError
from include.taxi.feature_set_names import FeatureSetName
from include.taxi.setting_sources import (
    ENV_FILE,
    HOME,
    OVERRIDES,
    ROOT,
    SettingsModel,
    build,
    find_misspelt,
    gather,
    shorten,
    warn_once,
)
from include.taxi.setting_values import (
    Addresses,
    Approval,
    Count,
    Cron,
    Day,
    Days,
    Device,
    Hours,
    Locations,
    LogLevel,
    MailAddresses,
    ModelName,
    Months,
    OptionalCount,
    OptionalText,
    Seconds,
    Seed,
    Severity,
    Share,
    SklearnModels,
    Text,
    TimeZone,
    XgboostModels,
)

__all__ = ["HOME", "ROOT", "Settings", "read_settings", "read_usable_settings"]
COLUMNS = ("pickup_at", "dropoff_at", "pickup_zone", "dropoff_zone", "trip_distance", "target")
# How near a key that is none must be to one that is, to be warned of: nearer than the keys of the stacks are.
NEAR = 0.85


class Settings(SettingsModel):
    """The domain's settings; field `column_pickup_at` is the key `COLUMN_PICKUP_AT` of `.env`."""

    # Where trips and zones come from
    source: Text = "sample"
    months: Months = ("2024-01", "2024-02")
    zones_source: Text = "auto"
    source_timezone: TimeZone = "America/New_York"
    source_records: str = ""
    source_timeout: Seconds = 60.0
    source_time_limit: Seconds = 3600.0
    batch_locations: Locations = ()
    sample_rows: int = Field(default=20_000, ge=1, le=100_000_000)
    sample_seed: Seed = 7

    # How the source names its columns
    column_pickup_at: Text = "lpep_pickup_datetime"
    column_dropoff_at: Text = Field(default="lpep_dropoff_datetime", validate_default=True)
    column_pickup_zone: Text = Field(default="PULocationID", validate_default=True)
    column_dropoff_zone: Text = Field(default="DOLocationID", validate_default=True)
    column_trip_distance: Text = Field(default="trip_distance", validate_default=True)
    column_target: OptionalText = None

    # Which rows are refused, and when that is too many
    month_tolerance_days: int = Field(default=31, ge=0, le=3_660)
    trip_distance_min: float = 0.0
    trip_distance_max: float = Field(default=1_000_000.0, validate_default=True)
    rejected_max_share: Share = 0.05

    # What the training set holds
    target_min: float = 1.0
    target_max: float = Field(default=60.0, validate_default=True)
    validation_from: Day = None
    test_from: Day = None
    feature_set: FeatureSetName = "rich"
    minimum_rows: Count = 1_000
    outdated_after: Hours = 168.0
    keep_versions: Count = 5

    # How models are trained
    sklearn_models: SklearnModels = ("linear_model.LinearRegression", "linear_model.Lasso")
    xgboost_models: XgboostModels = ("gbtree.squarederror", "gbtree.gamma")
    max_evaluations: int = Field(default=10, ge=1, le=100_000)
    tuning_time_budget: Seconds = 600.0
    tuning_patience: Count = 25
    random_state: Seed = 42
    threads_per_model: int = Field(default=0, ge=0, le=1_024)
    xgboost_device: Device = "cpu"
    log_level: LogLevel = "INFO"

    # Where models are tracked and registered
    mlflow_tracking_uri: OptionalText = None
    mlflow_experiment: Text = "trip-duration"
    registered_model: ModelName = "trip-duration"

    # When a challenger becomes champion
    approval: Approval = "auto"
    approval_deadline: Hours = 48.0
    min_improvement: float = Field(default=0.01, ge=0, lt=1)
    max_slice_regression: float = Field(default=0.05, ge=0)
    slice_minimum_rows: Count = 200

    # How the champion is watched
    monitoring_schedule: Cron = "0 6 * * *"
    drift_psi: float = Field(default=0.2, gt=0)
    drift_ks: float = Field(default=0.1, gt=0, le=1)
    drift_js: float = Field(default=0.1, gt=0, le=1)
    drift_window_days: int = Field(default=7, ge=1, le=366)
    drift_windows: int = Field(default=3, ge=1, le=1_000)
    drift_windows_needed: int = Field(default=2, ge=1, validate_default=True)
    drift_minimum_rows: Count = 200

    # When models are trained again
    retraining_schedule: Cron = "0 * * * *"
    rolling_months: OptionalCount = None
    max_model_age: Days = 30.0
    ignore_failures: bool = True
    watch_interval: float = Field(default=10.0, ge=0, le=86_400)

    # How predictions are served
    serving_poll_seconds: float = Field(default=2.0, gt=0, le=60)
    serving_queue_rows: Count = 100_000

    # Who is told what
    alert_to_error: MailAddresses = ("team@localhost",)
    alert_to_warning: MailAddresses = ("team@localhost",)
    alert_to_info: MailAddresses = ("team@localhost",)
    alert_urls: Addresses = SecretStr("")
    alert_urls_from: Severity = "warning"
    alert_repeat_after: float = Field(default=6.0, ge=0, le=87_600)
    alert_schedule: Cron = "*/5 * * * *"

    @field_validator("trip_distance_max", "target_max")
    @classmethod
    def _maximum_is_above_minimum(cls, value: float, info: ValidationInfo) -> float:
        name = str(info.field_name).replace("max", "min")
        least = info.data.get(name)
        if least is not None and value <= least:
            raise ValueError(f"{value:g} is not above {name.upper()}, which is {least:g}")
        return value

    @field_validator("test_from")
    @classmethod
    def _test_comes_after_validation(cls, day: str | None, info: ValidationInfo) -> str | None:
        first = info.data.get("validation_from")
        if day and first and day <= first:
            raise ValueError(f"{day} is not after VALIDATION_FROM, which is {first}")
        return day

    @field_validator("drift_windows_needed")
    @classmethod
    def _windows_can_be_enough(cls, needed: int, info: ValidationInfo) -> int:
        windows = info.data.get("drift_windows")
        if windows is not None and needed > windows:
            raise ValueError(f"{needed} can never be reached: DRIFT_WINDOWS is {windows}")
        return needed

    @field_validator(*(f"column_{name}" for name in COLUMNS[1:]))
    @classmethod
    def _columns_differ(cls, column: str | None, info: ValidationInfo) -> str | None:
        for name, other in info.data.items():
            if name.startswith("column_") and other == column:
                raise ValueError(f"{column!r} is the name of {name.upper()} already")
        return column

    @property
    def columns(self) -> dict[str, str]:
        """Neutral column name -> the source's name, for the columns that the settings name."""
        names = {name: getattr(self, f"column_{name}") for name in COLUMNS}
        return {neutral: name for neutral, name in names.items() if name}


def read_settings(**overrides: Any) -> Settings:
    """Reads the settings anew; `overrides` win over every file.

    Raises:
        SettingsError: A value or a file cannot be used; the message names each key, where it stands, and what is right.
    """
    given = gather(Settings.model_fields, (ENV_FILE, OVERRIDES), os.environ)
    if not ENV_FILE.exists():
        warn_once(f"There is no {shorten(ENV_FILE)}: every setting has its default.")
    for line in find_misspelt(given, SETTING_KEYS, NEAR):
        warn_once(line)
    return build(Settings, given, {key: value for key, value in overrides.items() if value is not None})


def read_usable_settings() -> Settings:
    """The settings, with the default in the place of each that cannot be used.

    For what has to go on whatever a setting says: reading DAG files, and alerts. Tasks use `read_settings`, whose
    error says what is wrong; so does the import error of `data_preparation`, once for all DAG files.
    """
    try:
        values = dict(gather(Settings.model_fields, (ENV_FILE, OVERRIDES), os.environ).values)
    except SettingsError:
        return Settings()
    while True:
        try:
            return Settings(**values)  # type: ignore[arg-type]
        except ValidationError as error:
            broken = values.keys() & {str(entry["loc"][0]) for entry in error.errors()}
            # A default can contradict a value that is right by itself: then none of the values holds.
            values = {key: value for key, value in values.items() if broken and key not in broken}


SETTING_KEYS = frozenset(name.upper() for name in Settings.model_fields)
