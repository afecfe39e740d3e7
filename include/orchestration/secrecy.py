"""What nobody may read: secrets in texts that leave for people or for Airflow's pages."""

from airflow.sdk.log import redact

from include.alerting.masking import mask


def hide_secrets(text: str) -> str:
    """The text without what Airflow or the environment know to be secret."""
    return mask(str(redact(text)))
