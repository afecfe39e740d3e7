"""What the service counts, in a registry of its own, in the text format of Prometheus."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Seconds; single rows take one to a few milliseconds.
BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The service's counters; one instance per process.

    Attributes:
        log_rows: Predictions by the outcome of their row in prediction.log: written, dropped as the queue was full, or
            failed as the database refused them. What another process left is counted by the one that writes it.
        decided: Rows by the class that they were taken for; of numbers there are none.
        unusual: Values that are not as those learnt, by column and reason: unseen, out_of_range, missing.
        unkept: Predictions that could not be stored on disk until the database had them; a kill would have lost them.
        looks: Checks of the registry: same, swapped, failed.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        options: dict[str, Any] = {"namespace": "serving", "registry": self.registry}
        self.requests = Counter("requests", "Requests answered", ["route", "status"], **options)
        self.seconds = Histogram("request_seconds", "Time to answer", ["route"], buckets=BUCKETS, **options)
        self.rows = Counter("predictions", "Rows predicted", **options)
        self.decided = Counter("predicted_classes", "Rows by the class decided for", ["label"], **options)
        self.unusual = Counter("unusual_values", "Values not as those learnt", ["column", "reason"], **options)
        self.log_rows = Counter("log_rows", "Predictions for prediction.log", ["outcome"], **options)
        self.unkept = Counter("log_unkept_rows", "Predictions that were not stored on disk while waiting", **options)
        self.queued = Gauge("log_queued_rows", "Predictions waiting to be written", **options)
        self.looks = Counter("champion_looks", "Checks of the registry's champion", ["outcome"], **options)
        self.version = Gauge("model_version", "Version of the champion in memory", **options)
        # Zero, not absent, until something happens.
        for outcome in ("written", "dropped", "failed"):
            self.log_rows.labels(outcome)
        for outcome in ("same", "swapped", "failed"):
            self.looks.labels(outcome)

    def to_text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        return generate_latest(self.registry)
