"""Errors that a person can act on: each message says what, where, and what to do."""


class MltrainError(Exception):
    """Base of the domain's own errors."""


class SettingsError(MltrainError):
    """A setting or parameter has a value that cannot be used; waiting will not help."""


class SourceUnavailable(MltrainError):
    """The source could not be reached or read now; trying again later can help."""


class SourceInvalid(MltrainError):
    """The source answered, but what it holds cannot be used; waiting will not help."""


class DataQualityError(MltrainError):
    """Stored data broke a rule by more than the settings allow; waiting will not help."""


class NoTrainingSet(MltrainError):
    """No published training set fits the request."""


class TrainingSetDamaged(MltrainError):
    """A file of a training set is missing or was changed; waiting will not help, publishing the set again will."""


class WarehouseUnavailable(MltrainError):
    """The warehouse could not be reached, or broke off; trying again later can help."""


class TrackingUnavailable(MltrainError):
    """The MLflow server could not be reached, or broke off; trying again later can help."""


class EngineUnavailable(MltrainError):
    """The cluster that fits models could not be reached, or lost a worker; trying again later can help."""


class NothingHandedOver(MltrainError):
    """A task finds nothing from the task before it; waiting will not help."""


class AirflowUnavailable(MltrainError):
    """Airflow's API could not answer now; trying again later can help."""


class StaleInput(MltrainError):
    """What the task was about to read was replaced meanwhile; running it again reads the new state."""


class ModelInvalid(MltrainError):
    """A stored model cannot be loaded or holds what is not allowed."""


class NoChampion(MltrainError):
    """The registry has no champion to predict with; waiting will not help, promoting a model will."""
