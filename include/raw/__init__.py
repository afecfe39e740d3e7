"""Raw rows in the warehouse: loaded by month, then judged row by row."""

from include.raw.ingestion import Ingest, ingest_month
from include.raw.validation import Validation, validate_months

__all__ = ["Ingest", "Validation", "ingest_month", "validate_months"]
