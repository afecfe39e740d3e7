"""Every setting of the domain, read once and handed on as one frozen object.

A value comes from the process environment, else from the overrides that the last `make run` was given, else from
the tracked `.env`, which explains each key. Nothing here is secret: addresses with passwords reach the domain as
arguments.
"""

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator

from include.configuration.data_settings import DataSettings
from include.configuration.layers import (
    ENV_FILE,
    HOME,
    OVERRIDES,
    ROOT,
    build,
    find_misspelt,
    gather,
    shorten,
    warn_once,
)
from include.configuration.values import (
    Addresses,
    Approval,
    Count,
    Cron,
    Days,
    Device,
    Hours,
    LogLevel,
    MailAddresses,
    ModelName,
    OptionalCount,
    OptionalText,
    Seconds,
    Seed,
    Severity,
    SklearnModels,
    Text,
    XgboostModels,
)
from include.errors import SettingsError
from include.problems.taxi.feature_set_names import FeatureSetName

__all__ = ["HOME", "ROOT", "Settings", "read_settings", "read_usable_settings"]
# How near a key that is none must be to one that is, to be warned of: nearer than the keys of the stacks are.
NEAR = 0.85


class Settings(DataSettings):
    """The domain's settings: those of data, and how models are trained, judged, watched and used."""

    SECTIONS: ClassVar[Mapping[str, str]] = {
        "feature_set": "Training",
        "mlflow_tracking_uri": "MLflow",
        "approval": "Promotion",
        "monitoring_schedule": "Monitoring",
        "retraining_schedule": "Retraining",
        "serving_poll_seconds": "Prediction service (read when it starts)",
        "alert_to_error": "Alerts",
    }

    feature_set: FeatureSetName = "rich"
    """Features to train on: `reference` for the zone pair and the trip distance, `rich` for positions, distances and
    the time of day too.
    """
    sklearn_models: SklearnModels = ("linear_model.LinearRegression", "linear_model.Lasso")
    """Model types of scikit-learn to train, separated by commas."""
    xgboost_models: XgboostModels = ("gbtree.squarederror", "gbtree.gamma")
    """Model types of XGBoost to train, separated by commas."""
    max_evaluations: int = Field(default=10, ge=1, le=100_000)
    """Maximum number of trials per model type."""
    tuning_time_budget: Seconds = 600.0
    """Maximum time for tuning one model type, in seconds."""
    tuning_patience: Count = 25
    """Tuning stops after this many trials in a row without a lower error."""
    random_state: Seed = 42
    """Seed for tuning, fitting and comparing models."""
    threads_per_model: int = Field(default=0, ge=0, le=1_024)
    """Threads for fitting a model and for batch predictions. 0: one per available core."""
    xgboost_device: Device = "cpu"
    """Where XGBoost computes: `cpu`, or `cuda` on a machine with an NVIDIA GPU."""

    mlflow_tracking_uri: OptionalText = None
    """Address of the MLflow server, when the code is used as a library. The embedded stack always uses its own server.
    """
    mlflow_experiment: Text = "trip-duration"
    """Name of the MLflow experiment that holds the runs."""
    registered_model: ModelName = "trip-duration"
    """Name of the model in MLflow's registry."""

    approval: Approval = "auto"
    """Who decides on a promotion: `auto` for the comparison alone, `human` if a person must also approve it in Airflow.
    """
    approval_deadline: Hours = 48.0
    """Hours within which a person must approve a promotion. Without an answer, the champion stays."""
    min_improvement: float = Field(default=0.01, ge=0, lt=1)
    """Minimum share by which the error must fall, from 0 to 1; the fall must also be statistically significant."""
    max_slice_regression: float = Field(default=0.05, ge=0)
    """Maximum share by which the error may rise in a slice (a busy pickup zone, a band of hours or of distances)."""
    slice_minimum_rows: Count = 200
    """Minimum rows of a slice; smaller ones are not compared."""

    monitoring_schedule: Cron = "0 6 * * *"
    """When the champion is checked, as a cron expression in UTC. It is also checked after each ingest."""
    drift_psi: float = Field(default=0.2, gt=0)
    """Threshold of the population stability index. A column drifts in a window if at least two of the three measures
    reach their thresholds.
    """
    drift_ks: float = Field(default=0.1, gt=0, le=1)
    """Threshold of the Kolmogorov-Smirnov statistic, from 0 to 1. It is measured for quantities, not for zones and
    hours.
    """
    drift_js: float = Field(default=0.1, gt=0, le=1)
    """Threshold of the Jensen-Shannon distance, from 0 to 1."""
    drift_window_days: int = Field(default=7, ge=1, le=366)
    """Length of a window, in days."""
    drift_windows: int = Field(default=3, ge=1, le=1_000)
    """Number of newest windows that decide on an alarm."""
    drift_windows_needed: int = Field(default=2, ge=1, validate_default=True)
    """Number of these windows in which a column must drift to raise an alarm; the newest must be one of them."""
    drift_minimum_rows: Count = 200
    """Minimum rows of a window. Windows with fewer rows, or with a day without rows, are skipped."""

    retraining_schedule: Cron = "0 * * * *"
    """When to check for a reason to train again, as a cron expression in UTC."""
    rolling_months: OptionalCount = None
    """Number of newest months of the source to train on, including those that are held out. Empty: as many as `MONTHS`
    names, but at least one per split.
    """
    max_model_age: Days = 30.0
    """Days after which a champion is too old and is trained again."""
    ignore_failures: bool = True
    """Whether a retraining succeeds, with a warning, if one model family fails and the other one is trained."""
    watch_interval: float = Field(default=10.0, ge=0, le=86_400)
    """Seconds between two checks for new files, if the source is files. 0: only `RETRAINING_SCHEDULE` checks."""

    serving_poll_seconds: float = Field(default=2.0, gt=0, le=60)
    """Seconds between two checks for a new champion."""
    serving_queue_rows: Count = 100_000
    """Maximum number of predictions that wait to be written to `prediction.log`; more are dropped and counted."""
    log_level: LogLevel = "INFO"
    """Least severe messages that the service logs: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    alert_to_error: MailAddresses = ("team@localhost",)
    """Mail addresses for errors, such as a failed or late task, separated by commas. Empty: no mail. Mail leaves
    through the Airflow connection `smtp_default`; the embedded stack's own mail server keeps it in `.local/mail`.
    """
    alert_to_warning: MailAddresses = ("team@localhost",)
    """Mail addresses for warnings, such as drift, a rollback or a promotion that needs approval, separated by commas.
    Empty: no mail.
    """
    alert_to_info: MailAddresses = ("team@localhost",)
    """Mail addresses for information, such as summaries and promotions, separated by commas. Empty: no mail."""
    alert_urls: Addresses = SecretStr("")
    """Other channels (Slack, Teams, Discord, Telegram, Opsgenie and more), as Apprise URLs separated by spaces. They
    contain tokens: set them as an environment variable, not in `.env`.
    """
    alert_urls_from: Severity = "warning"
    """Lowest severity that is sent to the other channels: `info`, `warning` or `error`."""
    alert_repeat_after: float = Field(default=6.0, ge=0, le=87_600)
    """Hours within which the same error of the same task is counted but not sent again."""
    alert_schedule: Cron = "*/5 * * * *"
    """When alerts that could not be sent are sent again, as a cron expression in UTC."""

    @field_validator("drift_windows_needed")
    @classmethod
    def _windows_can_be_enough(cls, needed: int, info: ValidationInfo) -> int:
        windows = info.data.get("drift_windows")
        if windows is not None and needed > windows:
            raise ValueError(f"{needed} can never be reached: DRIFT_WINDOWS is {windows}")
        return needed


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
