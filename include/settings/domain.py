"""The domain's settings as one frozen object, with the problem as one of its values."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from include.configuration.values import (
    ALL,
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
    TrainingEngine,
)
from include.models.table import FAMILIES, TRAINING_DAGS, Family, get_model, names_for
from include.problem.problem_file import change_problem, keys_of, read_problem
from include.settings.data import DataSettings
from include.settings.model_types import LightgbmModels, SklearnModels, XgboostModels

DEFAULT_PROBLEM = "taxi"


class Settings(DataSettings):
    """The domain's settings: the problem, and how its data is kept and models are trained, judged, watched and used.

    Keys that the environment gives for the problem, such as SOURCE or COLUMN_<NAME>, are the problem's.
    """

    SECTIONS: ClassVar[Mapping[str, str]] = {
        "feature_set": "Training",
        "mlflow_tracking_uri": "MLflow",
        "approval": "Promotion",
        "monitoring_schedule": "Monitoring",
        "retraining_schedule": "Retraining",
        "serving_poll_seconds": "Prediction service (read when it starts)",
        "alert_to_error": "Alerts",
    }

    feature_set: str = ""
    """Features to train on: a name among `feature_sets` of the problem, or `default` for those that are made from the
    kinds of its columns. Empty: the problem's first.
    """
    sklearn_models: SklearnModels = (
        "linear_model.LinearRegression",
        "linear_model.Lasso",
        "linear_model.LogisticRegression",
    )
    """Model types of scikit-learn to train, separated by commas. Here as for the other families, those that predict
    something else than the problem asks for, a number or one of so many classes, are left out.
    """
    xgboost_models: XgboostModels = ("gbtree.squarederror", "gbtree.gamma", "gbtree.logistic", "gbtree.softprob")
    """Model types of XGBoost to train, separated by commas. With the default, `gbtree.logsquarederror` is trained too
    where the target is above zero and skewed.
    """
    lightgbm_models: LightgbmModels = ("gbdt.squarederror", "gbdt.gamma", "gbdt.binary", "gbdt.multiclass")
    """Model types of LightGBM to train, separated by commas. Empty, here as for the other families: the family is not
    trained.
    """
    max_evaluations: int = Field(default=10, ge=0, le=100_000)
    """Maximum number of trials per model type. A search begins with the parameters that were best on earlier training
    sets and those of the champion. 0: no search; the last best parameters are fitted again.
    """
    tuning_time_budget: Seconds = 600.0
    """Maximum time for tuning one model type, in seconds."""
    tuning_rows: Count = 200_000
    """Rows of a split that a search uses. Of larger splits, it uses a sample that is as even over time as the whole.
    The final model is fitted to all rows.
    """
    tuning_patience: Count = 25
    """Tuning stops after this many trials in a row without a lower error."""
    tuning_workers: int = Field(default=1, ge=1, le=64)
    """Tasks that share the trials of a model type, for instance on several machines. However many, the trials are the
    same. Where they share a machine, set `THREADS_PER_MODEL` to its cores divided by them.
    """
    tuning_concurrency: int = Field(default=4, ge=1, le=64, validate_default=True)
    """Trials of a search that can be done at once, as none of them is proposed from another: at least `TUNING_WORKERS`,
    better twice as many. Another value gives other trials.
    """
    blend_trials: int = Field(default=0, ge=0, le=20)
    """How many of the best trials of a family's best model type make one more model, their blend: its predictions are
    the mean of theirs. From 2 to 20; 0: no blend.
    """
    random_state: Seed = 42
    """Seed for tuning and fitting models."""
    in_memory_rows: Count = 1_000_000
    """Rows that a model is fitted to in memory. Of larger sets, boosters of trees read their matrix in batches from
    temporary files, with about 8 bytes per row and feature. Other model types need all rows at once: they are fitted to
    a sample of so many, as even over time as the whole. Of a window with more rows, monitoring reads such a sample,
    too.
    """
    refit: bool = True
    """Whether the model that is registered learns from all rows of the training set, those that judge included. Judged
    is its twin then, which has not seen them.
    """
    register_uncommitted: bool = False
    """Whether models may be trained and registered while the code differs from its Git commit. They cannot be built
    again from the commit. `.env` and `problem.toml` do not count: what they say is kept with each model.
    """
    threads_per_model: int = Field(default=0, ge=0, le=1_024)
    """Threads for fitting a model and for batch predictions. 0: one per available core, but fewer for a booster of few
    rows, which more threads would make slower.
    """
    xgboost_device: Device = "cpu"
    """Where XGBoost computes: `cpu`, or `cuda` on a machine with an NVIDIA GPU."""
    training_engine: TrainingEngine = "task"
    """What fits boosters to all rows: `task` for the Airflow task, with the cores and the memory of its machine, or
    `dask` for the workers of a Dask cluster, each of which reads and holds its share of the rows. It fits the final
    model with `REFIT`, and the best trial's where the search used a sample (`TUNING_ROWS`). Searches, model types of
    scikit-learn, `dart` and `gblinear` are fitted by the task in any case.
    """
    dask_scheduler_address: str = ""
    """Address of the Dask scheduler, for `TRAINING_ENGINE=dask`, such as `tcp://dask-scheduler:8786`."""
    dask_workers: int = Field(default=2, ge=1, le=1_024)
    """Number of the cluster's workers that fit a model together; a fit waits a minute for them. Another number gives
    another model.
    """

    mlflow_tracking_uri: OptionalText = None
    """Address of the MLflow server, when the code is used as a library. The embedded stack always uses its own server.
    """
    mlflow_experiment: str = ""
    """Name of the MLflow experiment that holds the runs. Empty: `model` of the problem."""
    registered_model: ModelName = ""
    """Name of the model in MLflow's registry. Empty: `model` of the problem."""

    approval: Approval = "auto"
    """Who decides on a promotion: `auto` for the comparison alone, `human` if a person must also approve it in Airflow.
    """
    approval_deadline: Hours = 48.0
    """Hours within which a person must approve a promotion. Without an answer, the champion stays."""
    min_improvement: float = Field(default=0.01, ge=0, lt=1)
    """Minimum share by which the error must fall, from 0 to 1; the fall must also be statistically significant."""
    max_slice_regression: float = Field(default=0.05, ge=0)
    """Maximum share by which the error may rise in a slice of the rows, such as a band of hours or a frequent value."""
    slice_minimum_rows: Count = 200
    """Minimum rows of a slice; smaller ones are not compared."""

    monitoring_schedule: Cron = "0 6 * * *"
    """When the champion is checked, as a cron expression in UTC. It is also checked after each ingest."""
    drift_psi: float = Field(default=0.2, gt=0)
    """Threshold of the population stability index. A column drifts in a window if at least two of the three measures
    reach their thresholds. Each counts only as far as it is above what so few rows have by chance.
    """
    drift_ks: float = Field(default=0.1, gt=0, le=1)
    """Threshold of the Kolmogorov-Smirnov statistic, from 0 to 1. It is measured for quantities, not for
    categories and hours.
    """
    drift_js: float = Field(default=0.1, gt=0, le=1)
    """Threshold of the Jensen-Shannon distance, from 0 to 1."""
    drift_missing: float = Field(default=0.03, gt=0, le=1)
    """Difference between the shares of missing values, in a window and in the training set, from which on a column
    drifts whatever the other measures say; 0.03 is three points. It must also exceed three standard errors.
    """
    drift_unseen: float = Field(default=0.03, gt=0, le=1)
    """Share of rows of a window with a category that is not in the training set, above the share that has to be
    expected, from which on a column drifts whatever the other measures say. Expected is the share of the training rows
    whose category appears only once. The difference must also exceed three standard errors.
    """
    drift_window_days: int = Field(default=7, ge=1, le=366)
    """Length of a window, in days."""
    drift_windows: int = Field(default=3, ge=1, le=1_000)
    """Number of newest windows that decide on an alarm."""
    drift_windows_needed: int = Field(default=2, ge=1, validate_default=True)
    """Number of these windows in which a column must drift to raise an alarm; the newest must be one of them."""
    drift_minimum_rows: Count = 200
    """Minimum rows of a window. Windows with fewer rows are skipped, and those in which a day has none, unless it is a
    day of the week that has none in most weeks.
    """
    error_ratio: float = Field(default=1.15, gt=1, le=100)
    """Error of the champion in a window, divided by the one that it was judged by, from which on it is too high. It
    raises an alarm in as many windows as drift does (`DRIFT_WINDOWS_NEEDED`).
    """
    bias_spreads: float = Field(default=1.25, gt=0, le=100)
    """How far the median of predicted minus actual may move from where it was on the held-out rows, in standard
    deviations of its daily values there. The newest `DRIFT_WINDOWS_NEEDED` windows are taken together.
    """
    bias_least: float = Field(default=0.13, gt=0, le=100)
    """Smallest such move that raises an alarm, as a share of the error that the champion was judged by."""
    coverage_tolerance: float = Field(default=0.05, gt=0, le=0.5)
    """How far the share of actual values inside the champion's 90 % intervals may be in a window from the share that
    they held of the held-out rows, or from 0.9 if that was less, to either side; of label sets, which may hold more,
    below it. With few rows, it may be as far as chance goes. Beyond it, it raises an alarm in as many windows as drift
    does (`DRIFT_WINDOWS_NEEDED`).
    """

    retraining_schedule: Cron = "0 * * * *"
    """When to check for a reason to train again, as a cron expression in UTC."""
    rolling_months: OptionalCount = None
    """Number of newest months of the source to train on, including those that are held out. Empty: as many as `MONTHS`
    names, but at least four. Where the source has fewer, all of them.
    """
    max_model_age: Days = 30.0
    """Days after which to train again, since the champion was registered or a retraining last trained."""
    ignore_failures: bool = True
    """Whether a retraining succeeds, with a warning, if a model family fails and at least one other is trained."""
    watch_interval: float = Field(default=10.0, ge=0, le=86_400)
    """Seconds between two checks for new files, if the source is files. Files on the web are checked once a minute at
    most. 0: only `RETRAINING_SCHEDULE` checks.
    """

    serving_poll_seconds: float = Field(default=2.0, gt=0, le=60)
    """Seconds between two checks for a new champion."""
    serving_queue_rows: Count = 100_000
    """Maximum number of predictions that wait to be written to `prediction.log`; more are dropped and counted. They
    also take at most 128 MB on disk, which requests of many columns may fill with fewer.
    """
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

    @model_validator(mode="before")
    @classmethod
    def _read_problem(cls, values: Any) -> Any:
        """Gathers what is said of the problem, and names what it names."""
        problem = values.get("problem", DEFAULT_PROBLEM)
        if isinstance(problem, str):
            keys = keys_of(problem)
            problem = read_problem(problem, {key: value for key, value in values.items() if key in keys})
        named = {key: values.get(key) or problem.model for key in ("mlflow_experiment", "registered_model")}
        named["months"] = values.get("months") or problem.months or (ALL,)
        feature_set = values.get("feature_set") or problem.feature_set_names[0]
        return {**values, **named, "feature_set": feature_set, "problem": problem}

    @model_validator(mode="after")
    def _knows_its_locations(self) -> "Settings":
        names = self.problem.source_names
        for location in self.batch_locations:
            if "/" not in location and location not in names:
                raise ValueError(
                    f"BATCH_LOCATIONS: {location!r} is not an address; write it as https://host/path/*.csv or "
                    f"file:///directory/**{'; the names are ' * bool(names)}{', '.join(names)}"
                )
        return self

    @model_validator(mode="after")
    def _knows_its_feature_set(self) -> "Settings":
        names = self.problem.feature_set_names
        if self.feature_set not in names:
            raise ValueError(f"FEATURE_SET: there is no feature set {self.feature_set!r}; there are {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _trains_something(self) -> "Settings":
        if not any(map(self.list_model_types, FAMILIES)):
            keys = [f"{family.upper()}_MODELS" for family in FAMILIES]
            first = names_for(FAMILIES[0], self.problem)[0]
            raise ValueError(
                f"{keys[0]}: no model type for a {self.problem.task} is given in {', '.join(keys)}; name one, such as"
                f" {first}"
            )
        return self

    @model_validator(mode="after")
    def _engine_can_fit(self) -> "Settings":
        if self.training_engine == "dask" and not self.dask_scheduler_address:
            raise ValueError(
                "TRAINING_ENGINE: dask needs DASK_SCHEDULER_ADDRESS, such as tcp://dask-scheduler:8786; set it, or"
                " TRAINING_ENGINE to task"
            )
        if self.training_engine == "dask" and self.xgboost_device != "cpu":
            raise ValueError(
                f"TRAINING_ENGINE: dask fits on CPUs, and XGBOOST_DEVICE is {self.xgboost_device}; set it to cpu, or"
                " TRAINING_ENGINE to task"
            )
        return self

    def is_default(self, field: str) -> bool:
        """Whether a setting has its default value."""
        return bool(getattr(self, field) == type(self).model_fields[field].default)

    def list_model_types(self, family: Family) -> list[str]:
        """The model types of the family that are trained: those that predict what the problem asks for.

        None where the family is not trained.
        """
        return [name for name in getattr(self, f"{family}_models") if get_model(name).fits(self.problem)]

    @property
    def training_dags(self) -> tuple[str, ...]:
        """The DAGs of the families that are trained."""
        return tuple(
            dag_id for family, dag_id in zip(FAMILIES, TRAINING_DAGS, strict=True) if self.list_model_types(family)
        )

    def change(self, **values: Any) -> "Settings":
        """The settings with other values, also of the problem's keys.

        Raises:
            SettingsError: A value of the problem cannot be used.
        """
        keys = keys_of(self.problem.name)
        of_problem = {key: value for key, value in values.items() if key in keys}
        others = {key: value for key, value in values.items() if key not in keys}
        return self.model_copy(update={**others, "problem": change_problem(self.problem, of_problem)})

    @field_validator("tuning_concurrency")
    @classmethod
    def _concurrency_is_enough_for_all(cls, trials: int, info: ValidationInfo) -> int:
        workers = info.data.get("tuning_workers")
        if workers is not None and trials < workers:
            raise ValueError(f"{trials} leaves workers without a trial: TUNING_WORKERS is {workers}")
        return trials

    @property
    def kept_trials(self) -> int:
        """How many of a search's best trials are trained, so that their estimators are kept."""
        return self.blend_trials or 1

    @property
    def windows_needed(self) -> int:
        """How many of the newest windows must call for an alarm to raise it."""
        # Rows without a time are one window, and what is loaded is never looked at twice.
        return self.drift_windows_needed if self.problem.time else 1

    @field_validator("blend_trials")
    @classmethod
    def _blends_several(cls, trials: int) -> int:
        if trials == 1:
            raise ValueError("a blend is of 2 trials or more; 0 is no blend")
        return trials

    @field_validator("drift_windows_needed")
    @classmethod
    def _windows_can_be_enough(cls, needed: int, info: ValidationInfo) -> int:
        windows = info.data.get("drift_windows")
        if windows is not None and needed > windows:
            raise ValueError(f"{needed} can never be reached: DRIFT_WINDOWS is {windows}")
        return needed
