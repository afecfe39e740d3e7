"""Errors that a person can act on: each message says what, where, and what to do."""


class TaxiError(Exception):
    """Base of the domain's own errors."""


class SettingsError(TaxiError):
    """A setting or parameter has a value that cannot be used; waiting will not help."""


class SourceUnavailable(TaxiError):
    """The source could not be reached or read now; trying again later can help."""


class SourceInvalid(TaxiError):
    """The source answered, but what it holds cannot be used; waiting will not help."""


class DataQualityError(TaxiError):
    """Stored data broke a rule by more than the settings allow; waiting will not help."""


class NoTrainingSet(TaxiError):
    """No published training set fits the request."""


class WarehouseUnavailable(TaxiError):
    """The warehouse could not be reached, or broke off; trying again later can help."""


class TrackingUnavailable(TaxiError):
    """The MLflow server could not be reached, or broke off; trying again later can help."""


class NothingHandedOver(TaxiError):
    """A task finds nothing from the task before it; waiting will not help."""


class StaleInput(TaxiError):
    """What the task was about to read was replaced meanwhile; running it again reads the new state."""


class ModelInvalid(TaxiError):
    """A stored model cannot be loaded or holds what is not allowed."""


class NoChampion(TaxiError):
    """The registry has no champion to predict with; waiting will not help, promoting a model will."""
